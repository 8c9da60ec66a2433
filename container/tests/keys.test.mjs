// The real OpenClaw with what an owner can set besides a model's key: a bot whose API is out of order must keep no agent from
// starting (one whose API never answers: reload.test.mjs), and models of ClawRouter are reached by its catalogue.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { ownPort } from "../../dev/ports.ts";
import { Client, probe } from "./client.mjs";
import { startModel } from "./model.mjs";
import { AGENT, makeSandbox, policy, run, until } from "./support.mjs";
import { BOT_SECRETS, botAt, startBrokenBotApi, TOKEN } from "./telegram.mjs";

const BOOT_MS = 180_000;
/** Connections that the bot loses before it is told of its token. */
const CUTS = 2;
const SECRETS = {
  clawrouter: "cr-test-93b1f7a2c05d4e6f8a1b2c3d4e5f6a7b",
  ...BOT_SECRETS,
  wallet: `0x${"4f1c9a77d0be42c8".repeat(4)}`,
};

/** As the edge writes it, but for addresses. @param {string} router @param {string} bots @param {number} hookPort */
function configFor(router, bots, hookPort) {
  return policy({
    models: {
      providers: { clawrouter: { apiKey: { source: "file", provider: "host", id: "/clawrouter" }, baseUrl: router } },
    },
    agents: { defaults: { model: { primary: "clawrouter/anthropic/claude-sonnet-4-6" } } },
    channels: { telegram: botAt(bots, hookPort) },
  });
}

/** What a ClawRouter grants a key. */
const CATALOG = {
  providers: [
    {
      id: "anthropic",
      displayName: "Anthropic",
      openaiCompatible: true,
      nativeBaseUrl: "/v1/native/anthropic",
      routes: [],
      models: [{ id: "anthropic/claude-sonnet-4-6", upstream: "claude-sonnet-4-6", capabilities: ["llm.chat"] }],
    },
  ],
};

test("c11 c12 an agent starts, and speaks by ClawRouter, with a bot whose API cuts connections and then says that its token was revoked", {
  timeout: 400_000,
}, async (t) => {
  const router = await startModel({ catalog: CATALOG });
  t.after(() => router.close());
  const api = await startBrokenBotApi(t, (response, before) => {
    if (before < CUTS) return void response.destroy();
    response
      .writeHead(401, { "content-type": "application/json" })
      .end(JSON.stringify({ ok: false, error_code: 401, description: "Unauthorized" }));
  });
  // Before the sandbox is removed, what runs in it ends.
  const ends = { init: async () => {} };
  t.after(() => ends.init());
  const [port, hookPort] = [await ownPort(), await ownPort()];
  const sandbox = await makeSandbox(t, { AGENT_PORT: String(port), AGENT_HOOK_PORT: String(hookPort) });
  const init = spawn(process.execPath, [AGENT, "init"], {
    env: { ...sandbox.env, AGENT_EXIT_WITH_STDIN: "1" },
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = once(init, "close");
  ends.init = async () => {
    init.stdin.end();
    await ended;
  };
  const input = JSON.stringify({
    config: configFor(router.url.replace(/\/v1$/, ""), api.url, hookPort),
    secrets: SECRETS,
  });
  assert.deepEqual((await run(sandbox, ["inject"], input)).json, { ok: true, reloaded: false });
  const began = Date.now();
  await until("the start", async () => (await probe(sandbox.paths.port)) === "started", BOOT_MS);
  t.diagnostic(`boot: ${Date.now() - began} ms`);
  await until("the bot's use of its token", () => api.uses(TOKEN) > CUTS, BOOT_MS);

  const client = await Client.connect(sandbox.paths.port);
  assert.match(await client.chat("main", "Say HERON."), /You said: .*HERON/);
  client.close();
  assert.ok(router.requests.includes("GET /v1/catalog"));
  assert.ok(router.requests.includes("POST /v1/chat/completions"));
  assert.deepEqual([...router.keys], [`Bearer ${SECRETS.clawrouter}`]);

  // For the agent's own tools, and nobody else's: see docs/keys.md.
  assert.equal(JSON.parse(await readFile(sandbox.paths.secrets, "utf8")).wallet, SECRETS.wallet);
  for (const directory of [sandbox.paths.data, sandbox.paths.scratch, sandbox.paths.run]) {
    for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
      const file = path.join(entry.parentPath, entry.name);
      if (!entry.isFile() || file === sandbox.paths.secrets) continue;
      // What is gone by now was its own temporary file.
      const bytes = await readFile(file).catch((error) => (error.code === "ENOENT" ? "" : Promise.reject(error)));
      for (const [name, value] of Object.entries(SECRETS)) assert.ok(!bytes.includes(value), `${file} holds ${name}`);
    }
  }
});
