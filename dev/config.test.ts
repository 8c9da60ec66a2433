// The overlay over wrangler.toml: what local runs take away and what they keep.
import assert from "node:assert/strict";
import { test } from "node:test";
import { devConfig, overlay } from "./config.ts";
import { ROOT } from "./stack.ts";

const PRODUCTION = {
  name: "edge",
  main: "build/worker/shim.mjs",
  compatibility_flags: ["no_nodejs_compat"],
  routes: [{ pattern: "app.example/*" }],
  env: { staging: { name: "edge-staging" } },
  build: { command: "node scripts/build.mjs" },
  containers: [{ class_name: "Agent", image: "container/Dockerfile" }],
  secrets: { required: ["JWT_SECRET"] },
  assets: { directory: "dist/console", binding: "ASSETS" },
  vars: { OWNERSHIP_MAX_AGE: "10", SOLANA_CLUSTER: "mainnet" },
  kv_namespaces: [{ binding: "CHALLENGES", id: "0123" }],
  durable_objects: { bindings: [{ name: "AGENT", class_name: "Agent" }] },
};
const OPTIONS = {
  root: "/project",
  entry: "dev/entry.ts",
  consoleDir: "/elsewhere/console",
  vars: { SOLANA_CLUSTER: "localnet" },
};

test("nothing that would deploy, build or call out is left", () => {
  const config = overlay(PRODUCTION, OPTIONS);
  for (const key of ["routes", "env", "build", "containers", "secrets"]) assert.equal(key in config, false, key);
});

test("of the real wrangler.toml only what runs locally is left", () => {
  const kept = ["name", "main", "compatibility_date", "compatibility_flags", "assets", "migrations", "vars"];
  const bindings = ["kv_namespaces", "r2_buckets", "durable_objects", "ratelimits"];
  assert.deepEqual(Object.keys(devConfig({ ...OPTIONS, root: ROOT })).sort(), [...kept, ...bindings].sort());
});

test("bindings and flags are those of production", () => {
  const config = overlay(PRODUCTION, OPTIONS);
  assert.deepEqual(config.kv_namespaces, PRODUCTION.kv_namespaces);
  assert.deepEqual(config.durable_objects, PRODUCTION.durable_objects);
  assert.deepEqual(config.compatibility_flags, PRODUCTION.compatibility_flags);
});

test("paths are absolute, the run's variables win, the others stay", () => {
  const config = overlay(PRODUCTION, OPTIONS);
  assert.equal(config.main, "/project/dev/entry.ts");
  assert.deepEqual(config.assets, { directory: "/elsewhere/console", binding: "ASSETS" });
  assert.deepEqual(config.vars, { OWNERSHIP_MAX_AGE: "10", SOLANA_CLUSTER: "localnet" });
});

test("a binding to an account's real data is refused", () => {
  const remote = { ...PRODUCTION, r2_buckets: [{ binding: "SNAPSHOTS", bucket_name: "real", remote: true }] };
  assert.throws(() => overlay(remote, OPTIONS), /remote/);
});
