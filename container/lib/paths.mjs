// Where everything lies, below $AGENT_ROOT. In the image the root is empty: /data, /run/agent, /var/tmp/agent.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { AgentError } from "./errors.mjs";

const HERE = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const DEFAULT_PORT = 18_789;
const DEFAULT_HOOK_PORT = 8787;

/**
 * @typedef {object} Paths
 * @property {boolean} embedded true where other sandboxes share the machine's network, so only loopback may be bound
 * @property {number} port
 * @property {number} hookPort where the gateway listens for what Telegram sends
 * @property {string} data parent of the state
 * @property {string} state OPENCLAW_STATE_DIR, the only thing snapshots are made of
 * @property {string} home HOME of the gateway, not kept
 * @property {string} settings what the owner or the agent chose of the configuration
 * @property {string} run private directory that no snapshot covers
 * @property {string} config @property {string} secrets
 * @property {string} former what `secrets` held before in this container's life
 * @property {string} go @property {string} initMark
 * @property {string} gatewayMark @property {string} endedMark what becomes of it when the gateway ends by itself
 * @property {string} lease @property {string} log
 * @property {string} scratch @property {string} tmp @property {string} openclawLog
 * @property {string} received packs of a snapshot that is restored
 * @property {string} index @property {string} pack
 * @property {string} stage @property {string} archive @property {string} archiveFacts @property {string} stageLock
 * @property {string} openclaw directory of the OpenClaw package
 * @property {string} skills what the image teaches each agent
 * @property {string | undefined} compileCache
 */

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Paths}
 */
export function pathsFrom(env) {
  const root = env.AGENT_ROOT ?? "";
  if (root !== "" && (!path.isAbsolute(root) || path.normalize(root) !== root || root.endsWith("/"))) {
    throw new AgentError("AGENT_ROOT must be an absolute, plain path");
  }
  const host = env.AGENT_HOST ?? "";
  // OpenClaw binds 127.0.0.1 beside any other address it is given, so another loopback address would isolate nothing.
  if (host !== "" && host !== "127.0.0.1") throw new AgentError("AGENT_HOST may only be 127.0.0.1; use AGENT_PORT");
  const data = `${root}/data`;
  const run = `${root}/run/agent`;
  const scratch = `${root}/var/tmp/agent`;
  const stage = `${scratch}/stage`;
  return {
    embedded: host !== "",
    port: portFrom("AGENT_PORT", env.AGENT_PORT, DEFAULT_PORT),
    hookPort: portFrom("AGENT_HOOK_PORT", env.AGENT_HOOK_PORT, DEFAULT_HOOK_PORT),
    data,
    state: `${data}/state`,
    settings: `${data}/state/workspace/openclaw-settings.json`,
    home: `${data}/home`,
    run,
    config: `${run}/openclaw.json`,
    secrets: `${run}/secrets.json`,
    former: `${run}/former.json`,
    go: `${run}/go`,
    initMark: `${run}/init.json`,
    gatewayMark: `${run}/gateway.json`,
    endedMark: `${run}/ended.json`,
    lease: `${run}/lease.json`,
    log: `${run}/agent.log`,
    scratch,
    tmp: `${scratch}/tmp`,
    openclawLog: `${scratch}/log/openclaw.log`,
    stage,
    archive: `${stage}/archive`,
    index: `${stage}/index`,
    pack: `${stage}/pack`,
    received: `${scratch}/received`,
    archiveFacts: `${stage}/archive.json`,
    stageLock: `${scratch}/snapshot.lock`,
    openclaw: path.join(HERE, "node_modules", "openclaw"),
    skills: path.join(HERE, "skills"),
    compileCache: compileCacheFrom(env.AGENT_COMPILE_CACHE),
  };
}

/** @param {string} name @param {string | undefined} text @param {number} otherwise */
function portFrom(name, text, otherwise) {
  if (text === undefined || text === "") return otherwise;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new AgentError(`${name} must be a port number`);
  return port;
}

/** @param {string | undefined} given */
function compileCacheFrom(given) {
  if (given) {
    if (!path.isAbsolute(given)) throw new AgentError("AGENT_COMPILE_CACHE must be an absolute path");
    return given;
  }
  const baked = path.join(HERE, "compile-cache");
  return existsSync(baked) ? baked : undefined;
}

/**
 * @param {Paths} paths
 * @returns {string}
 */
export function openclawVersion(paths) {
  const text = readFileSync(path.join(paths.openclaw, "package.json"), "utf8");
  const version = JSON.parse(text).version;
  if (typeof version !== "string") throw new AgentError("the OpenClaw package has no version");
  return version;
}
