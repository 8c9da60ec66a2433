// What `ctx.container` does: the same for the embedded stand-in and for a Docker Engine under workerd's own runtime.
// Where the two can't be the same, docs/containers.md says so.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parse } from "smol-toml";
import { onEngine, standIn } from "../dev/containers.ts";
import { LocalWorker } from "../dev/local-worker.ts";
import { writeSecrets } from "../dev/secrets.ts";
import { onSignals, ROOT, usablePort } from "../dev/stack.ts";
import { images } from "../scripts/lib/images.mjs";
import type { Ask } from "./runtime/ask.ts";
import { send } from "./support/http.ts";
import { engine, onDocker } from "./support/stack.ts";
import { until } from "./support/wait.ts";

const GIGABYTE = 1_000_000_000;
const dir = mkdtempSync(join(tmpdir(), "multiclaw-runtime-"));
const containers = onDocker ? await onEngine(dir, engine(images().base)) : await standIn(join(dir, "sandboxes"), dir);
const port = await usablePort(0);
const config = join(dir, "wrangler.json");
const { compatibility_date } = parse(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
writeFileSync(
  config,
  JSON.stringify({
    name: "runtime",
    main: join(ROOT, "tests/runtime", onDocker ? "probe.ts" : "embedded.ts"),
    compatibility_date,
    durable_objects: { bindings: [{ name: "PROBE", class_name: "Probe" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Probe"] }],
    vars: containers.vars,
    ...(containers.dockerfile && { containers: [{ class_name: "Probe", image: containers.dockerfile }] }),
  }),
);
writeSecrets(join(dir, ".dev.vars"), containers.secrets);
const wrangler = new LocalWorker({
  root: ROOT,
  config,
  storage: join(dir, "storage"),
  port,
  args: [],
  env: containers.env,
  onLine() {},
});
const stop = async (): Promise<void> => {
  await wrangler.stop();
  await containers.close();
  rmSync(dir, { recursive: true, force: true });
};
const unheard = onSignals(stop);
after(() => stop().finally(unheard));
await wrangler.ready(`http://127.0.0.1:${port}/healthz`);

// biome-ignore lint/suspicious/noExplicitAny: each question has an answer of its own shape.
async function ask(object: string, question: Ask): Promise<any> {
  const body = JSON.stringify(question);
  return (await send({ method: "POST", path: `/${object}`, host: `127.0.0.1:${port}`, port, body }, 240_000)).json();
}

/** A container that runs this program of Node's, or that sleeps. */
async function started(object: string, script = "setInterval(() => {}, 1000)", env = {}): Promise<void> {
  assert.deepEqual(await ask(object, { do: "start", entrypoint: ["node", "-e", script], env }), { running: true });
}
const exec = (object: string, cmd: string[], more: Partial<Ask> = {}) => ask(object, { do: "exec", cmd, ...more });

test("what does not run is not running, and says so", async () => {
  assert.deepEqual(await ask("idle", { do: "state" }), { running: false });
  assert.match((await exec("idle", ["true"])).error, /not running/);
  assert.match((await ask("idle", { do: "monitor" })).error, /not running/);
  assert.match((await ask("idle", { do: "signal" })).error, /not running/);
  assert.deepEqual(await ask("idle", { do: "destroy" }), { running: false });
});

test("a start is noticed at once, and a second one refused", async () => {
  await started("twice");
  assert.match((await ask("twice", { do: "start", entrypoint: ["true"] })).error, /already running/);
  assert.equal((await exec("twice", ["true"])).exitCode, 0);
});

test("a command has its output, errors, exit code, environment and folder", async () => {
  await started("command", undefined, { FROM_START: "1" });
  const script = "echo out; echo err >&2; echo $FROM_START$FROM_EXEC; pwd | sed 's|.*/||'; exit 7";
  const answer = await exec("command", ["sh", "-c", script], { env: { FROM_EXEC: "2" }, cwd: "/tmp" });
  assert.deepEqual(answer, { stdout: "out\n12\ntmp\n", stderr: "err\n", exitCode: 7 });
  const both = await exec("command", ["sh", "-c", "echo out; echo err >&2"], { stderr: "combined" });
  // Two pipes make one stream: which line comes first is not said.
  assert.deepEqual([both.stdout.split("\n").sort(), both.stderr], [["", "err", "out"], ""]);
});

test("no shell comes between", async () => {
  await started("arguments");
  const hostile = ["$HOME", "`id`", "a b", "", "'\"", "é\n"];
  const { stdout } = await exec("arguments", ["printf", "[%s]", ...hostile]);
  assert.equal(stdout, hostile.map((one) => `[${one}]`).join(""));
});

test("a program that is not there ends with 126 or 127 or can't be started, and nothing else breaks", async () => {
  await started("absent");
  const { exitCode, error } = await exec("absent", ["/no/such/program"]);
  assert.ok([126, 127].includes(exitCode) || typeof error === "string", JSON.stringify({ exitCode, error }));
  assert.equal((await exec("absent", ["true"])).exitCode, 0);
});

test("standard input reaches the command, to its end", async () => {
  await started("input");
  assert.equal((await exec("input", ["cat"], { stdin: "line\nand more" })).stdout, "line\nand more");
  assert.equal((await exec("input", ["cat"])).stdout, "", "without one it reads the end");
});

test("a byte of standard error that nobody reads holds up standard output", async () => {
  await started("unread");
  const halfRead = (script: string) => ask("unread", { do: "half-read", cmd: ["sh", "-c", script] });
  assert.deepEqual(await halfRead("echo out"), { unread: "out\n", stdout: "out\n", stderr: "", exitCode: 0 });
  assert.deepEqual(await halfRead("printf e >&2; sleep 0.2; echo out"), {
    unread: null,
    stdout: "out\n",
    stderr: "e",
    exitCode: 0,
  });
});

test("a gigabyte of output is whole", async () => {
  await started("pour");
  const answer = await ask("pour", { do: "pour", cmd: ["head", "-c", String(GIGABYTE), "/dev/zero"] });
  assert.deepEqual(answer, { bytes: GIGABYTE, sha256: sha256Of(0), exitCode: 0 });
});

test("a gigabyte of input is whole", async () => {
  await started("drain");
  const answer = await ask("drain", { do: "drain", cmd: ["sha256sum"], bytes: GIGABYTE });
  assert.deepEqual(answer, { stdout: `${sha256Of(109)}  -\n`, exitCode: 0 });
});

test("a command can be killed", async () => {
  await started("killed");
  const began = Date.now();
  const { exitCode } = await exec("killed", ["sleep", "60"], { killAfterMs: 200, signal: 9 });
  assert.ok(Date.now() - began < 20_000);
  assert.equal(exitCode, 137);
});

const SERVER = `
  const http = require("node:http"), crypto = require("node:crypto");
  const server = http.createServer((request, response) => {
    if (request.url === "/moved") response.writeHead(302, { location: "/" });
    response.end(request.method + " " + request.url + " " + request.headers.host);
  });
  server.on("upgrade", ({ headers }, socket) => {
    const accept = crypto.createHash("sha1").update(headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept.digest("base64") + "\\r\\n\\r\\n");
    socket.once("data", () => socket.write(Buffer.from([0x81, 2, 0x68, 0x69])));
  });
  setTimeout(() => server.listen(Number(process.env.AGENT_PORT ?? 18789)), 500);
`;

test("a port is reached once something listens, and an unused one is an error", async () => {
  await started("ports", SERVER);
  const fetchPort = () => ask("ports", { do: "fetch", port: 18_789, path: "/x?y=1" });
  assert.match((await fetchPort()).error, /not listening|connect/i, "before it listens");
  const answer = await until("it listens", async () => {
    const seen = await fetchPort();
    return seen.status && seen;
  });
  assert.deepEqual(answer, { status: 200, body: "GET /x?y=1 inside" });
  assert.equal((await ask("ports", { do: "fetch", port: 18_789, path: "/moved" })).status, 302);
  assert.deepEqual(await ask("ports", { do: "upgrade", port: 18_789 }), { status: 101, heard: "hi" });
  assert.match((await ask("ports", { do: "fetch", port: 9 })).error, /not listening|connect/i);
});

test("the end of the main process is told with its exit code", async () => {
  await started("ends", "setTimeout(() => process.exit(0), 300)");
  assert.deepEqual(await ask("ends", { do: "monitor" }), { ended: true });
  assert.deepEqual(await ask("ends", { do: "state" }), { running: false });
});

test("a signal reaches the main process", async () => {
  await started("signalled", "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)");
  // Node has set its handler up once it runs commands of ours.
  await exec("signalled", ["sleep", "1"]);
  const ended = ask("signalled", { do: "monitor" });
  await ask("signalled", { do: "signal", signal: 15 });
  assert.deepEqual(await ended, { ended: true });
});

test("a destroyed container is gone with all it held; the next one begins afresh", async () => {
  const others = await containers.list();
  await started("destroyed");
  await exec("destroyed", ["sh", "-c", "echo kept > $HOME/file"]);
  const [own, ...more] = (await containers.list()).filter((one) => !others.includes(one));
  assert.ok(own && more.length === 0);
  const monitored = ask("destroyed", { do: "monitor" });
  assert.deepEqual(await ask("destroyed", { do: "destroy", reason: "as asked" }), { running: false });
  assert.deepEqual(await monitored, { error: "as asked" });
  assert.ok(!(await containers.list()).includes(own));
  await started("destroyed");
  assert.notEqual((await exec("destroyed", ["sh", "-c", "cat $HOME/file"])).exitCode, 0);
});

test("objects have containers of their own", async () => {
  await Promise.all([started("mine"), started("theirs")]);
  await exec("mine", ["sh", "-c", "echo mine > $HOME/whose"]);
  assert.notEqual((await exec("theirs", ["sh", "-c", "cat $HOME/whose"])).exitCode, 0);
});

function sha256Of(byte: number): string {
  const chunk = Buffer.alloc(1_000_000, byte);
  const hash = createHash("sha256");
  for (let written = 0; written < GIGABYTE; written += chunk.length) hash.update(chunk);
  return hash.digest("hex");
}
