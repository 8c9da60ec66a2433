// The command line against every version of it that is kept (tests/fixtures/contract): a Worker of another version than
// this image's must be served, whichever of the two is newer.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";

import { contracts } from "../../tests/fixtures/contracts.mjs";
import { markProcess } from "../lib/processes.mjs";
import { makeSandbox, run } from "./support.mjs";

const kept = contracts();
const newest = /** @type {import("../../tests/fixtures/contracts.mjs").Contract} */ (kept.at(-1));

/**
 * A sandbox whose `init` seems to be running, and which calls a command as a Worker of that version does.
 * @param {import("node:test").TestContext} t
 * @param {import("../../tests/fixtures/contracts.mjs").Contract} contract
 * @param {{argv?: string[], stdin?: object}} [added] what a newer Worker sends beyond that
 */
async function caller(t, { archive, commands }, { argv: options = [], stdin: fields = {} } = {}) {
  const sandbox = await makeSandbox(t);
  await mkdir(sandbox.paths.run, { recursive: true });
  await markProcess(sandbox.paths.initMark, process.pid);
  const call = (/** @type {string} */ name, /** @type {string | Buffer | undefined} */ other = undefined) => {
    const { argv, stdin } = commands[name] ?? assert.fail(name);
    const input = stdin === "archive" ? archive : stdin && JSON.stringify({ ...stdin, ...fields });
    return run(sandbox, [...argv, ...options], other ?? input);
  };
  return { sandbox, call };
}

/**
 * Whether `said` has what was promised, and each in its form.
 * @param {Record<string, unknown>} promised
 * @param {Record<string, unknown>} said
 */
function assertSays(promised, said) {
  for (const [name, value] of Object.entries(promised)) {
    assert.equal(typeof said[name], typeof value, name);
    assert.equal(Array.isArray(said[name]), Array.isArray(value), name);
  }
}

const WORKERS = {
  "as it calls": {},
  "with what a newer one may add": {
    argv: ["--added-later=x", "--added"],
    stdin: { added: { later: [1] }, format: 9 },
  },
};

for (const contract of kept) {
  for (const [how, added] of Object.entries(WORKERS)) {
    test(`version ${contract.version}, a Worker ${how}: each command does its part and says what was promised`, async (t) => {
      const { sandbox, call } = await caller(t, contract, added);
      const { init: _, ...commands } = contract.commands;
      /** @type {any} */
      let staged;
      for (const [name, { stdout }] of Object.entries(commands)) {
        const outcome = await call(name);
        assert.equal(outcome.code, 0, `${name}: ${outcome.stderr}`);
        if (stdout !== "archive") assertSays(stdout ?? {}, outcome.json ?? {});
        if (name === "snapshot") staged = outcome.json;
        if (stdout === "archive") {
          assert.equal(outcome.stdout.length, staged.size);
          assert.equal(createHash("sha256").update(outcome.stdout).digest("hex"), staged.sha256);
        }
      }
      for (const [name, text] of Object.entries(contract.state)) {
        assert.equal(await readFile(path.join(sandbox.paths.state, name), "utf8"), text);
      }
    });
  }

  test(`version ${contract.version}: failures end with its exit codes and one line of reason`, async (t) => {
    const { call } = await caller(t, contract);
    const damaged = Buffer.from(contract.archive);
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    const { failed, badArchive } = contract.exits;
    /** @type {[string, string | Buffer | undefined, number | undefined][]} */
    const cases = [
      ["init", undefined, failed],
      ["restore", damaged, badArchive],
      ["restore", contract.archive.subarray(1), failed],
      ["inject", "no JSON", failed],
      ["snapshot", undefined, failed],
      ["send", undefined, failed],
    ];
    for (const [name, input, exit] of cases) {
      const outcome = await call(name, input);
      // A version that knows no code for it takes any failure.
      if (exit === undefined) assert.notEqual(outcome.code, 0, name);
      else assert.equal(outcome.code, exit, `${name}: ${outcome.stderr}`);
      assert.match(outcome.stderr, /^[^\n]+\n$/, name);
    }
  });
}

for (const { version, incremental, state } of kept) {
  if (!incremental) continue;
  for (const [how, { argv: added = [] }] of Object.entries(
    /** @type {Record<string, {argv?: string[]}>} */ (WORKERS),
  )) {
    test(`c19 version ${version}, a Worker ${how}: incremental snapshots are restored and built on`, async (t) => {
      const sandbox = await makeSandbox(t);
      await mkdir(sandbox.paths.run, { recursive: true });
      await writeFile(sandbox.paths.secrets, "{}");
      const { index, pack, commands } = incremental;
      const call = (/** @type {keyof typeof commands} */ name, /** @type {Buffer | undefined} */ input = undefined) =>
        run(sandbox, [...commands[name].argv, ...added], input);
      const restored = await call("restore", Buffer.concat([index, pack]));
      assert.deepEqual(restored.json, commands.restore.stdout, restored.stderr);
      for (const [name, text] of Object.entries(state)) {
        assert.equal(await readFile(path.join(sandbox.paths.state, name), "utf8"), text);
      }
      const { json: staged, stderr } = await call("snapshot", index);
      assertSays(commands.snapshot.stdout === "archive" ? {} : (commands.snapshot.stdout ?? {}), staged ?? {});
      assert.equal(staged.format, 2, stderr);
      for (const [part, told] of /** @type {const} */ ([
        ["send index", staged],
        ["send pack", staged.pack],
      ])) {
        const { stdout } = await call(part);
        assert.equal(stdout.length, told.size);
        assert.equal(createHash("sha256").update(stdout).digest("hex"), told.sha256);
      }
    });
  }
}

test("the newest version has every command that there is; one that is not known is refused in one line", async (t) => {
  const { code, stderr } = await run(await makeSandbox(t), ["added-later", "--option=x"], "{}");
  assert.equal(code, newest.exits.failed);
  const [, known = ""] = /^unknown command; known are (.*)\n$/.exec(stderr) ?? assert.fail(stderr);
  assert.deepEqual(known.split(", ").sort(), Object.keys(newest.commands).sort());
});
