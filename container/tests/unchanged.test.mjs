// Snapshots of a state that did not change, of one that goes on changing, and of one that is too large.
import assert from "node:assert/strict";
import { chmod, mkdir, readdir, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { biggestIn } from "../lib/biggest.mjs";
import { MAX_STATE_BYTES } from "../lib/limits.mjs";
import { argumentsFor } from "./archives.mjs";
import { makeSandbox, run } from "./support.mjs";

const KEY = "sk-live-0123456789abcdef";

/**
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} files
 */
async function sandboxWith(t, files) {
  const sandbox = await makeSandbox(t);
  const put = async (/** @type {string} */ name, /** @type {string} */ text) => {
    const file = path.join(sandbox.paths.state, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  };
  await mkdir(sandbox.paths.run, { recursive: true });
  await writeFile(sandbox.paths.secrets, JSON.stringify({ openai: KEY }));
  for (const [name, text] of Object.entries(files)) await put(name, text);
  const snapshot = async (/** @type {string[]} */ ...args) => {
    const outcome = await run(sandbox, ["snapshot", ...args]);
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome.json;
  };
  return { sandbox, put, snapshot };
}

/** OpenClaw's global database, as a running gateway has it. @param {import("node:test").TestContext} t @param {string} state */
async function globalDatabase(t, state) {
  await mkdir(path.join(state, "state"), { recursive: true });
  const database = new DatabaseSync(path.join(state, "state/openclaw.sqlite"));
  t.after(() => database.close());
  database.exec(
    `PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
     CREATE TABLE state_leases (owner TEXT, heartbeat_at INTEGER); INSERT INTO state_leases VALUES ('gateway', 1);
     CREATE TABLE cron_jobs (store_key TEXT, job_id TEXT, declaration_key TEXT, enabled INTEGER, state_json TEXT);`,
  );
  return database;
}

test("c19 an unchanged state is told and nothing is staged; any change is a new snapshot", async (t) => {
  const { sandbox, put, snapshot } = await sandboxWith(t, { "workspace/a.md": "one", "logs/x": "no state" });
  const workspace = path.join(sandbox.paths.state, "workspace");
  let { digest } = await snapshot();
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal((await snapshot("--unless", "0".repeat(64))).digest, digest);
  await put("logs/x", "changed");
  await put("workspace/../openclaw.json", "{}");
  assert.deepEqual(await snapshot("--unless", digest), { unchanged: true });
  assert.match((await run(sandbox, ["send"])).stderr, /no snapshot is staged/);
  assert.deepEqual(await readdir(sandbox.paths.scratch), []);
  /** @type {Record<string, () => Promise<unknown>>} */
  const changes = {
    "a file's content": () => put("workspace/a.md", "two"),
    "its time": () => utimes(path.join(workspace, "a.md"), 1, 1),
    "its mode": () => chmod(path.join(workspace, "a.md"), 0o700),
    "a new file": () => put("workspace/b.md", ""),
    "a new directory": () => mkdir(path.join(workspace, "empty")),
    "a link": () => symlink("a.md", path.join(workspace, "link")),
  };
  for (const [what, change] of Object.entries(changes)) {
    await change();
    const taken = await snapshot("--unless", digest);
    assert.notEqual(taken.digest, digest, what);
    assert.ok(taken.size > 0, what);
    digest = taken.digest;
  }
});

test("c19 of OpenClaw's databases only what they say counts, not what a gateway notes while it idles", async (t) => {
  const { sandbox, snapshot } = await sandboxWith(t, {});
  const database = await globalDatabase(t, sandbox.paths.state);
  let { digest } = await snapshot("--live");
  const unchanged = async (/** @type {string} */ what) =>
    assert.deepEqual(await snapshot("--live", "--unless", digest), { unchanged: true }, what);
  database.exec("UPDATE state_leases SET heartbeat_at = 2");
  await unchanged("a sign of life");
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  await unchanged("the same in another file");
  for (const change of [
    "INSERT INTO cron_jobs VALUES ('x', 'y', NULL, 1, '{}')",
    "UPDATE cron_jobs SET job_id = 'z'",
  ]) {
    database.exec(change);
    const taken = await snapshot("--live", "--unless", digest);
    assert.notEqual(taken.digest, digest, change);
    ({ digest } = taken);
  }
});

test("c18 a snapshot and `activity` say when the agent's schedule is due next", async (t) => {
  const { sandbox, snapshot } = await sandboxWith(t, {});
  const activity = async () => (await run(sandbox, ["activity", "--within", "60"])).json;
  assert.equal((await activity()).nextDueAt, null);
  const database = await globalDatabase(t, sandbox.paths.state);
  const add = database.prepare("INSERT INTO cron_jobs VALUES (?, 'id', ?, ?, ?)");
  const here = path.join(sandbox.paths.state, "cron/jobs.json");
  const due = Date.now() + 30_000;
  add.run(here, null, 0, `{"nextRunAtMs":1}`);
  add.run("/elsewhere/cron/jobs.json", null, 1, `{"nextRunAtMs":2}`);
  for (const own of ["heartbeat:main", "skill-collection-review:main", "memory-core:memory-dreaming-promotion"])
    add.run(here, own, 1, `{"nextRunAtMs":3}`);
  for (const odd of ["", "{", "[]", `{"nextRunAtMs":"4"}`, `{"nextRunAtMs":null}`, `{"nextRunAtMs":-5}`])
    add.run(here, null, 1, odd);
  assert.equal((await snapshot()).nextDueAt, null);
  add.run(here, null, 1, `{"nextRunAtMs":${due + 1}}`);
  add.run(here, "declared", 1, `{"nextRunAtMs":${due}}`);
  assert.equal((await snapshot()).nextDueAt, due);
  // No gateway is there that could begin it.
  assert.deepEqual(await activity(), { idleSeconds: 31_536_000, busy: false, nextDueAt: due });
  database.exec("DROP TABLE cron_jobs; CREATE TABLE cron_jobs (other TEXT)");
  assert.equal((await activity()).nextDueAt, null);
});

test("c18 jobs are still due where their state is restored", async (t) => {
  const { sandbox, snapshot } = await sandboxWith(t, {});
  const database = await globalDatabase(t, sandbox.paths.state);
  const add = database.prepare("INSERT INTO cron_jobs VALUES (?, 'id', NULL, 1, ?)");
  const due = Date.now() + 60_000;
  add.run(path.join(sandbox.paths.state, "cron/jobs.json"), `{"nextRunAtMs":${due}}`);
  await snapshot();
  const { stdout: archive } = await run(sandbox, ["send"]);
  const other = await makeSandbox(t);
  assert.equal((await run(other, argumentsFor(archive), archive)).code, 0);
  assert.equal((await run(other, ["activity"])).json.nextDueAt, due);
});

test("c19 what makes a state too large is named, and nothing stays", async (t) => {
  const { sandbox, put } = await sandboxWith(t, { "workspace/a.md": "a" });
  for (const name of ["workspace/models/one.bin", `workspace/${KEY}.bin`])
    await truncate(await put(name, ""), MAX_STATE_BYTES);
  await truncate(await put("workspace/some/way/down/big.bin", ""), 5_000_000);
  const outcome = await run(sandbox, ["snapshot"]);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.deepEqual(outcome.json, {
    tooLarge: {
      biggest: [
        { path: "workspace/models/one.bin", bytes: MAX_STATE_BYTES },
        { path: "workspace/some/way/down", bytes: 5_000_000 },
        { path: "workspace/a.md", bytes: 1 },
      ],
    },
  });
  assert.deepEqual(await readdir(sandbox.paths.scratch), []);
  assert.match((await run(sandbox, ["send"])).stderr, /no snapshot is staged/);
});

test("the biggest are files and directories that explain the size, at most five", async (t) => {
  const { sandbox, put } = await sandboxWith(t, {});
  for (let index = 0; index < 50; index += 1) await truncate(await put(`workspace/many/${index}/x`, ""), 1_000_000);
  for (const [name, size] of /** @type {[string, number][]} */ ([
    ["workspace/one.bin", 9_000_000],
    ["workspace/in/one/large.bin", 20_000_000],
    ["workspace/in/one/small.bin", 1_000_000],
    ["media/video.mp4", 8_000_000],
    ["media/sound.mp3", 7_000_000],
    ["media/text.md", 6_000_000],
    ["cache/none", 90_000_000],
  ])) {
    await truncate(await put(name, ""), size);
  }
  assert.deepEqual(biggestIn(sandbox.paths.state, []), [
    { path: "workspace/many", bytes: 50_000_000 },
    { path: "workspace/in/one/large.bin", bytes: 20_000_000 },
    { path: "workspace/one.bin", bytes: 9_000_000 },
    { path: "media/video.mp4", bytes: 8_000_000 },
    { path: "media/sound.mp3", bytes: 7_000_000 },
  ]);
});
