// A gateway that ends by itself: its container stays for what is to be taken out of it, answers in its place and can
// still be saved. Here with a stand-in for OpenClaw, which ends when it is told to.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";

import { ownPort } from "../../dev/ports.ts";
import { makeSandbox, policy, run, until } from "./support.mjs";

const INIT = new URL("../lib/init.mjs", import.meta.url).href;
const PATHS = new URL("../lib/paths.mjs", import.meta.url).href;
const SECRETS = { openai: "sk-live-0123456789abcdef" };
/** Ends with code 7 once there is a file `end` beside it. */
const STAND_IN = `
  import { existsSync } from "node:fs";
  process.on("SIGTERM", () => process.exit(0));
  setInterval(() => existsSync(new URL("end", import.meta.url)) && process.exit(7), 20);
  console.log("up");
`;

/**
 * `init` with its gateway running.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [env]
 */
async function started(t, env = {}) {
  const sandbox = await makeSandbox(t, { AGENT_PORT: String(await ownPort()), ...env });
  const openclaw = path.join(sandbox.root, "openclaw");
  await mkdir(openclaw);
  await writeFile(path.join(openclaw, "openclaw.mjs"), STAND_IN);
  await writeFile(path.join(openclaw, "package.json"), JSON.stringify({ version: "1.0.0" }));
  const source = `
    const { run } = await import(${JSON.stringify(INIT)});
    const { pathsFrom } = await import(${JSON.stringify(PATHS)});
    const paths = { ...pathsFrom(process.env), openclaw: ${JSON.stringify(openclaw)} };
    const { exit } = await run({ paths, env: process.env, argv: [], stdin: process.stdin, stdout: process.stdout });
    process.exit(exit);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    env: sandbox.env,
    stdio: ["pipe", "inherit", "inherit"],
  });
  const ended = once(child, "close").then(([code]) => code);
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  const input = await run(sandbox, ["inject"], INPUT);
  assert.equal(input.code, 0, input.stderr);
  await until("the gateway", () =>
    readFile(sandbox.paths.log, "utf8")
      .then((text) => text === "up\n")
      .catch(() => false),
  );
  const endGateway = () => writeFile(path.join(openclaw, "end"), "");
  return { sandbox, child, ended, endGateway };
}

const INPUT = JSON.stringify({ config: policy(), secrets: SECRETS });

/** @param {string} file */
const isThere = (file) =>
  access(file).then(
    () => true,
    () => false,
  );

/** @param {{paths: import("../lib/paths.mjs").Paths}} sandbox @param {string} where @param {object} options */
const ask = ({ paths }, where = "/startupz", options = {}) =>
  fetch(`http://127.0.0.1:${paths.port}${where}`, options).catch(() => undefined);

/** @param {{paths: import("../lib/paths.mjs").Paths}} sandbox */
const answer = (sandbox) => until("the answer in its place", () => ask(sandbox));

test("c20 a gateway that ends by itself leaves its container there, which says so to everyone", async (t) => {
  const { sandbox, ended, child, endGateway } = await started(t);
  await endGateway();
  const first = await answer(sandbox);
  for (const response of [first, await ask(sandbox, "/x", { method: "POST", body: "x".repeat(100_000) })]) {
    assert.equal(response?.status, 503);
    assert.equal(response.headers.get("x-agent-ended"), "7");
    assert.equal(await response.text(), "The agent's gateway has ended with code 7.\n");
  }
  const socket = net.connect(sandbox.paths.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  const [head] = await once(socket.setEncoding("utf8"), "data");
  assert.match(head, /^HTTP\/1\.1 503 .*\r\n(.+\r\n)*x-agent-ended: 7\r\n/);
  assert.equal(await isThere(sandbox.paths.gatewayMark), false);
  child.kill("SIGTERM");
  assert.equal(await ended, 7);
  assert.equal(await ask(sandbox), undefined);
});

test("c20 what it held can be saved, and nothing starts in it any more", async (t) => {
  const { sandbox, child, ended, endGateway } = await started(t);
  await mkdir(path.join(sandbox.paths.state, "workspace"), { recursive: true });
  await writeFile(path.join(sandbox.paths.state, "workspace", "note.md"), "remembered");
  await writeFile(path.join(sandbox.paths.state, "workspace", "leak.md"), SECRETS.openai);
  await endGateway();
  await answer(sandbox);
  const refused = await run(sandbox, ["inject"], INPUT);
  assert.equal(refused.code, 1);
  assert.equal(refused.stderr, "the gateway has ended\n");
  const began = Date.now();
  const taken = await run(sandbox, ["snapshot"]);
  assert.ok(Date.now() - began < 10_000, "there is nobody to wait for");
  assert.equal(taken.json?.files, 1, taken.stderr);
  assert.deepEqual(taken.json.leftOut, ["workspace/leak.md"]);
  assert.equal((await run(sandbox, ["send"])).stdout.length, taken.json.size);
  assert.deepEqual((await run(sandbox, ["resume"])).json, { ok: true });
  assert.equal((await stat(sandbox.paths.secrets)).mode & 0o777, 0o600);
  child.kill("SIGINT");
  assert.equal(await ended, 7);
  for (const file of [sandbox.paths.secrets, sandbox.paths.config]) assert.equal(await isThere(file), false);
});

test("c20 it waits for the port, and not for ever", async (t) => {
  const { sandbox, ended, endGateway } = await started(t, { AGENT_ENDED_TIMEOUT_MS: "3000" });
  const left = net.createServer().listen(sandbox.paths.port, "127.0.0.1");
  await once(left, "listening");
  await endGateway();
  await until("the end's mark", () => isThere(sandbox.paths.endedMark));
  left.close();
  assert.equal((await answer(sandbox))?.status, 503);
  assert.equal(await ended, 7);
});

test("a gateway that was asked to stop takes its container along", async (t) => {
  const asked = await started(t);
  asked.child.kill("SIGTERM");
  assert.equal(await asked.ended, 0);
  assert.equal(await isThere(asked.sandbox.paths.secrets), false);
  const hosted = await started(t, { AGENT_EXIT_WITH_STDIN: "1" });
  await hosted.endGateway();
  await answer(hosted.sandbox);
  hosted.child.stdin.end();
  assert.equal(await hosted.ended, 7);
});
