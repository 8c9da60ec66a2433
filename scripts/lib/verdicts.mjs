// What became of each test of a run, whichever of the two runners ran it. As a module it is also a reporter of Node's runner: a
// line of JSON for each test.

import { plain } from "./run.mjs";

/**
 * @typedef {object} Verdict
 * @property {string} name
 * @property {boolean} ok
 * @property {boolean} asserted it failed because something was not as the test says, and not because it could not go on
 */

/** @typedef {import("node:test/reporters").TestEvent} TestEvent */

/** @param {AsyncIterable<TestEvent>} events */
export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const asserted = "error" in data.details && isAssertion(data.details.error.cause);
    yield `${JSON.stringify({ name: data.name, ok: type === "test:pass", asserted })}\n`;
  }
}

/** Between processes an error loses its class. @param {unknown} cause */
const isAssertion = (cause) => cause instanceof Error && "code" in cause && cause.code === "ERR_ASSERTION";

/** What that reporter wrote. @param {string} output @returns {Verdict[]} */
export function nodeVerdicts(output) {
  return output.split("\n").flatMap((line) => (line.startsWith('{"name":') ? [JSON.parse(line)] : []));
}

/** What cargo's runner wrote, whose tests fail in no other way. @param {string} output @returns {Verdict[]} */
export function cargoVerdicts(output) {
  return [...plain(output).matchAll(/^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED)$/gm)].map(
    ([, name = "", how]) => ({ name, ok: how === "ok", asserted: how === "FAILED" }),
  );
}
