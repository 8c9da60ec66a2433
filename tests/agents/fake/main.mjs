// Test stand-in for the agent's program: each command does the least that its contract asks, writes into a journal that
// it ran and how, and goes wrong as the knobs file tells it. Both files lie in the test's own directory.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { serve } from "./server.mjs";

const root = process.env.AGENT_ROOT ?? "/nonexistent";
const state = join(root, "data/state");
const run = join(root, "run/agent");
const archive = join(root, "var/tmp/agent/archive");
// <test's directory>/sandboxes/<run of the host>/<sandbox>
const testDir = join(root, "../../..");
/** Exit code that says that the archive is at fault. */
const BAD_ARCHIVE = 3;
const [command = "", ...argv] = process.argv.slice(2);

/** @returns {Record<string, any>} */
export function knobs(name = command) {
  const file = join(testDir, "fake-agent.knobs.json");
  return (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {})[name] ?? {};
}

/** @param {Record<string, unknown>} entry */
export function journal(entry) {
  const line = JSON.stringify({ command, root, at: Date.now(), ...entry });
  appendFileSync(join(testDir, "fake-agent.journal"), `${line}\n`);
}

/** @param {unknown} value */
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
/** @param {Buffer} bytes */
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** @type {Record<string, () => Promise<void>>} */
const commands = {
  async init() {
    process.stdin.on("end", () => process.exit(0)).resume();
    process.on("SIGTERM", () => process.exit(0));
    while (!existsSync(join(run, "go"))) await delay(20);
    if (knobs("boot").exit !== undefined) process.exit(knobs("boot").exit);
    await serve({ state, port: Number(process.env.AGENT_PORT), knobs });
  },

  async restore() {
    const bytes = await buffer(process.stdin);
    const [hash, size] = [argv[argv.indexOf("--sha256") + 1], Number(argv[argv.indexOf("--size") + 1])];
    journal({ hash, size, received: bytes.length });
    if (bytes.length !== size || sha256(bytes) !== hash) {
      process.stderr.write("size or hash differ\n");
      process.exit(BAD_ARCHIVE);
    }
    const files = Object.entries(JSON.parse(bytes.toString()));
    for (const [name, content] of files) writeFileSync(join(state, name), String(content));
    print({ files: files.length });
  },

  async inject() {
    journal({ input: JSON.parse((await buffer(process.stdin)).toString()) });
    writeFileSync(join(run, "go"), "");
    print({ ok: true });
  },

  async snapshot() {
    const lie = knobs();
    const names = readdirSync(state);
    const bytes = Buffer.from(
      JSON.stringify(Object.fromEntries(names.map((name) => [name, readFileSync(join(state, name), "utf8")]))),
    );
    writeFileSync(archive, bytes);
    const facts = { size: bytes.length, sha256: sha256(bytes), files: names.length, openclaw: "2026.9.6", format: 1 };
    if (typeof lie.print === "string") process.stdout.write(lie.print);
    else print({ ...facts, ...lie.claim });
  },

  async send() {
    const bytes = readFileSync(archive);
    process.stdout.write(knobs().cut ? bytes.subarray(0, -1) : bytes);
    process.exitCode = knobs().exit ?? 0;
  },

  async resume() {
    rmSync(archive, { force: true });
    print({ ok: true });
  },

  async wipe() {
    print({ ok: true });
  },

  async activity() {
    print({ idleSeconds: knobs().idleSeconds ?? 999_999 });
  },
};

for (const dir of [state, run, join(root, "var/tmp/agent")]) mkdirSync(dir, { recursive: true, mode: 0o700 });
const { delayMs = 0, fail = false, hang = false } = knobs();
journal({ argv, env: process.env });
await delay(delayMs);
if (hang) await delay(3_600_000);
try {
  if (fail) throw new Error("told to fail");
  const work = commands[command];
  if (!work) throw new Error("unknown command");
  await work();
  journal({ done: true });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
