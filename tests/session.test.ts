// Sessions, seen from outside: the token and its cookie, which tokens open nothing, key rotation, logout (C05, C06).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { decodeProtectedHeader, jwtVerify } from "jose";
import { devAssetAddress, devWalletAddress } from "../dev/solana/accounts.ts";
import type { Client } from "./support/client.ts";
import { login } from "./support/login.ts";
import { assertProblem } from "./support/problem.ts";
import { testStack } from "./support/stack.ts";
import {
  AGENT_COOKIE,
  base64url,
  type Claims,
  claimsOf,
  nowSeconds,
  SESSION_COOKIE,
  sessionId,
  sign,
  WEEK_SECONDS,
} from "./support/tokens.ts";

const previousKey = randomBytes(48).toString("base64url");
const stack = await testStack({ secrets: { JWT_SECRET_PREVIOUS: previousKey } });
const key = stack.secrets.JWT_SECRET;
const alice = await devAssetAddress("alice.molt");
const bob = await devAssetAddress("bob.molt");
const wallet = await devWalletAddress("owner");

/** Asks for the session with this Cookie header. */
function ask(cookie: string) {
  return stack.client().get("/v1/auth/session", { cookie });
}

async function freshClaims(): Promise<Claims> {
  const client = stack.client();
  await login(client, "owner", alice);
  return claimsOf(client);
}

test("c05 the session is a JWT with HS256, of seven days, whose subject is the asset", async () => {
  const client = stack.client();
  const before = nowSeconds();
  await login(client, "owner", alice);
  const token = client.cookies.get(SESSION_COOKIE) ?? "";
  const { kid, ...header } = decodeProtectedHeader(token);
  assert.deepEqual(header, { alg: "HS256", typ: "JWT" });
  assert.match(String(kid), /^[0-9a-f]{8}$/);
  const { payload } = await jwtVerify<Claims>(token, new TextEncoder().encode(key), { algorithms: ["HS256"] });
  const { iat = 0, exp = 0, jti, ...claims } = payload;
  assert.deepEqual(claims, { iss: "multiclaw-edge", sub: alice, aud: "app", wallet, epoch: 0 });
  assert.match(String(jti), /^[0-9a-f]{32}$/);
  assert.ok(iat >= before - 1 && iat <= nowSeconds() + 1, `iat ${iat}`);
  assert.ok(Math.abs(exp - iat - WEEK_SECONDS) <= 1, `lives ${exp - iat} s`);
});

test("c05 the cookie is HttpOnly, Secure, SameSite and host-only, and nothing else carries the token", async () => {
  const client = stack.client();
  const answer = await login(client, "owner", alice);
  const token = client.cookies.get(SESSION_COOKIE) ?? "";
  const [cookie = "", ...more] = answer.setCookies;
  assert.deepEqual(more, []);
  const age = Number(/Max-Age=(\d+);/.exec(cookie)?.[1]);
  assert.ok(age <= WEEK_SECONDS && age > WEEK_SECONDS - 5, cookie);
  assert.equal(cookie, `${SESSION_COOKIE}=${token}; Path=/; Max-Age=${age}; HttpOnly; Secure; SameSite=Strict`);
  const { "set-cookie": _, ...headers } = answer.headers;
  assert.ok(!JSON.stringify([headers, answer.text]).includes(token));
});

test("c05 the key and the tokens appear in no log", async () => {
  const client = stack.client();
  await login(client, "owner", alice);
  await client.get("/v1/auth/session");
  const logs = stack.logs.join("\n");
  for (const secret of [key, previousKey, client.cookies.get(SESSION_COOKIE) ?? ""]) {
    assert.ok(secret.length > 20 && !logs.includes(secret));
  }
});

test("c05 a token signed by another implementation with the right key and claims opens", async () => {
  const claims = await freshClaims();
  assert.equal((await ask(`${SESSION_COOKIE}=${await sign(claims, key)}`)).status, 200);
});

test("c05 a token signed with the previous key opens until its end; new ones are signed with the present key", async () => {
  const claims = await freshClaims();
  assert.equal((await ask(`${SESSION_COOKIE}=${await sign(claims, previousKey)}`)).status, 200);
  const ended = { ...claims, iat: nowSeconds() - 100, exp: nowSeconds() - 1 };
  assertProblem(await ask(`${SESSION_COOKIE}=${await sign(ended, previousKey)}`), 401, "unauthenticated");
});

test("c05 tokens that are not ours, have ended, or were changed open nothing", async () => {
  const claims = await freshClaims();
  const now = nowSeconds();
  const good = await sign(claims, key);
  const [header = "", payload = "", signature = ""] = good.split(".");
  const none = base64url({ alg: "none", typ: "JWT" });
  const { exp: _exp, ...endless } = claims;
  const { iat: _iat, ...undated } = claims;
  const { jti: _jti, ...nameless } = claims;
  const { wallet: _wallet, ...nobodys } = claims;
  const tokens: [string, string][] = [
    ["expired", await sign({ ...claims, iat: now - 3600, exp: now - 1 }, key)],
    ["another key", await sign(claims, randomBytes(48).toString("base64url"))],
    ["an empty signature", `${header}.${payload}.`],
    ["alg none, no signature", `${none}.${payload}.`],
    ["alg none, old signature", `${none}.${payload}.${signature}`],
    ["HS512 with the right key", await sign(claims, key, "HS512")],
    ["HS384 with the right key", await sign(claims, key, "HS384")],
    ["another payload", `${header}.${base64url({ ...claims, sub: bob })}.${signature}`],
    ["longer than seven days", await sign({ ...claims, exp: (claims.iat ?? 0) + WEEK_SECONDS + 60 }, key)],
    ["without an end", await sign(endless, key)],
    ["without a beginning", await sign(undated, key)],
    ["issued in the future", await sign({ ...claims, iat: now + 3600 }, key)],
    ["without a session", await sign(nameless, key)],
    ["without a wallet", await sign(nobodys, key)],
    ["a session that never was", await sign({ ...claims, jti: sessionId() }, key)],
    ["a malformed session", await sign({ ...claims, jti: "../x" }, key)],
    ["another issuer", await sign({ ...claims, iss: "molt" }, key)],
    ["an epoch that is over, or not yet there", await sign({ ...claims, epoch: 1 }, key)],
    ["a malformed epoch", await sign({ ...claims, epoch: -1 }, key)],
    ["an unknown audience", await sign({ ...claims, aud: "admin" }, key)],
    ["several audiences", await sign({ ...claims, aud: ["app", "agent"] }, key)],
    ["no token at all", "x"],
    ["empty", ""],
    ["two dots", ".."],
    ["long", `${good}${"A".repeat(5000)}`],
  ];
  for (const [name, token] of tokens) {
    const answer = await ask(`${SESSION_COOKIE}=${token}`);
    assert.equal(answer.status, 401, `${name}: ${answer.status} ${answer.text}`);
    assertProblem(answer, 401, "unauthenticated");
  }
  assert.equal((await ask(`${SESSION_COOKIE}=${good}`)).status, 200);
});

test("c06 a token of the agent's origin opens no route of the app's", async () => {
  const claims = await freshClaims();
  const token = await sign({ ...claims, aud: "agent" }, key);
  for (const path of ["/v1/auth/session", `/v1/agents/${alice}`, `/v1/agents/${alice}/secrets`]) {
    for (const name of [SESSION_COOKIE, AGENT_COOKIE]) {
      assertProblem(await stack.client().get(path, { cookie: `${name}=${token}` }), 401, "unauthenticated");
    }
  }
});

test("c06 a session's identity is good for its own agent and wallet alone", async () => {
  const claims = await freshClaims();
  const elsewhere = await ask(`${SESSION_COOKIE}=${await sign({ ...claims, sub: bob }, key)}`);
  assertProblem(elsewhere, 401, "unauthenticated");
  const other = { ...claims, wallet: await devWalletAddress("buyer") };
  assertProblem(await ask(`${SESSION_COOKIE}=${await sign(other, key)}`), 403, "forbidden");
});

test("the cookie is the only way in: no header, no query, no second cookie of the name", async () => {
  const client = stack.client();
  await login(client, "owner", alice);
  const token = client.cookies.get(SESSION_COOKIE) ?? "";
  const stranger = stack.client();
  for (const path of [`/v1/auth/session?token=${token}`, `/v1/auth/session?${SESSION_COOKIE}=${token}`]) {
    assertProblem(await stranger.get(path), 401, "unauthenticated");
  }
  for (const headers of [
    { authorization: `Bearer ${token}` },
    { cookie: `molt_session=${token}` },
    { cookie: `x${SESSION_COOKIE}=${token}` },
    { cookie: `${SESSION_COOKIE}=x; ${SESSION_COOKIE}=${token}` },
    { cookie: `${SESSION_COOKIE}=${token}; ${SESSION_COOKIE}=${token}` },
    { cookie: ";;==;" },
  ]) {
    assertProblem(await stranger.get("/v1/auth/session", headers), 401, "unauthenticated");
  }
  assert.equal((await stranger.get("/v1/auth/session", { cookie: `a=b; ${SESSION_COOKIE}=${token}` })).status, 200);
});

test("c05 logout ends the session on the server, and no other", async () => {
  const first = stack.client();
  const second = stack.client();
  await login(first, "owner", alice);
  await login(second, "owner", alice);
  const kept = `${SESSION_COOKIE}=${first.cookies.get(SESSION_COOKIE)}`;

  const answer = await first.post("/v1/auth/logout");
  assert.equal(answer.status, 204);
  assert.equal(answer.text, "");
  assert.deepEqual(answer.setCookies, [`${SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict`]);
  assert.equal(first.cookies.size, 0);
  for (const path of ["/v1/auth/session", `/v1/agents/${alice}`]) {
    assertProblem(await stack.client().get(path, { cookie: kept }), 401, "unauthenticated");
  }
  assert.equal((await second.get("/v1/auth/session")).status, 200);
});

test("logout without a session takes the cookie away as well", async () => {
  for (const cookie of [`${SESSION_COOKIE}=stale`, ""]) {
    const answer = await stack.client().request("POST", "/v1/auth/logout", { headers: { cookie } });
    assert.equal(answer.status, 204);
    assert.equal(answer.setCookies.length, 1);
    assert.match(answer.setCookies[0] ?? "", /Max-Age=0/);
  }
});

test("two logins are two sessions", async () => {
  const [first, second] = [await freshClaims(), await freshClaims()];
  assert.notEqual(first.jti, second.jti);
});

test("c05 an owner sees their sessions, and ends one of them or all", async () => {
  const asset = await devAssetAddress("many-sessions.molt");
  stack.rpc.control.mint({ asset, name: "many-sessions.molt", owner: wallet });
  const [here, there, third] = [stack.client(), stack.client(), stack.client()];
  for (const client of [here, there, third]) await login(client, "owner", asset);
  const idOf = (client: Client): string => String(claimsOf(client).jti);
  const { sessions } = (await here.get("/v1/auth/sessions")).json();
  assert.deepEqual(
    sessions.map(({ id, current }: { id: string; current: boolean }) => [id, current]).sort(),
    [[idOf(here), true], ...[there, third].map((client) => [idOf(client), false])].sort(),
  );
  for (const { createdAt, expiresAt, wallet: by, ...more } of sessions) {
    assert.equal(by, wallet);
    assert.equal(Date.parse(expiresAt) - Date.parse(createdAt), WEEK_SECONDS * 1000);
    assert.deepEqual(Object.keys(more).sort(), ["current", "id"]);
  }

  assert.equal((await here.delete(`/v1/auth/sessions/${idOf(there)}`)).status, 204);
  assertProblem(await there.get("/v1/auth/session"), 401, "unauthenticated");
  assertProblem(await here.delete(`/v1/auth/sessions/${idOf(there)}`), 404, "not_found");
  assertProblem(await here.delete("/v1/auth/sessions/x"), 400, "invalid_field", "id");
  assert.equal((await here.get("/v1/auth/session")).status, 200);

  const all = await here.delete("/v1/auth/sessions");
  assert.equal(all.status, 204);
  assert.match(all.setCookies[0] ?? "", /Max-Age=0/);
  assert.equal(here.cookies.size, 0);
  assertProblem(await third.get("/v1/auth/session"), 401, "unauthenticated");
  for (const [method, path] of [
    ["GET", "/v1/auth/sessions"],
    ["DELETE", "/v1/auth/sessions"],
    ["DELETE", `/v1/auth/sessions/${idOf(third)}`],
  ] as const) {
    assertProblem(await third.request(method, path), 401, "unauthenticated");
  }
});

test("c05 of a domain's sessions the newest 50 live", async () => {
  const asset = await devAssetAddress("fifty-sessions.molt");
  stack.rpc.control.mint({ asset, name: "fifty-sessions.molt", owner: wallet });
  const clients = Array.from({ length: 51 }, () => stack.client());
  for (const client of clients) await login(client, "owner", asset);
  const [oldest, ...others] = await Promise.all(clients.map((client) => client.get("/v1/auth/session")));
  assert.equal(oldest?.status, 401);
  assert.ok(others.every(({ status }) => status === 200));
});

test("c06 nobody ends another domain's session", async () => {
  const [mine, theirs] = [stack.client(), stack.client()];
  await login(mine, "owner", alice);
  await login(theirs, "buyer", bob);
  assertProblem(await mine.delete(`/v1/auth/sessions/${claimsOf(theirs).jti}`), 404, "not_found");
  assert.equal((await theirs.get("/v1/auth/session")).status, 200);
});

test("c06 what changes something needs an allowed origin, whatever the cookie says", async () => {
  const client = stack.client();
  await login(client, "owner", alice);
  const site = (value: string) => ({ "sec-fetch-site": value });
  const agent = `/v1/agents/${alice}`;
  const CHANGES = [
    ["POST", "/v1/auth/logout"],
    ["DELETE", "/v1/auth/sessions"],
    ["POST", `${agent}/start`],
    ["POST", `${agent}/snapshots`],
    ["PUT", `${agent}/secrets/openai`],
    ["DELETE", `${agent}/secrets/openai`],
    ["PUT", `${agent}/settings`],
  ] as const;
  const REFUSED: Record<string, string>[] = [
    { origin: "" },
    { origin: "null" },
    { origin: `${stack.appOrigin}.evil.example` },
    { origin: "http://localhost:1" },
    { origin: "http://agent.localhost" },
    site("none"),
  ];
  for (const [method, path] of CHANGES) {
    for (const headers of REFUSED) {
      const answer = await client.request(method, path, { headers });
      assert.equal(answer.status, 403, `${method} ${path} ${JSON.stringify(headers)}`);
      assertProblem(answer, 403, "origin_not_allowed");
    }
  }
  for (const headers of [site("same-site"), site("cross-site")]) {
    assertProblem(await client.get(agent, headers), 403, "origin_not_allowed");
  }
  for (const headers of [{}, site("same-origin"), site("none")]) {
    assert.equal((await client.get(agent, headers)).status, 200);
  }
  const logout = await client.request("POST", "/v1/auth/logout", { headers: site("same-origin") });
  assert.equal(logout.status, 204);
});
