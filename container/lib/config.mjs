// The gateway's configuration: defaults, what its owner chose, the caller's policy, and above all of it the keys that say
// where things are.
import { AgentError } from "./errors.mjs";

/** @typedef {{[key: string]: unknown}} Json */

const LOOPBACK = ["127.0.0.0/8", "::1/128"];
// In the image whoever connects has come through the Durable Object or from this container's own network namespace.
// The platform's side shows a private address, which one is not promised.
const PRIVATE = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "fc00::/7",
  "fe80::/10",
];

/**
 * What keeps a start fast and quiet: no calls to a package registry, no discovery, no work nobody asked for. The denied are
 * plugins that OpenClaw would fetch by itself before it serves, codex for each model of OpenAI's that has no address of its own.
 */
const DEFAULTS = {
  gateway: { terminal: { enabled: false }, controlUi: { sessionObserver: false } },
  plugins: { deny: ["perplexity", "codex"] },
  tools: { web: { search: { enabled: false } } },
  update: { checkOnStart: false },
  discovery: { mdns: { mode: "off" } },
  models: { catalogRefresh: { enabled: false } },
  agents: { defaults: { utilityModel: "", heartbeat: { every: "0m" } } },
};

/**
 * @param {Json} policy checked by `checkPolicy`
 * @param {import("./paths.mjs").Paths} paths
 * @param {Json} [chosen] settings of the owner or the agent, checked by `allowedOf`
 * @returns {Json}
 */
export function buildConfig(policy, paths, chosen = {}) {
  const places = {
    gateway: {
      mode: "local",
      port: paths.port,
      bind: paths.embedded ? "loopback" : "lan",
      trustedProxies: paths.embedded ? LOOPBACK : [...LOOPBACK, ...PRIVATE],
      auth: { trustedProxy: { allowLoopback: true } },
      // Messages of channels that end at the edge come this way.
      http: { endpoints: { chatCompletions: { enabled: true } } },
    },
    // Snapshots quiesce the gateway through this plugin; it answers only requests that carry the owner's identity.
    plugins: { entries: { "admin-http-rpc": { enabled: true } } },
    ...(asObject(asObject(policy.channels)?.telegram) && { channels: { telegram: hookListener(paths) } }),
    skills: { load: { extraDirs: [paths.skills] } },
    logging: { consoleStyle: "json", file: paths.openclawLog, maxFileBytes: 4 * 1024 * 1024 },
    secrets: { providers: { host: { source: "file", path: paths.secrets, mode: "json" } } },
  };
  return merge(merge(merge(DEFAULTS, chosen), policy), places);
}

/**
 * Where the gateway listens for what Telegram sends: a place of its own, beside the gateway's.
 * @param {import("./paths.mjs").Paths} paths
 * @returns {Json}
 */
function hookListener(paths) {
  return { webhookHost: paths.embedded ? "127.0.0.1" : "0.0.0.0", webhookPort: paths.hookPort };
}

/**
 * Refuses a policy that would open the gateway to anyone but one owner.
 * @param {Json} policy
 */
export function checkPolicy(policy) {
  refuseForeignKeys(policy, 0);
  const auth = asObject(asObject(policy.gateway)?.auth);
  const proxy = asObject(auth?.trustedProxy);
  if (auth?.mode !== "trusted-proxy" || !proxy) throw new AgentError("config: gateway.auth must be trusted-proxy");
  if ("token" in auth || "password" in auth) throw new AgentError("config: gateway.auth must hold no shared secret");
  const users = proxy.allowUsers;
  if (!Array.isArray(users) || users.length !== 1 || typeof users[0] !== "string" || users[0].trim() === "") {
    throw new AgentError("config: gateway.auth.trustedProxy.allowUsers must name one owner");
  }
  if (typeof proxy.userHeader !== "string" || !/^[a-z0-9-]+$/i.test(proxy.userHeader)) {
    throw new AgentError("config: gateway.auth.trustedProxy.userHeader must be a header name");
  }
}

/**
 * The headers that make a request of ours the owner's.
 * @param {Json} config as written
 * @returns {Record<string, string>}
 */
export function ownerHeaders(config) {
  const proxy = asObject(asObject(asObject(config.gateway)?.auth)?.trustedProxy);
  const users = proxy?.allowUsers;
  const user = Array.isArray(users) ? users[0] : undefined;
  if (typeof proxy?.userHeader !== "string" || typeof user !== "string")
    throw new AgentError("the configuration names no owner");
  /** @type {Record<string, string>} */
  const headers = {
    [proxy.userHeader]: user,
    // Must be an address that is no trusted proxy's; this one is reserved for documentation.
    "x-forwarded-for": "192.0.2.1",
  };
  const required = Array.isArray(proxy.requiredHeaders) ? proxy.requiredHeaders : [];
  for (const name of required) if (typeof name === "string" && !Object.hasOwn(headers, name)) headers[name] = "1";
  return headers;
}

/**
 * Objects are merged, anything else is replaced by what lies above.
 * @param {Json} below
 * @param {Json} above
 * @returns {Json}
 */
export function merge(below, above) {
  /** @type {Json} */
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = asObject(merged[key]);
    const over = asObject(value);
    merged[key] = over ? merge(under ?? {}, over) : value;
  }
  return merged;
}

/**
 * @param {unknown} value
 * @returns {Json | undefined}
 */
export function asObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? /** @type {Json} */ (value) : undefined;
}

/**
 * `$include` would read files into the configuration; the others are names that JavaScript objects already have.
 * @param {unknown} value
 * @param {number} depth
 */
function refuseForeignKeys(value, depth) {
  if (depth > 32) throw new AgentError("config: nested too deeply");
  if (value === null || typeof value !== "object") return;
  for (const [key, inner] of Object.entries(value)) {
    if (["__proto__", "constructor", "prototype", "$include"].includes(key))
      throw new AgentError("config: refused key");
    refuseForeignKeys(inner, depth + 1);
  }
}
