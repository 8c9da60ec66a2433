// What a snapshot holds and what never gets into one; here without a running gateway.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, readlink, stat, symlink, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import zlib from "node:zlib";

import { markProcess } from "../lib/processes.mjs";
import { argumentsFor } from "./archives.mjs";
import { makeSandbox, run } from "./support.mjs";

const KEY = "sk-live-0123456789abcdef";

/**
 * A sandbox into which nothing secret was injected.
 * @param {import("node:test").TestContext} t
 */
async function injectedSandbox(t) {
  const sandbox = await makeSandbox(t);
  await put(sandbox.paths.run, { "secrets.json": "{}" });
  return sandbox;
}

/**
 * @param {string} root
 * @param {Record<string, string>} files
 */
async function put(root, files) {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), text);
  }
}

/**
 * A database as a running gateway has it: in WAL mode, open, the newest rows not in the main file.
 * @param {import("node:test").TestContext} t
 * @param {string} file
 * @param {string} sql
 */
async function liveDatabase(t, file, sql) {
  await mkdir(path.dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  t.after(() => database.close());
  database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;");
  database.exec(sql);
  return database;
}

/**
 * Takes a snapshot and restores it elsewhere.
 * @param {import("node:test").TestContext} t
 * @param {Awaited<ReturnType<typeof makeSandbox>>} sandbox
 */
async function putAwayAndBack(t, sandbox) {
  const taken = await run(sandbox, ["snapshot"]);
  assert.equal(taken.code, 0, taken.stderr);
  const { stdout: archive } = await run(sandbox, ["send"]);
  assert.equal(archive.length, taken.json.size);
  assert.equal(createHash("sha256").update(archive).digest("hex"), taken.json.sha256);
  const other = await makeSandbox(t);
  const restored = await run(other, argumentsFor(archive), archive);
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal(restored.json.files, taken.json.files);
  return { taken: taken.json, archive, state: other.paths.state };
}

test("what makes the agent remember is kept, the rest is not", async (t) => {
  const sandbox = await injectedSandbox(t);
  const kept = {
    "workspace/SOUL.md": "soul",
    "workspace/.git/HEAD": "ref",
    "workspace-second/USER.md": "user",
    "workspace/.env": "the agent's own file",
    "workspace/empty": "",
    "workspace/odd \\ na\nme\"@'": "odd",
    [`workspace/${"é".repeat(100)}/${"long".repeat(40)}`]: "long",
    "media/outbound/a.png": "png",
    "agents/main/sessions/cold/1.jsonl.zst": "cold",
    "skills/one/SKILL.md": "skill",
  };
  const left = {
    "openclaw.json": "{}",
    "openclaw.json.bak": "{}",
    "openclaw.json.clobbered.1": "{}",
    ".env": "X=1",
    "secrets.json": "{}",
    "config-journal-fingerprint.key": "key",
    "credentials/whatsapp/creds.json": "{}",
    "identity/device.json": "{}",
    "agents/main/agent/auth-profiles.json": "{}",
    "agents/main/agent/models.json": "{}",
    "state/server.pem": "pem",
    "agents/main/agent/openclaw-agent.sqlite.memory-reindex-50de32a0-1bb4-47f4-94ca-d185cab77184-wal": "half",
    "cache/control-ui-assets/a.js": "js",
    "tmp/x": "x",
    "npm/projects/y": "y",
    "logs/z": "z",
    "plugin-skills/s": "s",
    "extensions/e": "e",
    "something-new/q": "q",
  };
  await put(sandbox.paths.state, { ...kept, ...left });
  const { state, taken } = await putAwayAndBack(t, sandbox);
  for (const [name, text] of Object.entries(kept)) assert.equal(await readFile(path.join(state, name), "utf8"), text);
  for (const name of Object.keys(left)) await assert.rejects(stat(path.join(state, name)), { code: "ENOENT" }, name);
  assert.equal(taken.files, Object.keys(kept).length);
  assert.equal(taken.format, 1);
  assert.equal(taken.quiesced, true);
  assert.match(taken.openclaw, /^\d+\.\d+\.\d+/);
});

test("many small files and large ones come back as they were, with their times", async (t) => {
  const sandbox = await injectedSandbox(t);
  // More than is kept in memory of small ones.
  const content = (/** @type {number} */ index) =>
    Buffer.alloc(1024 * 1024 + (index > 140 ? index : -index), `file ${index}.`);
  const place = (/** @type {string} */ state, /** @type {number} */ index) =>
    path.join(state, `workspace/${index % 7}/${"n".repeat(index)}`);
  for (let index = 1; index < 145; index += 1) {
    await mkdir(path.dirname(place(sandbox.paths.state, index)), { recursive: true });
    await writeFile(place(sandbox.paths.state, index), content(index), { mode: index % 2 === 0 ? 0o755 : 0o644 });
    await utimes(place(sandbox.paths.state, index), 1, 1_000_000_000 + index);
  }
  const { state } = await putAwayAndBack(t, sandbox);
  for (let index = 1; index < 145; index += 1) {
    assert.ok((await readFile(place(state, index))).equals(content(index)), `${index}`);
    const { mode, mtimeMs } = await stat(place(state, index));
    assert.deepEqual([mode & 0o777, mtimeMs], [index % 2 === 0 ? 0o700 : 0o600, (1_000_000_000 + index) * 1000]);
  }
});

test("a live database is copied with its newest rows and without its secret ones", async (t) => {
  const sandbox = await injectedSandbox(t);
  const global = path.join(sandbox.paths.state, "state/openclaw.sqlite");
  await liveDatabase(
    t,
    global,
    `CREATE TABLE device_identities (id TEXT, pem TEXT); INSERT INTO device_identities VALUES ('1', 'PRIVATE-KEY-BYTES');
     CREATE TABLE secret_store_entries (name TEXT, value TEXT); INSERT INTO secret_store_entries VALUES ('a', 'TYPED-IN-THE-PAGE');
     CREATE TABLE channel_ingress_events (body TEXT); INSERT INTO channel_ingress_events VALUES ('accepted message');
     CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT) STRICT;
     INSERT INTO config_machine_state VALUES ('authProfiles.x', 'OAUTH-TOKEN'), ('webPush.vapidKeys', 'VAPID'), ('plugins.installedIndex', 'index');
     CREATE TABLE cron_jobs (name TEXT); INSERT INTO cron_jobs VALUES ('daily');`,
  );
  const agent = path.join(sandbox.paths.state, "agents/main/agent/openclaw-agent.sqlite");
  const live = await liveDatabase(
    t,
    agent,
    "CREATE TABLE auth_profile_store (v TEXT); INSERT INTO auth_profile_store VALUES ('PROFILE-SECRET'); CREATE TABLE said (text TEXT);",
  );
  live.exec("INSERT INTO said VALUES ('the newest word')");
  const { state, taken } = await putAwayAndBack(t, sandbox);
  assert.equal(taken.files, 2);
  const copy = new DatabaseSync(path.join(state, "state/openclaw.sqlite"), { readOnly: true });
  t.after(() => copy.close());
  const count = (/** @type {string} */ table) => copy.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n;
  assert.equal(count("device_identities"), 0);
  assert.equal(count("secret_store_entries"), 0);
  assert.equal(count("channel_ingress_events"), 1);
  assert.equal(count("cron_jobs"), 1);
  assert.deepEqual(
    copy
      .prepare("SELECT state_key FROM config_machine_state")
      .all()
      .map((row) => row.state_key),
    ["plugins.installedIndex"],
  );
  const agentCopy = new DatabaseSync(path.join(state, "agents/main/agent/openclaw-agent.sqlite"), { readOnly: true });
  t.after(() => agentCopy.close());
  assert.equal(agentCopy.prepare("SELECT text FROM said").get()?.text, "the newest word");
  for (const name of ["state/openclaw.sqlite", "agents/main/agent/openclaw-agent.sqlite"]) {
    const bytes = await readFile(path.join(state, name));
    for (const gone of ["PRIVATE-KEY-BYTES", "TYPED-IN-THE-PAGE", "OAUTH-TOKEN", "VAPID", "PROFILE-SECRET"]) {
      assert.ok(!bytes.includes(gone), `${gone} is still in the bytes of ${name}`);
    }
  }
});

test("an injected value is masked in OpenClaw's databases, its search still works, and other files are left out", async (t) => {
  const sandbox = await injectedSandbox(t);
  await put(sandbox.paths.run, { "secrets.json": JSON.stringify({ openai: KEY, short: "1234567" }) });
  await liveDatabase(
    t,
    path.join(sandbox.paths.state, "agents/main/agent/openclaw-agent.sqlite"),
    `CREATE TABLE said (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT; INSERT INTO said VALUES (1, 'my key is ${KEY} indeed'), (2, 'pelican');
     CREATE VIRTUAL TABLE own USING fts5(text); INSERT INTO own SELECT text FROM said;
     CREATE VIRTUAL TABLE other USING fts5(text, content = 'said', content_rowid = 'id'); INSERT INTO other (other) VALUES ('rebuild');`,
  );
  await liveDatabase(
    t,
    path.join(sandbox.paths.state, "workspace/own.db"),
    `CREATE TABLE k (v TEXT); INSERT INTO k VALUES ('${KEY}')`,
  );
  const padding = "x".repeat(1024 * 1024 - 10);
  await put(sandbox.paths.state, {
    "workspace/key.txt": KEY,
    "workspace/border.txt": padding + KEY,
    [`workspace/${KEY}`]: "name",
    "workspace/short.txt": "1234567 is no secret",
    "media/fine.txt": padding,
  });
  const { state, taken, archive } = await putAwayAndBack(t, sandbox);
  assert.deepEqual(taken.masked, ["agents/main/agent/openclaw-agent.sqlite"]);
  assert.deepEqual(taken.leftOut.sort(), [
    "(a name that holds a secret)",
    "workspace/border.txt",
    "workspace/key.txt",
    "workspace/own.db",
  ]);
  assert.equal(taken.leftOutCount, 4);
  assert.ok(!zlib.zstdDecompressSync(archive).includes(KEY));
  assert.deepEqual((await readdir(path.join(state, "workspace"))).sort(), ["short.txt"]);
  const copy = new DatabaseSync(path.join(state, "agents/main/agent/openclaw-agent.sqlite"));
  t.after(() => copy.close());
  assert.match(String(copy.prepare("SELECT text FROM said").get()?.text), /^my key is \*{24} indeed$/);
  for (const index of ["own", "other"]) {
    assert.equal(copy.prepare(`SELECT count(*) AS n FROM ${index} WHERE ${index} MATCH 'indeed'`).get()?.n, 1);
    assert.equal(
      copy.prepare(`SELECT count(*) AS n FROM ${index} WHERE ${index} MATCH '0123456789abcdef'`).get()?.n,
      0,
    );
    copy.exec(`INSERT INTO ${index} (${index}) VALUES ('integrity-check')`);
  }
});

test("links that leave the state, pipes and what a link points to stay out", async (t) => {
  const sandbox = await injectedSandbox(t);
  await put(sandbox.root, { "outside.txt": "outside" });
  await put(sandbox.paths.state, { "workspace/real.md": "real", "agents/x": "x" });
  const workspace = path.join(sandbox.paths.state, "workspace");
  await symlink("real.md", path.join(workspace, "inside"));
  await symlink(path.join(sandbox.root, "outside.txt"), path.join(workspace, "absolute"));
  await symlink("../../../outside.txt", path.join(workspace, "upwards"));
  await symlink("/etc", path.join(sandbox.paths.state, "memory"));
  execFileSync("mkfifo", [path.join(workspace, "pipe")]);
  const { state, taken } = await putAwayAndBack(t, sandbox);
  assert.deepEqual((await readdir(path.join(state, "workspace"))).sort(), ["inside", "real.md"]);
  assert.equal(await readlink(path.join(state, "workspace/inside")), "real.md");
  assert.deepEqual((await readdir(state)).sort(), ["agents", "workspace"]);
  assert.equal(taken.files, 2);
});

test("a damaged database fails the snapshot, and nothing is staged", async (t) => {
  const sandbox = await injectedSandbox(t);
  const file = path.join(sandbox.paths.state, "state/openclaw.sqlite");
  await mkdir(path.dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  database.exec("CREATE TABLE t (v TEXT); CREATE INDEX i ON t (v);");
  const insert = database.prepare("INSERT INTO t VALUES (?)");
  for (let index = 0; index < 2_000; index += 1) insert.run(`row ${index} ${"y".repeat(50)}`);
  database.close();
  const bytes = await readFile(file);
  bytes.fill(0xff, 8_192, 40_960);
  await writeFile(file, bytes);
  const outcome = await run(sandbox, ["snapshot"]);
  assert.equal(outcome.code, 1);
  assert.equal(outcome.stderr.trim().split("\n").length, 1);
  assert.match((await run(sandbox, ["send"])).stderr, /no snapshot is staged/);
});

test("a database that another process locks fails the snapshot by name, except where it is only a lock", async (t) => {
  const sandbox = await injectedSandbox(t);
  const agent = path.join(sandbox.paths.state, "agents/main/agent");
  await mkdir(agent, { recursive: true });
  const locked = (/** @type {string} */ name) => {
    const database = new DatabaseSync(path.join(agent, name));
    t.after(() => database.close());
    database.exec("CREATE TABLE t (v); BEGIN EXCLUSIVE");
    return database;
  };
  locked("openclaw-agent.sqlite.reindex-lock.sqlite");
  assert.equal((await run(sandbox, ["snapshot"])).json?.files, 0);
  locked("openclaw-agent.sqlite");
  const outcome = await run(sandbox, ["snapshot"]);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /agents\/main\/agent\/openclaw-agent\.sqlite could not be copied/);
});

test("one snapshot at a time, and a dead one's lock holds nobody up", async (t) => {
  const sandbox = await injectedSandbox(t);
  await put(sandbox.paths.state, { "workspace/a": "a" });
  await mkdir(sandbox.paths.scratch, { recursive: true });
  await markProcess(sandbox.paths.stageLock, process.pid);
  assert.match((await run(sandbox, ["snapshot"])).stderr, /under way/);
  await writeFile(sandbox.paths.stageLock, JSON.stringify({ pid: process.pid, started: "1" }));
  assert.equal((await run(sandbox, ["snapshot"])).code, 0);
  assert.equal((await run(sandbox, ["snapshot"])).code, 0);
  assert.equal((await stat(sandbox.paths.archive)).mode & 0o777, 0o600);
  assert.deepEqual((await run(sandbox, ["resume"])).json, { ok: true });
  assert.deepEqual((await run(sandbox, ["resume"])).json, { ok: true });
  assert.deepEqual(await readdir(sandbox.paths.scratch), []);
});

test("nothing is snapshotted that cannot be searched for what was injected", async (t) => {
  const sandbox = await makeSandbox(t);
  await put(sandbox.paths.state, { "workspace/a": "a" });
  assert.match((await run(sandbox, ["snapshot"])).stderr, /no list of secrets/);
  await put(sandbox.paths.run, { "secrets.json": "{" });
  assert.match((await run(sandbox, ["snapshot"])).stderr, /no list of secrets/);
});
