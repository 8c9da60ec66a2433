// What a deployment consists of: its environments, bindings, variables and secrets. The one list that wrangler.toml, the
// README, .dev.vars.example and the code are compared with.

/** The environments of wrangler.toml that are deployed. */
export const ENVIRONMENTS = ["production", "staging"];

/**
 * Each binding of the Worker: where wrangler.toml declares it, and by which call the code asks for it.
 * @type {{name: string, section: string, key: string, asked: string}[]}
 */
export const BINDINGS = [
  { name: "CHALLENGES", section: "kv_namespaces", key: "binding", asked: "kv" },
  { name: "SNAPSHOTS", section: "r2_buckets", key: "binding", asked: "bucket" },
  { name: "AGENT", section: "durable_objects.bindings", key: "name", asked: "durable_object" },
  { name: "LOGIN_LIMIT", section: "ratelimits", key: "name", asked: "rate_limiter" },
  { name: "LOGIN_ASSET_LIMIT", section: "ratelimits", key: "name", asked: "rate_limiter" },
  { name: "ASSETS", section: "assets", key: "binding", asked: "assets" },
];

/** @type {{name: string, required: boolean, means: string}[]} */
export const SECRETS = [
  { name: "JWT_SECRET", required: true, means: "signs sessions" },
  { name: "SEALING_KEY", required: true, means: "seals the owners' secrets" },
  {
    name: "SEALING_KEY_PREVIOUS",
    required: false,
    means: "opens what is not sealed anew while SEALING_KEY is replaced",
  },
  { name: "JWT_SECRET_PREVIOUS", required: false, means: "verifies older sessions while JWT_SECRET is replaced" },
  { name: "SOLANA_WEBHOOK_SECRET", required: false, means: "what the RPC provider sends with its notices" },
  { name: "CLAWROUTER_API_KEY", required: false, means: "the platform's key" },
  { name: "ANTHROPIC_API_KEY", required: false, means: "the platform's key" },
  { name: "OPENAI_API_KEY", required: false, means: "the platform's key" },
  { name: "OPENROUTER_API_KEY", required: false, means: "the platform's key" },
];

/**
 * `secretAllowed`: may be a secret in place of a variable. `unfilled` tells a placeholder from what is wrong.
 * @typedef {object} Variable
 * @property {boolean} required
 * @property {string} expected
 * @property {(value: string) => boolean} fits
 * @property {(value: string) => boolean} [unfilled]
 * @property {[number, number]} [range]
 * @property {boolean} [secretAllowed]
 */

const ORIGIN = /^https:\/\/[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?$/;
const HOST = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/;
const ADDRESS = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/;

/** Of the names that RFC 2606 keeps for examples. @param {string} host */
export const isExample = (host) => /(^|\.)example(\.(com|net|org))?(:\d+)?(\/|$)/.test(host);

const each = (/** @type {string} */ list, /** @type {(part: string) => boolean} */ fits) =>
  list.split(",").every((part) => fits(part.trim()));

/** Whether no part is there twice. @param {string} list */
const isOnce = (list) => {
  const parts = list.split(",").map((part) => part.trim());
  return new Set(parts).size === parts.length;
};

/** A path or query that is no name but a key, as RPC providers put it into their URLs. @param {string} url */
export const holdsKey = (url) => /@|\?|[/=][A-Za-z0-9_-]{16,}/.test(url.replace(/^https?:\/\//, ""));

/** @param {number} least @param {number} most @returns {Variable} */
const number = (least, most) => ({
  required: true,
  expected: `a whole number from ${least} to ${most}`,
  fits: (value) => /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most,
  range: [least, most],
});

/** Its form; the Worker looks closer. */
const NETWORK = /^[0-9a-f:.]+(\/([89]|[1-9]\d{1,2}))?$/i;

/** @type {Variable} */
const GATEWAY = { required: false, expected: "an https URL", fits: (value) => /^https:\/\/[^\s/]/.test(value) };

/** @type {Record<string, Variable>} */
export const VARIABLES = {
  APP_ORIGINS: {
    required: true,
    expected: "one or more origins like https://app.your-domain, separated by commas",
    fits: (value) => each(value, (origin) => ORIGIN.test(origin)),
    unfilled: (value) => value.split(",").some(isExample),
  },
  AGENT_DOMAIN: {
    required: true,
    expected: "a host suffix like agents.your-domain, without a leading dot",
    fits: (value) => HOST.test(value),
    unfilled: isExample,
  },
  MODELS_ORIGIN: {
    required: true,
    expected: "an origin of this Worker like https://app.your-domain",
    fits: (value) => ORIGIN.test(value),
    unfilled: isExample,
  },
  TELEGRAM_API_URL: {
    required: false,
    expected: "an origin like https://bots.your-domain",
    fits: (value) => ORIGIN.test(value),
  },
  DISCORD_API_URL: {
    required: false,
    expected: "an origin like https://discord.your-domain",
    fits: (value) => ORIGIN.test(value),
  },
  SLACK_API_URL: {
    required: false,
    expected: "an origin like https://slack.your-domain",
    fits: (value) => ORIGIN.test(value),
  },
  SOLANA_RPC_URLS: {
    required: true,
    expected: "https URLs separated by commas, each once",
    fits: (value) => each(value, (url) => /^https:\/\/[^\s/]/.test(url)) && isOnce(value),
    secretAllowed: true,
  },
  SOLANA_CLUSTER: {
    required: true,
    expected: "mainnet, testnet or devnet",
    fits: (value) => ["mainnet", "testnet", "devnet"].includes(value),
  },
  MOLT_COLLECTION: {
    required: true,
    expected: "the base58 address of the collection",
    fits: (value) => ADDRESS.test(value),
    unfilled: (value) => value === "",
  },
  OWNERSHIP_MAX_AGE: number(0, 300),
  OWNERSHIP_GRACE: number(0, 3600),
  IDLE_TIMEOUT: number(5, 86_400),
  SNAPSHOT_PERIOD: number(1, 86_400),
  SNAPSHOT_KEEP: number(1, 1000),
  SWEEP_PERIOD: number(1, 2_592_000),
  ANSWER_TIMEOUT: number(1, 300),
  REQUESTS_PER_SECOND: number(1, 10_000),
  EGRESS_ALLOW: {
    required: false,
    expected: "networks like 10.1.0.0/16 or addresses, none wider than /8, separated by commas",
    fits: (value) => each(value, (network) => NETWORK.test(network)),
  },
  PLATFORM_DAILY_REQUESTS: number(0, 1_000_000_000),
  PLATFORM_DAILY_TOKENS: number(0, 1_000_000_000),
  CLAWROUTER_BASE_URL: GATEWAY,
  OPENAI_BASE_URL: GATEWAY,
  ANTHROPIC_BASE_URL: GATEWAY,
  OPENROUTER_BASE_URL: GATEWAY,
};
