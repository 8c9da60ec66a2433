// A change reaches the real OpenClaw as it runs, no process shows a secret, and nothing is left when it ends (C13). All the
// while it has a bot whose API never answers, which must keep no agent from anything.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { ownPort } from "../../dev/ports.ts";
import { Client, probe } from "./client.mjs";
import { startModel } from "./model.mjs";
import { AGENT, makeSandbox, policy, run, until } from "./support.mjs";
import { BOT_SECRETS, botAt, startBrokenBotApi, TOKEN } from "./telegram.mjs";

const BOOT_MS = 180_000;
const key = (/** @type {string} */ what) => `sk-test-${what}-4f1c9a77d0be42c8a6e35b90d2c18f64`;

/** @typedef {{model: string, bots: string, hookPort: number}} Addresses */

/** @param {Addresses} at @param {string[]} names of providers, whose first gives the model */
function configFor({ model, bots, hookPort }, ...names) {
  const models = { openai: "gpt-5.4", anthropic: "claude-sonnet-4-5" };
  const provider = (/** @type {string} */ name) => ({
    baseUrl: model,
    api: "openai-completions",
    apiKey: { source: "file", provider: "host", id: `/${name}` },
  });
  const first = /** @type {keyof typeof models} */ (names[0]);
  return policy({
    models: { providers: Object.fromEntries(names.map((name) => [name, provider(name)])) },
    agents: { defaults: { model: { primary: `${first}/${models[first]}` } } },
    channels: { telegram: botAt(bots, hookPort) },
  });
}

/** Every process that says it lives in this sandbox, or has an ancestor that does. @param {string} root */
async function processesOf(root) {
  /** @type {Map<string, {parent: string, text: string}>} */
  const all = new Map();
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const read = (/** @type {string} */ name) => readFile(`/proc/${pid}/${name}`, "latin1").catch(() => "");
    const [, parent = ""] = /^\d+ \(.*\) . (\d+)/s.exec(await read("stat")) ?? [];
    all.set(pid, { parent, text: `${await read("environ")}\n${await read("cmdline")}` });
  }
  const isOurs = (/** @type {string} */ pid) => {
    for (let at = all.get(pid), steps = 0; at && steps < 64; at = all.get(at.parent), steps++) {
      if (at.text.includes(root)) return true;
    }
    return false;
  };
  return [...all].filter(([pid]) => isOurs(pid)).map(([, { text }]) => text);
}

/** Waits until a running gateway has renewed its lease once more. @param {{paths: import("../lib/paths.mjs").Paths}} sandbox */
async function heartbeat({ paths }) {
  const file = path.join(paths.state, "state/openclaw.sqlite");
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  const beat = () => Number(database.prepare("SELECT max(heartbeat_at) AS at FROM state_leases").get()?.at);
  try {
    const last = beat();
    await until("a sign of life", () => beat() > last, 90_000);
  } finally {
    database.close();
  }
}

test("c13 a running agent takes what changes, and is left without its secrets however it ends", {
  timeout: 600_000,
}, async (t) => {
  const model = await startModel();
  t.after(() => model.close());
  const bots = await startBrokenBotApi(t);
  const [port, hookPort] = [await ownPort(), await ownPort()];
  const sandbox = await makeSandbox(t, { AGENT_PORT: String(port), AGENT_HOOK_PORT: String(hookPort) });
  const { paths } = sandbox;
  const addresses = { model: model.url, bots: bots.url, hookPort };
  const inject = (/** @type {object} */ config, /** @type {Record<string, string>} */ secrets) =>
    run(sandbox, ["inject"], JSON.stringify({ config, secrets: { ...BOT_SECRETS, ...secrets } }));
  const init = spawn(process.execPath, [AGENT, "init"], {
    env: { ...sandbox.env, AGENT_EXIT_WITH_STDIN: "1" },
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = once(init, "close");
  t.after(async () => {
    init.stdin.end();
    await ended;
  });
  await until("init", () => stat(paths.initMark).catch(() => undefined));
  await mkdir(path.dirname(paths.settings), { recursive: true });
  const chosen = {
    agents: {
      defaults: {
        userTimezone: "Asia/Tokyo",
        heartbeat: { every: "12h", activeHours: { start: "08:00", end: "22:00" } },
      },
    },
    messages: { responsePrefix: "Pelican:" },
    session: { reset: { mode: "idle", idleMinutes: 600 } },
  };
  await writeFile(paths.settings, JSON.stringify({ ...chosen, gateway: { auth: { mode: "none" } } }));
  const first = await inject(configFor(addresses, "openai"), { openai: key("one") });
  assert.deepEqual(first.json, { ok: true, reloaded: false }, first.stderr);
  await until("the start", async () => (await probe(paths.port)) === "started", BOOT_MS);
  await until("the bot's use of its token", () => bots.uses(TOKEN) > 0, BOOT_MS);

  /** The keys that the next turn comes with. */
  const turn = async () => {
    const from = model.calls.length;
    const client = await Client.connect(paths.port);
    const answer = await client.chat("main", "Hello.");
    client.close();
    const keys = model.calls.slice(from).filter(({ path: asked }) => asked?.endsWith("/chat/completions"));
    assert.ok(keys.length > 0, answer);
    return { answer, keys: [...new Set(keys.map((call) => call.key))] };
  };

  await t.test("what was chosen in the workspace is in force, and OpenClaw takes it", async () => {
    const config = JSON.parse(await readFile(paths.config, "utf8"));
    assert.equal(config.agents.defaults.userTimezone, "Asia/Tokyo");
    assert.equal(config.gateway.auth.mode, "trusted-proxy");
    const { answer, keys } = await turn();
    assert.match(answer, /You said: /);
    assert.deepEqual(keys, [`Bearer ${key("one")}`]);
  });

  await t.test("no process shows a secret in its environment or arguments", async () => {
    const shown = await processesOf(sandbox.root);
    assert.ok(shown.length >= 2, "the gateway and its parent at least");
    for (const text of shown) assert.ok(!text.includes(key("one")));
    assert.equal((await stat(paths.run)).mode & 0o777, 0o700);
    assert.equal((await stat(paths.secrets)).mode & 0o777, 0o600);
  });

  await t.test("another value of a key is taken by the next turn", async () => {
    const began = Date.now();
    const outcome = await inject(configFor(addresses, "openai"), { openai: key("two") });
    t.diagnostic(`another value: ${Date.now() - began} ms`);
    assert.deepEqual(outcome.json, { ok: true, reloaded: true }, outcome.stderr);
    assert.deepEqual((await turn()).keys, [`Bearer ${key("two")}`]);
  });

  await t.test("so is another provider with another model", async () => {
    const began = Date.now();
    const secrets = { openai: key("two"), anthropic: key("three") };
    const outcome = await inject(configFor(addresses, "anthropic", "openai"), secrets);
    t.diagnostic(`another provider: ${Date.now() - began} ms`);
    assert.deepEqual(outcome.json, { ok: true, reloaded: true }, outcome.stderr);
    assert.deepEqual((await turn()).keys, [`Bearer ${key("three")}`]);
  });

  await t.test("what was replaced is kept out of a snapshot still", async () => {
    await writeFile(path.join(paths.state, "workspace", "leak.txt"), `once: ${key("one")}\n`);
    const taken = await run(sandbox, ["snapshot"]);
    assert.equal(taken.code, 0, taken.stderr);
    assert.deepEqual(taken.json.leftOut, ["workspace/leak.txt"]);
    assert.equal((await run(sandbox, ["resume"])).code, 0);
    assert.ok(!/sk-test-/.test(await readFile(paths.log, "utf8")));
  });

  await t.test("c19 an agent that idles is told to be unchanged, and one that was spoken to is not", async () => {
    const live = async (/** @type {string} */ unless) =>
      (await run(sandbox, ["snapshot", "--live", "--unless", unless])).json;
    let digest = "";
    // What it does after a turn ends after a while; what it does for ever must not count.
    await until(
      "a sign of life without another change",
      async () => {
        const taken = await live(digest);
        if (taken.unchanged) return true;
        digest = taken.digest;
        await heartbeat(sandbox);
        return false;
      },
      300_000,
    );
    assert.equal(await probe(paths.port), "started", "it went on all the time");
    await turn();
    assert.match((await live(digest)).digest, /^[0-9a-f]{64}$/);
  });

  await t.test("what it cannot take as it runs is refused, and changes nothing", async () => {
    const before = await readFile(paths.config, "utf8");
    const config = /** @type {any} */ (configFor(addresses, "openai"));
    config.gateway.controlUi.allowedOrigins = ["http://elsewhere.localhost:8787"];
    const outcome = await inject(config, { openai: key("four") });
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /a running gateway does not take/);
    assert.equal(await readFile(paths.config, "utf8"), before);
    assert.ok(!(await readFile(paths.secrets, "utf8")).includes(key("four")));
  });

  await t.test("when the gateway has crashed its files are wiped before the container ends", async () => {
    process.kill(JSON.parse(await readFile(paths.gatewayMark, "utf8")).pid, "SIGKILL");
    await until("the gateway's end", () =>
      stat(paths.gatewayMark).then(
        () => undefined,
        () => true,
      ),
    );
    // A snapshot of what lies there must be searched for them.
    await stat(paths.secrets);
    init.kill("SIGTERM");
    const [code] = await ended;
    assert.equal(code, 137);
    for (const file of [paths.secrets, paths.former, paths.config])
      await assert.rejects(stat(file), { code: "ENOENT" });
  });
});
