// The real OpenClaw through a whole life: inject, boot, chat, let people in by a bot of Telegram's (told by the gateway's own
// methods), snapshot, stop, restore somewhere else, remember.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { ownPort } from "../../dev/ports.ts";
import { BotApi } from "../../dev/telegram/server.ts";
import { Client, probe } from "./client.mjs";
import { startModel } from "./model.mjs";
import { makeSandbox, policy, run, startInit, until } from "./support.mjs";
import { BOT_SECRETS, botAt, People, pairing, TOKEN } from "./telegram.mjs";

const KEY = "sk-test-4f1c9a77d0be42c8a6e35b90d2c18f64";
/** Typed into its pages by their owner. */
const TYPED = { anthropic: "sk-ant-api03-typed-9d1f7c3a5e8b4602", openrouter: "sk-or-v1-typed-5b7e9c1d3f2a4680" };
/** No pattern of OpenClaw's own redaction knows this one. */
const PHRASE = "correct horse battery staple";
const [FRIEND, OTHER, THIRD] = [
  { id: 4242, name: "Friend\u202e\u0007" },
  { id: 7, name: "Other" },
  { id: 9, name: "Third" },
];
const BOOT_MS = 180_000;

/** @param {string} baseUrl @param {string} bots @param {number} hookPort */
function configFor(baseUrl, bots, hookPort) {
  return policy({
    models: {
      providers: {
        openai: { baseUrl, api: "openai-completions", apiKey: { source: "file", provider: "host", id: "/openai" } },
      },
    },
    agents: { defaults: { model: { primary: "openai/gpt-5.4" } } },
    channels: { telegram: botAt(bots, hookPort) },
  });
}

/** A sandbox, and what is started in it. */
class Agent {
  /** @type {ReturnType<typeof startInit> | undefined} */
  #init;

  /** @param {Awaited<ReturnType<typeof makeSandbox>>} sandbox */
  constructor({ root, env, paths }) {
    this.root = root;
    this.env = env;
    this.paths = paths;
  }

  /** @param {import("node:test").TestContext} t */
  static async in(t) {
    /** @type {Agent | undefined} */
    let agent;
    t.after(() => agent?.leave());
    const [port, hookPort] = [await ownPort(), await ownPort()];
    agent = new Agent(await makeSandbox(t, { AGENT_PORT: String(port), AGENT_HOOK_PORT: String(hookPort) }));
    return agent;
  }

  /** As when its host goes away, if it was started at all. */
  async leave() {
    await this.#init?.leave();
  }

  init() {
    return this.#init ?? assert.fail("nothing was started");
  }

  /** Returns how long the gateway took, in milliseconds. @param {string} model @param {People} people */
  async boot(model, people) {
    this.#init = startInit(this, { OPENAI_API_KEY: KEY });
    const config = configFor(model, people.api.url, this.paths.hookPort);
    const secrets = { ...BOT_SECRETS, openai: KEY, phrase: PHRASE };
    const injected = await run(this, ["inject"], JSON.stringify({ config, secrets }));
    assert.deepEqual(injected.json, { ok: true, reloaded: false }, injected.stderr);
    const began = Date.now();
    await until("the start", async () => (await probe(this.paths.port)) === "started", BOOT_MS);
    const took = Date.now() - began;
    await until("the channel", () => people.reach(this.paths.hookPort), BOOT_MS);
    return took;
  }
}

/** @param {string} directory @param {(file: string, bytes: Buffer) => void} see */
async function eachFile(directory, see) {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile()) see(file, await readFile(file));
  }
}

test("an agent lives, lets people in, is put away and remembers", { timeout: 600_000 }, async (t) => {
  /** What the model's answers wait for. */
  let held = Promise.resolve();
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers();
    held = promise;
    return () => resolve(undefined);
  };
  const model = await startModel({ hold: () => held });
  const people = new People(await BotApi.start());
  t.after(() => Promise.all([model.close(), people.api.close()]));
  // Before its sandbox is removed, what runs in it ends.
  const [first, second] = [await Agent.in(t), await Agent.in(t)];
  const due = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
  /** @type {Buffer} */
  let archive;

  await t.test("boots and chats", async (t) => {
    t.diagnostic(`boot: ${await first.boot(model.url, people)} ms`);
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
  });

  await t.test("tells who waits, lets them in and sends them away", async (t) => {
    assert.deepEqual(await pairing(first), { waiting: [], found: false, letIn: [] });
    const code = await people.ask(FRIEND);
    const { waiting, letIn } = await pairing(first);
    const [friend, ...more] = waiting;
    assert.deepEqual([friend.kind, friend.name, more, letIn], ["person", "Friend (telegram 4242)", [], []]);
    assert.equal(friend.expiresAt - friend.askedAt, 3_600_000);
    assert.ok(!JSON.stringify(waiting).includes(code), "the gateway tells nobody their code");
    /** @type {number[]} */
    const spent = [];
    await until("it is told within a second", async () => {
      const began = performance.now();
      await pairing(first);
      spent.push(Math.round(performance.now() - began));
      return Number(spent.at(-1)) < 1000;
    });
    t.diagnostic(`told within ${spent.join(", ")} ms`);

    const began = performance.now();
    const approved = await pairing(first, `--approve=${friend.id}`);
    t.diagnostic(`let in within ${Math.round(performance.now() - began)} ms`);
    assert.deepEqual(approved, { waiting: [], found: true, letIn: ["4242"] });
    await until("they are told", () =>
      people.said().some(({ chat, text }) => chat === FRIEND.id && !text.includes(code)),
    );
    assert.deepEqual(await pairing(first, `--approve=${friend.id}`), { waiting: [], found: false, letIn: ["4242"] });

    await people.ask(OTHER);
    const [other] = (await pairing(first)).waiting;
    assert.deepEqual(await pairing(first, `--reject=${other.id}`), { waiting: [], found: true, letIn: ["4242"] });
    const old = await people.ask(OTHER, "and now?");
    const [again] = (await pairing(first)).waiting;
    assert.notEqual(again.id, other.id, "whoever was sent away may ask again");

    await t.test("a code is none any more after an hour", async () => {
      const database = new DatabaseSync(path.join(first.paths.state, "state/openclaw.sqlite"), { timeout: 5_000 });
      database
        .prepare("UPDATE channel_pairing_requests SET created_at = ?, last_seen_at = ?")
        .run(...Array(2).fill(new Date(Date.now() - 3_601_000).toISOString()));
      database.close();
      assert.deepEqual(await pairing(first, `--approve=${again.id}`), { waiting: [], found: false, letIn: ["4242"] });
      assert.notEqual(await people.ask(OTHER, "once more?"), old);
    });

    await people.ask(THIRD);
    assert.equal((await pairing(first)).waiting.length, 2);
  });

  await t.test("gives a snapshot that holds no secret", async (t) => {
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
    assert.deepEqual(taken.json.letIn, ["4242"]);
    assert.equal(await probe(first.paths.port), "draining");
    const sent = await run(first, ["send"]);
    assert.equal(sent.code, 0);
    archive = sent.stdout;
    assert.equal(archive.length, taken.json.size);
    assert.equal(createHash("sha256").update(archive).digest("hex"), taken.json.sha256);
    assert.deepEqual((await run(first, ["resume"])).json, { ok: true });
    await until("the gateway's admission", async () => (await probe(first.paths.port)) === "started");
    assert.equal((await run(first, ["send"])).code, 1);
  });

  await t.test("ends, and leaves no secret behind", async () => {
    const { child, ended } = first.init();
    child.kill("SIGTERM");
    const { code, stdout } = await ended;
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { exit: 0 });
    assert.deepEqual(await pairing(first), { waiting: [], found: false }, "an agent that does not run tells nothing");
    await rm(path.join(first.paths.state, "workspace", "leak.txt"));
    for (const directory of [first.paths.data, first.paths.scratch]) {
      await eachFile(directory, (file, bytes) => {
        for (const secret of [KEY, TOKEN]) assert.ok(!bytes.includes(secret), `${file} holds a secret`);
      });
    }
    const log = await readFile(first.paths.log);
    for (const secret of [KEY, TOKEN]) assert.ok(!log.includes(secret));
  });

  await t.test("starts from the snapshot elsewhere, and knows what was said", async (t) => {
    const sha256 = createHash("sha256").update(archive).digest("hex");
    const restored = await run(second, ["restore", "--sha256", sha256, "--size", String(archive.length)], archive);
    assert.equal(restored.code, 0, restored.stderr);
    await eachFile(second.paths.data, (file, bytes) => {
      for (const secret of [KEY, PHRASE, TOKEN, ...Object.values(TYPED)]) {
        assert.ok(!bytes.includes(secret), `${file} holds a secret`);
      }
    });
    await rm(first.root, { recursive: true });
    t.diagnostic(`boot of a restored state: ${await second.boot(model.url, people)} ms`);

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
  });

  await t.test("there it knows whom it let in, and nobody who waited", async () => {
    assert.deepEqual(await pairing(second), { waiting: [], found: false, letIn: ["4242"] });
    people.write(FRIEND, "TEAL");
    await people.answer(FRIEND, "TEAL");
    await people.ask(THIRD, "do you know me?");
    assert.deepEqual(
      (await pairing(second)).waiting.map((/** @type {any} */ { name }) => name),
      ["Third (telegram 9)"],
    );
  });

  await t.test("is wiped when it has ended", async () => {
    assert.equal((await second.init().leave()).code, 0);
    assert.deepEqual((await run(second, ["wipe"])).json, { ok: true });
    await assert.rejects(stat(second.paths.secrets), { code: "ENOENT" });
    await assert.rejects(stat(second.paths.config), { code: "ENOENT" });
  });
});
