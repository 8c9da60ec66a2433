// What the tests of a suite write down for the table at its end: a line of JSON for each.

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CACHE } from "./project.mjs";

/** @param {string} suite */
export const tableOf = (suite) => join(CACHE, suite, "table.jsonl");

/** @param {string} file */
export function clearTable(file) {
  mkdirSync(dirname(file), { recursive: true });
  rmSync(file, { force: true });
}

/** @template Row @param {string} file @returns {Row[]} */
export function rowsOf(file) {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}
