// What a hostile agent answers: each is refused or harmless, and neither its own service nor a neighbour is the worse for it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Arena, assertApart, assertRefused, outcome } from "../support/hostile.ts";
import { type Answer, sendRaw } from "../support/http.ts";
import { until } from "../support/wait.ts";

const arena = await Arena.open("responses");
const { visitor } = arena;
const MIB = 1024 * 1024;

type Then = "end" | "hold" | "reset";
type Seen = Answer | "cut";

/** The agent answers with exactly these bytes. */
const answers = (bytes: string | Buffer, then: Then = "end"): Promise<Seen> => {
  const body = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
  return outcome(visitor.request("POST", `/raw?then=${then}`, { body }));
};
const head = (status: string | number, ...lines: string[]): string =>
  `${[`HTTP/1.1 ${status} X`, ...lines].join("\r\n")}\r\n\r\n`;
const chunked = (...lines: string[]): string => head(200, "Transfer-Encoding: chunked") + lines.join("\r\n");
const whole = (body: string, ...lines: string[]): string =>
  head(200, ...lines, `Content-Length: ${body.length}`) + body;

function attack(title: string, work: () => Promise<void>): void {
  test(`attack agent responses: ${title}`, async () => {
    await work();
    await arena.unharmed();
  });
}

/** Either nothing of it came through, or it is seen to be broken. */
function assertNotWhole(seen: Seen): void {
  if (seen !== "cut") assertRefused(seen);
}

for (const status of [
  ...["0", "1", "20", "099", "199", "600", "601", "799", "999", "1000", "65536", "4294967496"],
  ...["-200", "+200", "2e2", "0x200", "20.0", "two hundred", "", "200200"],
]) {
  attack(`status "${status}" is no status`, async () => {
    assertRefused(await answers(head(status, "Content-Length: 0")));
  });
}

for (const status of [100, 101, 102, 103]) {
  attack(`status ${status}, and then nothing`, async () => {
    assertNotWhole(await answers(head(status)));
  });
}

attack("a hundred times 100 before the answer", async () => {
  const seen = await answers(head(100).repeat(100) + whole("late"));
  if (seen === "cut" || seen.status !== 200) assertNotWhole(seen);
  else assert.equal(seen.text, "late");
});

const BROKEN: [string, string, Then?][] = [
  ["nothing at all", ""],
  ["a reset in place of an answer", "", "reset"],
  ["half a status line", "HTTP/1.1 20"],
  ["half a head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Ha"],
  ["no HTTP", "SSH-2.0-OpenSSH_9.9\r\n\r\n"],
  ["another protocol's version", "HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["bytes of no text", "\u0000\u0001\u00ff\u00fe".repeat(100)],
  ["a header without a colon", `HTTP/1.1 200 OK\r\nX-Nothing\r\nContent-Length: 0\r\n\r\n`],
  ["a header without a name", `HTTP/1.1 200 OK\r\n: value\r\nContent-Length: 0\r\n\r\n`],
  ["a space in a header's name", `HTTP/1.1 200 OK\r\nX Two: a\r\nContent-Length: 0\r\n\r\n`],
  ["a null in a header", `HTTP/1.1 200 OK\r\nX-Null: a\u0000b\r\nContent-Length: 0\r\n\r\n`],
  ["129 headers", head(200, ...Array.from({ length: 129 }, (_, at) => `X-${at}: 1`), "Content-Length: 0")],
  ["a header of 65 KiB", head(200, `X-Long: ${"x".repeat(65 * 1024)}`, "Content-Length: 0")],
  ["headers of 300 KiB", head(200, ...Array(300).fill(`X-Long: ${"x".repeat(1024)}`), "Content-Length: 0")],
  ["a length that is negative", head(200, "Content-Length: -1")],
  ["a length that is no number", head(200, "Content-Length: ten")],
  ["a length in another notation", head(200, "Content-Length: 1e3")],
  ["two lengths", `${head(200, "Content-Length: 3", "Content-Length: 5")}abcde`],
  ["a length and less", `${head(200, "Content-Length: 10")}abc`],
  ["a length beyond all numbers", `${head(200, "Content-Length: 99999999999999999999999")}abc`],
  ["a length of gigabytes, and the end", `${head(200, "Content-Length: 9999999999")}abc`],
  ["a body that is reset", `${head(200, "Content-Length: 10")}abc`, "reset"],
  ["a chunk's size that is none", chunked("zz", "abc", "0", "", "")],
  ["a chunk's size below zero", chunked("-1", "abc", "0", "", "")],
  ["a chunk's size beyond all numbers", chunked("ffffffffffffffffffffffff", "abc", "0", "", "")],
  ["chunks without an end", chunked("3", "abc", "")],
  ["a chunk longer than it said", chunked("3", "abcdef", "0", "", "")],
];
for (const [title, bytes, then] of BROKEN) {
  attack(`${title} is not taken for a whole answer`, async () => assertNotWhole(await answers(bytes, then)));
}

const SPLIT: [string, string][] = [
  ["an obsolete fold", "X-Fold: a\r\n\tX-Injected: 1"],
  ["a bare line feed", "X-Bare: a\nX-Injected: 1"],
  ["a bare carriage return", "X-Bare: a\rX-Injected: 1"],
  ["an encoded line end", "X-Encoded: a%0d%0aX-Injected: 1"],
  ["a wide line end", "X-Wide: a\u0085X-Injected: 1"],
];
for (const [title, line] of SPLIT) {
  attack(`${title} makes no header of a value`, async () => {
    const seen = await answers(whole("ok", line));
    if (seen === "cut" || seen.status !== 200) return assertNotWhole(seen);
    // A line of its own is the agent's own header, and held to the same rules as any.
    const value = seen.headers["x-injected"];
    assert.ok(value === undefined || title === "a bare line feed", `X-Injected: ${value}`);
    assertApart(seen);
  });
}

const HARMLESS: [string, string, (seen: Answer) => void][] = [
  ["an unknown transfer coding", `${head(200, "Transfer-Encoding: molt")}abc`, ({ text }) => assert.equal(text, "abc")],
  ["more body than its length", `${head(200, "Content-Length: 3")}abcdef`, ({ text }) => assert.equal(text, "abc")],
  [
    "a second answer behind the first",
    whole("one") + whole("two", "Set-Cookie: second=1"),
    ({ text, setCookies }) => assert.deepEqual([text, setCookies], ["one", []]),
  ],
  ["204 with a body", `${head(204, "Content-Length: 5")}hello`, ({ text }) => assert.equal(text, "")],
  ["304 with a body", `${head(304)}hello`, ({ text }) => assert.equal(text, "")],
  [
    "trailers",
    chunked("3", "abc", "0", "Set-Cookie: trailer=1", "Strict-Transport-Security: max-age=1", "", ""),
    ({ text, setCookies, headers }) =>
      assert.deepEqual([text, setCookies, headers["strict-transport-security"]], ["abc", [], undefined]),
  ],
  ["an extension of a chunk", chunked('3;a="b"', "abc", "0", "", ""), ({ text }) => assert.equal(text, "abc")],
];
for (const [title, bytes, check] of HARMLESS) {
  attack(`${title} goes no further`, async () => {
    const seen = await answers(bytes);
    if (seen === "cut" || [502, 503].includes(seen.status)) assertNotWhole(seen);
    else check(seen);
    assert.equal((await visitor.get("/page")).text, "<h1>agent</h1>", "the next answer is its own");
  });
}

const BEYOND: [string, string][] = [
  ["Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"],
  ["Clear-Site-Data", '"*"'],
  ["Alt-Svc", 'h3="evil.example:443"; ma=86400; persist=1'],
  ["NEL", '{"report_to":"a","max_age":9,"include_subdomains":true}'],
  ["Report-To", '{"group":"a","max_age":9,"endpoints":[{"url":"https://evil.example"}]}'],
  ["Reporting-Endpoints", 'default="https://evil.example"'],
  ["Service-Worker-Allowed", "/"],
  ["Access-Control-Allow-Origin", "*"],
  ["Access-Control-Allow-Credentials", "true"],
  ["Access-Control-Allow-Private-Network", "true"],
  ["Timing-Allow-Origin", "*"],
  ["Public-Key-Pins", 'pin-sha256="AAAA"; max-age=9; includeSubDomains'],
  ["Expect-CT", "max-age=9, enforce"],
  ["CDN-Cache-Control", "public, max-age=9999"],
  ["Cloudflare-CDN-Cache-Control", "public, max-age=9999"],
  ["Surrogate-Control", "max-age=9999"],
  ["Cache-Tag", "all"],
  ["CF-Cache-Status", "HIT"],
  ["X-Molt-Owner", "someone"],
  ["Proxy-Authenticate", "Basic realm=molt"],
  ["Keep-Alive", "timeout=86400"],
];
for (const [name, value] of BEYOND) {
  attack(`the header ${name} stays behind`, async () => {
    const seen = await answers(whole("ok", `${name}: ${value}`));
    assert.ok(seen !== "cut");
    assert.deepEqual([seen.status, seen.text], [200, "ok"]);
    const got = seen.headers[name.toLowerCase()];
    // A server of the path may say its own of its own connection.
    assert.notEqual(got, value);
    if (name !== "Keep-Alive") assert.equal(got, undefined);
  });
}

const POLICIES: [string, string][] = [
  ["Content-Security-Policy", "frame-ancestors *"],
  ["Content-Security-Policy", "default-src 'self'; frame-ancestors https://evil.example"],
  ["Content-Security-Policy", "'unterminated"],
  ["Cross-Origin-Resource-Policy", "cross-origin"],
  ["Cross-Origin-Opener-Policy", "unsafe-none"],
  ["Origin-Agent-Cluster", "?0"],
  ["X-Content-Type-Options", "sniff"],
  ["Referrer-Policy", "unsafe-url"],
  ["X-Frame-Options", "ALLOW-FROM https://evil.example"],
];
for (const [name, value] of POLICIES) {
  attack(`${name}: ${value} opens nothing`, async () => {
    const seen = await answers(whole("ok", `${name}: ${value}`));
    assert.ok(seen !== "cut");
    assert.deepEqual([seen.status, seen.text], [200, "ok"]);
    assertApart(seen);
  });
}

attack("a header that it calls its hop's own is dropped, and none of ours", async () => {
  const lines = ["Connection: X-Hop, X-Content-Type-Options, Content-Security-Policy", "X-Hop: 1", "X-Stays: 1"];
  const seen = await answers(whole("ok", ...lines));
  assert.ok(seen !== "cut");
  assert.deepEqual([seen.status, seen.headers["x-stays"]], [200, "1"]);
  assertApart(seen);
});

for (const [title, bytes, coding] of [
  ["a gzip bomb", gzipSync(Buffer.alloc(64 * MIB)), "gzip"],
  ["bytes that are no gzip", Buffer.from("no gzip at all"), "gzip"],
  ["a coding that nobody knows", Buffer.from("molten"), "molt"],
] as const) {
  attack(`${title} passes as the bytes that it is`, async () => {
    const lines = [`Content-Encoding: ${coding}`, `Content-Length: ${bytes.length}`];
    const answer = Buffer.concat([Buffer.from(head(200, ...lines), "latin1"), bytes]);
    const seen = await outcome(
      visitor.request("POST", "/raw", { body: answer, headers: { "accept-encoding": "gzip, br" } }),
    );
    assert.ok(seen !== "cut");
    assert.deepEqual([seen.status, seen.headers["content-encoding"]], [200, coding]);
    assert.ok(seen.body.equals(bytes), `${seen.body.length} of ${bytes.length} bytes`);
  });
}

attack("a body without an end ends with who reads it", async () => {
  const stream = await visitor.open("GET", "/endless");
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > 4 * MIB) break;
  }
  await until("the agent to notice that nobody reads", () => arena.stack.agent.notes("left").length > 0);
});

attack("an answer that never comes holds up nobody else", async () => {
  const { agent } = arena.stack;
  const before = agent.notes("silence").length;
  const { host } = new URL(visitor.origin);
  const bytes = `GET /silence HTTP/1.1\r\nHost: ${host}\r\nCookie: ${arena.cookie}\r\n\r\n`;
  const waiting = sendRaw(visitor.port, bytes, { within: 60_000 }).catch(() => "");
  await until("the agent to be asked", () => agent.notes("silence").length > before);
  await arena.unharmed();
  void waiting;
});

attack("a refusal in our words signs nobody out", async () => {
  const document = JSON.stringify({ code: "unauthenticated", status: 401 });
  const seen = await answers(
    `${head(401, "Content-Type: application/problem+json", `Content-Length: ${document.length}`)}${document}`,
  );
  assert.ok(seen !== "cut");
  assert.deepEqual([seen.status, seen.setCookies], [401, []]);
});

attack("a redirect to inside is the browser's to follow, and nobody else's", async () => {
  for (const location of [
    "http://127.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "//",
  ]) {
    const seen = await answers(head(302, `Location: ${location}`, "Content-Length: 0"));
    assert.ok(seen !== "cut");
    assert.deepEqual([seen.status, seen.text], [302, ""]);
  }
});

attack("one answer broken off leaves those beside it whole", async () => {
  const stream = await visitor.open("GET", `/download/${4 * MIB}`);
  const broken = await answers(`${head(200, "Content-Length: 10")}abc`, "reset");
  assertNotWhole(broken);
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(stream, "end");
  assert.equal(bytes, 4 * MIB);
});
