// One-time entries to an agent's host: used again, raced, at another host, too late, for somebody else, and in other places
// than a body.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Owned } from "../support/agent.ts";
import type { Client } from "../support/client.ts";
import { Arena } from "../support/hostile.ts";
import type { Answer, Headers } from "../support/http.ts";
import { editObject, objectRows } from "../support/objects.ts";
import { assertProblem } from "../support/problem.ts";
import { AGENT_COOKIE, SESSION_COOKIE } from "../support/tokens.ts";

const arena = await Arena.open("tickets");
const { visitor, neighbour, owned, other, stack } = arena;

function attack(title: string, work: () => Promise<void>): void {
  test(`attack tickets: ${title}`, async () => {
    await work();
    await arena.unharmed();
  });
}

async function ticketOf(one: Owned): Promise<string> {
  const answer = await one.client.post(`${one.path}/open`);
  assert.equal(answer.status, 200, answer.text);
  return new URL(answer.json().url).hash.slice(1);
}

const stranger = (at: Client = visitor): Client => stack.visitor(at.origin);
const redeem = (client: Client, body: string, headers: Headers = {}, path = "/.edge/enter"): Promise<Answer> =>
  client.request("POST", path, { body, headers });

/** Refused, and nobody holds a cookie for it. */
async function assertShut(client: Client, answer: Answer, status = 401, code = "unauthenticated"): Promise<void> {
  assertProblem(answer, status, code);
  assert.deepEqual([answer.setCookies, client.cookies.has(AGENT_COOKIE)], [[], false]);
}

async function assertOpens(ticket: string, at: Client = visitor): Promise<void> {
  assert.equal((await redeem(stranger(at), ticket)).status, 204, "it is not spent");
}

attack("used again by the same browser", async () => {
  const ticket = await ticketOf(owned);
  const client = stranger();
  assert.equal((await redeem(client, ticket)).status, 204);
  assertProblem(await redeem(client, ticket), 401, "unauthenticated");
  assert.equal((await client.get("/echo")).status, 200);
});

attack("used again by a stranger", async () => {
  const ticket = await ticketOf(owned);
  await assertOpens(ticket);
  const client = stranger();
  await assertShut(client, await redeem(client, ticket));
});

attack("of twenty at once one gets in", async () => {
  const ticket = await ticketOf(owned);
  const tries = await Promise.all(Array.from({ length: 20 }, () => redeem(stranger(), ticket)));
  assert.deepEqual(tries.map(({ status }) => status).sort(), [204, ...Array(19).fill(401)]);
  assert.equal(tries.flatMap(({ setCookies }) => setCookies).length, 1);
});

attack("at another tenant's host", async () => {
  const ticket = await ticketOf(owned);
  const client = stranger(neighbour);
  await assertShut(client, await redeem(client, ticket));
  await assertOpens(ticket);
});

attack("another tenant's at this host, with this host's cookie", async () => {
  const ticket = await ticketOf(other);
  assertProblem(await redeem(visitor, ticket), 401, "unauthenticated");
  await assertOpens(ticket, neighbour);
});

attack("at the console's host", async () => {
  const ticket = await ticketOf(owned);
  const client = stack.client();
  const answer = await redeem(client, ticket);
  assert.deepEqual([answer.status >= 400, answer.setCookies], [true, []]);
  await assertOpens(ticket);
});

const SHAPES: [string, (ticket: string) => string][] = [
  ["cut short", (ticket) => ticket.slice(0, -1)],
  ["with one digit more", (ticket) => `${ticket}0`],
  ["in capitals", (ticket) => ticket.toUpperCase().replace(/^\d*$/, "A")],
  ["with its fragment's mark", (ticket) => `#${ticket}`],
  ["with a line end", (ticket) => `${ticket}\n`],
  ["with spaces", (ticket) => ` ${ticket} `],
  ["twice", (ticket) => ticket + ticket],
  ["in JSON", (ticket) => JSON.stringify({ ticket })],
  ["as a form", (ticket) => `ticket=${ticket}`],
  ["encoded", (ticket) => ticket.replace(/./g, (digit) => `%${digit.charCodeAt(0).toString(16)}`)],
  ["in wide digits", (ticket) => ticket.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)))],
  ["with a null", (ticket) => `${ticket}\u0000`],
  ["with a pattern of SQL", (ticket) => `${ticket.slice(0, 63)}%`],
  ["with a quote of SQL", (ticket) => `${ticket.slice(0, 50)}' OR '1'='1`],
  ["as its own hash would be", () => objectRows(stack, owned.asset, "SELECT hash FROM tickets")[0]?.hash ?? ""],
];
for (const [title, made] of SHAPES) {
  attack(title, async () => {
    const ticket = await ticketOf(owned);
    const text = made(ticket);
    assert.ok(text !== ticket && text !== "");
    const client = stranger();
    await assertShut(client, await redeem(client, text));
    await assertOpens(ticket);
  });
}

attack("a body without measure", async () => {
  const client = stranger();
  await assertShut(client, await redeem(client, "f".repeat(1024 * 1024)), 413, "body_too_large");
});

const PLACES: [string, (ticket: string) => [string, string, Headers, string]][] = [
  ["in the query", (ticket) => ["POST", `/.edge/enter?ticket=${ticket}`, {}, ""]],
  ["in the query of the page", (ticket) => ["GET", `/.edge/enter?${ticket}`, {}, ""]],
  ["in the path", (ticket) => ["POST", `/.edge/enter/${ticket}`, {}, ""]],
  ["in a cookie", (ticket) => ["POST", "/.edge/enter", { cookie: `ticket=${ticket}` }, ""]],
  ["as a bearer", (ticket) => ["POST", "/.edge/enter", { authorization: `Bearer ${ticket}` }, ""]],
  ["as the session", (ticket) => ["GET", "/echo", { cookie: `${AGENT_COOKIE}=${ticket}` }, ""]],
];
for (const [title, made] of PLACES) {
  attack(`${title} opens nothing`, async () => {
    const ticket = await ticketOf(owned);
    const [method, path, headers, body] = made(ticket);
    const client = stranger();
    const answer = await client.request(method, path, { headers, body });
    assert.deepEqual(answer.setCookies, []);
    assert.ok(method === "GET" && path.startsWith("/.edge") ? answer.status === 200 : answer.status >= 400);
    await assertOpens(ticket);
  });
}

for (const method of ["PUT", "PATCH", "DELETE", "OPTIONS"]) {
  attack(`traded by ${method}`, async () => {
    const ticket = await ticketOf(owned);
    const client = stranger();
    await assertShut(client, await client.request(method, "/.edge/enter", { body: ticket }), 405, "method_not_allowed");
    await assertOpens(ticket);
  });
}

for (const [title, headers] of [
  ["a sibling's page", { origin: neighbour.origin }],
  ["the console's page", { origin: stack.appOrigin }],
  ["a page without an origin", { origin: "null" }],
  ["a form of another site", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }],
  [
    "a form of a sibling",
    { "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
  ],
] as [string, Headers][]) {
  attack(`traded by ${title}, which would sign the visitor in as somebody else`, async () => {
    const ticket = await ticketOf(owned);
    const client = stranger();
    await assertShut(client, await redeem(client, ticket, headers), 403, "origin_not_allowed");
    await assertOpens(ticket);
  });
}

attack("asked for by whoever is not the owner", async () => {
  for (const client of [stack.client(), other.client]) {
    const answer = await client.post(`${owned.path}/open`);
    assert.ok([401, 403].includes(answer.status), answer.text);
    assert.equal(answer.text.includes("url"), false);
  }
  // Nor by the agent itself, with what its host's cookie says.
  const agent = stack.client();
  agent.cookies.set(SESSION_COOKIE, visitor.cookies.get(AGENT_COOKIE) ?? "");
  assertProblem(await agent.post(`${owned.path}/open`), 401, "unauthenticated");
});

attack("of a session that has ended meanwhile", async () => {
  const again = await Owned.of(stack, owned.asset);
  const ticket = await ticketOf(again);
  assert.equal((await again.client.post("/v1/auth/logout")).status, 204);
  const client = stranger();
  await assertShut(client, await redeem(client, ticket));
});

attack("later than it lives", async () => {
  const ticket = await ticketOf(owned);
  const lives = objectRows(stack, owned.asset, "SELECT expires_at FROM tickets ORDER BY expires_at DESC");
  assert.ok(lives[0]?.expires_at <= Date.now() + 30_000);
  await stack.replaceWorker(() => editObject(stack, owned.asset, `UPDATE tickets SET expires_at = ${Date.now() - 1}`));
  const client = stranger();
  await assertShut(client, await redeem(client, ticket));
});
