// Requests to an agent's host: what a client may not say to the agent, shapes that two readers read differently, paths that
// look like ours, and heads without measure.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Arena, assertApart, statuses } from "../support/hostile.ts";
import { assertProblem } from "../support/problem.ts";

const arena = await Arena.open("requests");
const { visitor, neighbour, stack } = arena;
const { host } = new URL(visitor.origin);

function attack(title: string, work: () => Promise<void>): void {
  test(`attack agent requests: ${title}`, async () => {
    await work();
    await arena.unharmed();
  });
}

type Pairs = [string, string][];
const values = (headers: Pairs, name: string): string[] =>
  headers.flatMap(([key, value]) => (key === name ? value : []));

const SAID_BY_US: [string, string, string[]?][] = [
  ["x-molt-owner", "someone", [arena.wallet]],
  ["X-MOLT-OWNER", "someone", [arena.wallet]],
  ["x-molt-edge", "9", ["1"]],
  ["x-molt-caller", '{"wallet":"x"}'],
  ["x-molt-upload", "{}"],
  ["x-molt-future", "1"],
  ["x-forwarded-for", "127.0.0.1", [visitor.address]],
  ["x-forwarded-host", "evil.example", [host]],
  ["x-forwarded-proto", "gopher", ["http"]],
  ["x-forwarded-user", "root"],
  ["x-forwarded-email", "root@evil.example"],
  ["x-forwarded-prefix", "/.edge"],
  ["x-real-ip", "::1"],
  ["x-openclaw-scopes", "operator.admin"],
  ["forwarded", 'for=127.0.0.1;host="evil.example";proto=https'],
  ["via", "1.1 evil"],
  ["true-client-ip", "127.0.0.1"],
  ["cf-ray", "1"],
  ["cf-ipcountry", "XX"],
  ["cf-worker", "evil.example"],
  ["cdn-loop", "cloudflare"],
  ["authorization", "Bearer x"],
  ["proxy-authorization", "Basic x"],
  ["proxy-connection", "keep-alive"],
  ["keep-alive", "timeout=9"],
  ["te", "trailers"],
];
for (const [name, value, expected = []] of SAID_BY_US) {
  attack(`${name} is not the client's to say`, async () => {
    const answer = await visitor.get("/echo", { [name]: value });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(values(answer.json().headers, name.toLowerCase()), expected);
  });
}

for (const name of ["x-molt-owner", "X-Molt-Owner ", "x_molt_owner", "x-molt-owner\u00a0"]) {
  attack(`the owner is named once, whatever else is sent as "${name}"`, async () => {
    const answer = await arena.raw(
      `GET /echo HTTP/1.1\r\nHost: ${host}\r\nCookie: ${arena.cookie}\r\n${name}: someone\r\n${name}: someone\r\nConnection: close\r\n\r\n`,
    );
    const [status] = statuses(answer);
    if (status !== 200) return assert.equal(status, 400, answer);
    assert.match(answer, new RegExp(`\\["x-molt-owner","${arena.wallet}"\\]`));
    assert.equal(answer.match(/"x-molt-owner"/g)?.length, 1);
  });
}

for (const listed of ["X-Molt-Owner", "X-Forwarded-For, X-Forwarded-Host", "Cookie", "Host", "close, X-Molt-Edge"]) {
  attack(`"Connection: ${listed}" takes nothing of ours away`, async () => {
    const answer = await arena.raw(
      `GET /echo HTTP/1.1\r\nHost: ${host}\r\nCookie: ${arena.cookie}\r\nConnection: ${listed}\r\nConnection: close\r\n\r\n`,
    );
    assert.equal(statuses(answer)[0], 200, answer);
    for (const [name, value] of [
      ["x-molt-owner", arena.wallet],
      ["x-molt-edge", "1"],
      ["x-forwarded-host", host],
    ]) {
      assert.ok(answer.includes(`["${name}","${value}"]`), `${name}: ${answer}`);
    }
  });
}

const line = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${arena.cookie}\r\n`;
const post = (...headers: string[]): string =>
  [
    `POST /echo HTTP/1.1`,
    `Host: ${host}`,
    `Origin: ${visitor.origin}`,
    `Cookie: ${arena.cookie}`,
    ...headers,
    "",
    "",
  ].join("\r\n");
const HIDDEN = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
const SMUGGLED: [string, string][] = [
  [
    "a length and chunks",
    `${post("Content-Length: 4", "Transfer-Encoding: chunked", "Connection: close")}0\r\n\r\n${HIDDEN}`,
  ],
  [
    "chunks and a length",
    `${post("Transfer-Encoding: chunked", `Content-Length: ${HIDDEN.length + 5}`, "Connection: close")}0\r\n\r\n${HIDDEN}`,
  ],
  ["two lengths", `${post("Content-Length: 0", `Content-Length: ${HIDDEN.length}`, "Connection: close")}${HIDDEN}`],
  ["two lengths in one", `${post(`Content-Length: 0, ${HIDDEN.length}`, "Connection: close")}${HIDDEN}`],
  ["a length with a sign", `${post("Content-Length: +0", "Connection: close")}${HIDDEN}`],
  ["a length in another notation", `${post("Content-Length: 0x0", "Connection: close")}${HIDDEN}`],
  ["a space before the colon", `${post(`Content-Length : ${HIDDEN.length}`, "Connection: close")}${HIDDEN}`],
  [
    "a coding with a space before the colon",
    `${post("Transfer-Encoding : chunked", "Connection: close")}0\r\n\r\n${HIDDEN}`,
  ],
  ["an unknown coding", `${post("Transfer-Encoding: xchunked", "Connection: close")}0\r\n\r\n${HIDDEN}`],
  ["two codings", `${post("Transfer-Encoding: chunked, identity", "Connection: close")}0\r\n\r\n${HIDDEN}`],
  ["a coding behind a tab", `${post("Transfer-Encoding:\u000bchunked", "Connection: close")}0\r\n\r\n${HIDDEN}`],
  ["a chunk's size that is none", `${post("Transfer-Encoding: chunked", "Connection: close")}z\r\n\r\n${HIDDEN}`],
  ["a bare line feed in a chunk", `${post("Transfer-Encoding: chunked", "Connection: close")}0\n\n${HIDDEN}`],
  ["a request within a header", `${line("/echo")}X: 1\n\nGET /hidden HTTP/1.1\r\nConnection: close\r\n\r\n`],
  ["a body with a GET", `${line("/echo")}Content-Length: ${HIDDEN.length}\r\nConnection: close\r\n\r\n${HIDDEN}`],
];
for (const [title, bytes] of SMUGGLED) {
  attack(`${title}: no second request reaches the agent`, async () => {
    const answer = await arena.raw(bytes);
    assert.ok(!(await arena.seen()).some((one) => one.includes("/hidden")), answer);
  });
}

for (const end of ["%0d%0aX-Injected:%201", "%0aX-Injected:1", "%00", "\u0000", "\rX-Injected: 1"]) {
  attack(`a path with ${JSON.stringify(end)} makes no header`, async () => {
    const answer = await arena.raw(`${line(`/echo/${end}`)}Connection: close\r\n\r\n`);
    const [status] = statuses(answer);
    assert.ok(status === 200 || status === 400, answer);
    assert.doesNotMatch(answer, /\["x-injected"/);
  });
}

for (const path of [
  "/.edge",
  "/.edge/",
  "/.edge/x",
  "/.edge/enter/",
  "/.edge//enter",
  "/.edge;a=b/enter",
  "//.edge/enter",
  "///.edge/enter.js",
  "/.Edge/enter",
  "/.EDGE/STATUS",
  "/%2eedge/enter",
  "/%2Eedge/enter",
  "/.%65dge/enter",
  "/.edge%2fenter",
  "/.edge%5center",
  "/.edge%00/enter",
  "/.edge%20/enter",
  "/.edge%3fx",
  "/%2e/.edge/x",
  "/x/../.edge/x",
  "/x/%2e%2e/.edge/x",
  "/.edge/%2e%2e/.edge/x",
]) {
  attack(`${path} is nobody's`, async () => {
    const before = (await arena.seen()).length;
    const answer = await visitor.get(path);
    assertProblem(answer, 404, "not_found");
    assertApart(answer);
    assert.equal((await arena.seen()).length, before);
  });
}

attack("what the agent serves under our paths is never seen", async () => {
  for (const path of [".edge/enter", ".edge/enter.js", ".edge/status"]) {
    assert.equal((await visitor.request("PUT", `/files/${path}`, { body: "the agent's" })).status, 200);
    assert.doesNotMatch((await visitor.get(`/${path}`)).text, /the agent's/);
  }
});

for (const path of [
  "/echo/%2e%2e%2fetc/passwd",
  "/echo//double//slash/",
  "/echo/a;b=c",
  "/echo/%ff%fe",
  "/echo/%C0%AE%C0%AE/",
  "/echo/%25252e",
  "/echo?url=http://169.254.169.254/&x=%00",
  "/echo?..%2f..%2f",
  "/edge/enter",
  "/x/.edge/enter",
]) {
  attack(`${path} is the agent's own to read`, async () => {
    await visitor.get(path);
    assert.ok((await arena.seen()).includes(`GET ${path}`));
  });
}

for (const at of ["evil.example", `${host}.evil.example`, `x.${host}`, "", `${host}:1`]) {
  attack(`nothing of the agent is on the host "${at}"`, async () => {
    const before = await arena.seen();
    const answer = await arena.raw(
      `GET /echo/elsewhere HTTP/1.1\r\nHost: ${at}\r\nCookie: ${arena.cookie}\r\nConnection: close\r\n\r\n`,
    );
    assert.ok((statuses(answer)[0] ?? 400) >= 400, answer);
    assert.equal((await arena.seen()).length, before.length);
  });
}

attack("X-Forwarded-Host leads to no other tenant", async () => {
  const answer = await visitor.get("/echo", { "x-forwarded-host": new URL(neighbour.origin).host, "x-host": host });
  assert.deepEqual(values(answer.json().headers, "x-forwarded-host"), [host]);
});

attack("a request's target with another host leads to no other tenant", async () => {
  const other = neighbour.origin;
  const answer = await arena.raw(
    `GET ${other}/echo HTTP/1.1\r\nHost: ${host}\r\nCookie: ${arena.cookie}\r\nConnection: close\r\n\r\n`,
  );
  const [status] = statuses(answer);
  if (status === 200) assert.ok(answer.includes(`["x-forwarded-host","${host}"]`), answer);
  else assert.ok(status !== undefined && status >= 400, answer);
});

const LONG = "x".repeat(9 * 1024);
const MANY = Object.fromEntries(Array.from({ length: 130 }, (_, at) => [`x-${at}`, "1"]));
const HEADS: [string, string, Record<string, string>, number, string][] = [
  ["a URL of 9 KiB", `?${LONG}`, {}, 414, "uri_too_long"],
  ["headers of 18 KiB", "", { "x-long": LONG, "x-longer": LONG }, 431, "headers_too_large"],
  ["130 headers", "", MANY, 431, "headers_too_large"],
];
for (const [title, query, headers, status, code] of HEADS) {
  attack(`${title} stop at the edge`, async () => {
    const before = (await arena.seen()).length;
    assertProblem(await visitor.get(`/echo${query}`, headers), status, code);
    assert.equal((await arena.seen()).length, before);
    // A visitor without a session gets no further.
    assertProblem(await stack.visitor(visitor.origin).get(`/.edge/enter${query}`, headers), status, code);
  });
}

for (const signs of [
  { "service-worker": "script", "sec-fetch-dest": "serviceworker", "sec-fetch-site": "same-origin" },
  { "service-worker": "script" },
  { "sec-fetch-dest": "serviceworker" },
]) {
  for (const path of ["/sw.js", "/apps/sw.js", "/.edge/enter.js"]) {
    attack(`no service worker at ${path} by ${Object.keys(signs)}`, async () => {
      assertProblem(await visitor.get(path, signs), 404, "not_found");
    });
  }
}

for (const method of ["TRACE", "CONNECT", "TRACK", "get", "PROPFIND"]) {
  attack(`the method ${method} shows no cookie and opens no tunnel`, async () => {
    const answer = await arena.raw(
      `${method} /echo HTTP/1.1\r\nHost: ${host}\r\nCookie: ${arena.cookie}\r\nConnection: close\r\n\r\n`,
    );
    assert.ok(statuses(answer).length <= 1, answer);
    assert.ok(!answer.includes(arena.cookie), answer);
  });
}
