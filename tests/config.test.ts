// What is missing or wrong around the Worker: its configuration and Solana RPC. It fails closed and says why, to its
// operator alone (C04, C05, C07, C09).
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import type { Behaviour } from "../dev/solana/behaviour.ts";
import type { Client } from "./support/client.ts";
import type { Answer } from "./support/http.ts";
import { challenge, login, verify } from "./support/login.ts";
import { assertProblem } from "./support/problem.ts";
import { type Change, reconfigure } from "./support/reconfigure.ts";
import { testStack } from "./support/stack.ts";
import { until } from "./support/wait.ts";

const stack = await testStack();
const { rpc } = stack;
const owner = await devKeypair("owner");
const alice = await devAssetAddress("alice.molt");
const agent = `/v1/agents/${alice}`;
const session = stack.client();
await login(session, "owner", alice);
afterEach(() => rpc.control.reset());

const PASSING: Behaviour = { mode: "ok" };
const FAILING: [string, Behaviour][] = [
  ["closes the connection", { mode: "drop" }],
  ["is rate limited", { mode: "429" }],
  ["breaks off", { mode: "malformed" }],
  ["answers null", { mode: "malformed", body: "null" }],
  ["answers a list", { mode: "malformed", body: "[]" }],
  ["answers HTML", { mode: "malformed", body: "<html>sign in</html>" }],
  ["answers without a slot", { mode: "malformed", body: '{"jsonrpc":"2.0","id":1,"result":{"value":null}}' }],
  ["answers without end", { mode: "huge", bytes: 8 * 1024 * 1024 }],
  ["is behind", { mode: "error", code: -32005 }],
  ["fails", { mode: "error", code: -32603, status: 500 }],
  ["never answers", { mode: "hang" }],
];

async function tryLogin(client: Client): Promise<Answer> {
  return verify(client, await challenge(client, alice, owner.address), owner);
}

const THREE = ["/a", "/b", "/c"];
/** As many endpoints as it takes to go on without one. */
const withThree: Change = { vars: { SOLANA_RPC_URLS: THREE.map((path) => rpc.endpoint(path)).join(",") } };

test("c07 the endpoints are asked in their order: two at once, and a third only when it is needed", async () => {
  await reconfigure(stack, withThree);
  const stranger = await devAssetAddress("an asset that nobody watches");
  const client = stack.client();
  await verify(client, await challenge(client, stranger, owner.address), owner);
  const asked = rpc.control.calls().filter(({ params }) => params[0] === stranger);
  assert.deepEqual(asked.map(({ path }) => path).sort(), ["/a", "/b"]);
});

for (const [what, behaviour] of FAILING) {
  test(`c07 an RPC endpoint that ${what}: nobody logs in by it, and the next endpoint is asked`, async () => {
    const client = stack.client();
    rpc.control.behave("/a", behaviour);
    rpc.control.behave("/b", behaviour);
    const before = stack.logs.length;
    assertProblem(await tryLogin(client), 503, "rpc_unavailable");
    assert.equal(client.cookies.size, 0);
    await until("a word in the log", () =>
      stack.logs.slice(before).some((line) => line.includes("SOLANA_RPC_URLS[1]")),
    );
    rpc.control.behave("/b", PASSING);
    assert.equal((await tryLogin(client)).status, 200);
  });
}

const RPC_KEY = "rpc-key-0123456789abcdef";
test("c11 a key in an RPC endpoint's URL appears in no log and no answer", async () => {
  const urls = ["/a", "/b"].map((path) => `${rpc.endpoint(path)}?api-key=${RPC_KEY}`).join(",");
  await reconfigure(stack, { secrets: { SOLANA_RPC_URLS: urls } });
  const client = stack.client();
  assert.equal((await tryLogin(client)).status, 200);
  for (const mode of ["drop", "429", "malformed"] as const) {
    for (const path of ["/a", "/b"]) rpc.control.behave(path, { mode });
    const answer = await tryLogin(stack.client());
    assertProblem(answer, 503, "rpc_unavailable");
    assert.ok(!answer.text.includes(RPC_KEY));
  }
  assert.ok(stack.logs.every((line) => !line.includes(RPC_KEY)));
});

const WEAK = "weak-value-not-to-be-shown";
const askChallenge = () => stack.client().post("/v1/auth/challenge", { asset: alice, wallet: owner.address });
const askSession = () => session.get("/v1/auth/session");
const askUsage = () => session.get(`${agent}/usage`);
const putSecret = () => session.put(`${agent}/secrets/openai`, { value: "sk-0123456789abcdef" });

const CASES: [string, Change, () => Promise<Answer>, string][] = [
  ["no JWT_SECRET", { secrets: { JWT_SECRET: undefined } }, askSession, "JWT_SECRET"],
  ["an empty JWT_SECRET", { secrets: { JWT_SECRET: "" } }, askSession, "JWT_SECRET"],
  ["a short JWT_SECRET", { secrets: { JWT_SECRET: WEAK } }, askSession, "JWT_SECRET"],
  ["a short JWT_SECRET_PREVIOUS", { secrets: { JWT_SECRET_PREVIOUS: WEAK } }, askSession, "JWT_SECRET_PREVIOUS"],
  ["no SEALING_KEY", { secrets: { SEALING_KEY: undefined } }, putSecret, "SEALING_KEY"],
  ["a SEALING_KEY that is none", { secrets: { SEALING_KEY: WEAK } }, putSecret, "SEALING_KEY"],
  [
    "a SEALING_KEY_PREVIOUS that is none",
    { secrets: { SEALING_KEY_PREVIOUS: WEAK } },
    putSecret,
    "SEALING_KEY_PREVIOUS",
  ],
  ["a SWEEP_PERIOD of nothing", { vars: { SWEEP_PERIOD: "0" } }, putSecret, "SWEEP_PERIOD"],
  ["no MOLT_COLLECTION", { vars: { MOLT_COLLECTION: "" } }, askChallenge, "MOLT_COLLECTION"],
  ["a MOLT_COLLECTION that is none", { vars: { MOLT_COLLECTION: "molt" } }, askChallenge, "MOLT_COLLECTION"],
  ["an unknown SOLANA_CLUSTER", { vars: { SOLANA_CLUSTER: "moon" } }, askChallenge, "SOLANA_CLUSTER"],
  ["no SOLANA_RPC_URLS", { vars: { SOLANA_RPC_URLS: "" } }, askChallenge, "SOLANA_RPC_URLS"],
  ["SOLANA_RPC_URLS that are none", { vars: { SOLANA_RPC_URLS: "rpc.example" } }, askChallenge, "SOLANA_RPC_URLS"],
  ["no APP_ORIGINS", { vars: { APP_ORIGINS: "" } }, askChallenge, "APP_ORIGINS"],
  ["APP_ORIGINS without a scheme", { vars: { APP_ORIGINS: "app.example" } }, askChallenge, "APP_ORIGINS"],
  ["APP_ORIGINS with plain HTTP", { vars: { APP_ORIGINS: "http://app.example" } }, askChallenge, "APP_ORIGINS"],
  ["APP_ORIGINS with a path", { vars: { APP_ORIGINS: "https://app.example/" } }, askChallenge, "APP_ORIGINS"],
  ["no AGENT_DOMAIN", { vars: { AGENT_DOMAIN: "" } }, askChallenge, "AGENT_DOMAIN"],
  [
    "a MODELS_ORIGIN with a path",
    { vars: { MODELS_ORIGIN: "https://app.example/llm" } },
    askChallenge,
    "MODELS_ORIGIN",
  ],
  [
    "a TELEGRAM_API_URL with a path",
    { vars: { TELEGRAM_API_URL: "https://bots.example/bot" } },
    askChallenge,
    "TELEGRAM_API_URL",
  ],
  [
    "a SLACK_API_URL with a path",
    { vars: { SLACK_API_URL: "https://slack.example/api" } },
    askChallenge,
    "SLACK_API_URL",
  ],
  [
    "a DISCORD_API_URL with a path",
    { vars: { DISCORD_API_URL: "https://discord.example/api" } },
    askChallenge,
    "DISCORD_API_URL",
  ],
  ["a budget in words", { vars: { PLATFORM_DAILY_REQUESTS: "few" } }, askUsage, "PLATFORM_DAILY_REQUESTS"],
  ["a budget below zero", { vars: { PLATFORM_DAILY_TOKENS: "-1" } }, askUsage, "PLATFORM_DAILY_TOKENS"],
  ["an OWNERSHIP_MAX_AGE in words", { vars: { OWNERSHIP_MAX_AGE: "ten" } }, askSession, "OWNERSHIP_MAX_AGE"],
  ["an OWNERSHIP_GRACE without bound", { vars: { OWNERSHIP_GRACE: "999999999" } }, askSession, "OWNERSHIP_GRACE"],
  [
    "an IDLE_TIMEOUT below zero",
    { vars: { IDLE_TIMEOUT: "-1" } },
    () => session.post(`${agent}/start`),
    "IDLE_TIMEOUT",
  ],
  ["no KV binding", { without: ["kv_namespaces"] }, askChallenge, "CHALLENGES"],
  ["no rate limiter", { without: ["ratelimits"] }, askChallenge, "LOGIN_LIMIT"],
];

for (const [what, change, ask, name] of CASES) {
  test(`with ${what} the service refuses, its log names ${name}, and /healthz still answers`, async () => {
    const before = stack.logs.length;
    await reconfigure(stack, change);
    const answer = await ask();
    assertProblem(answer, 503, "misconfigured");
    assert.deepEqual(answer.setCookies, []);
    const told = (line: string): boolean => line.includes("misconfigured") && line.includes(name);
    await until(`${name} in the log`, () => stack.logs.slice(before).some(told), { within: 10_000 });
    assert.ok(
      stack.logs.slice(before).every((line) => !line.includes(WEAK)),
      "the log shows the value",
    );

    const health = await stack.client().get("/healthz");
    assert.equal(health.status, 200);
    assert.equal(health.headers["content-type"], "application/json");
    assert.equal(health.json().status, "ok");
    assert.match(health.json().version, /^\d+\.\d+\.\d+$/);
  });
}

test("c05 without a key no cookie is taken or given", async () => {
  for (const value of [undefined, "", WEAK]) {
    await reconfigure(stack, { secrets: { JWT_SECRET: value } });
    const client = stack.client();
    const answer = await tryLogin(client);
    assertProblem(answer, 503, "misconfigured");
    assert.equal(client.cookies.size, 0);
    assertProblem(await session.get(agent), 503, "misconfigured");
  }
});

test("c05 a key that is replaced without the previous one ends all sessions; with it they go on", async () => {
  const { JWT_SECRET } = stack.secrets;
  const next = "another-key-of-enough-bytes-0123456789";
  await reconfigure(stack, { secrets: { JWT_SECRET: next } });
  assertProblem(await askSession(), 401, "unauthenticated");
  await reconfigure(stack, { secrets: { JWT_SECRET: next, JWT_SECRET_PREVIOUS: JWT_SECRET } });
  assert.equal((await askSession()).status, 200);
});

test("with everything in place again the service works, and what was there is still there", async () => {
  await reconfigure(stack);
  assert.equal((await askSession()).status, 200);
  assert.equal((await putSecret()).status, 200);
  assert.equal((await tryLogin(stack.client())).status, 200);
});

after(() => {
  const shown = stack.logs.join("\n");
  for (const secret of Object.values(stack.secrets)) assert.ok(!shown.includes(secret));
});
