// A hunt for secrets of every kind, through a whole life of the real agent: set, started, used, saved, crashed, restored,
// asleep, stopped. They are found in the one file that is theirs while the agent runs, and nowhere else ever (C10 to C14).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { Owned, type Status } from "./support/agent.ts";
import { type Canary, canariesBelow, canariesIn } from "./support/canaries.ts";
import type { Events } from "./support/events.ts";
import { talkTo } from "./support/openclaw.ts";
import { Sandbox } from "./support/sandbox.ts";
import { testStack } from "./support/stack.ts";
import { until } from "./support/wait.ts";

const TIMEOUT_MS = 600_000;
/** The real agent takes ten seconds to start, and minutes on a machine that is busy otherwise. */
const STARTS = { within: 240_000 };
/** More than passes between two tests, on a busy machine. */
const IDLE_SECONDS = 25;
const unique = (bytes = 24): string => randomBytes(bytes).toString("hex");

/** The service's own, and the platform's for agents. */
const service = {
  JWT_SECRET: unique(32),
  SEALING_KEY: randomBytes(32).toString("base64"),
  SOLANA_WEBHOOK_SECRET: unique(),
  OPENAI_API_KEY: `sk-${unique()}`,
  ANTHROPIC_API_KEY: `sk-ant-${unique()}`,
  OPENROUTER_API_KEY: `sk-or-v1-${unique()}`,
  CLAWROUTER_API_KEY: `cr_${unique()}`,
};
const own = {
  clawrouter: `cr_${unique()}`,
  openai: `sk-${unique()}`,
  anthropic: `sk-ant-${unique()}`,
  openrouter: `sk-or-v1-${unique()}`,
  telegram: `7${Math.floor(Math.random() * 1e9)}:AA${randomBytes(24).toString("base64url")}`,
  wallet: `0x${unique(32)}`,
};
/** As the platform's keys, these are in no container at all, as long as their owner wants that: the edge puts them in. */
const keptOut = new Set(["openai", "anthropic"]);
const canaries: Canary[] = [
  ...Object.entries(service).map(([name, value]) => ({ name, value })),
  ...Object.entries(own).map(([name, value]) => ({ name: `own ${name}`, value })),
];
const ONLY_FILE = "run/agent/secrets.json";
const word = `plover-${unique(6)}`;

const stack = await testStack({
  secrets: service,
  vars: { IDLE_TIMEOUT: String(IDLE_SECONDS), CLAWROUTER_BASE_URL: "https://router.invalid" },
});
const owned = await Owned.ofNew(stack, "canaries.molt");
const answers: string[] = [];
let events: Events<Status>;

before(async () => {
  events = await owned.events();
});
after(() => events.close());

async function ask(method: string, path: string, json?: unknown): Promise<void> {
  const answer = await owned.client.request(method, `${owned.path}${path}`, json === undefined ? {} : { json });
  assert.ok(answer.status < 300, answer.text);
  answers.push(answer.text, JSON.stringify(answer.headers));
}

async function sandbox(): Promise<Sandbox> {
  const [container, ...more] = await stack.containers.list();
  assert.ok(container && more.length === 0);
  return new Sandbox(container);
}

async function say(text: string): Promise<string> {
  const gateway = await talkTo(await owned.enter(stack));
  try {
    return await gateway.chat("main", text);
  } finally {
    gateway.close();
  }
}

/** Everything that the service shows, logs or keeps. */
function outside(): string[] {
  const shown = [...stack.logs, ...answers, JSON.stringify(events.seen)].join("\n");
  return [
    ...canariesIn(Buffer.from(shown), canaries).map((name) => `${name} shown`),
    ...canariesBelow(join(stack.dir, "storage"), canaries),
  ];
}

const inTheirFile = (names: string[]): string[] => names.map((name) => `own ${name} in ${ONLY_FILE}`).sort();

test("the hunt finds what there is to be found", () => {
  const [{ name, value }] = canaries as [Canary, ...Canary[]];
  for (const bytes of [
    value,
    Buffer.from(`--${value}`).toString("base64"),
    Buffer.from(value).toString("hex"),
    zstdCompressSync(gzipSync(value)),
  ]) {
    assert.deepEqual(canariesIn(Buffer.from(bytes), canaries), [name]);
  }
});

test("c11 c13 while the agent runs they are in its secrets file, and nowhere else", {
  timeout: TIMEOUT_MS,
}, async () => {
  await ask("PUT", "/settings", { model: "openai/gpt-5.4", keyless: [...keptOut] });
  for (const [name, value] of Object.entries(own)) await ask("PUT", `/secrets/${name}`, { value });
  await owned.start(STARTS);
  assert.match(await say(`Remember the word ${word}.`), new RegExp(word));
  await ask("GET", "/secrets");
  const inside = await sandbox();
  const injected = Object.keys(own).filter((name) => !keptOut.has(name));
  assert.deepEqual(canariesBelow(inside.files(), canaries).sort(), inTheirFile(injected));
  const processes = inside.processes();
  assert.ok(processes.includes("OPENCLAW_STATE_DIR"), "the gateway's environment was read");
  assert.deepEqual(canariesIn(processes, canaries), []);
  assert.deepEqual(outside(), []);
});

test("c14 what the agent writes of them into its workspace is in no snapshot", { timeout: TIMEOUT_MS }, async () => {
  await owned.start(STARTS);
  const inside = await sandbox();
  const leaks = {
    "plain.txt": `key: ${own.openrouter}`,
    "encoded.txt": Buffer.from(`user:${own.telegram}`).toString("base64"),
    "packed.gz": gzipSync(`{"key":"${own.wallet}"}`),
  };
  for (const [name, content] of Object.entries(leaks)) inside.write(`data/state/workspace/${name}`, content);
  inside.write("data/state/workspace/harmless.txt", word);
  await ask("POST", "/snapshots");
  await ask("GET", "/snapshots");
  assert.deepEqual(outside(), []);
  for (const name of Object.keys(leaks)) assert.match(answers.join("\n"), new RegExp(name), "its owner is told");
});

test("c13 c14 after a crash and a restore, and asleep, they are nowhere else", {
  timeout: TIMEOUT_MS,
}, async () => {
  // Nobody used it since the first of these tests: it may be about to sleep.
  const before = await owned.start(STARTS);
  // From now on all of them are in the agent.
  await ask("PUT", "/settings", { keyless: [] });
  (await sandbox()).crash();
  const healed = async (): Promise<boolean> => {
    const { state, since } = await owned.status();
    return state === "running" && since !== before.since;
  };
  await until("it was saved and runs again", healed, { within: TIMEOUT_MS / 4 });
  // Nobody used it by healing: without a word from its owner it would fall asleep.
  await owned.start(STARTS);
  assert.deepEqual(canariesBelow((await sandbox()).files(), canaries).sort(), inTheirFile(Object.keys(own)));
  assert.deepEqual(outside(), []);
  assert.match(await say("What did I say?"), new RegExp(word));
  await ask("GET", "/logs");
  await ask("GET", "/wakes");
  await owned.in("asleep", { within: (IDLE_SECONDS + 60) * 1000 });
  assert.deepEqual(await stack.containers.list(), []);
  assert.deepEqual(outside(), []);
});

test("c10 c11 after the stop they are nowhere at all", { timeout: TIMEOUT_MS }, async () => {
  await owned.stop();
  for (const path of ["", "/secrets", "/snapshots", "/settings", "/logs", "/wakes"]) await ask("GET", path);
  assert.deepEqual(outside(), []);
});
