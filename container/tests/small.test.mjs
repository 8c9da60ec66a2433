// The small parts: places, links, log, configuration.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import { buildConfig, ownerHeaders } from "../lib/config.mjs";
import { reasonOf } from "../lib/errors.mjs";
import { staysInside } from "../lib/links.mjs";
import { LogTail } from "../lib/log.mjs";
import { pathsFrom } from "../lib/paths.mjs";
import { maskFor } from "../lib/secrets.mjs";
import { makeSandbox, OWNER, policy, run } from "./support.mjs";

test("in the image the places are absolute and the gateway listens on every interface", () => {
  const paths = pathsFrom({});
  assert.equal(paths.state, "/data/state");
  assert.equal(paths.secrets, "/run/agent/secrets.json");
  assert.equal(paths.port, 18_789);
  const config = /** @type {any} */ (buildConfig(policy(), paths));
  assert.equal(config.gateway.bind, "lan");
  assert.ok(config.gateway.trustedProxies.includes("10.0.0.0/8"));
  assert.ok(!config.gateway.trustedProxies.some((/** @type {string} */ range) => range.endsWith("/0")));
});

test("places that are not plain are refused", () => {
  for (const root of ["relative", "/a/../b", "/a/", "/a//b"]) assert.throws(() => pathsFrom({ AGENT_ROOT: root }));
  for (const port of ["0", "65536", "1e3", "-1", "x"]) assert.throws(() => pathsFrom({ AGENT_PORT: port }));
  assert.throws(() => pathsFrom({ AGENT_HOST: "0.0.0.0" }));
});

test("our requests to the gateway are the owner's, from an address that no proxy has", () => {
  const config = buildConfig(policy(), pathsFrom({}));
  assert.deepEqual(ownerHeaders(config), { "x-molt-owner": OWNER, "x-molt-edge": "1", "x-forwarded-for": "192.0.2.1" });
});

test("a link stays inside or not", () => {
  for (const [where, target] of [
    ["a/b", "c"],
    ["a/b", "../c"],
    ["a/b/c", "../../d"],
    ["a", "b/c"],
    ["a/b", "."],
  ]) {
    assert.ok(staysInside(where ?? "", target ?? ""), `${where} -> ${target}`);
  }
  for (const [where, target] of [
    ["a", "../b"],
    ["a/b", "../../c"],
    ["a/b", "/c"],
    ["a", ".."],
    ["a", ""],
    ["a/b", "x/../../../y"],
  ]) {
    assert.ok(!staysInside(where ?? "", target ?? ""), `${where} -> ${target}`);
  }
});

test("the log keeps the last lines, cuts long ones and masks injected values", async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), "agent-log-"));
  t.after(() => rm(directory, { recursive: true }));
  const file = path.join(directory, "agent.log");
  const log = new LogTail(file, maskFor(['se"cret-value']));
  const stream = new PassThrough();
  log.follow(stream);
  for (let line = 0; line < 1_000; line += 1) stream.write(`line ${line}\n`);
  stream.write('raw se"cret-value and {"json":"se\\"cret-value"}\n');
  stream.end("z".repeat(100_000));
  await new Promise((resolve) => stream.on("end", resolve));
  const text = await readFile(file, "utf8");
  assert.ok(text.split("\n").length <= 401);
  assert.ok(text.includes("line 999"));
  assert.ok(!text.includes("line 1\n"));
  assert.ok(text.includes('raw [secret] and {"json":"[secret]"}'));
  assert.ok(Math.max(...text.split("\n").map((line) => line.length)) <= 4_096);
});

test("a foreign error's text is not told", () => {
  try {
    JSON.parse("sk-live-secret");
    assert.fail();
  } catch (error) {
    assert.equal(reasonOf(error), "unexpected failure (SyntaxError)");
  }
});

test("an unknown command is refused in one line", async (t) => {
  for (const name of ["", "unknown", "constructor", "__proto__"]) {
    const outcome = await run(await makeSandbox(t), [name]);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /^unknown command.*\n$/);
  }
});

test("the watchdog ends a command even while it is busy", () => {
  const watchdog = new URL("../lib/watchdog.mjs", import.meta.url).href;
  const source = `const { startWatchdog } = await import(${JSON.stringify(watchdog)}); startWatchdog("work", 1); for (;;);`;
  const { signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", source], { timeout: 60_000 });
  assert.equal(signal, "SIGKILL");
  assert.equal(stderr.toString(), "work took longer than 1 s\n");
});
