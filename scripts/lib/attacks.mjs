// The table of the attack suite: how many attacks there were on each surface, as the tests wrote them down
// (tests/attacks/support.ts).

import { clearTable, rowsOf, tableOf } from "./table.mjs";

export const ATTACKS_TABLE = tableOf("attacks");

export const clearAttacks = () => clearTable(ATTACKS_TABLE);

export function printAttacks() {
  /** @type {{surface: string, ok: boolean}[]} */
  const attacks = rowsOf(ATTACKS_TABLE);
  if (attacks.length === 0) return;
  const surfaces = [...new Set(attacks.map(({ surface }) => surface))].sort();
  const width = Math.max(...surfaces.map((surface) => surface.length));
  console.log("");
  for (const surface of surfaces) {
    const all = attacks.filter((attack) => attack.surface === surface);
    const failed = all.filter(({ ok }) => !ok).length;
    const failures = failed > 0 ? `, ${failed} FAILED` : "";
    console.log(`${`${surface}:`.padEnd(width + 1)} ${String(all.length).padStart(4)} cases${failures}`);
  }
  const failed = attacks.filter(({ ok }) => !ok).length;
  console.log(`\n${attacks.length} attacks, ${attacks.length - failed} refused or harmless, ${failed} failed`);
}
