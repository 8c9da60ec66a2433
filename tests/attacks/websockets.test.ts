// WebSockets of an agent's host: who may open one, what is no upgrade, and frames of an agent that keeps to no protocol.
import assert from "node:assert/strict";
import { test } from "node:test";
import type WebSocket from "ws";
import { Arena, statuses } from "../support/hostile.ts";
import type { Headers } from "../support/http.ts";
import { AGENT_COOKIE, SESSION_COOKIE } from "../support/tokens.ts";
import { inTime, until } from "../support/wait.ts";
import { mustOpen, openSocket } from "../support/websocket.ts";

const arena = await Arena.open("websockets");
const { visitor, neighbour, owned, stack } = arena;
const url = new URL(visitor.origin);
const { host } = url;

function attack(title: string, work: () => Promise<void>): void {
  test(`attack websockets: ${title}`, async () => {
    await work();
    await arena.unharmed();
  });
}

const upgrades = async (): Promise<number> => (await arena.seen()).filter((one) => one.startsWith("UPGRADE")).length;

/** Refused before the agent heard of it. */
async function assertNotOpened(headers: Headers, status: number, path = "/"): Promise<void> {
  const before = await upgrades();
  const opened = await openSocket(visitor, { path, headers });
  if (typeof opened === "object") opened.raw.terminate();
  assert.equal(typeof opened === "object" ? "it opened" : opened, status);
  assert.equal(await upgrades(), before);
}

// Wrangler, which stands before the Worker here, writes some anew (another scheme, a user): those are the core's own test.
for (const origin of [
  "null",
  neighbour.origin,
  stack.appOrigin,
  `http://${url.hostname}`,
  `http://${url.hostname}:${Number(url.port) + 1}`,
  `${visitor.origin}/`,
  `${visitor.origin}.evil.example`,
  `http://evil.example/${host}`,
  `http://x.${host}`,
  `http://${url.hostname}.:${url.port}`,
  `http://${host.toUpperCase()}`,
  `${visitor.origin}, ${visitor.origin}`,
  `${visitor.origin} http://evil.example`,
  "file://",
  "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]) {
  attack(`a page of ${JSON.stringify(origin)} opens none`, () => assertNotOpened({ origin }, 403));
}

for (const site of ["cross-site", "same-site", "none", "nonsense"]) {
  attack(`a page that its browser calls ${site} opens none`, () => assertNotOpened({ "sec-fetch-site": site }, 403));
}
attack("a navigation is no way to one", () =>
  assertNotOpened({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" }, 403),
);

const mine = visitor.cookies.get(AGENT_COOKIE);
const app = owned.client.cookies.get(SESSION_COOKIE);
for (const [title, cookie, status] of [
  ["no cookie", "", 401],
  ["the neighbour's cookie", `${AGENT_COOKIE}=${neighbour.cookies.get(AGENT_COOKIE)}`, 403],
  ["the console's cookie", `${SESSION_COOKIE}=${app}`, 401],
  ["the console's token under the agent's name", `${AGENT_COOKIE}=${app}`, 401],
  ["a cut token", `${AGENT_COOKIE}=${mine?.slice(0, -2)}`, 401],
  ["two cookies", `${AGENT_COOKIE}=${mine}; ${AGENT_COOKIE}=${mine}`, 401],
] as const) {
  attack(`${title} opens none`, () => assertNotOpened({ cookie }, status));
}

attack("a token in the subprotocol, the query or a header opens none", async () => {
  const before = await upgrades();
  const bare = stack.visitor(visitor.origin);
  assert.equal(await openSocket(bare, { protocols: ["bearer", String(mine)] }), 401);
  assert.equal(await openSocket(bare, { path: `/?token=${mine}` }), 401);
  assert.equal(await openSocket(bare, { headers: { authorization: `Bearer ${mine}` } }), 401);
  assert.equal(await upgrades(), before);
});

for (const path of ["/.edge/ws", "/.edge", "/.edge%2fws", "//.edge/ws"]) {
  attack(`there is none at ${path}`, () => assertNotOpened({}, 404, path));
}
attack("our own paths are no sockets", () => assertNotOpened({}, 200, "/.edge/status"));

const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const version = "Sec-WebSocket-Version: 13";
const SHAPES: [string, string, string[]][] = [
  ["by POST", "POST", ["Upgrade: websocket", "Connection: Upgrade", key, version]],
  [
    "to HTTP/2",
    "GET",
    ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
  ],
  ["to nothing known", "GET", ["Upgrade: molt", "Connection: Upgrade"]],
  ["of two kinds", "GET", ["Upgrade: h2c, websocket", "Connection: Upgrade", key, version]],
  ["without a key", "GET", ["Upgrade: websocket", "Connection: Upgrade", version]],
  ["of an old version", "GET", ["Upgrade: websocket", "Connection: Upgrade", key, "Sec-WebSocket-Version: 8"]],
  ["without the connection's word", "GET", ["Upgrade: websocket", key, version]],
  ["with a body", "GET", ["Upgrade: websocket", "Connection: Upgrade", key, version, "Content-Length: 3"]],
];
for (const [title, method, lines] of SHAPES) {
  attack(`an upgrade ${title} is no tunnel to the agent`, async () => {
    const head = [`${method} /echo HTTP/1.1`, `Host: ${host}`, `Origin: ${visitor.origin}`, `Cookie: ${arena.cookie}`];
    const hidden = `GET /hidden HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const bytes = [...head, ...lines, "", hidden].join("\r\n");
    const answer = await arena.rawHead(bytes);
    assert.ok(!(await arena.seen()).some((one) => one.includes("/hidden")), answer);
  });
}

/** A frame as a server sends it, and as none may. */
function frame(first: number, payload: Buffer | string, { length = payload.length, masked = false } = {}): Buffer {
  const size =
    length < 126
      ? [length]
      : [127, ...Array.from({ length: 8 }, (_, at) => Math.floor(length / 256 ** (7 - at)) % 256)];
  const [short = 0, ...long] = size;
  const mask = masked ? [0, 0, 0, 0] : [];
  return Buffer.concat([Buffer.from([first, short | (masked ? 0x80 : 0), ...long, ...mask]), Buffer.from(payload)]);
}
const closeCode = (code: number): Buffer => frame(0x88, Buffer.from([code >> 8, code & 0xff]));
const FRAMES: [string, Buffer][] = [
  ["a reserved opcode", frame(0x83, "x")],
  ["reserved bits", frame(0xf1, "x")],
  ["a masked frame", frame(0x81, "x", { masked: true })],
  ["a control frame that is too long", frame(0x89, Buffer.alloc(126))],
  ["a control frame in parts", frame(0x09, "x")],
  ["a continuation of nothing", frame(0x80, "x")],
  ["a second beginning", Buffer.concat([frame(0x01, "a"), frame(0x81, "b")])],
  ["a frame of terabytes", frame(0x82, "x", { length: 2 ** 42 })],
  ["a length with the first bit set", Buffer.from([0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])],
  ["close code 1005", closeCode(1005)],
  ["close code 1006", closeCode(1006)],
  ["close code 1015", closeCode(1015)],
  ["close code 999", closeCode(999)],
  ["close code 0", closeCode(0)],
  ["close code 65535", closeCode(65_535)],
  ["a close code of one byte", frame(0x88, Buffer.from([3]))],
  ["bytes of another protocol", Buffer.from("HTTP/1.1 200 OK\r\n\r\n")],
];
/** What is read all the same. */
const WAITING = new Set(["a masked frame"]);
for (const [title, bytes] of FRAMES) {
  attack(`${title} of an agent ends that socket alone`, async () => {
    const beside = await mustOpen(neighbour);
    await beside.next();
    const path = `/frames?${bytes.toString("base64url")}`;
    const opened = await mustOpen(visitor, { path });
    // One that waits for more is ended here.
    if (WAITING.has(title)) opened.raw.close(1000);
    const { code, reason } = await inTime("the end of a socket", opened.closed);
    // The agent's own library may have said what was wrong with it.
    assert.ok([1000, 1002].includes(code) || (code === 1011 && reason.endsWith(".")), `${code} ${reason}`);
    beside.raw.send("still there");
    assert.equal((await beside.next()).data.toString(), "still there");
    beside.raw.close();
  });
}

/** What is no code, or none that may be sent, becomes one of ours with what happened. */
const LOST = { code: 1011, reason: /^The agent ended the connection\./ };
const ENDS: [string, string, { code: number; reason: RegExp }][] = [
  ["without a code", "leave", { code: 1000, reason: /^$/ }],
  ["by breaking off", "drop", LOST],
];
for (const [title, word, expected] of ENDS) {
  attack(`an agent that ends a socket ${title} ends it in words`, async () => {
    const socket = await mustOpen(visitor);
    await socket.next();
    socket.raw.send(word);
    const { code, reason } = await inTime("close", socket.closed);
    assert.equal(code, expected.code);
    assert.match(reason, expected.reason);
  });
}

const closes = async (): Promise<string[]> => (await arena.seen()).filter((one) => one.startsWith("CLOSE"));
const LEFT: [string, (socket: WebSocket) => void, string][] = [
  ["with a code", (socket) => socket.close(4002, "bye"), "CLOSE 4002 bye"],
  ["without a code", (socket) => socket.close(), "CLOSE 1000 "],
  ["by breaking off", (socket) => socket.terminate(), "CLOSE 1001 The browser left."],
];
for (const [title, leave, expected] of LEFT) {
  attack(`a browser that ends a socket ${title} leaves none at the agent`, async () => {
    const before = (await closes()).length;
    const socket = await mustOpen(visitor);
    await socket.next();
    leave(socket.raw);
    const told = await until("the agent to be told", async () => (await closes())[before]);
    assert.equal(told, expected);
  });
}

const ACCEPTS: [string, string][] = [
  ["101 without an accept", "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"],
  [
    "101 with a wrong accept",
    "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
  ],
  ["101 to another protocol", "HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"],
  ["101 alone", "HTTP/1.1 101 X\r\n\r\n"],
  ["200 to an upgrade", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"],
  ["half a line", "HTTP/1.1 1"],
];
for (const [title, bytes] of ACCEPTS) {
  attack(`${title} of an agent is no socket`, async () => {
    const path = `/raw?${Buffer.from(bytes).toString("base64url")}`;
    const opened = await openSocket(visitor, { path }).catch(() => 0);
    assert.equal(typeof opened, "number", "it opened");
  });
}

for (const code of [1000, 1001, 1008, 1011, 3000, 4001, 4999]) {
  attack(`the close code ${code} passes as it is`, async () => {
    const socket = await mustOpen(visitor);
    await socket.next();
    socket.raw.send(`close ${code}`);
    assert.deepEqual(await inTime("close", socket.closed), { code, reason: "as asked" });
  });
}

attack("a subprotocol that nobody asked for, or a header in one, is none", async () => {
  for (const protocol of ["chat, other", "chat\r\nX-Injected: 1", "a b"]) {
    const lines = ["Upgrade: websocket", "Connection: Upgrade", key, version, `Sec-WebSocket-Protocol: ${protocol}`];
    const head = ["GET /refuse HTTP/1.1", `Host: ${host}`, `Cookie: ${arena.cookie}`];
    const answer = await arena.rawHead([...head, ...lines, "", ""].join("\r\n"));
    assert.doesNotMatch(answer, /^x-injected/im);
    assert.ok((statuses(answer)[0] ?? 400) >= 400, answer);
  }
});
