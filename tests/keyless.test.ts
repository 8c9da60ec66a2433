// Models without keys in the container: what the agent holds in a key's place, what that opens, and what it costs (C11 to
// C13). A recorder stands in the provider's place, so that what reaches it is seen whole.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, afterEach, test } from "node:test";
import { decodeJwt } from "jose";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";

import { assertProblem } from "./support/problem.ts";
import { reconfigure } from "./support/reconfigure.ts";
import { assertPass, SESSION_COOKIE, sign } from "./support/tokens.ts";
import { until } from "./support/wait.ts";

interface Seen {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

const unique = (): string => randomBytes(24).toString("hex");
const completion = JSON.stringify({ choices: [{ message: { content: "hello" } }], usage: { total_tokens: 42 } });
const answerWell: RequestListener = (_request, response) => {
  response.writeHead(200, {
    "content-type": "application/json",
    "x-request-id": "req_1",
    "set-cookie": "a=b",
    "openai-organization": "org-of-the-platform",
  });
  response.end(completion);
};
/** An answer without an end. */
const streamOn: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const timer = setInterval(() => response.write("data: {}\n\n"), 50);
  response.once("close", () => clearInterval(timer));
};
const seen: Seen[] = [];
let answer = answerWell;
const provider = createServer(async (request, response) => {
  const { method = "", url = "", headers } = request;
  seen.push({ method, path: url, headers, body: await text(request) });
  answer(request, response);
});
await new Promise<void>((listening) => provider.listen(0, "127.0.0.1", listening));
after(() => void provider.close().closeAllConnections());
const providerUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;

const secrets = {
  OPENAI_API_KEY: `sk-${unique()}`,
  ANTHROPIC_API_KEY: `sk-ant-${unique()}`,
  CLAWROUTER_API_KEY: `cr_${unique()}`,
};
const vars = {
  OPENAI_BASE_URL: `${providerUrl}/v1`,
  ANTHROPIC_BASE_URL: `${providerUrl}/anthropic/`,
  CLAWROUTER_BASE_URL: providerUrl,
};
const stack = await fakeAgentStack({ secrets, vars });
const { agent } = stack;
afterEach(() => {
  answer = answerWell;
});

interface Call {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string | ReadableStream;
}

/** What an agent with this pass asks of its provider. */
function ask(pass: string, { method = "POST", path = "openai/chat/completions", headers, body }: Call = {}) {
  return fetch(`${stack.modelsOrigin}/llm/${path}`, {
    method,
    headers: { "content-type": "application/json", authorization: `Bearer ${pass}`, ...headers },
    ...(method === "POST" && { body: body ?? '{"model":"gpt-5.4"}' }),
    ...(body instanceof ReadableStream && { duplex: "half" as const }),
  });
}

async function refused(response: Response, status: number, code: string): Promise<string> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  const problem = JSON.parse(text);
  assert.equal(problem.code, code);
  // As OpenAI's and Anthropic's clients read it.
  assert.equal(problem.error.message, problem.detail);
  const soon = Number(response.headers.get("retry-after") ?? Number.POSITIVE_INFINITY) <= 60;
  assert.equal(response.headers.get("x-should-retry"), status < 500 && !soon ? "false" : null);
  return problem.detail;
}

const pass = (provider = "openai"): string => agent.injected().secrets[provider] ?? "";

async function started(name: string, label?: string): Promise<Owned> {
  const owned = await Owned.ofNew(stack, name, label);
  await owned.start();
  return owned;
}

const set = async (owned: Owned, name: string, value: string): Promise<void> => {
  const { status, text } = await owned.client.put(`${owned.path}/secrets/${name}`, { value });
  assert.equal(status, 200, text);
};

async function usage(owned: Owned) {
  const answer = await owned.client.get(`${owned.path}/usage`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

test("c13 an agent holds a pass in place of each of the platform's keys, and asks for models by the edge", async () => {
  const owned = await started("passes.molt");
  const {
    config,
    secrets: { proposals, ...held },
  } = agent.injected();
  assertPass(proposals, owned.asset, "proposals");
  assert.deepEqual(Object.keys(held).sort(), ["anthropic", "clawrouter", "openai"]);
  for (const [name, value] of Object.entries(held)) {
    assert.ok(!Object.values(secrets).includes(value));
    const { aud, sub, exp } = decodeJwt(value);
    assert.deepEqual({ aud, sub, exp }, { aud: "models", sub: owned.asset, exp: undefined });
    assert.equal(config.models.providers[name].baseUrl, `${stack.modelsOrigin}/llm/${name}`);
  }
  assert.equal(config.models.providers.openai.api, "openai-completions");
  assert.equal(config.models.providers.anthropic.api, "anthropic-messages");
  const { secrets: list } = (await owned.client.get(`${owned.path}/secrets`)).json();
  const keptOut = list.filter(({ keyless }: { keyless?: true }) => keyless).map(({ name }: { name: string }) => name);
  assert.deepEqual(keptOut.sort(), Object.keys(held).sort());
});

test("c11 the key goes in where the pass was, and with it only what a provider needs to know", async () => {
  await started("put-in.molt");
  for (const [path, header, sent, key, arrives] of [
    [
      "openai/chat/completions",
      "authorization",
      `Bearer ${pass()}`,
      `Bearer ${secrets.OPENAI_API_KEY}`,
      "/v1/chat/completions",
    ],
    [
      "anthropic/v1/messages?beta=true",
      "x-api-key",
      pass("anthropic"),
      secrets.ANTHROPIC_API_KEY,
      "/anthropic/v1/messages?beta=true",
    ],
    [
      "clawrouter/v1/native/google/v1beta/models/g:streamGenerateContent?alt=sse",
      "x-goog-api-key",
      pass("clawrouter"),
      secrets.CLAWROUTER_API_KEY,
      "/v1/native/google/v1beta/models/g:streamGenerateContent?alt=sse",
    ],
  ] as const) {
    const response = await fetch(`${stack.modelsOrigin}/llm/${path}`, {
      method: "POST",
      headers: {
        [header]: sent,
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        cookie: "a=b",
        "openai-organization": "org-x",
        "x-forwarded-for": "203.0.113.1",
        "x-molt-model": "{}",
        "x-molt-caller": "{}",
      },
      body: '{"model":"m"}',
    });
    assert.equal(await response.text(), completion);
    assert.equal(response.status, 200);
    const last = seen.at(-1);
    assert.ok(last);
    assert.deepEqual([last.method, last.path, last.body], ["POST", arrives, '{"model":"m"}']);
    assert.equal(last.headers[header], key);
    assert.equal(last.headers["anthropic-version"], "2023-06-01");
    assert.ok(!JSON.stringify(last.headers).includes(sent), "the pass stays here");
    for (const dropped of ["cookie", "openai-organization", "x-forwarded-for", "x-molt-model", "x-molt-caller"])
      assert.equal(last.headers[dropped], undefined, dropped);
    assert.equal(response.headers.get("x-request-id"), "req_1");
    for (const dropped of ["set-cookie", "openai-organization"]) assert.equal(response.headers.get(dropped), null);
  }
});

test("an answer comes as the provider sends it, piece by piece", async () => {
  await started("streams.molt");
  let end = (): void => {};
  answer = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
    end = () => void response.end("data: [DONE]\n\n");
  };
  const response = await ask(pass());
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reader = response.body?.getReader();
  const read = async (): Promise<string> => new TextDecoder().decode((await reader?.read())?.value);
  assert.equal(await read(), "data: one\n\n");
  end();
  assert.equal(await read(), "data: [DONE]\n\n");
});

test("c06 a pass is of one start of one agent, and nothing else is a pass", async () => {
  const owned = await started("its-start.molt");
  const first = pass();
  assert.equal((await ask(first)).status, 200);
  const claims = decodeJwt(first);
  const session = owned.client.cookies.get(SESSION_COOKIE) ?? "";
  const forged = [
    "",
    secrets.OPENAI_API_KEY,
    session,
    `${first.slice(0, -4)}AAAA`,
    await sign(claims, randomBytes(48).toString("base64url")),
    await sign({ ...claims, jti: "0".repeat(32) }, stack.secrets.JWT_SECRET),
    await sign({ ...claims, aud: "app" }, stack.secrets.JWT_SECRET),
    pass("proposals"),
    await sign({ ...claims, epoch: 7 }, stack.secrets.JWT_SECRET),
    await sign({ ...claims, wallet: (await devKeypair("buyer")).address }, stack.secrets.JWT_SECRET),
    await sign({ ...claims, sub: (await devKeypair("nobody")).address }, stack.secrets.JWT_SECRET),
  ];
  const asked = seen.length;
  for (const bad of forged) await refused(await ask(bad), 401, "unauthenticated");
  await refused(await ask("", { headers: { authorization: `Basic ${first}` } }), 401, "unauthenticated");
  const asSession = await owned.client.get(owned.path, { cookie: `${SESSION_COOKIE}=${first}` });
  assertProblem(asSession, 401, "unauthenticated");
  const before = (await owned.status()).since;
  await owned.ask("restart");
  await until("another start", async () => {
    const { state, since } = await owned.status();
    return state === "running" && since !== before;
  });
  assert.notEqual(pass(), first);
  await refused(await ask(first), 401, "unauthenticated");
  assert.equal((await ask(pass())).status, 200);
  await owned.stop();
  await refused(await ask(pass()), 401, "unauthenticated");
  assert.equal(seen.length, asked + 1);
});

test("c08 with the asset the pass of its agent goes", async () => {
  const owned = await started("sold-pass.molt");
  const old = pass();
  assert.equal((await ask(old)).status, 200);
  stack.rpc.control.transfer(owned.asset, (await devKeypair("buyer")).address);
  await Owned.of(stack, owned.asset, "buyer");
  await refused(await ask(old), 401, "unauthenticated");
});

test("c11 of a provider's account nothing else is reached, and no other host leads there", async () => {
  const owned = await started("only-models.molt");
  const asked = seen.length;
  for (const [method, path] of [
    ["GET", "openai/files"],
    ["POST", "openai/batches"],
    ["GET", "openai/chat/completions"],
    ["DELETE", "openai/models"],
    ["POST", "openai/chat/completions?api-version=1"],
    ["POST", "openai/chat%2fcompletions"],
    ["POST", "openai/x/%2e%2e/files"],
    ["POST", "clawrouter/v1/native/%2e%2e/keys"],
    ["POST", "telegram/chat/completions"],
    ["POST", "openrouter"],
  ] as const)
    await refused(await ask(pass(), { method, path }), 404, "not_found");
  await refused(await ask(pass(), { body: "x".repeat(32 * 1024 * 1024 + 1) }), 413, "body_too_large");
  const chunked = new Blob(["{}"]).stream();
  await refused(await ask(pass(), { body: chunked }), 400, "invalid_field");
  const visitor = await owned.enter(stack);
  const headers = { authorization: `Bearer ${pass()}`, "x-molt-model": JSON.stringify({ any: "thing" }) };
  const asVisitor = await visitor.request("POST", "/llm/openai/chat/completions", { headers, json: {} });
  assert.notEqual(asVisitor.status, 401, "the agent answers for its own host, whatever the headers say");
  assert.equal(seen.length, asked);
});

test("c12 c13 the owner keeps a key of their own out of the agent, and takes that back", async () => {
  const owned = await Owned.ofNew(stack, "own-choice.molt");
  const own = `sk-ant-api03-${unique()}`;
  await set(owned, "anthropic", own);
  await owned.start();
  assert.equal(pass("anthropic"), own);
  const put = async (body: object) => {
    const answer = await owned.client.put(`${owned.path}/settings`, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.json();
  };
  const kept = await put({ keyless: ["anthropic", "anthropic"] });
  assert.deepEqual(
    [kept.keyless, kept.keylessOffered, kept.effect, kept.model],
    [["anthropic"], true, "restarting", null],
  );
  await until(
    "a start without it",
    async () => pass("anthropic") !== own && (await owned.status()).state === "running",
  );
  assert.equal((await ask(pass("anthropic"), { path: "anthropic/v1/messages" })).status, 200);
  assert.equal(seen.at(-1)?.headers.authorization, `Bearer ${own}`);
  assert.ok(!JSON.stringify(agent.injected()).includes(own));
  const chosen = await put({ model: "openai/gpt-5.4" });
  assert.deepEqual(chosen.keyless, ["anthropic"], "what is not sent stays");
  const back = await put({ keyless: [] });
  assert.deepEqual([back.effect, back.model], ["reloading", "openai/gpt-5.4"]);
  await until("the key itself again", () => pass("anthropic") === own);
});

test("c13 a token that works in the agent alone is not kept out, and the choice must be of providers of models", async () => {
  const owned = await Owned.ofNew(stack, "setup-token.molt");
  const token = `sk-ant-oat01-${unique()}`;
  await set(owned, "anthropic", token);
  const settings = `${owned.path}/settings`;
  assertProblem(await owned.client.put(settings, { keyless: ["anthropic"] }), 422, "invalid_value", "keyless");
  for (const keyless of [null, "openai", ["telegram"], ["wallet"], ["OpenAI"], [1], [["openai"]], { 0: "openai" }])
    assertProblem(await owned.client.put(settings, { keyless }), 400, "invalid_field", "keyless");
  assertProblem(await owned.client.put(settings, {}), 400, "invalid_field", "model");
  await set(owned, "anthropic", `sk-ant-api03-${unique()}`);
  assert.equal((await owned.client.put(settings, { keyless: ["anthropic"] })).status, 200);
  const refusal = await owned.client.put(`${owned.path}/secrets/anthropic`, { value: token });
  assertProblem(refusal, 422, "invalid_value", "value");
});

test("c11 a provider's refusal tells nothing of the key", async () => {
  const owned = await started("refusals.molt");
  const key = secrets.OPENAI_API_KEY;
  const refuse = (status: number, headers: Record<string, string> = {}): void => {
    answer = (_request, response) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify({ error: { message: `bad key ${key}, beginning with ${key.slice(0, 12)}` } }));
    };
  };
  for (const status of [401, 403]) {
    refuse(status);
    assert.ok(!(await refused(await ask(pass()), 401, "key_refused")).includes(key.slice(0, 9)));
  }
  refuse(429, { "retry-after": "7", "x-ratelimit-limit-tokens": "1000000" });
  const limited = await ask(pass());
  assert.equal(limited.status, 429);
  assert.equal(limited.headers.get("retry-after"), "7");
  assert.equal(limited.headers.get("x-ratelimit-limit-tokens"), null);
  assert.ok(!(await limited.text()).includes(key));
  for (const status of [204, 205, 304]) {
    answer = (_request, response) => void response.writeHead(status).end();
    await refused(await ask(pass()), 502, "provider_unavailable");
  }
  for (const status of [302, 307]) {
    refuse(status, { location: `${providerUrl}/elsewhere` });
    await refused(await ask(pass()), 502, "provider_unavailable");
    assert.equal(seen.at(-1)?.path, "/v1/chat/completions");
    // One without a body is what the runtime would follow.
    await refused(await ask(pass(), { method: "GET", path: "openai/models" }), 502, "provider_unavailable");
    assert.equal(seen.at(-1)?.path, "/v1/models");
  }
  answer = (_request, response) => void response.destroy();
  await refused(await ask(pass()), 502, "provider_unavailable");
  assert.equal((await usage(owned)).budget.tokens.used, 0, "what was refused costs nothing");
  assert.ok(!stack.logs.some((line) => line.includes(key.slice(0, 12)) || line.includes(pass())));
});

test("of one agent's calls a few are under way at once", async () => {
  await started("busy.molt");
  const waiting: (() => void)[] = [];
  answer = (request, response) => void waiting.push(() => answerWell(request, response));
  const calls = Array.from({ length: 8 }, () => ask(pass()));
  await until("eight calls are there", () => waiting.length === 8);
  const busy = await ask(pass());
  assert.equal(busy.headers.get("retry-after"), "2");
  await refused(busy, 429, "rate_limited");
  for (const go of waiting) go();
  for (const call of await Promise.all(calls)) assert.equal(await call.text(), completion);
  answer = answerWell;
  assert.equal((await ask(pass())).status, 200);
});

test("a call that nobody waits for any more makes room, whenever its caller left", async () => {
  const owned = await started("gone.molt");
  const waiting: (() => void)[] = [];
  const leaving = new AbortController();
  const many = (signal: AbortSignal) =>
    Array.from({ length: 8 }, () =>
      fetch(`${stack.modelsOrigin}/llm/openai/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${pass()}` },
        body: "{}",
        signal,
      }).catch(() => undefined),
    );
  answer = (request, response) => void waiting.push(() => streamOn(request, response));
  const early = many(leaving.signal);
  await until("eight calls are there", () => waiting.length === 8);
  leaving.abort();
  await Promise.all(early);
  for (const go of waiting) go();
  answer = answerWell;
  await until("there is room", async () => (await ask(pass())).status === 200, { within: 20_000 });
  const charged = async () => (await usage(owned)).budget.tokens.used >= 8 * 32_000;
  await until("each is charged", charged, { within: 20_000 });
});

test("c12 what calls cost is counted by provider and by whose key it was", async () => {
  const owned = await started("counted.molt");
  await ask(pass()).then((response) => response.text());
  await ask(pass(), { method: "GET", path: "openai/models" }).then((response) => response.text());
  await set(owned, "openai", `sk-${unique()}`);
  await owned.client.put(`${owned.path}/settings`, { keyless: ["openai"] });
  await until(
    "it runs",
    async () => (await owned.status()).renewal === null && (await owned.status()).state === "running",
  );
  answer = (_request, response) => void response.writeHead(200, { "content-type": "text/plain" }).end("x".repeat(381));
  await ask(pass()).then((response) => response.text());
  const openai = { name: "openai", requests: 1 };
  await until("the cost is written down", async () => (await usage(owned)).providers.length === 2);
  const { day, resetsAt, providers, budget } = await usage(owned);
  assert.deepEqual(providers, [
    { ...openai, source: "platform", tokens: 42 },
    { ...openai, source: "user", tokens: 100 },
  ]);
  assert.equal(day, new Date().toISOString().slice(0, 10));
  assert.equal(Date.parse(resetsAt) - Date.parse(day), 24 * 60 * 60 * 1000);
  assert.deepEqual(budget.requests, { used: 1, limit: 500 });
  assert.deepEqual(budget.tokens, { used: 42, limit: 2_000_000 });
});

test("c12 the platform's keys are used up for the day, whoever owns the domain, and the owner's own never", async () => {
  await reconfigure(stack, { vars: { PLATFORM_DAILY_REQUESTS: "2" } });
  const owned = await started("used-up.molt");
  for (let call = 0; call < 2; call += 1) assert.equal((await ask(pass())).status, 200);
  const spent = await ask(pass(), { path: "anthropic/v1/messages" });
  assert.ok(Number(spent.headers.get("retry-after")) <= 24 * 60 * 60);
  await refused(spent, 429, "rate_limited");
  assert.equal((await ask(pass(), { method: "GET", path: "openai/models" })).status, 200, "a list costs nothing");
  const own = `sk-${unique()}`;
  await owned.client.put(`${owned.path}/settings`, { keyless: ["openai"] });
  await set(owned, "openai", own);
  assert.equal((await ask(pass())).status, 200);
  assert.equal(seen.at(-1)?.headers.authorization, `Bearer ${own}`);
  stack.rpc.control.transfer(owned.asset, (await devKeypair("buyer")).address);
  const next = await Owned.of(stack, owned.asset, "buyer");
  assert.deepEqual((await usage(next)).providers, [], "what the one before used is theirs to know");
  await next.start();
  await refused(await ask(pass()), 429, "rate_limited");
  await reconfigure(stack);
});

test("c12 a call that leaves before its end is charged as a large one", async () => {
  await reconfigure(stack, { vars: { PLATFORM_DAILY_TOKENS: "32000" } });
  const owned = await started("leaves.molt");
  answer = streamOn;
  const leaving = new AbortController();
  const response = await fetch(`${stack.modelsOrigin}/llm/openai/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${pass()}` },
    body: "{}",
    signal: leaving.signal,
  });
  await response.body?.getReader().read();
  leaving.abort();
  await until("it is charged", async () => (await usage(owned)).budget.tokens.used === 32_000);
  await refused(await ask(pass()), 429, "rate_limited");
  await reconfigure(stack);
});

test("c13 without a way to the edge agents get the platform's keys, and a key that is kept out stays out", async () => {
  const owned = await Owned.ofNew(stack, "no-door.molt");
  const own = `sk-ant-api03-${unique()}`;
  await set(owned, "anthropic", own);
  await owned.client.put(`${owned.path}/settings`, { keyless: ["anthropic"] });
  await reconfigure(stack, { vars: { MODELS_ORIGIN: "" } });
  await owned.start();
  const { config, secrets: held } = agent.injected();
  assert.deepEqual(held, { openai: secrets.OPENAI_API_KEY, clawrouter: secrets.CLAWROUTER_API_KEY });
  assert.equal(config.models.providers.openai.baseUrl, vars.OPENAI_BASE_URL);
  const settings = (await owned.client.get(`${owned.path}/settings`)).json();
  assert.deepEqual([settings.keyless, settings.keylessOffered], [["anthropic"], false]);
  assert.ok(
    !settings.suggestions.some((model: string) => model.startsWith("anthropic/")),
    "the agent can't speak by it",
  );
  const more = await owned.client.put(`${owned.path}/settings`, { keyless: ["anthropic", "openai"] });
  assertProblem(more, 422, "invalid_value", "keyless");
  await reconfigure(stack);
});
