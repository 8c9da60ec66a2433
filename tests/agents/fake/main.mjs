// Test stand-in for the agent's program: each command does the least that its contract asks, tells the test that it ran
// and how, and goes wrong as the test says. control.json beside it names the server of the test (tests/support/agent.ts).
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { basename, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

const root = process.env.AGENT_ROOT ?? "";
const state = join(root, "data/state");
const run = join(root, "run/agent");
const archive = join(root, "var/tmp/agent/archive");
const pack = join(root, "var/tmp/agent/pack");
/** Tells one container from the next. */
const identity = join(run, "identity");
/** Written by the main process alone: other commands may run before it has come this far. */
const lived = join(run, "lived");
/** Of the stand-in, which sandbox this is: it may be told something of its own. */
const place = basename(root);
/** @type {{host: string, port: number}} */
const control = JSON.parse(readFileSync(new URL("control.json", import.meta.url), "utf8"));
/** Exit code that says that the archive is at fault. */
const BAD_ARCHIVE = 3;
const [command = "", ...argv] = process.argv.slice(2);

/**
 * Lines of JSON there and back, each answered in turn. Not HTTP, which takes as long to load as all that a command does.
 * @type {((answer: any) => void)[]}
 */
const asked = [];
const test = connect(control);
let received = "";
test.setEncoding("utf8").on("data", (chunk) => {
  const lines = (received + chunk).split("\n");
  received = lines.pop() ?? "";
  for (const line of lines) asked.shift()?.(JSON.parse(line));
  // What is waited for holds this process, the connection itself does not.
  if (asked.length === 0) test.unref();
});
// The test is over: whoever still waits for an answer ends without one.
test.on("error", () => {});

/** @param {Record<string, unknown>} question @returns {Promise<any>} */
function ask(question) {
  test.ref().write(`${JSON.stringify(question)}\n`);
  return new Promise((answered) => asked.push(answered));
}

/** @returns {Promise<Record<string, any>>} */
async function knobs(name = command) {
  return (await ask({ knobs: place }))[name] ?? {};
}

/** @param {Record<string, unknown>} entry */
async function journal(entry) {
  const sandbox = readFileSync(identity, "utf8");
  await ask({ note: { command, sandbox, place, at: Date.now(), ...entry } });
}

const told = await knobs();
/** Prints its answer, or what the test has it say in its place. @param {unknown} value */
const print = (value) => process.stdout.write(told.print ?? `${JSON.stringify(value)}\n`);
/** @param {Buffer} bytes */
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** @param {string} name */
const option = (name) => argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3);

/** @param {string} reason @returns {never} */
function refuse(reason) {
  process.stderr.write(`${reason}\n`);
  process.exit(BAD_ARCHIVE);
}

/**
 * Incremental snapshots in short: a chunk is a line. The index says which make up each file, and in which pack each is.
 * @typedef {{files: Record<string, string[]>, places: Record<string, string>}} Index
 * @param {[string, string][]} contents
 * @param {string} id
 */
async function stageIncrementally(contents, id) {
  /** @type {Index} */
  const base = option("base") ? JSON.parse((await buffer(process.stdin)).toString()) : { places: {} };
  await journal({ base: option("base"), known: Object.keys(base.places).length });
  /** @type {Record<string, string>} */
  const places = {};
  /** @type {Record<string, string>} */
  const fresh = { time: String(Date.now()) };
  const files = contents.map(([name, content]) => {
    const hashes = content.split("\n").map((line) => {
      const hash = sha256(Buffer.from(line));
      places[hash] = base.places[hash] ?? id;
      if (places[hash] === id) Object.assign(fresh, { [hash]: line });
      return hash;
    });
    return [name, hashes];
  });
  const index = Buffer.from(JSON.stringify({ files: Object.fromEntries(files), places }));
  const bytes = Buffer.from(JSON.stringify(fresh));
  writeFileSync(archive, index);
  writeFileSync(pack, bytes);
  const packs = [...new Set([...Object.values(places), id])];
  const facts = { size: index.length, sha256: sha256(index), files: files.length, openclaw: "2026.9.6", format: 2 };
  return { ...facts, pack: { size: bytes.length, sha256: sha256(bytes) }, packs };
}

/** @param {Buffer} bytes @param {number} size of the index @param {string} announced */
function filesOf(bytes, size, announced) {
  let at = size;
  /** @type {Record<string, string>} */
  const lines = {};
  for (const [, length, hash] of announced.split(",").map((one) => one.split(":"))) {
    const part = bytes.subarray(at, at + Number(length));
    at += Number(length);
    if (sha256(part) !== hash) refuse("a pack's hash differs");
    Object.assign(lines, JSON.parse(part.toString()));
  }
  /** @type {Index} */
  const { files } = JSON.parse(bytes.subarray(0, size).toString());
  return Object.entries(files).map(([name, hashes]) => [name, hashes.map((hash) => lines[hash]).join("\n")]);
}

/** @type {Record<string, () => Promise<void>>} */
const commands = {
  async init() {
    // As long as this connection is there, this container lives.
    await ask({ life: readFileSync(identity, "utf8"), place });
    if (process.env.AGENT_EXIT_WITH_STDIN === "1") process.stdin.on("end", () => process.exit(0)).resume();
    process.on("SIGTERM", () => process.exit(0));
    while (!existsSync(join(run, "go"))) await delay(20);
    const { serve, listen } = await import("./gateway.mjs");
    const { exit } = await knobs("boot");
    if (exit !== undefined) process.exit(exit);
    // As the real one: in a container on all of its addresses, beside others of this machine on loopback alone.
    const address = process.env.AGENT_HOST ?? "0.0.0.0";
    const note = (/** @type {string} */ of) => journal({ command: of });
    await serve({ state, address, port: Number(process.env.AGENT_PORT ?? 18_789), knobs, note });
    await listen({ state, run, address, port: Number(process.env.AGENT_HOOK_PORT ?? 8787), knobs });
  },

  async restore() {
    // As one from before packs: it has seen enough when it has seen more than one archive.
    if (told.plain && option("packs")) refuse("longer than announced");
    const bytes = await buffer(process.stdin);
    const [hash, size] = [argv[argv.indexOf("--sha256") + 1], Number(argv[argv.indexOf("--size") + 1])];
    await journal({ hash, size, received: bytes.length });
    const packs = option("packs");
    const announced = (packs?.split(",") ?? []).reduce((sum, one) => sum + Number(one.split(":")[1]), size);
    // As the real one: what is missing may have been lost on the way.
    if (bytes.length < announced) throw new Error("the archive is shorter than announced");
    if (bytes.length !== announced || sha256(bytes.subarray(0, size)) !== hash) refuse("size or hash differ");
    // Whose words come from the test, theirs do the archives too: not this program's to open.
    if (told.print !== undefined) return void print(undefined);
    const whole = () => Object.entries(JSON.parse(bytes.toString()));
    const files = packs === undefined ? whole() : filesOf(bytes, size, packs);
    for (const [name, content] of files) writeFileSync(join(state, name), String(content));
    print({ files: files.length });
  },

  async inject() {
    const input = JSON.parse((await buffer(process.stdin)).toString());
    await journal({ input });
    writeFileSync(join(run, "hook-secret"), input.secrets["telegram-secret"] ?? "");
    // As the real one: what runs takes it as it runs.
    const reloaded = existsSync(join(run, "go"));
    writeFileSync(join(run, "go"), "");
    print({ ok: true, reloaded });
  },

  async snapshot() {
    const names = readdirSync(state);
    /** @type {[string, string][]} */
    const contents = names.map((name) => [name, readFileSync(join(state, name), "utf8")]);
    const digest = sha256(Buffer.from(JSON.stringify(contents)));
    if (argv.includes(`--unless=${digest}`)) return void print({ unchanged: true });
    const id = told.plain ? undefined : option("incremental");
    if (id !== undefined) return void print({ ...(await stageIncrementally(contents, id)), digest, ...told.claim });
    const bytes = Buffer.from(JSON.stringify(Object.fromEntries(contents)));
    writeFileSync(archive, bytes);
    const facts = { size: bytes.length, sha256: sha256(bytes), files: names.length, openclaw: "2026.9.6", format: 1 };
    print({ ...facts, digest, ...told.claim });
  },

  async send() {
    const part = option("part");
    if (part !== undefined && part === told.failPart) throw new Error("told to fail");
    if (part !== undefined && part === told.hangPart) await delay(3_600_000);
    const file = part === "pack" ? pack : archive;
    const bytes = told.base64 === undefined ? readFileSync(file) : Buffer.from(told.base64, "base64");
    process.stdout.write(told.cut ? bytes.subarray(0, -1) : bytes);
    process.exitCode = told.exit ?? 0;
  },

  async resume() {
    for (const file of [archive, pack]) rmSync(file, { force: true });
    print({ ok: true });
  },

  async keys() {
    print({ keys: told.keys ?? {} });
  },

  async pairing() {
    const waiting = /** @type {{id: string}[]} */ (told.waiting ?? []);
    const id = option("approve") ?? option("reject");
    const found = waiting.some((one) => one.id === id);
    print({ waiting: waiting.filter((one) => one.id !== id), found, letIn: told.letIn });
  },

  async wipe() {
    print({ ok: true });
  },

  async activity() {
    print({ idleSeconds: told.idleSeconds ?? 999_999, busy: told.busy ?? false });
  },

  async logs() {
    print({ lines: told.lines ?? ["booted", "listening"] });
  },
};

for (const dir of [state, run, join(root, "var/tmp/agent")]) mkdirSync(dir, { recursive: true, mode: 0o700 });
// As the real one: it lives once, and what an engine starts anew ends.
if (command === "init" && existsSync(lived)) process.exit(0);
if (command === "init") writeFileSync(lived, "");
if (!existsSync(identity)) writeFileSync(identity, randomUUID());
const { delayMs = 0, fail = false, hang = false, unknown = false } = told;
await journal({ argv, env: process.env });
await delay(delayMs);
if (hang) await delay(3_600_000);
// Until the test tells otherwise.
while (told.hold && (await knobs()).hold) await delay(50);
try {
  if (fail) throw new Error(fail === true ? "told to fail" : fail);
  const work = unknown ? undefined : commands[command];
  if (!work) throw new Error("unknown command");
  await work();
  await journal({ done: true });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
