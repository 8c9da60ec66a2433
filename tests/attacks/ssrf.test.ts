// Where the service itself sends requests: to the chain's endpoints and to providers of models, by addresses of the
// operator. None comes from what a caller sends, and none from what is answered: a bait listens where each attack leads.
import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after } from "node:test";
import { devWalletAddress } from "../../dev/solana/accounts.ts";
import type { Answer, Headers } from "../support/http.ts";
import { sendRaw } from "../support/http.ts";
import { login } from "../support/login.ts";
import { reconfigure } from "../support/reconfigure.ts";
import { type Attack, Battle, check, type Gets } from "./support.ts";

interface Seen {
  path: string;
  headers: IncomingHttpHeaders;
}
interface Listener {
  readonly url: string;
  readonly seen: Seen[];
  /** Where every request is sent on to, with this status. */
  redirect?: [status: number, to: string] | undefined;
}

/** A server that answers `answer`'s text, or what it is told to. */
async function listener(answer: (path: string, body: string) => Promise<string>): Promise<Listener> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const { url: path = "", headers } = request;
    seen.push({ path, headers });
    const body = await text(request);
    const [status, to] = made.redirect ?? [200, ""];
    response.writeHead(status, { "content-type": "application/json", ...(to !== "" && { location: to }) });
    response.end(status === 200 ? await answer(path, body) : "");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  after(() => void server.close().closeAllConnections());
  const made: Listener = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
  return made;
}

const COMPLETION = JSON.stringify({ choices: [{ message: { content: "hello" } }], usage: { total_tokens: 1 } });
const bait = await listener(async () => COMPLETION);
const provider = await listener(async () => COMPLETION);
const battle = await Battle.on("ssrf", "c11", {
  secrets: { CLAWROUTER_API_KEY: "cr_0123456789abcdef0123456789abcdef" },
  vars: { OPENAI_BASE_URL: `${provider.url}/v1`, CLAWROUTER_BASE_URL: provider.url },
});
const { victim, attacker, stack } = battle;
const chain = await listener(async (path, body) => {
  const answer = await fetch(stack.rpc.endpoint(path === "/a" ? "/a" : "/b"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  return answer.text();
});
await reconfigure(stack, { vars: { SOLANA_RPC_URLS: `${chain.url}/a,${chain.url}/b` } });
await attacker.start();
const { agentUrl } = await attacker.status();
const held = stack.agent.injected(agentUrl).secrets;
const wallet = await devWalletAddress("buyer");
battle.begin();

/** Whatever was done, the bait was not asked. */
function baited(name: string, act: () => Promise<void>): void {
  battle.attack(name, async () => {
    const before = bait.seen.length;
    await act();
    assert.deepEqual(bait.seen.slice(before), []);
  });
}
const all = (attacks: readonly Attack[]): void => {
  for (const { name, gets, ...sent } of attacks) baited(name, async () => check(await battle.send(sent), gets));
};

// Calls of models, by an agent with a pass that is good.
const REFUSED = 404;
const call = (path: string, headers: Headers = {}, name = "openai"): Promise<Answer> =>
  battle.send({
    method: "POST",
    path: `/llm/${path}`,
    headers: { origin: [], "content-type": "application/json", authorization: `Bearer ${held[name]}`, ...headers },
    body: '{"model":"gpt-5.4"}',
  });
const { host } = new URL(bait.url);
for (const path of [
  `${bait.url}/chat/completions`,
  `openai/${bait.url}/chat/completions`,
  `openai//${host}/chat/completions`,
  `openai/\\\\${host}/chat/completions`,
  `openai/@${host}/chat/completions`,
  `openai@${host}/chat/completions`,
  `openai:x@${host}/chat/completions`,
  `openai/chat/completions@${host}`,
  `openai/%2f%2f${host}/chat/completions`,
  "openai/..%2f..%2fadmin",
  "openai/%2e%2e/chat/completions",
  "openai/chat/completions/%2e%2e/%2e%2e/files",
  "openai/chat/completions%2f..%2f..%2ffiles",
  "openai/chat/completions;x",
  "openai/chat/completions%00",
  "openai/chat/completions%0d%0aHost:%20evil.example",
  "openai/chat/completions/",
  "openai/files",
  "openai/v1/chat/completions",
  "OPENAI/chat/completions",
  "evil.example/chat/completions",
  "telegram/sendMessage",
  "wallet/chat/completions",
  "openai.evil.example/chat/completions",
  `openai/chat/completions?url=${bait.url}`,
  `openai/chat/completions?base_url=${bait.url}`,
  "openai/chat/completions?alt=sse&x=1",
]) {
  baited(`a call of ${path.replaceAll(host, "<bait>")}`, async () => {
    const before = provider.seen.length;
    assert.equal((await call(path)).status, REFUSED);
    assert.equal(provider.seen.length, before, "the provider is not asked either");
  });
}
for (const path of [
  `clawrouter/v1/native/http://${host}/messages`,
  `clawrouter/v1/native/@${host}/messages`,
  `clawrouter/v1/native//${host}/messages`,
  "clawrouter/v1/native/../../files/messages%2f..",
  "clawrouter/v1/native/%2e%2e/%2e%2e/files/messages",
  "clawrouter/v1/native/x?/messages",
  "clawrouter/v1/native/x%23/messages",
]) {
  baited(`a native call of ${path.replaceAll(host, "<bait>")}`, async () => {
    const before = provider.seen.length;
    assert.equal((await call(path, {}, "clawrouter")).status, REFUSED);
    assert.equal(provider.seen.length, before, "the provider is not asked either");
  });
}
for (const headers of [
  { "x-molt-model": JSON.stringify({ call: { path: `@${host}/` } }) },
  { "x-forwarded-host": host },
  { forwarded: `host=${host}` },
  { "x-original-url": bait.url },
  { "openai-base-url": bait.url, "x-base-url": bait.url },
  { referer: bait.url, "http-referer": bait.url },
  { "x-http-method-override": "GET" },
  { "content-location": bait.url, location: bait.url },
] as Headers[]) {
  baited(`a good call with ${Object.keys(headers).join(" and ")}`, async () => {
    const before = provider.seen.length;
    assert.equal((await call("openai/chat/completions", headers)).status, 200);
    assert.deepEqual(
      provider.seen.slice(before).map(({ path }) => path),
      ["/v1/chat/completions"],
    );
  });
}
const absolute = ["POST", `http://${host}/llm/openai/chat/completions`, "HTTP/1.1"].join(" ");
baited("a good call with another host in its target", async () => {
  const lines = [absolute, `Host: ${victim.client.host}`, `Authorization: Bearer ${held.openai}`];
  await sendRaw(battle.port, [...lines, "Content-Length: 2", "Connection: close", "", "{}"].join("\r\n"));
});

// A provider, or whoever stands in its place, that leads elsewhere: the key must not go along.
const ELSEWHERE = [301, 302, 303, 307, 308];
for (const status of ELSEWHERE) {
  baited(`a provider that answers ${status}`, async () => {
    provider.redirect = [status, `${bait.url}/v1/chat/completions`];
    const answer = await call("openai/chat/completions");
    provider.redirect = undefined;
    assert.equal(answer.status, 502, answer.text);
    assert.equal(answer.headers.location, undefined);
  });
}

// URLs in what callers send.
const URLS = ["rpc", "rpcUrl", "cluster", "endpoint", "callback", "uri", "redirect", "domain", "webhookURL"];
for (const name of URLS) {
  baited(`a challenge with ${name}`, async () => {
    const json = { asset: victim.asset, wallet, [name]: bait.url };
    const answer = await battle.send({ method: "POST", path: "/v1/auth/challenge", json });
    assert.equal(answer.status, 201, answer.text);
    assert.ok(!answer.text.includes(host));
  });
}
const INVALID: Gets = [422, "invalid_value", "value"];
const put = (name: string, value: string, gets: Gets = INVALID): Attack => ({
  name: `a ${name} key that is ${value.replaceAll(host, "<bait>").slice(0, 60)}`,
  method: "PUT",
  path: `${attacker.path}/secrets/${name}`,
  json: { value },
  as: attacker,
  gets,
});
all([
  put("telegram", `7000000000:../../@${host}/AAAAAAAAAAAAAAAAAAAAAAA`),
  put("telegram", `7000000000:AAF@${host}/${"x".repeat(20)}`),
  put("telegram", `@${host}/7000000000:AAF-${"x".repeat(31)}`),
  put("telegram", `7000000000:AAF-${"x".repeat(31)}/../x`),
  put("openrouter", bait.url),
  put("anthropic", `${bait.url}/sk-ant-api03-0123456789abcdef`),
  put("wallet", bait.url),
  put("clawrouter", `cr_0123456789abcdef\r\nHost: ${host}`),
  ...["http://x/y", `//${host}/x`, `../../@${host}`, `x?base_url=${bait.url}`].map(
    (model): Attack => ({
      name: `a model that is ${model.replaceAll(host, "<bait>")}`,
      method: "PUT",
      path: `${attacker.path}/settings`,
      json: { model: `openai/${model}` },
      as: attacker,
      gets: [422, "invalid_value", "model"],
    }),
  ),
]);
baited("settings with addresses of providers", async () => {
  const json = { model: "openai/gpt-5.4", baseUrl: bait.url, providers: { openai: { baseUrl: bait.url } } };
  const answer = await battle.send({ method: "PUT", path: `${attacker.path}/settings`, json, as: attacker });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(!answer.text.includes(host));
  await attacker.stop();
  await attacker.start();
  const { config } = stack.agent.injected(agentUrl);
  assert.ok(!JSON.stringify(config).includes(host));
});

// Places that send a browser elsewhere.
for (const path of [
  `/?redirect=${bait.url}`,
  `/?next=//${host}`,
  `//${host}/%2e%2e`,
  `/%5c${host}`,
  `/.${host}`,
  `/v1/auth/session?next=${bait.url}`,
  `/v1/auth/logout?url=${bait.url}`,
  `/index.html?url=${bait.url}`,
]) {
  baited(`the path ${path.replaceAll(host, "<bait>")}`, async () => {
    const answer = await battle.send({ path });
    assert.ok(![301, 302, 303, 307, 308].includes(answer.status) || leadsHome(answer), String(answer.headers.location));
    assert.equal(answer.headers.refresh, undefined);
  });
}

// The chain's endpoints that lead elsewhere, where anybody would own everything. Last, as they are not asked again at once.
for (const status of ELSEWHERE) {
  baited(`an endpoint of the chain that answers ${status}`, async () => {
    chain.redirect = [status, `${bait.url}/a`];
    const client = stack.client();
    const failed = await login(client, "owner", victim.asset).then(
      () => assert.fail("signed in"),
      (error: Error) => error.message,
    );
    chain.redirect = undefined;
    assert.match(failed, /rpc_unavailable/);
    assert.equal(client.cookies.size, 0);
  });
}

/** To a path of this host. */
function leadsHome({ headers }: Answer): boolean {
  return new URL(headers.location ?? "", stack.appOrigin).origin === stack.appOrigin;
}

battle.afterwards();
