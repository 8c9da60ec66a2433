// What wrangler takes for granted in wrangler.toml and this service does not: that each environment has everything, that
// names agree, that environments share nothing, and that nothing in it is a placeholder or a secret.

import { BINDINGS, ENVIRONMENTS, holdsKey, isExample, SECRETS, VARIABLES } from "./deployment.mjs";
import { entries, environment, migratedClasses } from "./wrangler-config.mjs";

/** @typedef {import("./wrangler-config.mjs").Config} Config */
/** `unfilled`: a placeholder, which is no mistake before there is a deployment. @typedef {{field: string, text: string, unfilled?: boolean}} Finding */
/** @typedef {Generator<Finding>} Findings */

/** OpenClaw needs 2 GiB. */
const INSTANCE_TYPES = ["standard-1", "standard-2", "standard-3", "standard-4"];
const LEAST_MEMORY_MIB = 2048;
/** What the Worker tells in Retry-After. */
const LIMIT_PERIOD = 60;

/** @param {Config} config @param {string[]} [names] */
export function lint(config, names = ENVIRONMENTS) {
  return [...names.flatMap((name) => lintEnvironment(config, name)), ...shared(config)];
}

/** @param {Config} config @param {string} name @returns {Finding[]} */
function lintEnvironment(config, name) {
  if (!config.env?.[name]) return [{ field: `env.${name}`, text: "there is no such environment" }];
  const settings = environment(config, name);
  return [bindings, stores, variables, secrets, classes, containers, hosts, watching].flatMap((rule) =>
    [...rule(settings)].map((finding) => ({ ...finding, field: `env.${name}.${finding.field}` })),
  );
}

/** @param {Config} settings @returns {Findings} */
function* bindings(settings) {
  for (const { name, section, key } of BINDINGS) {
    if (entries(settings, section).some((entry) => entry[key] === name)) continue;
    yield { field: section, text: `has no ${key} = "${name}"` };
  }
  if (settings.assets?.run_worker_first !== true)
    yield { field: "assets.run_worker_first", text: "must be true: the Worker decides what a host serves" };
  for (const { name, simple } of entries(settings, "ratelimits")) {
    if (simple?.period === LIMIT_PERIOD && simple.limit > 0) continue;
    yield { field: `ratelimits.${name}.simple`, text: `must have a limit, and period = ${LIMIT_PERIOD}` };
  }
}

/** @param {Config} settings @returns {Findings} */
function* stores(settings) {
  for (const { binding, id } of entries(settings, "kv_namespaces")) {
    const field = `kv_namespaces.${binding}.id`;
    if (/^0+\d?$/.test(id ?? ""))
      yield { field, text: "is a placeholder: give the namespace's id, or none", unfilled: true };
    else if (id !== undefined && !/^[0-9a-f]{32}$/.test(id))
      yield { field, text: "must be 32 hexadecimal digits, or left out" };
  }
  for (const { binding, bucket_name } of entries(settings, "r2_buckets")) {
    // A bucket that wrangler names would be another one, and empty, for the next who deploys.
    if (!/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket_name ?? ""))
      yield {
        field: `r2_buckets.${binding}.bucket_name`,
        text: "must be 3 to 63 lower-case letters, digits and hyphens",
      };
  }
}

/** @param {Config} settings @returns {Findings} */
function* variables({ vars = {}, secrets: { required = [] } = {} }) {
  for (const name of Object.keys(vars)) {
    const field = `vars.${name}`;
    if (SECRETS.some((secret) => secret.name === name))
      yield { field, text: `is a secret: take it out, and use wrangler secret put ${name}` };
    else if (!VARIABLES[name]) yield { field, text: "is a variable that the code does not know" };
  }
  for (const [name, { required: needed, expected, fits, unfilled, secretAllowed }] of Object.entries(VARIABLES)) {
    const field = `vars.${name}`;
    const value = vars[name];
    const isSecret = secretAllowed && required.includes(name);
    if (value === undefined) {
      const or = secretAllowed ? `, or be named in secrets.required` : "";
      if (needed && !isSecret) yield { field, text: `is missing: it must be ${expected}${or}` };
    } else if (isSecret)
      yield { field, text: "is a variable and a secret: wrangler refuses a secret while it is in vars" };
    else if (typeof value !== "string") yield { field, text: "must be text, in quotes" };
    else if (unfilled?.(value)) yield { field, text: `is a placeholder: it must be ${expected}`, unfilled: true };
    else if (!fits(value)) yield { field, text: `must be ${expected}` };
    else if (secretAllowed && value.split(",").some((url) => holdsKey(url.trim())))
      yield { field, text: `seems to hold a key: name it in secrets.required, and use wrangler secret put ${name}` };
  }
}

/** @param {Config} settings @returns {Findings} */
function* secrets({ secrets: { required = [] } = {} }) {
  const field = "secrets.required";
  for (const { name, required: needed } of SECRETS)
    if (needed && !required.includes(name)) yield { field, text: `does not name ${name}` };
  for (const name of required) {
    if (SECRETS.some((secret) => secret.name === name) || VARIABLES[name]?.secretAllowed) continue;
    yield { field, text: `names ${name}, which the code does not know` };
  }
}

/** @param {Config} settings @returns {Findings} */
function* classes(settings) {
  const made = migratedClasses(settings);
  const bound = entries(settings, "durable_objects.bindings").map(({ class_name }) => class_name);
  const tags = entries(settings, "migrations").map(({ tag }) => tag);
  for (const name of bound)
    if (!made.has(name))
      yield { field: "migrations", text: `make no class ${name}, which durable_objects.bindings names` };
  for (const name of made)
    if (!bound.includes(name))
      yield { field: "durable_objects.bindings", text: `name no class ${name}, which migrations make` };
  for (const tag of tags)
    if (tags.indexOf(tag) !== tags.lastIndexOf(tag))
      yield { field: "migrations", text: `have the tag ${tag} more than once` };
}

/** @param {Config} settings @returns {Findings} */
function* containers(settings) {
  const agent = entries(settings, "durable_objects.bindings").find(({ name }) => name === "AGENT")?.class_name;
  const all = entries(settings, "containers");
  if (agent && !all.some(({ class_name }) => class_name === agent))
    yield { field: "containers", text: `has none for class_name = "${agent}"` };
  for (const { class_name, instance_type, max_instances } of all) {
    const field = `containers.${class_name}`;
    if (class_name !== agent) yield { field: `${field}.class_name`, text: `must be "${agent}", the class of AGENT` };
    const enough = INSTANCE_TYPES.includes(instance_type) || instance_type?.memory_mib >= LEAST_MEMORY_MIB;
    if (!enough)
      yield { field: `${field}.instance_type`, text: `must have 2 GiB or more: ${INSTANCE_TYPES.join(", ")}` };
    if (!(max_instances > 0))
      yield { field: `${field}.max_instances`, text: "must say how many agents may run at once" };
  }
}

/** Routes lead to what the Worker serves, and to nothing else. @param {Config} settings @returns {Findings} */
function* hosts(settings) {
  for (const name of ["workers_dev", "preview_urls"])
    if (settings[name] !== false) yield { field: name, text: "must be false: no address but ours leads here" };
  const hostOf = (/** @type {string} */ origin) => origin.trim().replace(/^https?:\/\//, "");
  const apps = String(settings.vars?.APP_ORIGINS ?? "")
    .split(",")
    .map(hostOf);
  const models = hostOf(String(settings.vars?.MODELS_ORIGIN ?? ""));
  const agents = `*.${settings.vars?.AGENT_DOMAIN}/*`;
  const routes = entries(settings, "routes").map((route) => (typeof route === "string" ? { pattern: route } : route));
  const served = (/** @type {Config} */ route) => String(route.pattern).replace(/\/\*$/, "");

  if (!routes.some((route) => apps.includes(served(route))))
    yield { field: "routes", text: "have none for a host of APP_ORIGINS" };
  if (!routes.some(({ pattern }) => pattern === agents))
    yield { field: "routes", text: `have no pattern = "${agents}"` };
  if (models !== "" && !routes.some((route) => served(route) === models))
    yield { field: "routes", text: "have none for the host of MODELS_ORIGIN" };
  for (const route of routes) {
    const field = `routes.${route.pattern}`;
    if (route.pattern !== agents && ![...apps, models].includes(served(route)))
      yield { field, text: "leads to a host of neither APP_ORIGINS nor AGENT_DOMAIN, where nothing is served" };
    if (!route.custom_domain && !route.zone_name && !route.zone_id)
      yield { field, text: "must have zone_name or custom_domain" };
    if (route.zone_name && !served(route).endsWith(`.${route.zone_name}`)) yield { field, text: "is not of zone_name" };
    if (isExample(served(route))) yield { field, text: "is a placeholder: it must be a host of yours", unfilled: true };
  }
  for (const app of apps)
    if (app.endsWith(`.${settings.vars?.AGENT_DOMAIN}`))
      yield { field: "vars.APP_ORIGINS", text: "has a host below AGENT_DOMAIN: agents need an origin of their own" };
}

/** No log or trace may hold a secret. @param {Config} settings @returns {Findings} */
function* watching({ observability = {} }) {
  if (observability.enabled !== true)
    yield { field: "observability.enabled", text: "must be true: there is no other log" };
  if (observability.redact_query_string !== true)
    yield { field: "observability.redact_query_string", text: "must be true: query strings are not ours to keep" };
  if (observability.traces?.enabled === true)
    yield {
      field: "observability.traces.enabled",
      text: "must be false: a trace names the RPC's URL, which may hold a key",
    };
}

/** What two environments have in common must be meant. @param {Config} config @returns {Findings} */
function* shared(config) {
  /** @type {Map<string, string>} */
  const seen = new Map();
  const all = [
    ["", { ...config }],
    ...Object.keys(config.env ?? {}).map((name) => [`env.${name}.`, environment(config, name)]),
  ];
  for (const [at, settings] of /** @type {[string, Config][]} */ (all)) {
    for (const [field, value] of separate(settings)) {
      if (value === undefined) continue;
      const key = `${field} = ${value}`;
      const other = seen.get(key);
      if (other !== undefined)
        yield { field: `${at}${field}`, text: `is that of ${other}${field}: each environment needs its own` };
      else seen.set(key, at || "the top level's ");
    }
  }
}

/** @param {Config} settings @returns {[string, string | undefined][]} */
function separate(settings) {
  return [
    ["name", settings.name],
    ...entries(settings, "kv_namespaces").map(({ binding, id }) => pair(`kv_namespaces.${binding}.id`, id)),
    ...entries(settings, "r2_buckets").map(({ binding, bucket_name }) =>
      pair(`r2_buckets.${binding}.bucket_name`, bucket_name),
    ),
    ...entries(settings, "ratelimits").map(({ name, namespace_id }) =>
      pair(`ratelimits.${name}.namespace_id`, namespace_id),
    ),
    ...entries(settings, "routes").map((route) => pair("routes", typeof route === "string" ? route : route.pattern)),
  ];
}

/** @param {string} field @param {string | undefined} value @returns {[string, string | undefined]} */
const pair = (field, value) => [field, value];
