// The table of the attack suite: how many attacks there were on each surface, as the tests wrote them down
// (tests/attacks/support.ts).

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CACHE } from "./project.mjs";

export const ATTACKS_TABLE = join(CACHE, "attacks", "table.jsonl");

export function clearAttacks() {
  mkdirSync(dirname(ATTACKS_TABLE), { recursive: true });
  rmSync(ATTACKS_TABLE, { force: true });
}

export function printAttacks() {
  if (!existsSync(ATTACKS_TABLE)) return;
  const lines = readFileSync(ATTACKS_TABLE, "utf8").trim().split("\n");
  const attacks = lines.map((line) => /** @type {{surface: string, ok: boolean}} */ (JSON.parse(line)));
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
