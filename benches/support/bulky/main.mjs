// The commands of container/README.md as far as a start and a stop call them. The archive is noise, as long as the file
// `size` beside this program says, and the same each time.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { noise } from "./noise.mjs";

const run = join(process.env.AGENT_ROOT ?? "", "run/agent");
const go = join(run, "go");
/** Exit code that says that the archive is at fault. */
const BAD_ARCHIVE = 3;
const [command = "", ...argv] = process.argv.slice(2);

/** @param {unknown} value */
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const archive = () => noise(Number(readFileSync(new URL("size", import.meta.url), "utf8")));

/** @param {Iterable<Buffer> | AsyncIterable<Buffer>} bytes */
async function factsOf(bytes) {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: hash.digest("hex") };
}

/** @type {Record<string, () => unknown>} */
const commands = {
  async init() {
    process.stdin.on("end", () => process.exit(0)).resume();
    process.on("SIGTERM", () => process.exit(0));
    while (!existsSync(go)) await delay(20);
    const answer = JSON.stringify({ status: "started" });
    http.createServer((_, response) => response.end(answer)).listen(Number(process.env.AGENT_PORT), "127.0.0.1");
  },
  async restore() {
    const { size, sha256 } = await factsOf(process.stdin);
    const announced = [argv[argv.indexOf("--sha256") + 1], argv[argv.indexOf("--size") + 1]];
    if (announced[0] !== sha256 || announced[1] !== String(size)) process.exit(BAD_ARCHIVE);
    print({ files: 1 });
  },
  inject() {
    writeFileSync(go, "");
    print({ ok: true, reloaded: false });
  },
  async snapshot() {
    print({ ...(await factsOf(archive())), files: 1, openclaw: "2026.9.6", format: 1 });
  },
  send: () => pipeline(archive(), process.stdout),
  activity: () => print({ idleSeconds: 0, busy: false }),
  keys: () => print({ keys: {} }),
  logs: () => print({ lines: [] }),
  resume: () => print({ ok: true }),
  wipe: () => print({ ok: true }),
};

mkdirSync(run, { recursive: true, mode: 0o700 });
await commands[command]?.();
