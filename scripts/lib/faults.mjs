// The table of the fault suite: a line for each fault at each point, as the tests wrote them down (tests/support/stage.ts).

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CACHE } from "./project.mjs";

export const FAULTS_TABLE = join(CACHE, "faults", "table.jsonl");

export function clearFaults() {
  mkdirSync(dirname(FAULTS_TABLE), { recursive: true });
  rmSync(FAULTS_TABLE, { force: true });
}

export function printFaults() {
  if (!existsSync(FAULTS_TABLE)) return;
  const lines = readFileSync(FAULTS_TABLE, "utf8").trim().split("\n");
  const rows = lines.map((line) => /** @type {Record<string, string | number>} */ (JSON.parse(line)));
  const table = [
    ["fault", "point", "how it came back", "seconds"],
    ...rows.map(({ fault, at, how, seconds }) => [fault, at, how, seconds].map(String)),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  console.log("");
  for (const [fault = "", at = "", how = "", seconds = ""] of table) {
    const [first = 0, second = 0, third = 0] = widths;
    console.log(`${fault.padEnd(first)}  ${at.padEnd(second)}  ${how.padEnd(third)}  ${seconds.padStart(7)}`);
  }
  const failed = rows.filter(({ how }) => how === "FAILED").length;
  console.log(`\n${rows.length - failed} passed, ${failed} failed`);
}
