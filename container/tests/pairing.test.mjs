// Who waits to be let in to the real OpenClaw by a bot of Telegram's, and its owner's word on them: told by the gateway's own
// methods, and kept through a snapshot that is restored elsewhere.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { ownPort } from "../../dev/ports.ts";
import { BotApi } from "../../dev/telegram/server.ts";
import { probe } from "./client.mjs";
import { startModel } from "./model.mjs";
import { makeSandbox, policy, run, startInit, until } from "./support.mjs";

const BOOT_MS = 180_000;
const TURN_MS = 60_000;
const TOKEN = "7000000001:AAFdevelopmentBotsHaveSecretsLikeThis";
const [FRIEND, OTHER, THIRD] = [
  { id: 4242, name: "Friend\u202e\u0007" },
  { id: 7, name: "Other" },
  { id: 9, name: "Third" },
];
const secrets = {
  telegram: TOKEN,
  "telegram-secret": "secret_of_the_webhook",
  openai: "sk-test-0123456789abcdef0123456789",
};
const reference = (/** @type {string} */ id) => ({ source: "file", provider: "host", id: `/${id}` });

const telegram = await BotApi.start();
const model = await startModel();
after(() => Promise.all([telegram.close(), model.close()]));

/** @param {number} hookPort */
const config = (hookPort) =>
  policy({
    models: {
      providers: { openai: { baseUrl: model.url, api: "openai-completions", apiKey: reference("openai") } },
    },
    agents: { defaults: { model: { primary: "openai/gpt-5.4" } } },
    channels: {
      telegram: {
        enabled: true,
        botToken: reference("telegram"),
        webhookUrl: `http://127.0.0.1:${hookPort}/telegram-webhook`,
        webhookSecret: reference("telegram-secret"),
        dmPolicy: "pairing",
        apiRoot: telegram.url,
      },
    },
  });

/** @param {import("node:test").TestContext} test */
async function sandbox(test) {
  const [port, hookPort] = [await ownPort(), await ownPort()];
  return makeSandbox(test, { AGENT_PORT: String(port), AGENT_HOOK_PORT: String(hookPort) });
}

/** @param {Awaited<ReturnType<typeof sandbox>>} of @param {import("node:test").TestContext} test */
async function boot(of, test) {
  const init = startInit(of);
  test.after(init.leave);
  const input = JSON.stringify({ config: config(of.paths.hookPort), secrets });
  assert.equal((await run(of, ["inject"], input)).code, 0);
  await until("the start", async () => (await probe(of.paths.port)) === "started", BOOT_MS);
  await until("the channel", () => telegram.webhook(TOKEN)?.url.includes(`:${of.paths.hookPort}/`), BOOT_MS);
  return init;
}

/** @param {Awaited<ReturnType<typeof sandbox>>} of @param {string[]} word */
async function pairing(of, ...word) {
  const { code, json, stderr } = await run(of, ["pairing", ...word]);
  assert.equal(code, 0, stderr);
  return json;
}

const said = () => telegram.sent(TOKEN).map(({ chat, text }) => ({ chat, text }));
/** What it told somebody since so many messages. @param {{id: number}} person @param {number} since */
const codeFor = ({ id }, since) =>
  until(
    "a code",
    () => {
      const told = said()
        .slice(since)
        .filter(({ chat }) => chat === id);
      return /\b[A-Z2-9]{8}\b/.exec(told.map(({ text }) => text).join("\n"))?.[0];
    },
    TURN_MS,
  );

/** @param {typeof FRIEND} person @param {string} [text] */
async function asks(person, text = "may I?") {
  const since = said().length;
  telegram.write(TOKEN, person, text);
  return codeFor(person, since);
}

test("who waits is told, let in and sent away, and only whom its owner let in is known elsewhere", {
  timeout: 600_000,
}, async (t) => {
  const [first, second] = [await sandbox(t), await sandbox(t)];
  const init = await boot(first, t);
  assert.deepEqual(await pairing(first), { waiting: [], found: false, letIn: [] });

  const code = await asks(FRIEND);
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
  await until("they are told", () => said().some(({ chat, text }) => chat === FRIEND.id && !text.includes(code)));
  assert.deepEqual(await pairing(first, `--approve=${friend.id}`), { waiting: [], found: false, letIn: ["4242"] });

  await asks(OTHER);
  const [other] = (await pairing(first)).waiting;
  assert.deepEqual(await pairing(first, `--reject=${other.id}`), { waiting: [], found: true, letIn: ["4242"] });
  const old = await asks(OTHER, "and now?");
  const [again] = (await pairing(first)).waiting;
  assert.notEqual(again.id, other.id, "whoever was sent away may ask again");

  await t.test("a code is none any more after an hour", async () => {
    const database = new DatabaseSync(path.join(first.paths.state, "state/openclaw.sqlite"), { timeout: 5_000 });
    database
      .prepare("UPDATE channel_pairing_requests SET created_at = ?, last_seen_at = ?")
      .run(...Array(2).fill(new Date(Date.now() - 3_601_000).toISOString()));
    database.close();
    assert.deepEqual(await pairing(first, `--approve=${again.id}`), { waiting: [], found: false, letIn: ["4242"] });
    assert.notEqual(await asks(OTHER, "once more?"), old);
  });

  await asks(THIRD);
  assert.equal((await pairing(first)).waiting.length, 2);
  const taken = await run(first, ["snapshot"]);
  assert.deepEqual(taken.json.letIn, ["4242"], taken.stderr);
  const { stdout: archive } = await run(first, ["send"]);
  assert.equal((await init.leave()).code, 0);
  assert.deepEqual(
    await pairing(first),
    { waiting: [], found: false },
    "of an agent that does not run nothing is told",
  );

  await t.test("elsewhere it knows whom it let in, and nobody who waited", async (t) => {
    const sha256 = createHash("sha256").update(archive).digest("hex");
    const restored = await run(second, ["restore", "--sha256", sha256, "--size", String(archive.length)], archive);
    assert.equal(restored.code, 0, restored.stderr);
    await boot(second, t);
    assert.deepEqual(await pairing(second), { waiting: [], found: false, letIn: ["4242"] });
    telegram.write(TOKEN, FRIEND, "PELICAN");
    const answered = () => said().some(({ chat, text }) => chat === FRIEND.id && text.includes("PELICAN"));
    await until("an answer", answered, TURN_MS);
    await asks(THIRD, "do you know me?");
    assert.deepEqual(
      (await pairing(second)).waiting.map((/** @type {any} */ { name }) => name),
      ["Third (telegram 9)"],
    );
  });
});
