// What the two console bundles contain.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildConsole } from "./build.mjs";

/** Every development key follows from a label behind this prefix (dev/solana/accounts.ts). */
const DEVELOPMENT_KEYS = "multiclaw-dev:";

const dir = mkdtempSync(join(tmpdir(), "console-"));
after(() => rmSync(dir, { recursive: true }));

test("c09_the_production_console_holds_no_development_wallet", async () => {
  await buildConsole("production", join(dir, "production"));
  assert.equal(readFileSync(join(dir, "production", "main.js"), "utf8").includes(DEVELOPMENT_KEYS), false);
});

test("the development console holds it, so that the test before means something", async () => {
  await buildConsole("development", join(dir, "development"));
  assert.ok(readFileSync(join(dir, "development", "main.js"), "utf8").includes(DEVELOPMENT_KEYS));
});
