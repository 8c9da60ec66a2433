// The real OpenClaw through a whole life: inject, boot, chat, snapshot, stop, restore somewhere else, remember.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { ownPort } from "../../dev/ports.ts";
import { Client, probe } from "./client.mjs";
import { startModel } from "./model.mjs";
import { makeSandbox, policy, run, startInit, until } from "./support.mjs";

const KEY = "sk-test-4f1c9a77d0be42c8a6e35b90d2c18f64";
/** Typed into its pages by their owner. */
const TYPED = { anthropic: "sk-ant-api03-typed-9d1f7c3a5e8b4602", openrouter: "sk-or-v1-typed-5b7e9c1d3f2a4680" };
/** No pattern of OpenClaw's own redaction knows this one. */
const PHRASE = "correct horse battery staple";
const BOOT_MS = 180_000;

/** @param {string} baseUrl */
function configFor(baseUrl) {
  return policy({
    models: {
      providers: {
        openai: { baseUrl, api: "openai-completions", apiKey: { source: "file", provider: "host", id: "/openai" } },
      },
    },
    agents: { defaults: { model: { primary: "openai/gpt-5.4" } } },
  });
}

/** @param {string} directory @param {(file: string, bytes: Buffer) => void} see */
async function eachFile(directory, see) {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile()) see(file, await readFile(file));
  }
}

/**
 * Waits until a running gateway has renewed its lease so many times.
 * @param {{paths: import("../lib/paths.mjs").Paths}} sandbox
 * @param {number} count
 */
async function heartbeats({ paths }, count) {
  const database = new DatabaseSync(path.join(paths.state, "state/openclaw.sqlite"), {
    readOnly: true,
    timeout: 5_000,
  });
  const beat = () => Number(database.prepare("SELECT max(heartbeat_at) AS at FROM state_leases").get()?.at);
  try {
    for (let left = count; left > 0; left -= 1) {
      const last = beat();
      await until("a sign of life", () => beat() > last, 90_000);
    }
    return true;
  } finally {
    database.close();
  }
}

test("an agent lives, is put away and remembers", { timeout: 600_000 }, async (t) => {
  /** What the model's answers wait for. */
  let held = Promise.resolve();
  const model = await startModel({ hold: () => held });
  t.after(() => model.close());
  const first = await makeSandbox(t, { AGENT_PORT: String(await ownPort()) });
  const second = await makeSandbox(t, { AGENT_PORT: String(await ownPort()) });
  const input = JSON.stringify({ config: configFor(model.url), secrets: { openai: KEY, phrase: PHRASE } });
  /** @type {Buffer} */
  let archive;
  const due = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers();
    held = promise;
    return () => resolve(undefined);
  };

  await t.test("boots, chats and gives a snapshot that holds no secret", async (t) => {
    const init = startInit(first, { OPENAI_API_KEY: KEY });
    t.after(init.leave);
    assert.deepEqual((await run(first, ["inject"], input)).json, { ok: true, reloaded: false });
    const began = Date.now();
    await until("the first start", async () => (await probe(first.paths.port)) === "started", BOOT_MS);
    t.diagnostic(`boot: ${Date.now() - began} ms`);

    const client = await Client.connect(first.paths.port);
    const answer = await client.chat("main", "Please remember the word PELICAN.");
    assert.match(answer, /You said: .*PELICAN/);
    assert.equal(model.keys.size, 1);
    assert.ok(model.keys.has(`Bearer ${KEY}`));
    await client.chat("main", `By the way, the phrase is ${PHRASE}.`);
    // It says that it is not available, as its configuration is ours, and keeps the key all the same.
    await client.call("models.authSetApiKey", { provider: "anthropic", apiKey: TYPED.anthropic }).catch(() => {});
    await client.call("secrets.store.set", { name: "OPENROUTER_API_KEY", value: TYPED.openrouter, kind: "secret" });
    assert.deepEqual((await run(first, ["keys"])).json, { keys: TYPED });

    await client.call("cron.add", {
      name: "later",
      schedule: { kind: "at", at: new Date(due).toISOString() },
      sessionTarget: "isolated",
      wakeMode: "now",
      payload: { kind: "agentTurn", message: "hello" },
      delivery: { mode: "none" },
    });
    client.close();

    await mkdir(path.join(first.paths.state, "workspace"), { recursive: true });
    await writeFile(path.join(first.paths.state, "workspace", "notes.md"), "The bird is a pelican.\n");
    await writeFile(path.join(first.paths.state, "workspace", "leak.txt"), `key: ${KEY}\n`);

    const taken = await run(first, ["snapshot"]);
    assert.equal(taken.code, 0, taken.stderr);
    t.diagnostic(`snapshot: ${taken.stdout.toString().trim()}`);
    assert.equal(taken.json.quiesced, true);
    assert.equal(taken.json.nextDueAt, due);
    assert.deepEqual(taken.json.leftOut, ["workspace/leak.txt"]);
    assert.deepEqual(taken.json.masked, ["agents/main/agent/openclaw-agent.sqlite"]);
    assert.deepEqual(taken.json.typedKeys, ["anthropic", "openrouter"]);
    assert.equal(await probe(first.paths.port), "draining");
    const sent = await run(first, ["send"]);
    assert.equal(sent.code, 0);
    archive = sent.stdout;
    assert.equal(archive.length, taken.json.size);
    assert.equal(createHash("sha256").update(archive).digest("hex"), taken.json.sha256);
    assert.deepEqual((await run(first, ["resume"])).json, { ok: true });
    await until("the gateway's admission", async () => (await probe(first.paths.port)) === "started");
    assert.equal((await run(first, ["send"])).code, 1);

    init.child.kill("SIGTERM");
    const { code, stdout } = await init.ended;
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { exit: 0 });
    await rm(path.join(first.paths.state, "workspace", "leak.txt"));
    for (const directory of [first.paths.data, first.paths.scratch]) {
      await eachFile(directory, (file, bytes) => assert.ok(!bytes.includes(KEY), `${file} holds the key`));
    }
    assert.ok(!(await readFile(first.paths.log)).includes(KEY));
  });

  await t.test("starts from the snapshot elsewhere, and knows what was said", async (t) => {
    const init = startInit(second, { OPENAI_API_KEY: KEY });
    t.after(init.leave);
    const sha256 = createHash("sha256").update(archive).digest("hex");
    const restored = await run(second, ["restore", "--sha256", sha256, "--size", String(archive.length)], archive);
    assert.equal(restored.code, 0, restored.stderr);
    await eachFile(second.paths.data, (file, bytes) => {
      for (const secret of [KEY, PHRASE, ...Object.values(TYPED)]) {
        assert.ok(!bytes.includes(secret), `${file} holds a secret`);
      }
    });
    await rm(first.root, { recursive: true });
    assert.equal((await run(second, ["inject"], input)).code, 0);
    const began = Date.now();
    await until("the second start", async () => (await probe(second.paths.port)) === "started", BOOT_MS);
    t.diagnostic(`boot of a restored state: ${Date.now() - began} ms`);

    const client = await Client.connect(second.paths.port);
    const { jobs } = await client.call("cron.list", {});
    assert.deepEqual(
      jobs.filter((/** @type {any} */ job) => !job.declarationKey).map((/** @type {any} */ job) => job.name),
      ["later"],
    );
    const history = JSON.stringify(await client.call("chat.history", { sessionKey: "main" }));
    assert.match(history, /PELICAN/);
    assert.match(history, /the phrase is \*{28}/);
    assert.equal(
      await readFile(path.join(second.paths.state, "workspace", "notes.md"), "utf8"),
      "The bird is a pelican.\n",
    );
    await assert.rejects(stat(path.join(second.paths.state, "workspace", "leak.txt")), { code: "ENOENT" });
    const [release, answer] = [hold(), client.chat("main", "Which bird was it? HERON?")];
    await until("a turn under way", async () => (await run(second, ["activity"])).json.busy, 60_000);
    release();
    assert.match(await answer, /HERON/);
    await until("the turn's end", async () => !(await run(second, ["activity"])).json.busy, 60_000);
    const { busy, nextDueAt } = (await run(second, ["activity", "--within", "7200"])).json;
    assert.deepEqual([busy, nextDueAt], [true, due], "a job that is due soon");
    client.close();
    await t.test("c19 an agent that idles is told to be unchanged, and one that was spoken to is not", async () => {
      const live = async (/** @type {string} */ unless) =>
        (await run(second, ["snapshot", "--live", "--unless", unless])).json;
      let digest = "";
      // What it does after a turn ends after a while; what it does for ever must not count.
      await until(
        "half a minute without a change",
        async () => {
          const taken = await live(digest);
          if (taken.digest) ({ digest } = taken);
          const beats = await heartbeats(second, 2);
          return (await live(digest)).unchanged && beats;
        },
        300_000,
      );
      assert.equal(await probe(second.paths.port), "started", "it went on all the time");
      const again = await Client.connect(second.paths.port);
      await again.chat("main", "STORK");
      again.close();
      assert.match((await live(digest)).digest, /^[0-9a-f]{64}$/);
    });

    assert.equal((await init.leave()).code, 0);
    assert.deepEqual((await run(second, ["wipe"])).json, { ok: true });
    await assert.rejects(stat(second.paths.secrets), { code: "ENOENT" });
    await assert.rejects(stat(second.paths.config), { code: "ENOENT" });
  });
});
