// Requests that two readers could end at different places. In each of them a second request is hidden, which would start
// the victim's agent with the victim's own cookie: whoever answers, it is never carried out.
import assert from "node:assert/strict";
import { sendRaw } from "../support/http.ts";
import { Battle } from "./support.ts";

const battle = await Battle.on("smuggling", "c06");
const { victim, stack } = battle;
const { host } = victim.client;

const hidden = battle.start([`Host: ${host}`]);
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const END = "0\r\n\r\n";

/** A request with these lines of a header and this body behind them. */
const request = (lines: readonly string[], body: string, first = "POST /v1/auth/logout HTTP/1.1"): string =>
  [first, `Host: ${host}`, `Origin: ${stack.appOrigin}`, ...lines, "", body].join("\r\n");

/** The connection is closed on it, or it is answered, once or not at all; a start would be answered with 202. */
function attack(name: string, bytes: string | Buffer): void {
  battle.attack(name, async () => {
    const all = await sendRaw(battle.port, bytes, { isAll: true });
    assert.doesNotMatch(all, /HTTP\/1\.1 202/);
    const statuses = [...all.matchAll(/HTTP\/1\.1 ([2-5]\d\d)/g)].map(([, status]) => Number(status));
    assert.ok(statuses.length <= 1, `answered ${statuses.length} times: ${statuses}`);
  });
}
const length = (text: string): string => `Content-Length: ${Buffer.byteLength(text)}`;

// Length and chunks.
attack(
  "a length for all, chunks that end before",
  request([length(END + hidden), "Transfer-Encoding: chunked"], END + hidden),
);
attack(
  "chunks first, then a length for all",
  request(["Transfer-Encoding: chunked", length(END + hidden)], END + hidden),
);
attack(
  "a length that ends before, chunks for all",
  request(["Content-Length: 4", "Transfer-Encoding: chunked"], chunk(hidden) + END),
);
attack(
  "a length of zero and chunks",
  request(["Content-Length: 0", "Transfer-Encoding: chunked"], chunk(hidden) + END),
);

// Encodings that are chunked for one and nothing for another.
for (const [name, lines] of [
  ["another name of chunks", ["Transfer-Encoding: xchunked"]],
  ["a comma behind", ["Transfer-Encoding: chunked,"]],
  ["in quotes", ['Transfer-Encoding: "chunked"']],
  ["a vertical tab", ["Transfer-Encoding:\x0bchunked"]],
  ["a blank before the colon", ["Transfer-Encoding : chunked"]],
  ["a tab before the colon", ["Transfer-Encoding\t: chunked"]],
  ["a NUL behind", ["Transfer-Encoding: chunked\0"]],
  ["a line that is folded", ["Transfer-Encoding:", " chunked"]],
  ["chunks, then nothing", ["Transfer-Encoding: chunked, identity"]],
  ["nothing, then chunks", ["Transfer-Encoding: identity, chunked"]],
  ["chunks in chunks", ["Transfer-Encoding: chunked, chunked"]],
  ["two headers", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]],
  ["two headers, the other way round", ["Transfer-Encoding: identity", "Transfer-Encoding: chunked"]],
  ["compressed chunks", ["Transfer-Encoding: gzip, chunked"]],
  ["a header before it without a colon", ["Foo", "Transfer-Encoding: chunked"]],
  ["a bare line feed before it", ["Foo: bar\nTransfer-Encoding: chunked"]],
  ["a bare carriage return before it", ["Foo: bar\rTransfer-Encoding: chunked"]],
  ["an underscore for the hyphen", ["Transfer_Encoding: chunked"]],
] as const) {
  attack(`encoding: ${name}`, request([length(END + hidden), ...lines], END + hidden));
}

// Lengths.
for (const [name, lines] of [
  ["two that differ", ["Content-Length: 0", length(hidden)]],
  ["two that differ, the other way round", [length(hidden), "Content-Length: 0"]],
  ["two in one", [`Content-Length: 0, ${Buffer.byteLength(hidden)}`]],
  ["with a plus", [`Content-Length: +${Buffer.byteLength(hidden)}`]],
  ["below zero", ["Content-Length: -1"]],
  ["hexadecimal", [`Content-Length: 0x${Buffer.byteLength(hidden).toString(16)}`]],
  ["with a fraction", [`Content-Length: ${Buffer.byteLength(hidden)}.0`]],
  ["with an exponent", ["Content-Length: 1e3"]],
  ["beyond 64 bits", ["Content-Length: 18446744073709551617"]],
  ["with a blank within", ["Content-Length: 1 0"]],
  ["with a letter", ["Content-Length: 10a"]],
  ["empty", ["Content-Length: "]],
  ["a blank before the colon", [`Content-Length : ${Buffer.byteLength(hidden)}`]],
] as const) {
  attack(`length: ${name}`, request(lines, hidden));
}

// Chunks.
const CHUNKED = ["Transfer-Encoding: chunked"];
for (const [name, body] of [
  ["a size below zero", `-1\r\n${hidden}`],
  ["a size beyond 64 bits", `10000000000000000\r\n${hidden}`],
  ["a size with a prefix", `0x0\r\n\r\n${hidden}`],
  ["a size with a blank", `0 \r\n\r\n${hidden}`.replace("0 ", " 0")],
  ["a size that is no number", `zz\r\n${hidden}`],
  ["a size that is nothing", `\r\n${hidden}`],
  ["a chunk that is longer than it says", `1\r\nxx\r\n${END}${hidden}`],
  ["a chunk that ends with a bare line feed", `1\nx\n0\n\n${hidden}`],
  ["a chunk without an end", chunk(hidden)],
  ["an extension that ends a line", `0;a=b\n\r\n\r\n${hidden}`],
] as const) {
  attack(`chunks: ${name}`, request([...CHUNKED, "Connection: close"], body));
}

// Lines.
const CLOSE = ["Content-Length: 0", "Connection: close"];
attack(
  "line: a header that ends the headers of another",
  request([...CLOSE, `X-A: b\r\n\r\n${hidden}`.replace("\r\n\r\n", "\n\n")], ""),
);
attack("line: the first folded", `POST /v1/auth/logout\r\n HTTP/1.1\r\nHost: ${host}\r\n\r\n${hidden}`);
attack("line: a header without a name", request([...CLOSE, ": x"], hidden));
attack("line: a header with a blank in its name", request([...CLOSE, "X A: b"], hidden));
attack("line: a body of GET", request([length(hidden), "Connection: close"], hidden, "GET /v1/auth/session HTTP/1.1"));
attack("line: a body of HEAD", request([length(hidden), "Connection: close"], hidden, "HEAD / HTTP/1.1"));
attack(
  "line: a body of OPTIONS",
  request([length(hidden), "Connection: close"], hidden, "OPTIONS /v1/auth/logout HTTP/1.1"),
);
attack(
  "line: a wish to continue that is not waited for",
  request([length(hidden), "Expect: 100-continue", "Connection: close"], hidden),
);
attack(
  "line: an upgrade to another protocol",
  request(
    [length(hidden), "Connection: Upgrade, HTTP2-Settings, close", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
    hidden,
  ),
);
attack(
  "line: an upgrade to a WebSocket",
  request(
    [
      length(hidden),
      "Connection: Upgrade, close",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ],
    hidden,
    "GET /v1/auth/session HTTP/1.1",
  ),
);
attack("line: version 0.9", `GET ${victim.path}/start\r\n${hidden}`);
attack("line: version 1.2", request([length(hidden), "Connection: close"], hidden, "POST /v1/auth/logout HTTP/1.2"));
attack("line: version 2's beginning", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}`);
attack("line: bytes of TLS", Buffer.concat([Buffer.from([0x16, 3, 1, 0, 200, 1, 0]), Buffer.from(hidden)]));
attack("line: a proxy's own line in front", `PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n${hidden}`);

battle.attack("line: the hidden request's own is refused without the cookie", async () => {
  const all = await sendRaw(battle.port, hidden.replace(/Cookie: .*\r\n/, ""));
  assert.match(all, /^HTTP\/1\.1 401 /);
});

battle.afterwards();
