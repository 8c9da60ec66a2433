// Goes through what of a state directory a snapshot would hold, without opening any of it.
import { lstatSync, readdirSync } from "node:fs";
import path from "node:path";

import { isKept, isLeftAside } from "./contents.mjs";
import { MAX_DEPTH } from "./limits.mjs";

/**
 * @param {string} state
 * @param {number} limit entries after which it ends: the agent may have made any number
 * @returns {Generator<{relative: string, stat: import("node:fs").BigIntStats}>} directories before what is in them
 */
export function* keptEntries(state, limit) {
  const pending = namesIn(state)
    .filter((name) => isKept(name))
    .reverse();
  for (let left = limit; pending.length > 0 && left > 0; ) {
    const relative = /** @type {string} */ (pending.pop());
    if (isLeftAside(relative)) continue;
    const stat = statOf(path.join(state, relative));
    if (!stat) continue;
    left -= 1;
    yield { relative, stat };
    if (!stat.isDirectory() || relative.split("/").length > MAX_DEPTH) continue;
    for (const name of namesIn(path.join(state, relative)).reverse()) pending.push(`${relative}/${name}`);
  }
}

/**
 * A running agent may remove things while they are looked at.
 * @param {string} file
 */
function statOf(file) {
  try {
    return lstatSync(file, { bigint: true });
  } catch {
    return undefined;
  }
}

/** @param {string} directory */
function namesIn(directory) {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
