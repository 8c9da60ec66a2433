// The stand-in container where it is used: in a Durable Object in workerd, under `wrangler dev`.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { ownPort } from "../ports.ts";
import { type SandboxHost, startSandboxHost } from "./host.ts";

const wrangler = fileURLToPath(new URL("../../node_modules/wrangler/bin/wrangler.js", import.meta.url));
const skip = existsSync(wrangler) ? false : "wrangler is not installed";
const base = mkdtempSync(join(tmpdir(), "sandbox-workerd-"));
const token = randomBytes(24).toString("hex");
const MEGABYTE = 1_000_000;

let host: SandboxHost;
let worker: ChildProcess;
let origin: string;
let log = "";

before(async () => {
  if (skip) return;
  host = await startSandboxHost({
    dir: join(base, "sandboxes"),
    agentDir: fileURLToPath(new URL("fixtures/agent", import.meta.url)),
    token,
  });
  const config = join(base, "wrangler.json");
  writeFileSync(
    config,
    JSON.stringify({
      name: "sandbox-fixture",
      main: fileURLToPath(new URL("fixtures/worker.ts", import.meta.url)),
      compatibility_date: "2026-11-01",
      compatibility_flags: ["no_nodejs_compat", "no_nodejs_compat_v2"],
      durable_objects: { bindings: [{ name: "AGENT", class_name: "Agent" }] },
      migrations: [{ tag: "v1", new_sqlite_classes: ["Agent"] }],
      vars: { SANDBOX_HOST_URL: host.url, SANDBOX_HOST_TOKEN: token, OTHER: "kept" },
    }),
  );
  const port = await ownPort();
  origin = `http://127.0.0.1:${port}`;
  const args = [wrangler, "dev", "--config", config, "--ip", "127.0.0.1", "--port", String(port), "--persist-to", base];
  worker = spawn(process.execPath, args, {
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    cwd: base,
  });
  worker.stdout?.on("data", (chunk) => (log += chunk));
  worker.stderr?.on("data", (chunk) => (log += chunk));
  for (let round = 0; round < 300 && !log.includes("Ready on"); round++) {
    assert.equal(worker.exitCode, null, log);
    await delay(100);
  }
});

after(async () => {
  if (skip) return;
  const ended = new Promise((done) => worker.once("exit", done));
  worker.kill("SIGTERM");
  await ended;
  await host.close();
  rmSync(base, { recursive: true, force: true });
});

async function ask(path: string, init?: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(origin + path, init);
  const body = await response.text();
  assert.equal(response.status, 200, `${path}: ${body}\n${log}`);
  return body === "" ? {} : JSON.parse(body);
}

async function started(): Promise<void> {
  const { running } = await ask("/about");
  if (!running) await ask("/start");
  await ask("/wait");
}

test("the object's own events, storage and values are there, the way to the host is not", { skip }, async () => {
  const about = await ask("/about");
  assert.deepEqual(about, { env: ["AGENT", "OTHER"], running: false, runningAtConstruction: false });
  assert.deepEqual(await ask("/start"), { running: true });
  await ask("/alarm");
  let alarm: unknown;
  for (let round = 0; round < 100 && alarm === undefined; round++) {
    await delay(50);
    alarm = (await ask("/about")).alarm;
  }
  assert.equal(alarm, true);
});

test("an object constructed anew finds its container running, in its constructor already", { skip }, async () => {
  await started();
  assert.equal((await fetch(`${origin}/abort`)).status, 500);
  assert.deepEqual((await ask("/about")).runningAtConstruction, true);
  assert.equal((await ask("/kill")).exitCode, 137);
});

test("monitor answers after a kill, and the container starts again", { skip }, async () => {
  await started();
  assert.deepEqual(await ask("/kill"), { exitCode: 137, running: false });
  assert.deepEqual(await ask("/start"), { running: true });
  assert.deepEqual(await ask("/destroy"), { running: false });
});

test("a port that is closed, and a container that is not running, are errors of their own", { skip }, async () => {
  await started();
  assert.match(String((await ask("/error?port=4")).error), /The container is not listening in the TCP address/);
  await ask("/destroy");
  assert.match(String((await ask("/error?port=4")).error), /The container is not running/);
});

test("HTTP goes through with its Host header, bodies stream both ways", { skip }, async () => {
  await started();
  const seen = (await ask("/headers?a=%2Fb")) as { url: string; headers: Record<string, string> };
  assert.equal(seen.url, "/headers?a=%2Fb");
  assert.equal(seen.headers.host, new URL(origin).host);
  assert.equal(seen.headers["cf-worker"], undefined);
  assert.ok(!JSON.stringify(seen).includes(token));

  const data = randomBytes(20 * MEGABYTE);
  const hash = await (await fetch(`${origin}/hash`, { method: "POST", body: data })).text();
  assert.equal(hash, createHash("sha256").update(data).digest("hex"));

  // The second half is sent when the first has come back.
  const echo = http.request(`${origin}/echo`, { method: "POST" });
  echo.write("first");
  const answer = await new Promise<http.IncomingMessage>((done, failed) =>
    echo.once("response", done).once("error", failed),
  );
  const chunks = answer.setEncoding("utf8").iterator();
  assert.equal((await chunks.next()).value, "first");
  echo.end("second");
  assert.equal((await chunks.next()).value, "second");
});

test("a WebSocket goes through, a refused one is an answer", { skip }, async () => {
  await started();
  const socket = new WebSocket(`${origin.replace("http", "ws")}/ws`);
  await new Promise((open, failed) => socket.once("open", open).once("error", failed));
  for (const message of ["text", randomBytes(500_000)]) {
    const echoed = new Promise<Buffer>((done) => socket.once("message", (data) => done(data as Buffer)));
    socket.send(message);
    assert.deepEqual(Buffer.from(await echoed), Buffer.from(message as string));
  }
  socket.close();
  const refused = new WebSocket(`${origin.replace("http", "ws")}/other`);
  const status = await new Promise((done) => {
    refused.once("unexpected-response", (_request, response) => done(response.statusCode));
    refused.once("error", done);
  });
  assert.equal(status, 401);
  assert.equal((await ask("/about")).running, true);
});

test("100 MB of a process's stdout arrive whole, read by the object and handed on to the client", {
  skip,
}, async () => {
  await started();
  const size = 100 * MEGABYTE;
  assert.deepEqual(await ask(`/stdout?size=${size}`), { size, exitCode: 0 });
  const download = await fetch(`${origin}/download?size=${size}`);
  let received = 0;
  for await (const chunk of download.body as unknown as AsyncIterable<Uint8Array>) received += chunk.byteLength;
  assert.equal(received, size);
});

test("a request's body becomes a process's stdin; a pipe is written by the object; abort ends a process", {
  skip,
}, async () => {
  await started();
  const data = randomBytes(30 * MEGABYTE);
  const hash = createHash("sha256").update(data).digest("hex");
  assert.deepEqual(await ask("/stdin", { method: "POST", body: data }), { hash, exitCode: 0 });
  assert.deepEqual(await ask("/pipe"), { text: "written", exitCode: 0 });
  assert.deepEqual(await ask("/exec-abort"), { exitCode: 137 });
});
