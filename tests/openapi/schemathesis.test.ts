// The running service against its description, by schemathesis: inputs of every kind that the description allows, and of
// many that it does not. Nothing may be answered that is not described, and nothing with a fault of the service's own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import bs58 from "bs58";
import { stringify } from "smol-toml";
import type { WranglerConfig } from "../../dev/config.ts";
import { signed } from "../../dev/slack/server.ts";
import { devAssetAddress, devKeypair } from "../../dev/solana/accounts.ts";
import { ROOT } from "../../dev/stack.ts";
import { fakeAgentStack, Owned } from "../support/agent.ts";
import { connectDiscord, discordOf } from "../support/discord.ts";
import { challenge } from "../support/login.ts";
import { propose, proposerOf } from "../support/proposals.ts";
import { connectSlack, FRIEND, slackOf } from "../support/slack.ts";
import { connect, SECRET_HEADER } from "../support/telegram.ts";
import { SESSION_COOKIE } from "../support/tokens.ts";
import { AgentWallet, newWallet, SOL, signedBy } from "../support/wallet.ts";
import { Door, HOOK, ID, ORIGIN, SESSION } from "./door.ts";

const EXAMPLES = 10;
const LIMIT_MS = 600_000;
/** What it does of itself; the door adds nothing to these but the session. */
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
  "unsupported_method",
  "ignored_auth",
];

const program = process.env.SCHEMATHESIS;
assert.ok(program, "npm run test:openapi installs schemathesis and names it");

const hookSecret = randomBytes(32).toString("base64url");
/** As many sign-ins as it likes: what limits them is tested elsewhere. */
const generous = (config: WranglerConfig) => ({
  outer: {
    ...config,
    ratelimits: (config.ratelimits as WranglerConfig[]).map((one) => ({ ...one, simple: { limit: 1e6, period: 60 } })),
  },
  others: {},
});
const stack = await fakeAgentStack({
  workers: generous,
  vars: { REQUESTS_PER_SECOND: "10000" },
  secrets: { SOLANA_WEBHOOK_SECRET: hookSecret },
});
const asset = await devAssetAddress("alice.molt");
const wallet = await devKeypair("owner");
const owned = await Owned.of(stack, asset);
const needsItRunning = new RegExp(`^POST /v1/agents/${asset}/(snapshots|secrets/import)$`);
const door = await Door.open({
  origin: stack.appOrigin,
  hookSecret,
  signIn: async () => (await Owned.of(stack, asset)).client,
  proof: async () => {
    const { nonce, message } = await challenge(stack.client(), asset, wallet.address);
    return JSON.stringify({ nonce, signature: bs58.encode(await wallet.sign(new TextEncoder().encode(message))) });
  },
  before: async (operation, owner) => {
    if (needsItRunning.test(operation)) await new Owned(owner, asset).start();
  },
});

const dir = mkdtempSync(join(tmpdir(), "multiclaw-openapi-"));
after(() => rmSync(dir, { recursive: true, force: true }));

async function run(config: Record<string, unknown>): Promise<string> {
  const file = join(dir, "schemathesis.toml");
  writeFileSync(file, stringify(config));
  // By its address it would leave out the operation that serves it.
  const served = await stack.client().get("/v1/openapi.json");
  const description = join(dir, "openapi.json");
  writeFileSync(description, served.body);
  const args = ["--config-file", file, "run", description, "--url", door.url, "--checks", CHECKS.join(",")];
  const child = spawn(program ?? "", args, { cwd: dir, stdio: ["ignore", "pipe", "inherit"], timeout: LIMIT_MS });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  assert.equal(code, 0, output);
  return output;
}

test("the service answers as described, whatever is sent", { timeout: LIMIT_MS + 10_000 }, async (context) => {
  await owned.start();
  const ids: string[] = [];
  for (let n = 0; n < 4; n += 1) {
    const taken = await owned.client.post(`${owned.path}/snapshots`);
    assert.equal(taken.status, 201, taken.text);
    ids.push(taken.json().id);
  }
  const often = (dictionary: string) => ({ dictionary, probability: 0.8 });
  const output = await run({
    hooks: join(ROOT, "tests/openapi/hooks.py"),
    "max-stream-events": 1,
    "request-timeout": 60,
    generation: { "max-examples": EXAMPLES, deterministic: true, database: "none" },
    auth: { openapi: { session: { api_key: SESSION }, hook: { api_key: HOOK } } },
    dictionaries: {
      assets: { values: [asset] },
      wallets: { values: [wallet.address] },
      origins: { values: [ORIGIN] },
      ids: { values: [...ids, ID] },
      names: { values: ["openai", "telegram"] },
      keys: { values: [`sk-${"0123456789abcdef".repeat(2)}`] },
      models: { values: ["openai/gpt-5.4"] },
    },
    parameters: {
      "path.asset": often("assets"),
      "path.id": often("ids"),
      "path.name": often("names"),
      "header.Origin": often("origins"),
      "body.asset": often("assets"),
      "body.wallet": often("wallets"),
      "body.value": often("keys"),
      "body.model": often("models"),
    },
  });
  context.diagnostic(output.trim().split("\n").slice(-12).join("\n"));
});

const WAITING = [
  { id: "gy78iSSlz7xFxwBfWQxTGr5smoWWw8jU", kind: "person", name: "Friend", askedAt: 1_000 },
  { id: "0b5a-1", kind: "device", name: "A phone" },
] as const;

/**
 * What no generator comes upon: a request for a snapshot is one without any body, what is sent was signed before, what is
 * decided on was proposed by an agent that runs, at which also waits who is let in, and a message comes by a secret path,
 * from somebody who is let in and shut out again.
 */
async function byHand(): Promise<void> {
  const session = await Owned.of(stack, asset);
  await session.start();
  const agentWallet = new AgentWallet(stack, session);
  stack.rpc.control.setBalance(agentWallet.address, SOL);
  const plan = { operation: "transfer_sol", to: (await newWallet()).address, amount: "0.1" };
  const { transaction } = await agentWallet.prepare(plan);
  const sent = JSON.stringify({ transaction: await signedBy(wallet, transaction) });
  const headers = { origin: ORIGIN, cookie: `${SESSION_COOKIE}=${SESSION}` };
  const json = { ...headers, "content-type": "application/json" };
  const by = await proposerOf(stack.agent, session);
  const proposed = async (): Promise<string> => {
    const answer = await propose(by, { operation: plan, reason: "An example." });
    return ((await answer.json()) as { id: string }).id;
  };
  const [wanted, unwanted] = [await proposed(), await proposed()];
  stack.agent.behaveAt(asset, { pairing: { waiting: WAITING } });
  const hook = stack.telegram.webhook(await connect(stack, session)) ?? assert.fail("no webhook");
  const secret = { "content-type": "application/json", [SECRET_HEADER]: hook.secret };
  const [person, device] = WAITING;
  const app = await connectSlack(stack, session, {});
  const said = { type: "message", channel: "D0FRIEND", user: FRIEND, text: "hello?", channel_type: "im" };
  const event = JSON.stringify(stack.slack.callback(app, said));
  const slackDoor = new URL((await slackOf(session)).requestUrl).pathname;
  const application = await connectDiscord(stack, session, {});
  const ping = JSON.stringify({ type: 1 });
  const discordDoor = new URL((await discordOf(session)).requestUrl).pathname;
  const type = { "content-type": "application/json" };
  const requests: [string, RequestInit][] = [
    [`${owned.path}/snapshots`, { headers }],
    [`${owned.path}/wallet/transactions/send`, { headers: json, body: sent }],
    [`${owned.path}/wallet/proposals`, { method: "GET", headers }],
    [`${owned.path}/wallet/proposals/${wanted}/prepare`, { headers }],
    [`${owned.path}/wallet/proposals/${unwanted}/reject`, { headers }],
    [`${owned.path}/pairing`, { method: "GET", headers }],
    [`${owned.path}/pairing/${person.id}/approve`, { headers }],
    [`${owned.path}/pairing/${device.id}/reject`, { headers }],
    [new URL(hook.url).pathname, { headers: secret, body: JSON.stringify({ update_id: 1 }) }],
    [slackDoor, { headers: { ...type, ...signed(app, event) }, body: event }],
    [`${owned.path}/pairing/slack-${FRIEND}/approve`, { headers }],
    [`${owned.path}/channels/slack/people/${FRIEND}`, { method: "DELETE", headers }],
    [discordDoor, { headers: { ...type, ...stack.discord.signed(application, ping) }, body: ping }],
  ];
  for (const [path, init] of requests) {
    const answer = await fetch(`${door.url}${path}`, { method: "POST", ...init });
    assert.ok(answer.status < 300, `${path}: ${await answer.text()}`);
  }
}

test("it got behind the door: each operation was done at least once", async () => {
  await byHand();
  const { paths } = (await stack.client().get("/v1/openapi.json")).json() as { paths: Record<string, object> };
  const seen = Object.entries(paths).flatMap(([path, methods]) => {
    const pattern = new RegExp(`^${path.replace("{asset}", asset).replace(/\{\w+\}/g, "[^/]+")}$`);
    const names = Object.keys(methods).filter((name) => name !== "parameters");
    return names.map((name) => ({ name: `${name} ${path}`, statuses: door.statuses(name.toUpperCase(), pattern) }));
  });
  const never = seen.filter(({ statuses }) => !statuses.some((status) => status < 300));
  assert.deepEqual(never, []);
});
