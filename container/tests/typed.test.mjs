// Keys that were typed into OpenClaw's own pages: told by name when a snapshot drops them, and read out for their owner.
// How OpenClaw itself writes them is tested with the real one (gateway.test.mjs).
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import { makeSandbox, run } from "./support.mjs";

const INJECTED = "sk-or-v1-0123456789abcdef";

/** @param {Awaited<ReturnType<typeof makeSandbox>>} sandbox @param {string} name @param {string} sql */
async function database({ paths }, name, sql) {
  const file = path.join(paths.state, name);
  await mkdir(path.dirname(file), { recursive: true });
  const opened = new DatabaseSync(file);
  opened.exec(sql);
  opened.close();
}

/** @param {import("node:test").TestContext} t */
async function sandboxWithKeys(t) {
  const sandbox = await makeSandbox(t);
  await mkdir(sandbox.paths.run, { recursive: true });
  await writeFile(sandbox.paths.secrets, JSON.stringify({ openrouter: INJECTED }));
  const profiles = {
    "anthropic:default": { type: "api_key", provider: "anthropic", key: "sk-ant-typed-0001" },
    "anthropic:second": { type: "api_key", provider: "anthropic", key: "sk-ant-typed-0002" },
    "openrouter:default": { type: "api_key", provider: "openrouter", key: INJECTED },
    "mistral:default": { type: "api_key", provider: "mistral", keyRef: { source: "file", provider: "host", id: "/x" } },
    "google:me": { type: "oauth", provider: "google", access: "token", refresh: "token" },
    odd: { type: "api_key", provider: "<b>Odd</b>", key: "sk-odd" },
    none: null,
  };
  await database(
    sandbox,
    "agents/main/agent/openclaw-agent.sqlite",
    `CREATE TABLE auth_profile_store (store_key TEXT, store_json TEXT);
     INSERT INTO auth_profile_store VALUES ('primary', '${JSON.stringify({ version: 1, profiles })}'), ('torn', '{');`,
  );
  const shared = { profiles: { "groq:default": { type: "api_key", provider: "groq", key: "gsk-typed-0001" } } };
  await database(
    sandbox,
    "state/openclaw.sqlite",
    `CREATE TABLE secret_store_entries (scope_kind TEXT, name TEXT, value TEXT, deleted_at_ms INTEGER);
     INSERT INTO secret_store_entries VALUES ('team', 'OPENAI_API_KEY', 'sk-typed-0003', NULL),
       ('team', 'XAI_API_KEY', 'deleted', 1), ('identity', 'DEEPSEEK_API_KEY', 'personal', NULL), ('team', 'OTHER', 'x', NULL);
     CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT);
     INSERT INTO config_machine_state VALUES ('authProfiles.store', '${JSON.stringify(shared)}');`,
  );
  return sandbox;
}

test("c14 a snapshot names the providers of the keys that it drops, and holds none of them", async (t) => {
  const sandbox = await sandboxWithKeys(t);
  const { json } = await run(sandbox, ["snapshot"]);
  assert.deepEqual(json.typedKeys, ["anthropic", "google", "groq", "openai"]);
  assert.ok(!JSON.stringify(json).includes("typed-"));
});

test("typed keys are read out by provider; an injected one, a reference and a sign-in are none", async (t) => {
  const { json } = await run(await sandboxWithKeys(t), ["keys"]);
  assert.deepEqual(json, {
    keys: { anthropic: "sk-ant-typed-0001", groq: "gsk-typed-0001", openai: "sk-typed-0003" },
  });
});

test("without a state, or with tables of another form, there are no typed keys, and a snapshot is taken", async (t) => {
  const sandbox = await makeSandbox(t);
  assert.deepEqual((await run(sandbox, ["keys"])).json, { keys: {} });
  await mkdir(sandbox.paths.run, { recursive: true });
  await writeFile(sandbox.paths.secrets, "{}");
  await database(
    sandbox,
    "state/openclaw.sqlite",
    "CREATE TABLE secret_store_entries (x); CREATE TABLE auth_profile_store (y);",
  );
  assert.deepEqual((await run(sandbox, ["keys"])).json, { keys: {} });
  assert.deepEqual((await run(sandbox, ["snapshot"])).json?.typedKeys, []);
});
