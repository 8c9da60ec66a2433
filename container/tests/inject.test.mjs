// How secrets and configuration arrive: who may read them, what is refused, and that `init` waits for them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstat, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import process from "node:process";
import { test } from "node:test";

import { gatewayEnvironment } from "../lib/init.mjs";
import { markProcess } from "../lib/processes.mjs";
import { AGENT, makeSandbox, OWNER, policy, run, until } from "./support.mjs";

const SECRETS = { openai: "sk-live-0123456789abcdef", anthropic: 'with "quotes"' };

/**
 * A sandbox whose `init` seems to be running.
 * @param {import("node:test").TestContext} t
 */
async function initialised(t) {
  const sandbox = await makeSandbox(t);
  await mkdir(sandbox.paths.run, { recursive: true, mode: 0o755 });
  await markProcess(sandbox.paths.initMark, process.pid);
  return sandbox;
}

/**
 * @param {Awaited<ReturnType<typeof makeSandbox>>} sandbox
 * @param {Record<string, string>} [env]
 */
function startInit(sandbox, env = {}) {
  const child = spawn(process.execPath, [AGENT, "init"], {
    env: { ...sandbox.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, "close").then(([code]) => ({ code, stderr }));
  return { child, ended };
}

/** @param {string} file */
const exists = (file) =>
  stat(file).then(
    () => true,
    () => false,
  );

test("secrets and configuration are files for the agent's user alone", async (t) => {
  const sandbox = await initialised(t);
  const outcome = await run(sandbox, ["inject"], JSON.stringify({ config: policy(), secrets: SECRETS }));
  assert.deepEqual(outcome.json, { ok: true, reloaded: false });
  assert.equal((await stat(sandbox.paths.run)).mode & 0o777, 0o700);
  for (const file of [sandbox.paths.secrets, sandbox.paths.config, sandbox.paths.go]) {
    const { mode, nlink } = await lstat(file);
    assert.equal(mode, 0o100600);
    assert.equal(nlink, 1);
  }
  assert.deepEqual(JSON.parse(await readFile(sandbox.paths.secrets, "utf8")), SECRETS);
  const text = await readFile(sandbox.paths.config, "utf8");
  assert.ok(!text.includes(SECRETS.openai));
  const config = JSON.parse(text);
  assert.equal(config.gateway.bind, "loopback");
  assert.equal(config.gateway.mode, "local");
  assert.deepEqual(config.gateway.trustedProxies, ["127.0.0.0/8", "::1/128"]);
  assert.equal(config.gateway.auth.trustedProxy.allowLoopback, true);
  assert.deepEqual(config.gateway.auth.trustedProxy.allowUsers, [OWNER]);
  assert.deepEqual(config.secrets.providers.host, { source: "file", path: sandbox.paths.secrets, mode: "json" });
  assert.deepEqual(config.plugins, { deny: ["perplexity", "codex"], entries: { "admin-http-rpc": { enabled: true } } });
  assert.deepEqual(config.skills, { load: { extraDirs: [sandbox.paths.skills] } });
  assert.equal(config.agents.defaults.utilityModel, "");
  assert.ok(!config.logging.file.startsWith(sandbox.paths.state));
});

test("the same again changes nothing, something else replaces it, and wipe takes both away", async (t) => {
  const sandbox = await initialised(t);
  const input = JSON.stringify({ config: policy(), secrets: SECRETS });
  await run(sandbox, ["inject"], input);
  const before = await stat(sandbox.paths.config);
  await run(sandbox, ["inject"], input);
  assert.equal((await stat(sandbox.paths.config)).ino, before.ino);
  await run(sandbox, ["inject"], JSON.stringify({ config: policy(), secrets: { openai: "another-value" } }));
  assert.deepEqual(JSON.parse(await readFile(sandbox.paths.secrets, "utf8")), { openai: "another-value" });
  await writeFile(`${sandbox.paths.secrets}.0a.new`, "left by a crash");
  assert.deepEqual((await run(sandbox, ["wipe"])).json, { ok: true });
  assert.deepEqual((await run(sandbox, ["wipe"])).json, { ok: true });
  assert.deepEqual((await readdir(sandbox.paths.run)).sort(), ["go", "init.json"]);
});

test("the policy cannot move what inject places", async (t) => {
  const sandbox = await initialised(t);
  const config = /** @type {any} */ (
    policy({ logging: { file: "/data/state/workspace/log" }, tools: { web: { search: { enabled: true } } } })
  );
  config.gateway.bind = "lan";
  config.gateway.trustedProxies = ["0.0.0.0/0"];
  await run(sandbox, ["inject"], JSON.stringify({ config, secrets: {} }));
  const written = JSON.parse(await readFile(sandbox.paths.config, "utf8"));
  assert.equal(written.gateway.bind, "loopback");
  assert.deepEqual(written.gateway.trustedProxies, ["127.0.0.0/8", "::1/128"]);
  assert.equal(written.logging.file, sandbox.paths.openclawLog);
  assert.equal(written.tools.web.search.enabled, true);
});

test("malformed input is refused without a word of it", async (t) => {
  const sandbox = await initialised(t);
  const good = policy();
  /** @param {(auth: any) => void} change */
  const auth = (change) => {
    const config = /** @type {any} */ (policy());
    change(config.gateway.auth);
    return { config, secrets: SECRETS };
  };
  const cases = /** @type {[string, RegExp][]} */ ([
    [`{"secrets": "${SECRETS.openai}`, /not JSON/],
    ["", /not JSON/],
    ["[]", /must hold/],
    [JSON.stringify({ config: good }), /must hold/],
    [JSON.stringify({ config: good, secrets: { openai: 5 } }), /openai/],
    [JSON.stringify({ config: good, secrets: { openai: "" } }), /openai/],
    [JSON.stringify({ config: good, secrets: { "../x": SECRETS.openai } }), /name is malformed/],
    [
      JSON.stringify({ config: good, secrets: SECRETS }).replace('"gateway"', '"__proto__":{"a":1},"gateway"'),
      /refused key/,
    ],
    [JSON.stringify({ config: { ...good, $include: "/etc/passwd" }, secrets: SECRETS }), /refused key/],
    [JSON.stringify({ config: {}, secrets: SECRETS }), /trusted-proxy/],
    [
      JSON.stringify(
        auth((value) => {
          value.mode = "none";
        }),
      ),
      /trusted-proxy/,
    ],
    [
      JSON.stringify(
        auth((value) => {
          value.token = SECRETS.openai;
        }),
      ),
      /shared secret/,
    ],
    [
      JSON.stringify(
        auth((value) => {
          value.trustedProxy.allowUsers = [];
        }),
      ),
      /one owner/,
    ],
    [
      JSON.stringify(
        auth((value) => {
          value.trustedProxy.allowUsers = [OWNER, "other"];
        }),
      ),
      /one owner/,
    ],
    [JSON.stringify({ config: good, secrets: { openai: "x".repeat(2_000_000) } }), /too large/],
  ]);
  for (const [input, reason] of cases) {
    const outcome = await run(sandbox, ["inject"], input);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, reason);
    assert.ok(!outcome.stderr.includes("0123456789"));
    assert.equal(outcome.stdout.length, 0);
    assert.equal(await exists(sandbox.paths.go), false);
  }
});

test("inject waits for init, of which there is one at a time", async (t) => {
  const sandbox = await makeSandbox(t);
  const input = JSON.stringify({ config: policy(), secrets: {} });
  const injecting = run(sandbox, ["inject"], input);
  const init = startInit(sandbox, { AGENT_GO_TIMEOUT_MS: "60000" });
  await until("init", () => exists(sandbox.paths.initMark));
  assert.match((await run(sandbox, ["init"])).stderr, /already running/);
  assert.deepEqual((await injecting).json, { ok: true, reloaded: false });
  for (const directory of [sandbox.paths.data, sandbox.paths.state, sandbox.paths.run, sandbox.paths.scratch]) {
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
  }
  init.child.kill("SIGTERM");
  await init.ended;
  const left = await run(sandbox, ["inject"], input);
  assert.match(left.stderr, /init is not running/);
});

test("a container lives once: init ends what an engine starts anew, without its secrets", async (t) => {
  const sandbox = await makeSandbox(t);
  await mkdir(sandbox.paths.run, { recursive: true });
  for (const file of [sandbox.paths.go, sandbox.paths.secrets, sandbox.paths.config]) await writeFile(file, "stale");
  await writeFile(sandbox.paths.initMark, JSON.stringify({ pid: process.pid, started: "1" }));
  assert.equal((await startInit(sandbox).ended).code, 0);
  for (const file of [sandbox.paths.secrets, sandbox.paths.config]) assert.equal(await exists(file), false);
});

test("init ends with its host, and does not wait for ever", async (t) => {
  const embedded = startInit(await makeSandbox(t), { AGENT_EXIT_WITH_STDIN: "1" });
  embedded.child.stdin.end();
  assert.equal((await embedded.ended).code, 0);
  const late = await startInit(await makeSandbox(t), { AGENT_GO_TIMEOUT_MS: "100" }).ended;
  assert.equal(late.code, 1);
  assert.match(late.stderr, /nothing was injected in time/);
});

test("the gateway's environment holds no key, whatever the caller's holds", async (t) => {
  const { paths } = await makeSandbox(t);
  const caller = {
    PATH: "/usr/bin",
    OPENAI_API_KEY: "sk-1",
    OPENCLAW_GATEWAY_TOKEN: "t",
    NODE_OPTIONS: "--require=x",
    TZ: "UTC",
  };
  const env = gatewayEnvironment(paths, caller);
  assert.deepEqual(Object.keys(env).sort(), [
    "HOME",
    "LANG",
    "OPENCLAW_CONFIG_PATH",
    "OPENCLAW_CONFIG_READONLY",
    "OPENCLAW_DISABLE_BONJOUR",
    "OPENCLAW_NO_AUTO_UPDATE",
    "OPENCLAW_STATE_DIR",
    "OPENCLAW_SUPERVISOR_MODE",
    "PATH",
    "TMPDIR",
    "TZ",
  ]);
});
