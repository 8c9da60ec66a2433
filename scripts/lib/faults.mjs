// The table of the fault suite: a line for each fault at each point, as the tests wrote them down (tests/support/stage.ts).

import { clearTable, rowsOf, tableOf } from "./table.mjs";

export const FAULTS_TABLE = tableOf("faults");

export const clearFaults = () => clearTable(FAULTS_TABLE);

export function printFaults() {
  /** @type {Record<string, string | number>[]} */
  const rows = rowsOf(FAULTS_TABLE);
  if (rows.length === 0) return;
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
