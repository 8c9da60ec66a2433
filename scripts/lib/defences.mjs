// The defences that `npm run test:defences` takes away, one at a time, each by a change of one line, and the attacks that must
// succeed then. `cases` are parts of names of tests in `test`; what is tested natively names its file of Rust.

import { AGENTS } from "./defences/agents.mjs";
import { CALLERS } from "./defences/callers.mjs";
import { CHANNELS } from "./defences/channels.mjs";

/**
 * @typedef {object} Defence
 * @property {string} title what it does, in plain words
 * @property {string} promise of docs/contract.md
 * @property {string} file
 * @property {string} old a text that is in the file once
 * @property {string} gone what stands in its place without the defence
 * @property {string} test
 * @property {string[]} cases
 */

/** By name. @type {Record<string, Defence>} */
export const DEFENCES = { ...CALLERS, ...AGENTS, ...CHANNELS };
