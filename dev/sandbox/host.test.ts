// The stand-in container against its host, without workerd: EmbeddedContainer runs as well on Node's own fetch.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { EmbeddedContainer } from "../embedded-container.ts";
import { HostClient } from "./client.ts";
import { type SandboxHost, startSandboxHost } from "./host.ts";

const base = mkdtempSync(join(tmpdir(), "sandbox-host-"));
const dir = join(base, "sandboxes");
const agentDir = fileURLToPath(new URL("fixtures/agent", import.meta.url));
const token = randomBytes(24).toString("hex");
const linux = process.platform === "linux";
const PORT = 18789;

let host: SandboxHost;
const opened: EmbeddedContainer[] = [];

before(async () => {
  host = await startSandboxHost({ dir, agentDir, token });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((container) => container.destroy()));
});
after(async () => {
  await host.close();
  rmSync(base, { recursive: true, force: true });
});

function newId(): string {
  return randomBytes(32).toString("hex");
}

function open(id = newId()): EmbeddedContainer {
  const container = new EmbeddedContainer(new HostClient(host.url, token, id));
  opened.push(container);
  return container;
}

/** A container whose main process does nothing until told to end. */
function idle(env: Record<string, string> = {}, id = newId()): EmbeddedContainer {
  const container = open(id);
  container.start({ entrypoint: ["sleep", "600"], env });
  return container;
}

async function run(container: EmbeddedContainer, cmd: string[], options = {}) {
  const { stdout, stderr, exitCode } = await (await container.exec(cmd, options)).output();
  const decode = (bytes: ArrayBuffer) => new TextDecoder().decode(bytes);
  return { stdout: decode(stdout), stderr: decode(stderr), exitCode };
}

/** The directory that stands for the container's disk. */
async function diskOf(container: EmbeddedContainer): Promise<string> {
  return (await run(container, ["sh", "-c", 'printf %s "$AGENT_ROOT"'])).stdout;
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (await condition()) return;
    await delay(20);
  }
  assert.fail(`did not happen: ${what}`);
}

function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function listening(container: EmbeddedContainer): Promise<void> {
  await until("the agent listens", async () => {
    try {
      await (await container.getTcpPort(PORT).fetch("http://agent/headers")).text();
      return true;
    } catch (error) {
      assert.match(String(error), /The container is not listening in the TCP address 127\.0\.0\.1:18789/);
      return false;
    }
  });
}

test("a request without the token is refused, on every route", async () => {
  const id = newId();
  const status = async (path: string, headers: Record<string, string> = {}) =>
    (await fetch(host.url + path, { headers })).status;
  assert.equal(await status(`/sandboxes/${id}`), 401);
  assert.equal(await status(`/sandboxes/${id}`, { authorization: `Bearer ${token}x` }), 401);
  assert.equal(await status(`/sandboxes/${id}`, { authorization: `Bearer ${token}` }), 200);
  assert.equal(await status(`/sandboxes/${id}/ports/80/`, { authorization: `Bearer ${token}` }), 401);
  assert.equal(await status("/"), 401);
});

test("an id that is no Durable Object id reaches nothing", async () => {
  const authorization = `Bearer ${token}`;
  for (const id of ["..", "a".repeat(63), "A".repeat(64), `${"a".repeat(64)}x`, "%2e%2e"]) {
    assert.equal((await fetch(`${host.url}/sandboxes/${id}`, { headers: { authorization } })).status, 404, id);
  }
});

test("running follows start and the end of the main process; a second start throws", async () => {
  const container = open();
  assert.equal(container.running, false);
  container.start({ entrypoint: ["sh", "-c", "read line"] });
  assert.equal(container.running, true);
  assert.throws(() => container.start(), /start\(\) cannot be called on a container that is already running/);
  await container.destroy();
  assert.equal(container.running, false);
  container.start({ entrypoint: ["true"] });
  await container.monitor();
  assert.equal(container.running, false);
});

test("what needs a running container says so", async () => {
  const container = open();
  await assert.rejects(container.exec(["true"]), /exec\(\) cannot be called on a container that is not running/);
  await assert.rejects(container.monitor(), /monitor\(\) cannot be called on a container that is not running/);
  assert.throws(() => container.signal(15), /signal\(\) cannot be called on a container that is not running/);
  await assert.rejects(container.getTcpPort(PORT).fetch("http://agent/"), /The container is not running/);
  await container.destroy();
});

test("monitor tells how the main process ended", async () => {
  const container = open();
  container.start({ entrypoint: ["sh", "-c", "exit 3"] });
  await assert.rejects(container.monitor(), { message: "Container exited with unexpected exit code: 3", exitCode: 3 });
  container.start({ entrypoint: ["sleep", "600"] });
  const killed = assert.rejects(container.monitor(), { exitCode: 137 });
  container.signal(9);
  await killed;
  container.start({ entrypoint: ["sleep", "600"] });
  const destroyed = assert.rejects(container.monitor(), /the owner changed/);
  await container.destroy(new Error("the owner changed"));
  await destroyed;
  container.start({ entrypoint: ["/no/such/program"] });
  await assert.rejects(container.monitor(), { exitCode: 127 });
});

test("without an entrypoint the image's own runs, and it alone ends with its stdin", async () => {
  const container = open();
  container.start();
  await listening(container);
  const text = await run(container, ["/opt/agent/agent", "restore", "--size", "7"]);
  assert.deepEqual(JSON.parse(text.stdout), ["restore", "--size", "7"]);
  const inside = await run(container, ["sh", "-c", "echo $AGENT_EXIT_WITH_STDIN"]);
  assert.equal(inside.stdout, "\n", "a process that does not get the host's stdin must not wait for its end");
});

test("SIGTERM reaches the main process and its exit code comes back", async () => {
  const container = open();
  container.start({ env: { TERM_CODE: "9" } });
  await listening(container);
  const ended = assert.rejects(container.monitor(), { exitCode: 9 });
  container.signal(15);
  await ended;
});

test("processes have the caller's environment and nothing of the host's", async () => {
  process.env.HOST_ONLY = "leak";
  const container = idle({ FROM_START: "1", AGENT_ROOT: "/", AGENT_HOST: "0.0.0.0", AGENT_PORT: "1" });
  const { stdout } = await run(container, ["env"], { env: { FROM_EXEC: "2", FROM_START: "3" } });
  const lines = stdout.trim().split("\n");
  const env: Record<string, string> = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
  const ownToShells = ["PWD", "SHLVL", "_", "OLDPWD"];
  assert.deepEqual(
    Object.keys(env)
      .filter((name) => !ownToShells.includes(name))
      .sort(),
    [
      "AGENT_COMPILE_CACHE",
      "AGENT_HOOK_PORT",
      "AGENT_HOST",
      "AGENT_PORT",
      "AGENT_ROOT",
      "FROM_EXEC",
      "FROM_START",
      "HOME",
      "PATH",
      "TMPDIR",
    ],
  );
  assert.equal(env.FROM_START, "3");
  assert.ok(env.AGENT_ROOT?.startsWith(`${dir}/`));
  assert.equal(env.AGENT_HOST, "127.0.0.1");
  assert.ok(Number(env.AGENT_PORT) > 1024);
  assert.ok(env.HOME?.startsWith(`${env.AGENT_ROOT}/`) && env.TMPDIR?.startsWith(`${env.AGENT_ROOT}/`));
  assert.equal((await run(container, ["sh", "-c", "command -v node"])).stdout.trim(), process.execPath);
});

test("exec gives both outputs, the exit code and the working directory", async () => {
  const container = idle();
  const disk = await diskOf(container);
  assert.deepEqual(await run(container, ["sh", "-c", "printf out; printf err >&2; exit 7"], { user: "agent" }), {
    stdout: "out",
    stderr: "err",
    exitCode: 7,
  });
  const script = ["sh", "-c", "printf out; printf err >&2"];
  assert.equal((await run(container, script, { stderr: "combined" })).stdout, "outerr");
  assert.deepEqual(await run(container, script, { stdout: "ignore", stderr: "ignore" }), {
    stdout: "",
    stderr: "",
    exitCode: 0,
  });
  assert.equal((await run(container, ["cat"])).exitCode, 0, "stdin ends at once when there is none");
  assert.equal((await run(container, ["pwd"], { cwd: "/tmp" })).stdout.trim(), join(disk, "tmp"));
  assert.equal((await run(container, ["pwd"], { cwd: "/../../.." })).stdout.trim(), disk);
  const missing = await run(container, ["no-such-command"]);
  assert.equal(missing.exitCode, 127);
  assert.match(missing.stderr, /not found/);
  assert.notEqual((await run(container, ["true"], { cwd: "/nowhere" })).exitCode, 0);
});

test("exec refuses what the runtime refuses", async () => {
  const container = idle();
  await assert.rejects(container.exec([]), TypeError);
  await assert.rejects(container.exec(["true"], { stdout: "ignore", stderr: "combined" }), TypeError);
  await assert.rejects(container.exec(["true"], { env: { "A=B": "1" } }), /cannot contain '='/);
  await assert.rejects(container.exec(["true"], { signal: AbortSignal.abort() }), { name: "AbortError" });
  const child = await container.exec(["echo", "x"]);
  assert.throws(() => child.kill(65), RangeError);
  await child.stdout?.getReader().read();
  await assert.rejects(child.output(), /Cannot call output\(\) after stdout has started being consumed/);
});

test("kill and abort end a process with 128 + the signal", async () => {
  const container = idle();
  const child = await container.exec(["sleep", "600"]);
  assert.ok(child.pid > 1);
  child.kill();
  assert.equal(await child.exitCode, 143);
  const control = new AbortController();
  const aborted = await container.exec(["sleep", "600"], { signal: control.signal, stdout: "ignore" });
  control.abort();
  assert.equal(await aborted.exitCode, 137);
});

test("output written before the process ended is whole, however late it is read", async () => {
  const container = idle();
  const child = await container.exec(["sh", "-c", "head -c 50000 /dev/zero"]);
  await until("the process ends", () => !linux || !alive(child.pid));
  assert.equal((await child.output()).stdout.byteLength, 50000);
});

test("a process waits for its reader", { skip: !linux && "reads /proc" }, async () => {
  const container = idle();
  const size = 60_000_000;
  const child = await container.exec(["sh", "-c", `head -c ${size} /dev/zero; :`]);
  const written = () => {
    const pid = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
    return pid === "" ? 0 : Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
  };
  let before = -1;
  await until("the writer stands still", async () => {
    await delay(100);
    const now = written();
    const still = now > 0 && now === before;
    before = now;
    return still;
  });
  assert.ok(before < size / 2, `${before} bytes written with nobody reading`);
  assert.equal((await child.output()).stdout.byteLength, size);
});

test("stdin: a stream arrives whole, a pipe is written step by step, a cut-off stream is no end", async () => {
  const container = idle();
  const data = randomBytes(5_000_000);
  const stream = new Blob([data]).stream() as ReadableStream<Uint8Array>;
  const hashed = await run(container, ["sha256sum"], { stdin: stream });
  assert.equal(hashed.stdout.slice(0, 64), createHash("sha256").update(data).digest("hex"));

  const child = await container.exec(["sh", "-c", "read a; echo got $a; read b; echo got $b"], { stdin: "pipe" });
  const writer = child.stdin?.getWriter();
  const reader = child.stdout?.pipeThrough(new TextDecoderStream() as never).getReader();
  await writer?.write(new TextEncoder().encode("one\n"));
  assert.equal((await reader?.read())?.value, "got one\n");
  await writer?.write(new TextEncoder().encode("two\n"));
  assert.equal((await reader?.read())?.value, "got two\n");
  await writer?.close();
  assert.equal(await child.exitCode, 0);

  let step = 0;
  const broken = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (step++ === 0) controller.enqueue(new Uint8Array(100_000));
      else controller.error(new Error("cut off"));
    },
  });
  const victim = await container.exec(["sh", "-c", "cat >/dev/null; echo complete"], { stdin: broken });
  const output = await victim.output();
  assert.equal(output.exitCode, 137);
  assert.equal(output.stdout.byteLength, 0);
});

test("a process that does not read its stdin ends as it likes", async () => {
  const container = idle();
  // Far more than fits between the two ends, but not without end: Node's fetch goes on reading a body that nobody takes.
  let chunks = 500;
  const long = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await nextTurn();
      if (chunks-- === 0) controller.close();
      else controller.enqueue(new Uint8Array(65536));
    },
  });
  const { exitCode, stdout } = await run(container, ["sh", "-c", "exec 0<&-; echo done; exit 4"], { stdin: long });
  assert.deepEqual({ exitCode, stdout }, { exitCode: 4, stdout: "done\n" });
});

test("destroy ends every process, also those in sessions of their own, and removes the disk", async () => {
  const container = idle();
  const disk = await diskOf(container);
  // As OpenClaw is started: a session of its own, and an environment that names the disk and nothing else.
  const apart = 'env -i HOME="$HOME" setsid sleep 600';
  const script = `(${apart} >/dev/null 2>&1 & echo $!); (sleep 600 >/dev/null 2>&1 & echo $!)`;
  const { stdout } = await run(container, ["sh", "-c", `echo kept >"$AGENT_ROOT/file"; ${linux ? script : "true"}`]);
  const pids = stdout.trim().split("\n").filter(Boolean).map(Number);
  assert.ok(!linux || (pids.length === 2 && pids.every(alive)));
  await container.destroy();
  assert.ok(!pids.some(alive));
  assert.ok(!existsSync(disk));
});

test("when the main process ends, the rest does, and the next start has an empty disk", async () => {
  const container = idle();
  const child = await container.exec(["sh", "-c", 'echo x >"$AGENT_ROOT/file"; echo ready; sleep 600']);
  await child.stdout?.getReader().read();
  const ended = assert.rejects(container.monitor(), { exitCode: 143 });
  container.signal(15);
  await ended;
  assert.ok(!linux || !alive(child.pid));
  container.start({ entrypoint: ["sleep", "600"] });
  assert.equal((await run(container, ["sh", "-c", 'ls "$AGENT_ROOT"'])).stdout, "home\ntmp\n");
});

test("a port carries method, path, Host, body and status, and the agent sees loopback", async () => {
  const container = open();
  container.start();
  await listening(container);
  const port = container.getTcpPort(PORT);
  const seen = (await (
    await port.fetch("http://alice.localhost:8787/headers?a=%2F..%2Fb&c", {
      method: "PATCH",
      body: "x",
      headers: { authorization: "Bearer theirs", "x-molt-owner": "wallet" },
    })
  ).json()) as { url: string; method: string; peer: string; headers: Record<string, string> };
  assert.equal(seen.url, "/headers?a=%2F..%2Fb&c");
  assert.equal(seen.method, "PATCH");
  assert.equal(seen.headers.host, "alice.localhost:8787");
  assert.equal(seen.headers.authorization, "Bearer theirs");
  assert.equal(seen.headers["x-molt-owner"], "wallet");
  assert.equal(seen.peer, "127.0.0.1");
  assert.ok(!JSON.stringify(seen).includes(token), "the host's token must not reach the agent");

  const data = randomBytes(3_000_000);
  const hashed = await port.fetch("http://agent/hash", { method: "POST", body: data });
  assert.equal(await hashed.text(), createHash("sha256").update(data).digest("hex"));
  assert.equal((await port.fetch("http://agent/status?code=204")).status, 204);
  assert.equal((await port.fetch("http://agent/status?code=404")).status, 404);
  await assert.rejects(port.fetch("http://agent/lost"));
  await assert.rejects(port.fetch("https://agent/"), /HTTPS is not currently supported/);
  assert.throws(() => container.getTcpPort(0), TypeError);
});

test("a redirect stays with the port it came from", async () => {
  const container = open();
  container.start();
  await listening(container);
  const port = container.getTcpPort(PORT);
  const to = encodeURIComponent(`${host.url}/headers`);
  const followed = (await (await port.fetch(`http://agent/redirect?to=${to}`)).json()) as { headers: { host: string } };
  assert.equal(followed.headers.host, new URL(host.url).host, "answered by the agent, not by whom the redirect names");
  const kept = await port.fetch(`http://agent/redirect?to=${to}`, { redirect: "manual" });
  assert.equal(kept.status, 302);
});

test("sandboxes have the same port side by side, and no other port of the machine", async () => {
  const [one, two] = [open(), open()];
  for (const container of [one, two]) container.start();
  for (const container of [one, two]) await listening(container);
  await one.destroy();
  assert.equal((await two.getTcpPort(PORT).fetch("http://agent/headers")).status, 200);
  await assert.rejects(one.getTcpPort(PORT).fetch("http://agent/headers"), /not running/);
  await assert.rejects(two.getTcpPort(Number(new URL(host.url).port)).fetch("http://agent/"), /is not listening/);
});

test("an object that comes back finds its container running", async () => {
  const id = newId();
  idle({}, id);
  const other = new EmbeddedContainer(new HostClient(host.url, token, id));
  await until("it runs", async () => {
    await other.attach();
    return other.running;
  });
  const ended = assert.rejects(other.monitor(), { exitCode: 143 });
  other.signal(15);
  await ended;
  assert.equal(other.running, false);
});

test("after the inactivity timeout without a connection the main process gets a SIGTERM", async () => {
  const file = join(base, "stopped");
  const client = new HostClient(host.url, token, newId());
  await client.start({
    entrypoint: ["sh", "-c", `trap 'echo >${file}; exit' TERM; while :; do sleep 0.02; done`],
    env: {},
  });
  await client.setInactivityTimeout(50);
  await until("the main process is told", () => existsSync(file));
});

test("Node's compile cache is shared by all sandboxes", async () => {
  const cache = join(base, "node-compile-cache");
  const script = 'require("node:module").enableCompileCache(); require(process.argv[1])';
  const module = fileURLToPath(import.meta.resolve("ws"));
  await run(idle(), ["node", "-e", script, module]);
  assert.ok(readdirSync(cache, { recursive: true }).length > 1);
});

test("a host that is killed takes its processes along, and the next one clears the directory", {
  skip: !linux && "reads /proc",
}, async () => {
  const ownDir = join(base, "killed", "sandboxes");
  const program = `
    import { startSandboxHost } from ${JSON.stringify(new URL("host.ts", import.meta.url).href)};
    console.log((await startSandboxHost(JSON.parse(process.argv[1]))).url);`;
  const options = JSON.stringify({ dir: ownDir, agentDir, token });
  const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", program, options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = String((await child.stdout?.iterator().next())?.value).trim();
  const id = newId();
  const container = new EmbeddedContainer(new HostClient(url, token, id));
  container.start({ entrypoint: ["sleep", "600"] });
  const disk = await diskOf(container);
  const apart = 'env -i HOME="$HOME" setsid sleep 600 >/dev/null 2>&1 & echo $!';
  const { stdout } = await run(container, ["sh", "-c", apart]);
  const pid = Number(stdout);
  assert.ok(alive(pid));
  const lost = assert.rejects(container.monitor());
  child.kill("SIGKILL");
  await lost;
  assert.equal(container.running, false);
  await until("its processes end", () => !alive(pid));
  assert.ok(existsSync(disk));
  const next = await startSandboxHost({ dir: ownDir, agentDir, token });
  assert.ok(!existsSync(disk));
  await next.close();
});
