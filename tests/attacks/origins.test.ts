// Pages of other origins, with the victim's cookie as a browser would send it along, on every route that changes something
// or tells something (C06): none is carried out, and no page is allowed to read the answer.
import assert from "node:assert/strict";
import { usablePort } from "../../dev/stack.ts";
import type { Answer, Headers } from "../support/http.ts";
import { sendRaw } from "../support/http.ts";
import { type Attack, Battle, check, type Gets } from "./support.ts";

const OTHER_PAGE = "https://web.example";
const port = await usablePort(0);
const battle = await Battle.on("origins", "c06", {
  port,
  vars: { APP_ORIGINS: `http://localhost:${port},${OTHER_PAGE}` },
});
const { victim, stack } = battle;
const [{ id: session }] = (await victim.client.get("/v1/auth/sessions")).json().sessions;
const [snapshot] = await victim.snapshots();
const archive = `${victim.path}/snapshots/${snapshot?.id}`;
const agentOrigin = new URL((await victim.status()).agentUrl).origin;
const EVIL = "https://evil.example";
const REFUSED: Gets = [403, "origin_not_allowed"];
const start = { method: "POST", path: `${victim.path}/start` };

/** Refused, and no page may read even that. */
function unread(answer: Answer): void {
  check(answer, REFUSED);
  const cors = Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"));
  assert.deepEqual(cors, []);
}

const attack = (name: string, headers: Headers, sent: Pick<Attack, "method" | "path" | "json"> = start): Attack => ({
  name,
  as: victim,
  headers,
  gets: unread,
  ...sent,
});

// Every route that changes something.
const CHANGES: [string, string, string, unknown?][] = [
  ["a challenge", "POST", "/v1/auth/challenge", { asset: victim.asset, wallet: victim.asset }],
  ["a login", "POST", "/v1/auth/verify", { nonce: "0".repeat(32), signature: "1".repeat(64) }],
  ["logging out", "POST", "/v1/auth/logout"],
  ["ending a session", "DELETE", `/v1/auth/sessions/${session}`],
  ["ending all sessions", "DELETE", "/v1/auth/sessions"],
  ["a start", "POST", `${victim.path}/start`],
  ["a stop", "POST", `${victim.path}/stop`],
  ["a restart", "POST", `${victim.path}/restart`],
  ["a ticket", "POST", `${victim.path}/open`],
  ["a snapshot", "POST", `${victim.path}/snapshots`],
  ["a restore", "POST", `${archive}/restore`],
  ["deleting a snapshot", "DELETE", archive],
  ["a secret", "PUT", `${victim.path}/secrets/openai`, { value: "sk-of-the-attacker-0123456789abcdef" }],
  ["deleting a secret", "DELETE", `${victim.path}/secrets/openai`],
  ["an import of secrets", "POST", `${victim.path}/secrets/import`],
  ["shutting somebody out", "DELETE", `${victim.path}/channels/slack/people/U0FRIEND`],
  ["a choice", "PUT", `${victim.path}/settings`, { model: null }],
];
battle.all(
  CHANGES.flatMap(([what, method, path, json]) => {
    const sent = { method, path, json };
    return [
      attack(`${what} by a foreign page`, { origin: EVIL, "sec-fetch-site": "cross-site" }, sent),
      attack(`${what} by a page without an origin`, { origin: [], "sec-fetch-site": "cross-site" }, sent),
      attack(`${what} by the agent's own page`, { origin: agentOrigin, "sec-fetch-site": "same-site" }, sent),
    ];
  }),
);

// Every route that tells something, read by a page that hides where it is from.
const READS: [string, string][] = [
  ["the session", "/v1/auth/session"],
  ["the sessions", "/v1/auth/sessions"],
  ["the status", victim.path],
  ["the events", `${victim.path}/events`],
  ["the logs", `${victim.path}/logs`],
  ["the times awake", `${victim.path}/wakes`],
  ["the secrets", `${victim.path}/secrets`],
  ["the settings", `${victim.path}/settings`],
  ["the usage", `${victim.path}/usage`],
  ["the snapshots", `${victim.path}/snapshots`],
  ["an archive", archive],
];
battle.all(
  READS.flatMap(([what, path]) => [
    attack(`${what} read by a foreign page`, { origin: EVIL }, { path }),
    attack(`${what} shown in a foreign page`, { "sec-fetch-site": "cross-site" }, { path }),
    attack(`${what} shown in an agent's page`, { "sec-fetch-site": "same-site" }, { path }),
  ]),
);

// Origins that look like ours. The local runtime's front writes our own host's anew: what is another spelling alone is of
// the other page.
const host = `localhost:${port}`;
battle.all(
  [
    "null",
    "",
    "http://localhost",
    "http://localhost:80",
    `http://localhost:${port + 1}`,
    `http://localhost.:${port}`,
    `http://${host}.evil.example`,
    `http://localhost.evil.example:${port}`,
    `http://evil-localhost:${port}`,
    `http://evil.localhost:${port}`,
    `http://evil.example/http://${host}`,
    `http://evil.example?http://${host}`,
    `http://evil.example#http://${host}`,
    `http://${host}@evil.example`,
    `http://evil.example, http://${host}`,
    `http://${host}, http://evil.example`,
    `http://${host} http://evil.example`,
    `http://127.0.0.1:${port}`,
    `http://[::1]:${port}`,
    `http:${host}`,
    host,
    "*",
    "file://",
    "about:blank",
    "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "http://web.example",
    "HTTPS://web.example",
    "https://WEB.example",
    "https://web.example/",
    "https://web.example?",
    "https://web.example#",
    "https://web.example.",
    "https://web.example:443",
    "https://web.example:0443",
    "https://evil@web.example",
    "https:web.example",
    "https:/web.example",
    "https:\\\\web.example",
    "wss://web.example",
    "web.example",
    "https://webxexample",
    "https://web.example.evil.example",
    "https://evilweb.example",
    "https://sub.web.example",
    "https://web.example%00",
    "https://w\u00e9b.example",
    "https://web.example\thttps://evil.example",
  ].map((origin) => attack(`origin "${origin}"`, { origin })),
);

// What the fetch says of itself must fit to the origin. A page that may call may read that it was refused.
const unfit = (name: string, headers: Headers): Attack => ({ ...attack(name, headers), gets: REFUSED });
battle.all([
  unfit("our origin, opened by hand", { "sec-fetch-site": "none" }),
  unfit("our origin, and a site that there is not", { "sec-fetch-site": "same-orígin" }),
  unfit("our origin, and an empty site", { "sec-fetch-site": "" }),
  unfit("the other page's origin, said to be the same", { origin: OTHER_PAGE, "sec-fetch-site": "same-origin" }),
  attack("no origin, said to be the same", { origin: [], "sec-fetch-site": "same-origin" }),
  attack("no origin and no site", { origin: [] }),
  attack("no origin, a good referrer", { origin: [], referer: `${stack.appOrigin}/` }),
  attack("no origin, our host by a forward", {
    origin: [],
    "x-forwarded-host": host,
    "x-forwarded-origin": stack.appOrigin,
  }),
  attack("our origin under another name", {
    origin: [],
    "x-origin": stack.appOrigin,
    "sec-websocket-origin": stack.appOrigin,
  }),
  attack("a foreign page's form, as text", { origin: EVIL, "content-type": "text/plain" }),
]);

// Questions beforehand: a page that is not ours learns nothing.
const preflight = (name: string, origin: string, more: Headers = {}): Attack =>
  attack(
    `preflight ${name}`,
    { origin, "access-control-request-method": "POST", ...more },
    { ...start, method: "OPTIONS" },
  );
battle.all([
  preflight("of a foreign page", EVIL),
  preflight("of no page", "null"),
  preflight("of the agent's page", agentOrigin),
  preflight("of a part of ours", `${stack.appOrigin}.evil.example`),
  preflight("with our own header", EVIL, { "access-control-request-headers": "x-molt-caller" }),
  preflight("from the open net into ours", EVIL, { "access-control-request-private-network": "true" }),
]);

battle.attack("preflight of ours does not allow headers of ours", async () => {
  const answer = await battle.send({
    ...start,
    method: "OPTIONS",
    headers: {
      origin: stack.appOrigin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "x-molt-caller, authorization",
    },
  });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers["access-control-allow-headers"], "content-type, repr-digest");
  assert.equal(answer.headers["access-control-allow-origin"], stack.appOrigin);
});

const line = (...origins: string[]): string =>
  [`POST ${start.path} HTTP/1.1`, `Host: ${host}`, ...origins.map((origin) => `Origin: ${origin}`)]
    .concat(`Cookie: ${battle.cookie(victim)}`, "Content-Length: 0", "Connection: close", "", "")
    .join("\r\n");
battle.raw([
  { name: "two origins, ours first", bytes: line(stack.appOrigin, EVIL), gets: /^(HTTP\/1\.1 40[03] |$)/ },
  { name: "two origins, ours last", bytes: line(EVIL, stack.appOrigin), gets: /^(HTTP\/1\.1 40[03] |$)/ },
  { name: "our origin twice", bytes: line(stack.appOrigin, stack.appOrigin), gets: /^(HTTP\/1\.1 40[03] |$)/ },
  { name: "a NUL in the origin", bytes: line(`${stack.appOrigin}\0`), gets: /^(HTTP\/1\.1 40[03] |$)/ },
  { name: "a folded origin", bytes: line(`${EVIL}\r\n ${stack.appOrigin}`), gets: /^(HTTP\/1\.1 40[03] |$)/ },
]);
battle.attack("no origin at all, by a program with the cookie", async () => {
  assert.match(await sendRaw(port, line()), /^HTTP\/1\.1 403 /);
});

battle.afterwards();
