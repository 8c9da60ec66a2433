// What `logs` tells of the agent's log, and what never.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { test } from "node:test";

import { makeSandbox, run } from "./support.mjs";

/**
 * @param {import("node:test").TestContext} t
 * @param {string} text of the log
 * @param {object} [secrets]
 */
async function logged(t, text, secrets = {}) {
  const sandbox = await makeSandbox(t);
  await mkdir(sandbox.paths.run, { recursive: true });
  await writeFile(sandbox.paths.log, text);
  await writeFile(sandbox.paths.secrets, JSON.stringify(secrets));
  const lines = async () => {
    const { code, json, stderr, stdout } = await run(sandbox, ["logs"]);
    assert.equal(code, 0, stderr);
    assert.ok(stdout.length <= 48 * 1024 + 1, "one answer of bounded length");
    return json.lines;
  };
  return { sandbox, lines };
}

test("c20 the last lines are told, the newest last, each of bounded length", async (t) => {
  const all = Array.from({ length: 300 }, (_, index) => `line ${index}`);
  const { lines } = await logged(t, [...all, "é".repeat(5_000), ""].join("\n"));
  const told = await lines();
  assert.equal(told.length, 200);
  assert.deepEqual(told.slice(0, 199), all.slice(-199));
  assert.equal(told.at(-1), "é".repeat(1_000));
});

test("c20 what is longer together loses the oldest lines", async (t) => {
  const all = Array.from({ length: 200 }, (_, index) => `${index} ${'"'.repeat(900)}`);
  const { lines } = await logged(t, `${all.join("\n")}\n`);
  const told = await lines();
  assert.ok(told.length > 20 && told.length < 40, `${told.length} lines`);
  assert.deepEqual(told, all.slice(-told.length));
});

test("what was injected is masked, also where a line's cut would halve it", async (t) => {
  const value = 'sk-live-"0123456789abcdef';
  const { lines } = await logged(t, `${"x".repeat(990)}${value}\n{"key":${JSON.stringify(value)}}\n`, {
    openai: value,
  });
  const [cut, json] = await lines();
  assert.equal(cut, `${"x".repeat(990)}[secret]`);
  assert.equal(json, '{"key":"[secret]"}');
});

test("no log, or what is none, is no line", async (t) => {
  const { sandbox, lines } = await logged(t, "");
  assert.deepEqual(await lines(), []);
  await rm(sandbox.paths.log);
  assert.deepEqual(await lines(), []);
  execFileSync("mkfifo", [sandbox.paths.log]);
  assert.deepEqual(await lines(), []);
  await rm(sandbox.paths.log);
  await symlink("/etc/passwd", sandbox.paths.log);
  assert.deepEqual(await lines(), []);
});
