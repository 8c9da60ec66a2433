// What callers can send wrong, and what comes of it: a problem document that names the field, and nothing else.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import bs58 from "bs58";
import { devAccounts, devAssetAddress } from "../dev/solana/accounts.ts";
import { usablePort } from "../dev/stack.ts";
import { Client } from "./support/client.ts";
import { type Answer, type Headers, send, sendRaw } from "./support/http.ts";
import { login } from "./support/login.ts";
import { assertProblem } from "./support/problem.ts";
import { testStack } from "./support/stack.ts";

const port = await usablePort(0);
const SECOND_ORIGIN = "https://app.example";
const stack = await testStack({ port, vars: { APP_ORIGINS: `http://localhost:${port},${SECOND_ORIGIN}` } });
const { wallets, assets } = await devAccounts();
const alice = await devAssetAddress("alice.molt");
const session = stack.client();
await login(session, "owner", alice);
const agent = `/v1/agents/${alice}`;
const agentUrl: string = (await session.get(agent)).json().agentUrl;

const NONCE = "0".repeat(32);
const SIGNATURE = bs58.encode(new Uint8Array(64).fill(7));
const VALUE = "sk-0123456789abcdef";
const JSON_TYPE = { "content-type": "application/json" };

/** A good body of each route that takes one. */
const ROUTES: [string, string, Record<string, unknown>][] = [
  ["POST", "/v1/auth/challenge", { asset: alice, wallet: wallets.owner }],
  ["POST", "/v1/auth/verify", { nonce: NONCE, signature: SIGNATURE }],
  ["PUT", `${agent}/secrets/openai`, { value: VALUE }],
  ["PUT", `${agent}/settings`, { model: "openai/gpt-5.4" }],
];

/** With the owner's cookie, and from a new address, so that no case uses up another's tries. */
function ask(method: string, path: string, body: string | Uint8Array | Readable, headers: Headers = JSON_TYPE) {
  const caller = stack.client();
  for (const [name, value] of session.cookies) caller.cookies.set(name, value);
  return caller.request(method, path, { body, headers });
}

const secrets = async (): Promise<unknown> => (await session.get(`${agent}/secrets`)).json();
const before = await secrets();

test("a body that is no JSON object is malformed", async () => {
  const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
  const bodies: [string, string | Uint8Array][] = [
    ["nothing", ""],
    ["a word", "hello"],
    ["cut off", '{"asset":"'],
    ["a trailing comma", `{"asset":"${alice}",}`],
    ["more behind the object", `{"asset":"${alice}"} {}`],
    ["a comment", `{/**/"asset":"${alice}"}`],
    ["single quotes", "{'asset':'x'}"],
    ["an array", `[{"asset":"${alice}","wallet":"${wallets.owner}"}]`],
    ["an empty array", "[]"],
    ["null", "null"],
    ["a string", '"x"'],
    ["a number", "1e999"],
    ["bytes that are no UTF-8", Buffer.from([...Buffer.from('{"asset":"'), 0xff, 0xfe, ...Buffer.from('"}')])],
    ["a lone surrogate", '{"asset":"\\ud800"}'],
    ["UTF-16", Buffer.from(`{"asset":"${alice}"}`, "utf16le")],
    ["a byte order mark", `\ufeff{"asset":"${alice}"}`],
    ["a raw line break in a string", '{"asset":"a\nb"}'],
    ["nested 200 deep", nested(200)],
    ["nested 10,000 deep", nested(10_000)],
    ["arrays nested 30,000 deep", `{"asset":${"[".repeat(30_000)}${"]".repeat(30_000)}}`],
  ];
  for (const [method, path] of ROUTES) {
    for (const [name, body] of bodies) {
      const answer = await ask(method, path, body);
      assert.equal(answer.status, 400, `${path}, ${name}: ${answer.status} ${answer.text}`);
      assertProblem(answer, 400, "malformed_body");
    }
  }
});

test("a key given twice is malformed: two readers could see two bodies", async () => {
  for (const [method, path, good] of ROUTES) {
    const [name = "", value] = Object.entries(good)[0] ?? [];
    const body = JSON.stringify(good).replace("{", `{${JSON.stringify(name)}:${JSON.stringify(value)},`);
    assertProblem(await ask(method, path, body), 400, "malformed_body");
  }
});

test("a field that is missing, of a wrong type, or malformed is named", async () => {
  const strange: unknown[] = [null, 1, true, {}, [], ["x"], { toString: "x" }, ""];
  const addresses = [
    ...strange,
    "x",
    `1${alice}`,
    ` ${alice}`,
    `${alice}\n`,
    alice.replace(/^./, "0"),
    alice.replace(/^./, "O"),
    alice.replace(/^./, "l"),
    `${alice.slice(0, -1)}é`,
    bs58.encode(new Uint8Array(31).fill(9)),
    bs58.encode(new Uint8Array(33).fill(9)),
    "z".repeat(44),
    "1".repeat(60_000),
    "../../etc/passwd",
    "'; DROP TABLE sessions; --",
  ];
  const wrong: Record<string, unknown[]> = {
    asset: addresses,
    wallet: addresses,
    nonce: [...strange, NONCE.slice(1), `${NONCE}0`, "g".repeat(32), "A".repeat(32), "0".repeat(60_000)],
    signature: [
      ...strange,
      SIGNATURE.slice(1),
      `${SIGNATURE}1`,
      "0".repeat(88),
      bs58.encode(new Uint8Array(63)),
      "1".repeat(60_000),
    ],
    // What is a text, but no good one: see keys.test.ts.
    value: strange.filter((value) => typeof value !== "string"),
    model: strange.filter((value) => typeof value !== "string" && value !== null),
  };
  for (const [method, path, good] of ROUTES) {
    for (const field of Object.keys(good)) {
      const { [field]: _, ...without } = good;
      assertProblem(await ask(method, path, JSON.stringify(without)), 400, "invalid_field", field);
      for (const value of wrong[field] ?? []) {
        const answer = await ask(method, path, JSON.stringify({ ...good, [field]: value }));
        assert.equal(answer.status, 400, `${field} ${JSON.stringify(value).slice(0, 80)}: ${answer.status}`);
        assertProblem(answer, 400, "invalid_field", field);
        if (typeof value === "string" && value.length > 12) assert.ok(!answer.text.includes(value), "echoed");
      }
    }
  }
});

test("an optional field may be absent, but not wrong", async () => {
  const good = { nonce: NONCE, signature: SIGNATURE };
  for (const signedMessage of [1, {}, [], "%%%", "YQ", "YQ==\n", "A".repeat(8193), "A".repeat(60_000)]) {
    const answer = await ask("POST", "/v1/auth/verify", JSON.stringify({ ...good, signedMessage }));
    assertProblem(answer, 400, "invalid_field", "signedMessage");
  }
  assertProblem(await ask("POST", "/v1/auth/verify", JSON.stringify(good)), 401, "challenge_invalid");
});

test("a proof is a signature or a transaction: with both or neither, a field is named", async () => {
  const ask401 = async (body: Record<string, unknown>) =>
    assertProblem(await ask("POST", "/v1/auth/verify", JSON.stringify(body)), 401, "challenge_invalid");
  const refused = async (field: string, body: Record<string, unknown>) => {
    const answer = await ask("POST", "/v1/auth/verify", JSON.stringify({ nonce: NONCE, ...body }));
    assert.equal(answer.status, 400, `${JSON.stringify(body).slice(0, 80)}: ${answer.status}`);
    assertProblem(answer, 400, "invalid_field", field);
    assert.match(answer.json().detail, field === "transaction" ? /base64/ : /`transaction`/);
  };
  const transaction = Buffer.alloc(1232, 7).toString("base64");
  await refused("signature", {});
  await refused("signature", { transaction: null });
  await refused("signature", { signedMessage: "YQ==" });
  await refused("signature", { transaction, signature: SIGNATURE });
  await refused("signature", { transaction, signature: 1 });
  await refused("signedMessage", { transaction, signedMessage: "YQ==" });
  for (const wrong of [
    1,
    true,
    {},
    [],
    [transaction],
    "%%%",
    "YQ",
    "YQ==\n",
    "_-__",
    `${transaction}AAAA`,
    "A".repeat(60_000),
  ]) {
    await refused("transaction", { transaction: wrong });
    await refused("transaction", { transaction: wrong, signature: SIGNATURE });
  }
  await ask401({ nonce: NONCE, transaction });
  await ask401({ nonce: NONCE, transaction, signature: null, signedMessage: null });
  await ask401({ nonce: NONCE, transaction: null, signature: SIGNATURE });
});

test("a malformed name in the path is named", async () => {
  const cases: [string, string, string][] = [
    ["GET", "/v1/agents/nobody", "asset"],
    ["GET", "/v1/agents/", "asset"],
    ["GET", `/v1/agents/1${alice}`, "asset"],
    ["GET", `/v1/agents/${alice}%00`, "asset"],
    ["GET", `/v1/agents/${encodeURIComponent("../..")}`, "asset"],
    ["POST", `/v1/agents/${"1".repeat(4000)}/start`, "asset"],
    ["POST", `${agent}/snapshots/latest/restore`, "id"],
    ["POST", `${agent}/snapshots/${"A".repeat(32)}/restore`, "id"],
    ["POST", `${agent}/snapshots/${encodeURIComponent("../../other")}/restore`, "id"],
  ];
  for (const [method, path, field] of cases) {
    const answer = await ask(method, path, "");
    assert.equal(answer.status, 400, `${path}: ${answer.status} ${answer.text}`);
    assertProblem(answer, 400, "invalid_field", field);
  }
});

test("a body over 64 KiB is refused, with and without a declared length", async () => {
  const large = JSON.stringify({ asset: alice, wallet: wallets.owner, more: "x".repeat(64 * 1024) });
  const huge = Buffer.alloc(5 * 1024 * 1024, "x");
  for (const [method, path] of ROUTES) {
    assertProblem(await ask(method, path, large), 413, "body_too_large");
    assertProblem(await ask(method, path, huge), 413, "body_too_large");
    assertProblem(await ask(method, path, Readable.from([Buffer.from(large)])), 413, "body_too_large");
    // Of one this large the rest is not waited for: the runtime may close the connection with the answer in it.
    await ask(method, path, Readable.from([huge])).then(
      (answer) =>
        // That of the local runtime's front, which may find the Worker's connection closed before it has passed all on.
        answer.text.includes("Network connection lost") || assertProblem(answer, 413, "body_too_large"),
      (error: NodeJS.ErrnoException) => assert.match(String(error.code), /^(ECONNRESET|EPIPE)$/),
    );
  }
  const fits = JSON.stringify({ asset: alice, wallet: wallets.owner, more: "x".repeat(60_000) });
  assert.equal((await ask("POST", "/v1/auth/challenge", fits)).status, 201);
});

test("a body of another media type is refused", async () => {
  const types = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
  ];
  for (const [method, path, good] of ROUTES) {
    for (const type of [...types, "application/json2, application/json", "json", ""]) {
      const answer = await ask(method, path, JSON.stringify(good), { "content-type": type });
      assertProblem(answer, 415, "unsupported_media_type");
    }
    assertProblem(await ask(method, path, JSON.stringify(good), {}), 415, "unsupported_media_type");
  }
  const good = JSON.stringify({ asset: alice, wallet: wallets.owner });
  const withCharset = await ask("POST", "/v1/auth/challenge", good, {
    "content-type": "Application/JSON; charset=utf-8",
  });
  assert.equal(withCharset.status, 201);
});

test("a route tells which methods it takes", async () => {
  const id = "0".repeat(32);
  const allowed: [string, string][] = [
    ["/v1/auth/challenge", "POST"],
    ["/v1/auth/verify", "POST"],
    ["/v1/auth/session", "GET"],
    ["/v1/auth/logout", "POST"],
    [agent, "GET"],
    [`${agent}/start`, "POST"],
    [`${agent}/stop`, "POST"],
    [`${agent}/restart`, "POST"],
    [`${agent}/events`, "GET"],
    [`${agent}/open`, "POST"],
    [`${agent}/snapshots`, "GET, POST"],
    [`${agent}/snapshots/${id}/restore`, "POST"],
    [`${agent}/secrets`, "GET"],
    [`${agent}/secrets/openai`, "PUT, DELETE"],
    [`${agent}/settings`, "GET, PUT"],
    ["/", "GET, HEAD"],
  ];
  for (const [path, methods] of allowed) {
    for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      if (methods.split(", ").includes(method)) continue;
      const answer = await ask(method, path, "");
      assert.equal(answer.status, 405, `${method} ${path}: ${answer.status}`);
      assertProblem(answer, 405, "method_not_allowed");
      assert.equal(answer.headers.allow, methods, `${method} ${path}`);
    }
  }
});

test("what does not exist is not found", async () => {
  const routes = [
    "/v1",
    "/v1/",
    "/v1/auth",
    "/v1/auth/",
    "/v1/auth/session/",
    "/v1/auth//session",
    "/v1/%61uth/session",
  ];
  const below = ["/", "/logs/x", "/start/now", "/snapshots/x/y", "/secrets/openai/x", "/settings/x"].map(
    (path) => agent + path,
  );
  const elsewhere = ["/hooks", "/hooks/nobody", "/nothing-here", "/.env", "/wrangler.toml", "/.call", "/.edge/enter"];
  for (const path of [...routes, ...below, ...elsewhere]) {
    const answer = await session.get(path);
    assert.equal(answer.status, 404, `${path}: ${answer.status} ${answer.text}`);
    assertProblem(answer, 404, "not_found");
  }
  const unknown = "0".repeat(32);
  assertProblem(await session.post(`${agent}/snapshots/${unknown}/restore`), 404, "not_found");
  for (const method of ["GET", "DELETE"]) {
    assertProblem(await session.request(method, `${agent}/snapshots/${unknown}`), 404, "not_found");
    assertProblem(await session.request(method, `${agent}/snapshots/x`), 400, "invalid_field", "id");
  }
});

test("a host that is not ours gets nothing, whatever it asks", async () => {
  const hosts = [
    "evil.example",
    "localhost",
    `evil.${stack.agentDomain}`,
    `localhost.evil.example:${port}`,
    "127.0.0.1",
  ];
  for (const host of [...hosts, `${"a".repeat(51)}b.${stack.agentDomain}`]) {
    for (const path of ["/", "/v1/auth/session", "/.edge/enter", "/main.js"]) {
      const answer = await send({ host, port, path, headers: session.headers() });
      assert.equal(answer.status, 404, `${host}${path}: ${answer.status}`);
      assertProblem(answer, 404, "not_found");
    }
  }
});

test("requests that are hardly HTTP hurt nobody", async () => {
  const lines = [
    "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    `GET /v1/auth/session HTTP/1.1\r\nHost: ${stack.agentDomain}\r\nContent-Length: -1\r\nConnection: close\r\n\r\n`,
    `POST /v1/auth/verify HTTP/1.1\r\nHost: ${stack.agentDomain}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `GET /v1/auth/session HTTP/1.1\r\nHost: ${stack.agentDomain}\r\nCookie: ${"a=b; ".repeat(1500)}\r\nConnection: close\r\n\r\n`,
    `GET /${"x".repeat(15_000)} HTTP/1.1\r\nHost: ${stack.agentDomain}\r\nConnection: close\r\n\r\n`,
    "\u0000\u0001\u0002\r\n\r\n",
  ];
  for (const line of lines) {
    const answer = await sendRaw(port, line);
    assert.match(answer, /^(HTTP\/1\.1 [45]\d\d |$)/, JSON.stringify(answer.slice(0, 200)));
    assert.equal((await session.get("/healthz")).status, 200);
  }
});

test("c06 pages of foreign origins get no answer, an agent's own page among them", async () => {
  const foreign = [
    "https://evil.example",
    "null",
    "http://app.example",
    `${SECOND_ORIGIN}.evil.example`,
    agentUrl.slice(0, -1),
  ];
  for (const origin of foreign) {
    for (const [method, path] of [
      ["GET", "/v1/auth/session"],
      ["POST", `${agent}/start`],
      ["OPTIONS", agent],
      ["GET", "/"],
    ] as const) {
      const answer = await ask(method, path, "", { origin, "access-control-request-method": "POST" });
      assertProblem(answer, 403, "origin_not_allowed");
      assertNoCors(answer);
    }
  }
  assert.equal((await session.get(agent)).json().state, "asleep");
});

function assertNoCors(answer: Answer): void {
  const cors = Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"));
  assert.deepEqual(cors, []);
}

test("pages of the allowed origins may call, with cookies, and may read refusals", async () => {
  for (const origin of [stack.appOrigin, SECOND_ORIGIN]) {
    const preflight = await stack.client().request("OPTIONS", `${agent}/secrets/openai`, {
      headers: { origin, "access-control-request-method": "PUT", "access-control-request-headers": "content-type" },
    });
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers["access-control-allow-methods"] ?? "", /\bPUT\b.*\bDELETE\b/);
    assert.equal(preflight.headers["access-control-allow-headers"], "content-type, repr-digest");
    const granted = await session.get(agent, { origin });
    assert.equal(granted.status, 200);
    const refused = await stack.client().get(agent, { origin });
    assertProblem(refused, 401, "unauthenticated");
    for (const answer of [preflight, granted, refused]) {
      assert.equal(answer.headers["access-control-allow-origin"], origin);
      assert.equal(answer.headers["access-control-allow-credentials"], "true");
      assert.match(answer.headers.vary ?? "", /\bOrigin\b/i);
    }
  }
  assertNoCors(await session.get(agent));
});

test("c03 a challenge is bound to the allowed origin whose page asked", async () => {
  const client = stack.client();
  const body = JSON.stringify({ asset: alice, wallet: wallets.owner });
  const answer = await client.request("POST", "/v1/auth/challenge", {
    body,
    headers: { ...JSON_TYPE, origin: SECOND_ORIGIN },
  });
  const { input } = answer.json();
  assert.deepEqual([input.domain, input.uri], ["app.example", SECOND_ORIGIN]);
});

test("headers that are ours to set change nothing when a client sends them", async () => {
  const bob = assets.find(({ name }) => name === "bob.molt")?.address ?? "";
  const caller = JSON.stringify({ asset: bob, session: NONCE, wallet: wallets.buyer });
  const forged = { "x-molt-caller": caller, "x-molt-owner": wallets.buyer, "x-forwarded-host": "evil.example" };
  assert.deepEqual((await session.get("/v1/auth/session", forged)).json().asset, alice);
  assertProblem(await new Client(stack.appOrigin).get(`/v1/agents/${bob}`, forged), 401, "unauthenticated");
});

test("after all that nothing was kept, sessions live, and the service takes logins", async () => {
  assert.deepEqual(await secrets(), before);
  assert.equal((await session.get("/v1/auth/session")).status, 200);
  assert.equal((await session.get(agent)).json().state, "asleep");
  await login(stack.client(), "owner", alice);
  assert.ok(!stack.logs.some((line) => /panick|unreachable|hung/i.test(line)));
});
