// An agent's origin: how its owner comes in, what crosses between browser and agent, and what does not (C06, C17).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type http from "node:http";
import { Readable } from "node:stream";
import { test } from "node:test";
import { devWalletAddress } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import type { Client } from "./support/client.ts";
import { type Headers, sendRaw } from "./support/http.ts";
import { assertProblem } from "./support/problem.ts";
import { AGENT_COOKIE, claimsOf, SESSION_COOKIE, sign } from "./support/tokens.ts";
import { inTime, until } from "./support/wait.ts";
import { mustOpen, openSocket } from "./support/websocket.ts";

const stack = await fakeAgentStack();
const owned = await Owned.ofNew(stack, "proxied.molt");
const other = await Owned.ofNew(stack, "neighbour.molt", "buyer");
await Promise.all([owned.start(), other.start()]);
const visitor = await owned.enter(stack);
const neighbour = await other.enter(stack);
const wallet = await devWalletAddress("owner");
const MIB = 1024 * 1024;

async function ticket(of: Owned): Promise<URL> {
  const answer = await of.client.post(`${of.path}/open`);
  assert.equal(answer.status, 200, answer.text);
  return new URL(answer.json().url);
}

const redeem = (client: Client, text: string, headers: Headers = {}) =>
  client.request("POST", "/.edge/enter", { body: text, headers });

/** What the agent says reached it. */
async function echo(client: Client, headers: Record<string, string> = {}) {
  const answer = await client.get("/echo", headers);
  assert.equal(answer.status, 200, answer.text);
  const { headers: seen } = answer.json() as { headers: [string, string][] };
  return {
    all: seen,
    values: (name: string): string[] => seen.filter(([key]) => key === name).map(([, value]) => value),
  };
}

test("c17 a ticket in the URL's fragment becomes a cookie of the agent's host", async () => {
  const url = await ticket(owned);
  const { agentUrl } = await owned.status();
  assert.equal(url.origin, new URL(agentUrl).origin);
  assert.equal(url.pathname + url.search, "/.edge/enter");
  assert.match(url.hash, /^#[0-9a-f]{64}$/);

  const client = stack.visitor(url.origin);
  const page = await client.get(url.pathname);
  assert.equal(page.status, 200);
  assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
  assert.match(String(page.headers["content-security-policy"]), /default-src 'none'.*frame-ancestors 'none'/);
  const script = await client.get("/.edge/enter.js");
  assert.equal(script.headers["content-type"], "text/javascript; charset=utf-8");
  assert.deepEqual([page.setCookies, script.setCookies], [[], []]);

  const entered = await redeem(client, url.hash.slice(1));
  assert.equal(entered.status, 204);
  const token = client.cookies.get(AGENT_COOKIE) ?? "";
  const age = Number(/Max-Age=(\d+);/.exec(entered.setCookies[0] ?? "")?.[1]);
  assert.deepEqual(entered.setCookies, [
    `${AGENT_COOKIE}=${token}; Path=/; Max-Age=${age}; HttpOnly; Secure; SameSite=Lax`,
  ]);
  assert.ok(age > 0 && age <= 7 * 86_400);
  const claims = claimsOf(client, AGENT_COOKIE);
  assert.deepEqual([claims.aud, claims.sub, claims.wallet], ["agent", owned.asset, wallet]);
  assert.equal((await client.get("/")).text, "<h1>agent</h1>");
});

test("c17 a ticket works once, of many tries at once for one", async () => {
  const { hash } = await ticket(owned);
  const tries = await Promise.all(
    Array.from({ length: 6 }, () => redeem(stack.visitor(visitor.origin), hash.slice(1))),
  );
  assert.deepEqual(tries.map(({ status }) => status).sort(), [204, 401, 401, 401, 401, 401]);
  const late = stack.visitor(visitor.origin);
  assertProblem(await redeem(late, hash.slice(1)), 401, "unauthenticated");
  assert.equal(late.cookies.size, 0);
});

test("c17 a ticket that was forged, or is another agent's, opens nothing", async () => {
  const { hash } = await ticket(other);
  for (const text of [
    hash.slice(1),
    hash,
    "0".repeat(64),
    "0".repeat(63),
    "",
    "x".repeat(60_000),
    "\u0000",
    '{"ticket":1}',
  ]) {
    const client = stack.visitor(visitor.origin);
    assertProblem(await redeem(client, text), 401, "unauthenticated");
    assert.equal(client.cookies.size, 0);
  }
  assertProblem(await redeem(stack.visitor(visitor.origin), "x".repeat(100_000)), 413, "body_too_large");
  assert.equal((await redeem(stack.visitor(neighbour.origin), hash.slice(1))).status, 204, "it was not spent");
});

test("c17 only the entry page's own origin trades tickets", async () => {
  const { hash } = await ticket(owned);
  for (const site of ["cross-site", "same-site", "none"]) {
    const answer = await redeem(stack.visitor(visitor.origin), hash.slice(1), { "sec-fetch-site": site });
    assertProblem(answer, 403, "origin_not_allowed");
  }
  const own = await redeem(stack.visitor(visitor.origin), hash.slice(1), { "sec-fetch-site": "same-origin" });
  assert.equal(own.status, 204);
});

test("c17 pages of other origins may link to an agent, and nothing else", async () => {
  const { origin } = visitor;
  const mode = (value: string, dest = "empty") => ({ "sec-fetch-mode": value, "sec-fetch-dest": dest });
  for (const site of ["same-site", "cross-site"]) {
    const from = { "sec-fetch-site": site };
    const link = await visitor.get("/echo", { ...from, ...mode("navigate", "document") });
    assert.equal(link.status, 200, link.text);
    for (const headers of [mode("no-cors", "image"), mode("cors"), mode("navigate", "iframe"), mode("websocket")])
      assertProblem(await visitor.get("/echo", { ...from, ...headers }), 403, "origin_not_allowed");
    const form = await visitor.request("POST", "/echo", { headers: { ...from, ...mode("navigate", "document") } });
    assertProblem(form, 403, "origin_not_allowed");
  }
  for (const foreign of ["null", neighbour.origin, stack.appOrigin]) {
    for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
      const answer = await visitor.request(method, "/echo", { headers: { origin: foreign } });
      assertProblem(answer, 403, "origin_not_allowed");
    }
    assert.equal(await openSocket(visitor, { headers: { origin: foreign } }), 403);
  }
  const own = await mustOpen(visitor, { headers: { origin } });
  own.raw.close();
});

test("c17 a logout in the console ends the visits that came from it, and their tickets", async () => {
  const again = await Owned.of(stack, owned.asset);
  const guest = await again.enter(stack);
  const { hash } = await ticket(again);
  assert.equal((await guest.get("/echo")).status, 200);
  await again.client.post("/v1/auth/logout");
  assertProblem(await guest.get("/echo"), 401, "unauthenticated");
  assertProblem(await redeem(stack.visitor(visitor.origin), hash.slice(1)), 401, "unauthenticated");
  assert.equal((await visitor.get("/echo")).status, 200, "another login's visit goes on");
});

test("c06 an agent's cookie opens that agent alone, and the app's cookie opens none", async () => {
  const mine = visitor.cookies.get(AGENT_COOKIE) ?? "";
  const app = owned.client.cookies.get(SESSION_COOKIE) ?? "";
  for (const path of ["/", "/echo", "/.edge/status"]) {
    const cases: [string, string, number, string][] = [
      [neighbour.origin, `${AGENT_COOKIE}=${mine}`, 403, "forbidden"],
      [visitor.origin, `${SESSION_COOKIE}=${app}`, 401, "unauthenticated"],
      [visitor.origin, `${AGENT_COOKIE}=${app}`, 401, "unauthenticated"],
      [visitor.origin, "", 401, "unauthenticated"],
    ];
    for (const [origin, cookie, status, code] of cases) {
      assertProblem(await stack.visitor(origin).get(path, { cookie }), status, code);
    }
  }
  assert.equal(
    await openSocket(stack.visitor(neighbour.origin), { headers: { cookie: `${AGENT_COOKIE}=${mine}` } }),
    403,
  );
  assert.equal(await openSocket(stack.visitor(visitor.origin)), 401);
  assertProblem(await owned.client.get(owned.path, { cookie: `${AGENT_COOKIE}=${mine}` }), 401, "unauthenticated");
  const forged = await sign({ ...claimsOf(visitor, AGENT_COOKIE), sub: other.asset }, stack.secrets.JWT_SECRET);
  assertProblem(
    await stack.visitor(neighbour.origin).get("/echo", { cookie: `${AGENT_COOKIE}=${forged}` }),
    401,
    "unauthenticated",
  );
});

test("a person without a session sees a page that says where to sign in", async () => {
  const answer = await stack.visitor(visitor.origin).get("/", { "sec-fetch-mode": "navigate" });
  assert.equal(answer.status, 401);
  assert.equal(answer.headers["content-type"], "text/html; charset=utf-8");
  assert.match(answer.text, /Sign in first/);
});

test("c17 console and API are not on the agent's host, and the agent is not on theirs", async () => {
  for (const path of ["/v1/auth/session", `/v1/agents/${owned.asset}`, "/main.js", "/index.html", "/healthz"]) {
    const answer = await visitor.get(path, { cookie: `${AGENT_COOKIE}=${visitor.cookies.get(AGENT_COOKIE)}` });
    assert.equal(answer.text, "<h1>agent</h1>", path);
  }
  const client = stack.client();
  client.cookies.set(AGENT_COOKIE, visitor.cookies.get(AGENT_COOKIE) ?? "");
  for (const path of ["/echo", "/.edge/enter", "/.edge/status"]) {
    const answer = await client.get(path);
    assert.equal(answer.status, 404, path);
    assert.doesNotMatch(answer.text, /molt-owner|<h1>agent|Opening your agent/);
  }
  for (const path of ["/.edge/", "/.edge/x", "/.edge/enter/x", "/.edge/enter.js.map", "/.edge/../.edge/x"]) {
    assertProblem(await visitor.get(path), 404, "not_found");
  }
  const wrong = await visitor.request("DELETE", "/.edge/enter");
  assertProblem(wrong, 405, "method_not_allowed");
  assert.equal(wrong.headers.allow, "GET, HEAD, POST");
});

test("c17 identity and routing headers of clients are dropped, and ours are set", async () => {
  const seen = await echo(visitor, {
    "x-molt-owner": "someone",
    "x-molt-edge": "9",
    "x-molt-caller": "{}",
    "x-molt-anything": "1",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-user": "root",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.example",
    "x-real-ip": "::1",
    "x-openclaw-scopes": "operator.admin",
    forwarded: "for=127.0.0.1",
    via: "1.1 evil",
    "true-client-ip": "127.0.0.1",
    "proxy-authorization": "Basic x",
    authorization: "Bearer x",
    te: "trailers",
    "x-own": "kept",
    "accept-language": "de",
  });
  const host = new URL(visitor.origin).host;
  const set = {
    "x-molt-owner": wallet,
    "x-molt-edge": "1",
    "x-forwarded-for": visitor.address,
    "x-forwarded-proto": "http",
    "x-forwarded-host": host,
    host,
    "x-own": "kept",
    "accept-language": "de",
  };
  for (const [name, value] of Object.entries(set)) assert.deepEqual(seen.values(name), [value], name);
  const dropped = [
    "x-molt-caller",
    "x-molt-anything",
    "x-forwarded-user",
    "x-real-ip",
    "x-openclaw-scopes",
    "forwarded",
    "via",
  ];
  for (const name of [...dropped, "true-client-ip", "proxy-authorization", "authorization", "te", "cookie"]) {
    assert.deepEqual(seen.values(name), [], name);
  }
  assert.deepEqual(
    seen.all.filter(([name]) => name.startsWith("cf-")),
    [],
  );
});

test("c17 headers that a client lists as its hop's own are dropped, and can't drop ours", async () => {
  const { host } = new URL(visitor.origin);
  const cookie = `${AGENT_COOKIE}=${visitor.cookies.get(AGENT_COOKIE)}`;
  const answer = await sendRaw(
    visitor.port,
    `GET /echo HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\nX-Hop: 1\r\nConnection: close, X-Hop, X-Molt-Owner, X-Molt-Edge\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.match(answer, new RegExp(`"x-molt-owner","${wallet}"`));
  assert.match(answer, /"x-molt-edge","1"/);
});

test("c17 our cookies do not reach the agent, its own do", async () => {
  const cookie = `a=1; ${AGENT_COOKIE}=${visitor.cookies.get(AGENT_COOKIE)}; ${SESSION_COOKIE}=x; b=2`;
  assert.deepEqual((await echo(visitor, { cookie })).values("cookie"), ["a=1; b=2"]);
});

test("c17 what an agent sets for more than its own pages is dropped", async () => {
  const answer = await visitor.get("/headers");
  assert.deepEqual(answer.setCookies, ["theme=dark; Path=/; HttpOnly", "tab=2; SameSite=Lax"]);
  assert.equal(answer.headers["x-agent"], "yes");
  assert.equal(answer.headers["x-frame-options"], "DENY");
  assert.equal(answer.headers["x-content-type-options"], "nosniff");
  const dropped = [
    "strict-transport-security",
    "clear-site-data",
    "alt-svc",
    "service-worker-allowed",
    "nel",
    "report-to",
  ];
  for (const name of [...dropped, "reporting-endpoints", "proxy-authenticate", "te"]) {
    assert.equal(answer.headers[name], undefined, name);
  }
  assert.equal((await visitor.get("/echo")).status, 200, "still signed in");
});

test("methods, paths, queries and bodies pass as they are, and redirects are the browser's to follow", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    const answer = await visitor.request(method, "/echo?a=1&b=%2F%20&b=x", {
      body: "grüße",
      headers: { "content-type": "text/x" },
    });
    const { headers: _, ...seen } = answer.json();
    assert.deepEqual(seen, { method, url: "/echo?a=1&b=%2F%20&b=x", body: "grüße" });
  }
  assert.equal((await visitor.get("/echo/%2e%2e%2fx//y/")).json().url, "/echo/%2e%2e%2fx//y/");
  const moved = await visitor.get("/redirect");
  assert.deepEqual([moved.status, moved.headers.location], [302, "/echo"]);
  const head = await visitor.request("HEAD", "/page");
  assert.deepEqual([head.status, head.text], [200, ""]);
});

test("statuses that a response can have pass, also those without a body", async () => {
  for (const status of [200, 201, 204, 205, 206, 301, 304, 400, 404, 418, 451, 500, 503, 599]) {
    const answer = await visitor.get(`/bodyless/${status}`);
    assert.deepEqual([answer.status, answer.headers["x-agent"], answer.text], [status, "yes", ""]);
  }
});

test("c15 odd statuses of one agent end in 502 and hurt no request of another's", async () => {
  const stream = await neighbour.open("GET", "/stream");
  await firstChunk(stream);
  for (const status of ["199", "600", "999", "101", "000", "099"]) {
    const answer = await visitor.get(`/status/${status}`);
    assert.ok([502, 503].includes(answer.status), `${status}: ${answer.status}`);
    assert.equal(answer.headers["content-type"], "application/problem+json");
    assert.equal((await neighbour.get("/echo")).status, 200);
  }
  for (const status of ["600", "999"]) assertProblem(await visitor.get(`/status/${status}`), 502, "agent_bad_response");
  await neighbour.get("/next");
  assert.equal(await rest(stream), "data: second\n\n");
  assert.equal((await visitor.get("/echo")).status, 200);
});

test("an agent that drops the connection costs that request alone", async () => {
  assertProblem(await visitor.request("POST", "/drop"), 503, "agent_unavailable");
  assert.equal((await visitor.get("/echo")).status, 200);
  assert.equal((await owned.status()).state, "running");
});

test("a stream comes through as it is written", async () => {
  const stream = await visitor.open("GET", "/stream");
  assert.equal(stream.headers["content-type"], "text/event-stream");
  assert.equal(await firstChunk(stream), "data: first\n\n");
  await visitor.get("/next");
  assert.equal(await rest(stream), "data: second\n\n");
});

test("30 MiB go up and down whole", async () => {
  const size = 30 * MIB;
  const down = await visitor.get(`/download/${size}`);
  assert.equal(down.body.length, size);
  assert.ok(down.body.equals(Buffer.alloc(size, "molt")));
  const sha256 = createHash("sha256").update(down.body).digest("hex");
  const up = await visitor.request("POST", "/upload", { body: down.body });
  assert.deepEqual([up.json().bytes, up.json().sha256], [size, sha256]);
  const chunks = Array.from({ length: 30 }, (_, at) => down.body.subarray(at * MIB, (at + 1) * MIB));
  const streamed = await visitor.request("POST", "/upload", { body: Readable.from(chunks) });
  assert.deepEqual([streamed.json().bytes, streamed.json().sha256], [size, sha256]);
});

test("c06 a WebSocket passes both ways with its subprotocol, for the owner alone", async () => {
  const socket = await mustOpen(visitor, {
    path: "/ws?x=1",
    protocols: ["chat", "other"],
    headers: { "x-molt-owner": "x" },
  });
  assert.equal(socket.raw.protocol, "chat");
  const headers = JSON.parse((await socket.next()).data.toString()).headers as [string, string][];
  const values = (name: string): string[] => headers.filter(([key]) => key === name).map(([, value]) => value);
  assert.deepEqual(values("x-molt-owner"), [wallet]);
  assert.deepEqual(values("x-molt-edge"), ["1"]);
  assert.ok(values("cookie").every((value) => !value.includes("molt")));
  for (const data of ["hello", "", "ü".repeat(100_000)]) {
    socket.raw.send(data);
    assert.deepEqual(await socket.next(), { data: Buffer.from(data), binary: false });
  }
  const bytes = Buffer.alloc(MIB, 0xfe);
  socket.raw.send(bytes);
  assert.deepEqual(await socket.next(), { data: bytes, binary: true });
  socket.raw.send("close");
  assert.deepEqual(await inTime("close", socket.closed), { code: 4001, reason: "as asked" });
  assert.equal(await openSocket(visitor, { path: "/refuse" }), 403);
});

test("a socket to an agent that its owner stops is closed with what to do", async () => {
  const stopped = await Owned.ofNew(stack, "stopped.molt");
  await stopped.start();
  const socket = await mustOpen(await stopped.enter(stack));
  await stopped.stop();
  const { code, reason } = await inTime("close", socket.closed);
  assert.equal(code, 1001);
  assert.match(reason, /^The agent is stopped or restarted\./);
});

test("c17 no ticket and no token appears in a log", async () => {
  const { hash } = await ticket(owned);
  await redeem(stack.visitor(visitor.origin), hash.slice(1));
  const logs = stack.logs.join("\n");
  for (const secret of [hash.slice(1), visitor.cookies.get(AGENT_COOKIE) ?? "", stack.secrets.OPENAI_API_KEY]) {
    assert.ok(secret.length > 20 && !logs.includes(secret));
  }
});

async function firstChunk(stream: http.IncomingMessage): Promise<string> {
  stream.setEncoding("utf8");
  return until("first chunk", () => stream.read() ?? undefined, { every: 20 });
}

async function rest(stream: http.IncomingMessage): Promise<string> {
  return inTime(
    "end of a stream",
    (async () => {
      let text = "";
      for await (const chunk of stream) text += chunk;
      return text;
    })(),
  );
}
