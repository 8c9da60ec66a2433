// The check before a deployment: what it lets pass, and that each mistake is found and named.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseEnv } from "node:util";
import { bundleExports, lintClasses, lintExports } from "./lib/bundle.mjs";
import { ENVIRONMENTS, SECRETS, VARIABLES } from "./lib/deployment.mjs";
import { asked, exampleSecrets, lintDocuments, readmeTables } from "./lib/documented.mjs";
import { lint } from "./lib/lint.mjs";
import { fromRoot } from "./lib/project.mjs";
import { BUDGETS, lintSizes } from "./lib/sizes.mjs";
import { environment, readConfig } from "./lib/wrangler-config.mjs";

const dir = mkdtempSync(join(tmpdir(), "deploy-check-"));
after(() => rmSync(dir, { recursive: true }));

const real = await readConfig();

/** The real configuration with everything filled in. */
function filledIn() {
  const config = JSON.parse(JSON.stringify(real).replaceAll("molt.example", "molt-agents.dev"));
  for (const name of ENVIRONMENTS)
    config.env[name].vars.MOLT_COLLECTION = "CoREENxT6tW1HoK8ypY1SxRMZTcVPm7R94rH4PZNhX7d";
  return config;
}

test("the repository's own configuration has nothing wrong, only what is to be filled in", () => {
  const findings = lint(real);
  assert.deepEqual(
    findings.filter(({ unfilled }) => !unfilled),
    [],
  );
  const fields = findings.map(({ field }) => field);
  for (const field of ["vars.MOLT_COLLECTION", "vars.APP_ORIGINS", "vars.AGENT_DOMAIN", "routes.app.molt.example"])
    assert.ok(fields.includes(`env.production.${field}`), field);
});

test("filled in it has nothing to say", () => assert.deepEqual(lint(filledIn()), []));

/** @typedef {import("./lib/wrangler-config.mjs").Config} Config */
/** What is broken in production, and the field that must be named for it. @type {[string, (production: Config, config: Config) => void, string][]} */
const BROKEN = [
  ["no environment", (_, config) => delete config.env.production, "env.production"],
  ["no name of its own", (production) => delete production.name, "env.production.name"],
  ["no KV", (production) => delete production.kv_namespaces, "env.production.kv_namespaces"],
  ["no R2", (production) => delete production.r2_buckets, "env.production.r2_buckets"],
  ["no Durable Object", (production) => delete production.durable_objects, "env.production.durable_objects.bindings"],
  ["no rate limiter", (production) => delete production.ratelimits, "env.production.ratelimits"],
  ["no assets", (_, config) => delete config.assets, "env.production.assets"],
  ["no containers", (production) => delete production.containers, "env.production.containers"],
  ["a binding of another name", ({ kv_namespaces: [kv] }) => (kv.binding = "NONCES"), "env.production.kv_namespaces"],
  [
    "assets before the Worker",
    (_, config) => (config.assets.run_worker_first = false),
    "env.production.assets.run_worker_first",
  ],
  [
    "another period",
    ({ ratelimits: [limit] }) => (limit.simple.period = 10),
    "env.production.ratelimits.LOGIN_LIMIT.simple",
  ],
  ["a zero id", ({ kv_namespaces: [kv] }) => (kv.id = "0".repeat(32)), "env.production.kv_namespaces.CHALLENGES.id"],
  [
    "an id that is none",
    ({ kv_namespaces: [kv] }) => (kv.id = "CHALLENGES"),
    "env.production.kv_namespaces.CHALLENGES.id",
  ],
  [
    "a bucket without a name",
    ({ r2_buckets: [r2] }) => delete r2.bucket_name,
    "env.production.r2_buckets.SNAPSHOTS.bucket_name",
  ],
  [
    "a shared bucket",
    ({ r2_buckets: [r2] }, { env }) => (env.staging.r2_buckets[0].bucket_name = r2.bucket_name),
    "env.staging.r2_buckets.SNAPSHOTS.bucket_name",
  ],
  [
    "a shared limiter",
    ({ ratelimits: [limit] }, { env }) => (env.staging.ratelimits[0].namespace_id = limit.namespace_id),
    "env.staging.ratelimits.LOGIN_LIMIT.namespace_id",
  ],
  ["a shared route", ({ routes }, { env }) => env.staging.routes.push(routes[0]), "env.staging.routes"],
  ["a variable misspelt", ({ vars }) => (vars.IDLE_TIME = "600"), "env.production.vars.IDLE_TIME"],
  ["a number that is none", ({ vars }) => (vars.IDLE_TIMEOUT = 600), "env.production.vars.IDLE_TIMEOUT"],
  ["a number out of range", ({ vars }) => (vars.OWNERSHIP_GRACE = "86400"), "env.production.vars.OWNERSHIP_GRACE"],
  ["an unknown cluster", ({ vars }) => (vars.SOLANA_CLUSTER = "localnet"), "env.production.vars.SOLANA_CLUSTER"],
  [
    "an RPC without TLS",
    ({ vars }) => (vars.SOLANA_RPC_URLS = "http://rpc.dev"),
    "env.production.vars.SOLANA_RPC_URLS",
  ],
  [
    "an RPC named twice",
    ({ vars }) => (vars.SOLANA_RPC_URLS = "https://rpc.dev, https://rpc.dev"),
    "env.production.vars.SOLANA_RPC_URLS",
  ],
  [
    "a key in a variable",
    ({ vars }) => (vars.SOLANA_RPC_URLS = "https://rpc.dev/v2/a1B2c3D4e5F6g7H8"),
    "env.production.vars.SOLANA_RPC_URLS",
  ],
  [
    "an origin with a path",
    ({ vars }) => (vars.APP_ORIGINS = "https://app.molt-agents.dev/"),
    "env.production.vars.APP_ORIGINS",
  ],
  [
    "the app below AGENT_DOMAIN",
    ({ vars }) => (vars.APP_ORIGINS = "https://app.agents.molt-agents.dev"),
    "env.production.vars.APP_ORIGINS",
  ],
  ["no collection", ({ vars }) => (vars.MOLT_COLLECTION = ""), "env.production.vars.MOLT_COLLECTION"],
  ["a secret in plain text", ({ vars }) => (vars.JWT_SECRET = "x"), "env.production.vars.JWT_SECRET"],
  ["a secret that is not required", ({ secrets }) => secrets.required.pop(), "env.production.secrets.required"],
  ["a secret nobody reads", ({ secrets }) => secrets.required.push("JWT_KEY"), "env.production.secrets.required"],
  [
    "a variable that is a secret too",
    ({ secrets }) => secrets.required.push("SOLANA_RPC_URLS"),
    "env.production.vars.SOLANA_RPC_URLS",
  ],
  [
    "a class without migration",
    (_, config) => (config.migrations[0].new_sqlite_classes = []),
    "env.production.migrations",
  ],
  [
    "a migration without class",
    (_, config) => config.migrations[0].new_sqlite_classes.push("Old"),
    "env.production.durable_objects.bindings",
  ],
  ["a tag twice", (_, config) => config.migrations.push({ tag: "v1" }), "env.production.migrations"],
  ["a container of no class", ({ containers: [one] }) => (one.class_name = "Agents"), "env.production.containers"],
  [
    "too small an instance",
    ({ containers: [one] }) => (one.instance_type = "basic"),
    "env.production.containers.Agent.instance_type",
  ],
  [
    "no bound on instances",
    ({ containers: [one] }) => delete one.max_instances,
    "env.production.containers.Agent.max_instances",
  ],
  ["workers.dev", (production) => (production.workers_dev = true), "env.production.workers_dev"],
  ["no route for the app", ({ routes }) => routes.shift(), "env.production.routes"],
  [
    "no route for models",
    ({ vars }) => (vars.MODELS_ORIGIN = "https://models.molt-agents.dev"),
    "env.production.routes",
  ],
  ["no route for agents", ({ routes }) => routes.pop(), "env.production.routes"],
  [
    "a route to nothing",
    ({ routes }) => routes.push({ pattern: "www.molt-agents.dev", custom_domain: true }),
    "env.production.routes.www.molt-agents.dev",
  ],
  [
    "a route of another zone",
    ({ routes }) => (routes[1].zone_name = "molt.dev"),
    "env.production.routes.*.agents.molt-agents.dev/*",
  ],
  [
    "traces",
    (_, config) => (config.observability.traces.enabled = true),
    "env.production.observability.traces.enabled",
  ],
  [
    "query strings in the log",
    (_, config) => delete config.observability.redact_query_string,
    "env.production.observability.redact_query_string",
  ],
];

for (const name of Object.keys(VARIABLES).filter((one) => VARIABLES[one]?.required))
  BROKEN.push([`no ${name}`, ({ vars }) => delete vars[name], `env.production.vars.${name}`]);

for (const [what, spoil, field] of BROKEN) {
  test(`with ${what} the check names ${field}`, () => {
    const config = filledIn();
    spoil(config.env.production, config);
    const found = lint(config);
    assert.ok(
      found.some((finding) => finding.field === field),
      JSON.stringify(found, null, 2),
    );
    for (const { text } of found) assert.ok(text.length > 10, text);
  });
}

test("the RPC's URLs may be a secret in place of a variable", () => {
  const config = filledIn();
  delete config.env.production.vars.SOLANA_RPC_URLS;
  config.env.production.secrets.required.push("SOLANA_RPC_URLS");
  assert.deepEqual(lint(config), []);
});

test("a class that was renamed or deleted by a migration is no longer asked for", () => {
  const config = filledIn();
  config.migrations = [
    { tag: "v1", new_sqlite_classes: ["Domain", "Gone"] },
    { tag: "v2", renamed_classes: [{ from: "Domain", to: "Agent" }], deleted_classes: ["Gone"] },
  ];
  assert.deepEqual(lint(config), []);
});

test("one environment alone can be asked for", () => {
  const config = filledIn();
  delete config.env.staging.vars.APP_ORIGINS;
  assert.deepEqual(lint(config, ["production"]), []);
});

test("code, README, .dev.vars.example and the list name the same variables, secrets and bindings", () => {
  assert.deepEqual(lintDocuments(), []);
});

test(".dev.vars.example documents exactly the secrets, and sets those that are required", () => {
  const text = readFileSync(fromRoot(".dev.vars.example"), "utf8");
  assert.deepEqual(exampleSecrets(text).sort(), SECRETS.map(({ name }) => name).sort());
  for (const { name, required } of SECRETS) if (required) assert.ok(name in parseEnv(text), name);
});

test("what one of them lacks or has too many is named", () => {
  const code = asked();
  code.names.add("NEW_SECRET");
  code.bindings.delete("SNAPSHOTS");
  const readme = readFileSync(fromRoot("README.md"), "utf8").replace("`SNAPSHOT_KEEP`", "`SNAPSHOTS_KEPT`");
  const found = lintDocuments({ code, readme, example: "JWT_SECRET=\n" }).map(({ field, text }) => `${field}: ${text}`);
  for (const part of [
    /name NEW_SECRET is not known/,
    /binding SNAPSHOTS is missing/,
    /README.*SNAPSHOT_KEEP is missing/,
  ])
    assert.ok(
      found.some((one) => part.test(one)),
      `${part}\n${found.join("\n")}`,
    );
  assert.ok(found.some((one) => one === ".dev.vars.example: secret SEALING_KEY is missing"));
});

test("the bounds of numbers are those of the code", () => {
  const settings = readFileSync(fromRoot("durable_objects/src/settings.rs"), "utf8");
  const bounds = [...settings.matchAll(/"([A-Z_]+)", \d+, ([\d_]+)\.\.=([\d_]+)/g)];
  assert.ok(bounds.length >= 4);
  for (const [, name = "", least, most] of bounds)
    assert.deepEqual(
      VARIABLES[name]?.range,
      [least, most].map((text) => Number(text?.replaceAll("_", ""))),
      name,
    );
});

test("the README's tables are read as people read them", () => {
  const { variables, secrets } = readmeTables(
    "| variable | means |\n|---|---|\n| `ONE`, `TWO` | not `THREE` |\n\n| secret | means |\n|---|---|\n| `FOUR` | |\n",
  );
  assert.deepEqual([variables, secrets], [["ONE", "TWO"], ["FOUR"]]);
});

/** @param {string} name @param {string} text */
function file(name, text) {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

test("a bundle without a declared class is refused", async () => {
  const declared = asked().classes;
  assert.deepEqual([...declared.keys()], ["Agent"]);
  const settings = environment(filledIn(), "production");
  const whole = await bundleExports(
    file("whole.js", 'import "./index_bg.wasm"; class A {} export { A as Agent, A as default };'),
  );
  assert.deepEqual([...lintExports(whole, declared), ...lintClasses(whole, declared, settings, "production")], []);

  const lacking = await bundleExports(file("lacking.js", "class Agent {} export default Agent;"));
  const found = [...lintExports(lacking, declared), ...lintClasses(lacking, declared, settings, "production")];
  assert.deepEqual(
    found.map(({ field }) => field),
    [
      "build/index.js",
      ...["durable_objects.bindings", "migrations", "containers"].map((section) => `env.production.${section}`),
    ],
  );
  for (const { text } of found) assert.match(text, /Agent/);
});

test("a declared class that nothing binds is named, with its file", () => {
  const source = file("second.rs", "#[durable_object(alarm)]\n#[allow(dead_code)]\npub struct Second {}\n");
  const { classes } = asked([source]);
  const [found] = lintClasses(["Agent", "Second"], classes, environment(filledIn(), "staging"), "staging");
  assert.match(found?.text ?? "", /Second.*second\.rs/);
});

test("what is larger than its budget is refused, and so is what is missing", () => {
  const within = Object.keys(BUDGETS).map((name) => ({ name, raw: 1, gzip: 1 }));
  assert.deepEqual(lintSizes(within), []);
  const [first, ...others] = within;
  assert.ok(first);
  const large = { ...first, gzip: ((BUDGETS[first.name] ?? 0) + 1) * 1024 };
  assert.deepEqual(
    lintSizes([large, ...others]).map(({ field }) => field),
    [first.name],
  );
  assert.deepEqual(
    lintSizes(others).map(({ field }) => field),
    [first.name],
  );
});
