// The gateway's process before OpenClaw runs in it: what it loads ahead, and that nothing of that runs too early.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const LAUNCH = fileURLToPath(new URL("../lib/launch.mjs", import.meta.url));
const base = realpathSync(mkdtempSync(path.join(os.tmpdir(), "multiclaw-launch-")));
after(() => rmSync(base, { recursive: true, force: true }));
let count = 0;

/** A program of three modules in OpenClaw's place: one that is named at once, one that is loaded later. */
function program() {
  const root = path.join(base, String(count++));
  const home = path.join(root, "node_modules", "openclaw");
  mkdirSync(path.join(home, "dist"), { recursive: true });
  const manifest = path.join(home, "package.json");
  writeFileSync(manifest, JSON.stringify({ name: "openclaw", version: "1.2.3", type: "module" }));
  const write = (/** @type {string} */ name, /** @type {string} */ text) => writeFileSync(path.join(home, name), text);
  write(
    "openclaw.mjs",
    'import "./dist/first.js"; await import("./dist/second.js"); console.log(process.argv.slice(1).join(" "));',
  );
  write("dist/first.js", 'console.log("first");');
  write("dist/second.js", 'console.log("second");');
  const launcher = path.join(home, "openclaw.mjs");
  const { mtimeMs, size } = statSync(manifest);
  const cache = path.join(root, "node-compile-cache", "openclaw", "1.2.3", `${Math.trunc(mtimeMs)}-${size}`);
  return {
    root,
    write,
    launcher,
    list: path.join(cache, "modules.json"),
    url: (/** @type {string} */ name) => pathToFileURL(path.join(home, name)).href,
  };
}

/** @param {ReturnType<typeof program>} of */
function launch({ root, launcher }) {
  const env = { PATH: process.env.PATH ?? "", TMPDIR: root };
  const stdio = /** @type {("ignore" | "pipe")[]} */ (["ignore", "pipe", "pipe", "pipe"]);
  const child = spawn(process.execPath, [LAUNCH, launcher, "gateway", "run"], { env, stdio });
  const said = { out: "", error: "" };
  child.stdout?.on("data", (chunk) => {
    said.out += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    said.error += chunk;
  });
  const go = /** @type {import("node:stream").Writable} */ (child.stdio[3]);
  return { said, go, ended: once(child, "close").then(([code]) => code) };
}

/** @param {ReturnType<typeof program>} of */
async function runs(of) {
  const { said, go, ended } = launch(of);
  go.end("1");
  assert.equal(await ended, 0, said.error);
  return said;
}

const SAID = (/** @type {string} */ launcher) => `first\nsecond\n${launcher} gateway run\n`;

test("it runs as if it had been started by itself, and what it loads is kept for the next", async () => {
  const of = program();
  assert.equal((await runs(of)).out, SAID(of.launcher));
  const urls = JSON.parse(readFileSync(of.list, "utf8"));
  assert.deepEqual(urls.sort(), ["dist/first.js", "dist/second.js", "openclaw.mjs"].map(of.url));
  assert.equal((await runs(of)).out, SAID(of.launcher));
});

test("what is known is loaded before it is let go, and none of it runs until then", async () => {
  const of = program();
  await runs(of);
  // Whoever opens it to write waits for somebody who opens it to read.
  const pipe = fileURLToPath(of.url("dist/second.js"));
  rmSync(pipe);
  execFileSync("mkfifo", [pipe]);
  const { said, go, ended } = launch(of);
  await writeFile(pipe, 'console.log("read ahead");');
  rmSync(pipe);
  of.write("dist/second.js", 'console.log("second");');
  assert.equal(said.out, "");
  go.end("1");
  assert.equal(await ended, 0, said.error);
  assert.equal(said.out, SAID(of.launcher).replace("second", "read ahead"));
});

test("where whoever started it goes away, it goes too, and nothing of it has run", async () => {
  for (const known of [false, true]) {
    const of = program();
    if (known) await runs(of);
    const { said, go, ended } = launch(of);
    go.end();
    assert.equal(await ended, 0, said.error);
    assert.deepEqual(said, { out: "", error: "" });
  }
});

for (const [what, damage] of /** @type {[string, (of: ReturnType<typeof program>) => string][]} */ ([
  ["is damaged", () => "[ 'not JSON"],
  ["is none", () => '{"length":1}'],
  ["names what is not there", ({ url }) => JSON.stringify([url("dist/gone.js"), url("dist/first.js")])],
  [
    "names what does not parse",
    (of) => {
      of.write("dist/broken.js", "}{");
      return JSON.stringify([of.url("dist/broken.js")]);
    },
  ],
])) {
  test(`a list that ${what} costs nothing but the time`, async () => {
    const of = program();
    await runs(of);
    writeFileSync(of.list, damage(of));
    assert.equal((await runs(of)).out, SAID(of.launcher));
  });
}
