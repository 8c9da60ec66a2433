// `init`: the container's first process. Prepares directories and the gateway's process, waits until secrets are injected,
// then lets the gateway run.
// When that ends by itself, `init` stays for what is to be taken out of the container.
import { spawn } from "node:child_process";
import { access, lstat, rm, symlink } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { answerAsEnded, markEnded } from "./ended.mjs";
import { AgentError } from "./errors.mjs";
import { makePrivateDirectory } from "./files.mjs";
import { GO_DESCRIPTOR } from "./launch-protocol.mjs";
import { LogTail } from "./log.mjs";
import { growingMask } from "./mask.mjs";
import { isMarkedProcessAlive, markProcess } from "./processes.mjs";
import { clear } from "./wipe.mjs";

const DEFAULT_GO_TIMEOUT_MS = 15 * 60_000;
/** The gateway itself would wait 315 s for a running turn; whoever stops it has quiesced it before. */
const DEFAULT_STOP_GRACE_MS = 30_000;
/** How long the container of a gateway that ended by itself waits to be taken down. */
const DEFAULT_ENDED_TIMEOUT_MS = 60 * 60_000;
/** From the caller's environment only these reach the gateway: never a key. */
const PASSED_ON = ["TZ", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths, env, stdin }) {
  const stop = stopRequests(env, stdin);
  if (await isMarkedProcessAlive(paths.initMark)) throw new AgentError("init is already running");
  if (await isThere(paths.initMark)) {
    // Some engines start a container anew whose main process failed. Nobody injects into it a second time, and its owner
    // is to see the crash: it ends for good, which only a code of 0 tells them.
    await clear(paths);
    return { exit: 0 };
  }
  await prepare(paths);
  await markProcess(paths.initMark, process.pid);
  const gateway = launchGateway(paths, env);
  try {
    if (!(await waitForGo(paths, stop, milliseconds(env.AGENT_GO_TIMEOUT_MS, DEFAULT_GO_TIMEOUT_MS)))) {
      if (!stop.requested) throw new AgentError("nothing was injected in time");
      return { exit: 0 };
    }
    const exit = await runGateway(gateway, paths, env, stop);
    if (stop.requested) await rm(paths.gatewayMark, { force: true });
    else await stayEnded(paths, exit, stop, milliseconds(env.AGENT_ENDED_TIMEOUT_MS, DEFAULT_ENDED_TIMEOUT_MS));
    return { exit };
  } finally {
    gateway.child.kill("SIGKILL");
    // Not sooner: the last snapshot is searched for them.
    await clear(paths);
  }
}

/** @param {import("./paths.mjs").Paths} paths */
async function prepare(paths) {
  const log = path.dirname(paths.openclawLog);
  for (const directory of [paths.data, paths.state, paths.home, paths.run, paths.scratch, paths.tmp, log]) {
    await makePrivateDirectory(directory);
  }
  if (!paths.compileCache) return;
  // OpenClaw looks for compiled code in its temporary directory and nowhere else.
  const link = path.join(paths.tmp, "node-compile-cache");
  const present = await lstat(link).catch(() => undefined);
  if (present) await rm(link, { recursive: true, force: true });
  await symlink(paths.compileCache, link);
}

/**
 * @typedef {{requested: boolean, signal: NodeJS.Signals, listen: (heard: () => void) => void}} Stop
 * @param {NodeJS.ProcessEnv} env
 * @param {NodeJS.ReadStream} stdin
 * @returns {Stop}
 */
function stopRequests(env, stdin) {
  /** @type {(() => void)[]} */
  const listeners = [];
  /** @type {Stop} */
  const stop = { requested: false, signal: "SIGTERM", listen: (heard) => listeners.push(heard) };
  const request = (/** @type {NodeJS.Signals} */ signal) => {
    if (stop.requested) return;
    stop.requested = true;
    stop.signal = signal;
    for (const heard of listeners) heard();
  };
  process.on("SIGTERM", () => request("SIGTERM"));
  process.on("SIGINT", () => request("SIGINT"));
  process.on("SIGHUP", () => request("SIGTERM"));
  if (env.AGENT_EXIT_WITH_STDIN === "1") {
    stdin.on("end", () => request("SIGTERM")).on("error", () => request("SIGTERM"));
    stdin.resume();
  }
  return stop;
}

/** @param {string} file */
const isThere = (file) =>
  access(file).then(
    () => true,
    () => false,
  );

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {Stop} stop
 * @param {number} timeout
 */
async function waitForGo(paths, stop, timeout) {
  const deadline = Date.now() + timeout;
  while (!stop.requested && Date.now() < deadline) {
    if (await isThere(paths.go)) return true;
    await sleep(50);
  }
  return false;
}

/** @typedef {import("node:stream").Readable} Readable */
/** @typedef {import("node:child_process").ChildProcessByStdio<null, Readable, Readable>} Child */

/**
 * Its process, in which nothing of OpenClaw runs yet.
 * @param {import("./paths.mjs").Paths} paths
 * @param {NodeJS.ProcessEnv} env
 */
function launchGateway(paths, env) {
  const launch = fileURLToPath(new URL("launch.mjs", import.meta.url));
  const launcher = path.join(paths.openclaw, "openclaw.mjs");
  const args = [launch, launcher, "gateway", "run", "--port", String(paths.port)];
  const child = /** @type {Child} */ (
    spawn(process.execPath, args, {
      cwd: paths.data,
      env: gatewayEnvironment(paths, env),
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    })
  );
  /** @type {Promise<number | undefined>} undefined: there never was one */
  const ended = new Promise((resolve) => {
    child.on("error", () => resolve(undefined));
    child.on("close", (code, signal) => resolve(code ?? 128 + signalNumber(signal)));
  });
  const go = /** @type {import("node:stream").Writable} */ (child.stdio[GO_DESCRIPTOR]);
  // It may have ended meanwhile, which is told by `ended`.
  go.on("error", () => {});
  return { child, ended, go };
}

/**
 * @param {ReturnType<typeof launchGateway>} gateway
 * @param {import("./paths.mjs").Paths} paths
 * @param {NodeJS.ProcessEnv} env
 * @param {Stop} stop
 * @returns {Promise<number>}
 */
async function runGateway({ child, ended, go }, paths, env, stop) {
  const log = new LogTail(paths.log, growingMask(paths));
  log.follow(child.stdout);
  log.follow(child.stderr);
  /** @type {NodeJS.Timeout | undefined} */
  let kill;
  const end = () => {
    child.kill(stop.signal);
    kill = setTimeout(() => child.kill("SIGKILL"), milliseconds(env.AGENT_STOP_GRACE_MS, DEFAULT_STOP_GRACE_MS));
  };
  stop.listen(end);
  if (child.pid !== undefined) await markProcess(paths.gatewayMark, child.pid);
  go.end("1");
  // A stop may have come between the last look at the marker and now.
  if (stop.requested && kill === undefined) end();
  // The pipes stay open while a grandchild holds them; the gateway's own exit is what counts.
  child.on("exit", () => {
    setTimeout(() => {
      child.stdout.destroy();
      child.stderr.destroy();
    }, 500).unref();
  });
  const code = await ended;
  clearTimeout(kill);
  if (code === undefined) throw new AgentError("the gateway could not be started");
  log.write(JSON.stringify({ level: "info", subsystem: "init", message: `gateway ended with code ${code}` }));
  return code;
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {number} code
 * @param {Stop} stop
 * @param {number} limit
 */
async function stayEnded(paths, code, stop, limit) {
  await markEnded(paths);
  const over = new AbortController();
  stop.listen(() => over.abort());
  if (stop.requested) return;
  const timer = setTimeout(() => over.abort(), limit);
  await answerAsEnded(paths, code, over.signal);
  clearTimeout(timer);
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {NodeJS.ProcessEnv} env
 * @returns {Record<string, string>}
 */
export function gatewayEnvironment(paths, env) {
  /** @type {Record<string, string>} */
  const passed = {};
  for (const name of PASSED_ON) if (env[name]) passed[name] = env[name];
  const searched = (env.PATH ?? "/usr/local/bin:/usr/bin:/bin").split(":");
  return {
    ...passed,
    // The Node that runs us first, so that what the agent starts finds the same.
    PATH: [...new Set([path.dirname(process.execPath), ...searched])].join(":"),
    HOME: paths.home,
    TMPDIR: paths.tmp,
    LANG: "C.UTF-8",
    OPENCLAW_STATE_DIR: paths.state,
    OPENCLAW_CONFIG_PATH: paths.config,
    OPENCLAW_CONFIG_READONLY: "1",
    OPENCLAW_SUPERVISOR_MODE: "external",
    OPENCLAW_NO_AUTO_UPDATE: "1",
    OPENCLAW_DISABLE_BONJOUR: "1",
  };
}

/**
 * @param {string | undefined} text
 * @param {number} otherwise
 */
function milliseconds(text, otherwise) {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : otherwise;
}

/** @param {NodeJS.Signals | null} signal */
function signalNumber(signal) {
  return (
    { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[/** @type {string} */ (signal)] ?? 0
  );
}
