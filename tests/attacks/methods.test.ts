// Methods that are not the route's, and ways to say another method than the one that is sent (C06). All of them come with
// the victim's cookie, as a link, an image or a form of a foreign page would bring it.
import assert from "node:assert/strict";
import { type Attack, Battle, type Gets, status, UNTAKEN } from "./support.ts";

const battle = await Battle.on("methods", "c06");
const { victim, stack } = battle;
const [{ id: session }] = (await victim.client.get("/v1/auth/sessions")).json().sessions;
const [snapshot] = await victim.snapshots();
const archive = `${victim.path}/snapshots/${snapshot?.id}`;
const WRONG: Gets = [405, "method_not_allowed"];
const attack = (name: string, sent: Omit<Attack, "name" | "gets">, gets: Gets = WRONG): Attack => ({
  name,
  as: victim,
  gets,
  ...sent,
});

// What changes something, asked for as a link or an image would ask.
const CHANGES: [string, string][] = [
  ["logging out", "/v1/auth/logout"],
  ["ending a session", `/v1/auth/sessions/${session}`],
  ["a challenge", "/v1/auth/challenge"],
  ["a login", "/v1/auth/verify"],
  ["a start", `${victim.path}/start`],
  ["a stop", `${victim.path}/stop`],
  ["a restart", `${victim.path}/restart`],
  ["a ticket", `${victim.path}/open`],
  ["a restore", `${archive}/restore`],
  ["an import", `${victim.path}/secrets/import`],
  ["a secret", `${victim.path}/secrets/openai`],
  ["a notice", "/hooks/solana"],
];
battle.all(
  CHANGES.flatMap(([what, path]) => [
    attack(`${what} by GET`, { path }),
    attack(`${what} by HEAD`, { path, method: "HEAD" }, status(405)),
  ]),
);

// A header, a query or a field that says another method.
const SAYS = ["x-http-method-override", "x-http-method", "x-method-override", "x-original-method", "_method"];
battle.all([
  ...SAYS.map((name) =>
    attack(`a start by GET with ${name}`, { path: `${victim.path}/start`, headers: { [name]: "POST" } }),
  ),
  ...SAYS.map((name) =>
    attack(`deleting all sessions by POST with ${name}`, {
      method: "POST",
      path: "/v1/auth/sessions",
      headers: { [name]: "DELETE" },
    }),
  ),
  attack("deleting a snapshot by POST with a header", {
    method: "POST",
    path: archive,
    headers: { "x-http-method-override": "DELETE" },
  }),
  attack("deleting a secret by POST with a header", {
    method: "POST",
    path: `${victim.path}/secrets/openai`,
    headers: { "x-http-method-override": "DELETE" },
  }),
  attack("setting a secret by POST with a header", {
    method: "POST",
    path: `${victim.path}/secrets/openai`,
    headers: { "x-http-method-override": "PUT" },
    json: { value: "sk-of-the-attacker-0123456789abcdef" },
  }),
  attack("a start by GET with _method in the query", { path: `${victim.path}/start?_method=POST` }),
  attack("a start by GET with method in the query", { path: `${victim.path}/start?method=POST&_method=post` }),
  attack("deleting by a form's field", {
    method: "POST",
    path: `${victim.path}/secrets/openai`,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "_method=DELETE",
  }),
  attack("deleting by a field of JSON", {
    method: "POST",
    path: `${victim.path}/secrets/openai`,
    json: { _method: "DELETE" },
  }),
  attack(
    "reading a status by a header is still reading",
    {
      path: victim.path,
      headers: { "x-http-method-override": "DELETE" },
    },
    status(200),
  ),
]);

// Methods that no route takes.
const ODD = ["PATCH", "TRACE", "PROPFIND", "PURGE", "LINK", "SEARCH", "MKCOL", "LOCK", "COPY", "QUERY"];
battle.all([
  ...ODD.map((method) => attack(`${method} of the status`, { method, path: victim.path }, refused)),
  ...["PATCH", "DELETE", "PUT"].map((method) => attack(`${method} of the console`, { method, path: "/" })),
  attack("PATCH of a secret", { method: "PATCH", path: `${victim.path}/secrets/openai`, json: { value: "x" } }),
  attack("DELETE of the agent", { method: "DELETE", path: victim.path }),
  attack("PUT of the agent", { method: "PUT", path: victim.path, json: {} }),
  attack(
    "OPTIONS of an allowed page",
    { method: "OPTIONS", path: `${victim.path}/start`, headers: { origin: stack.appOrigin } },
    (answer) => assert.deepEqual([answer.status, answer.text], [204, ""]),
  ),
  attack("OPTIONS of no page", { method: "OPTIONS", path: `${victim.path}/start` }),
]);

// Spellings that no library sends.
const line = (first: string): string =>
  [first, `Host: ${victim.client.host}`, `Origin: ${stack.appOrigin}`, `Cookie: ${battle.cookie(victim)}`]
    .concat("Content-Length: 0", "Connection: close", "", "")
    .join("\r\n");
battle.raw(
  (
    [
      ["POST in lower case", "post"],
      ["POST with a capital", "Post"],
      ["POST and more", "POSTX"],
      ["POST behind a blank", " POST"],
      ["POST behind a tab", "\tPOST"],
      ["POST and NUL", "POST\0"],
      ["POST with a joiner", "PO\u00adST"],
      ["two methods", "GET POST"],
      ["a list of methods", "GET,POST"],
      ["no method", ""],
      ["TRACE", "TRACE"],
      ["TRACK", "TRACK"],
      ["DEBUG", "DEBUG"],
      ["a method of 4000 letters", "P".repeat(4000)],
    ] as const
  ).map(([name, method]) => ({
    name,
    bytes: line(`${method} ${victim.path}/start HTTP/1.1`),
    gets: UNTAKEN,
  })),
);
battle.raw([
  {
    name: "CONNECT to our host",
    bytes: line(`CONNECT ${victim.client.host} HTTP/1.1`),
    gets: UNTAKEN,
  },
  {
    name: "CONNECT to another host",
    bytes: line("CONNECT evil.example:443 HTTP/1.1"),
    gets: UNTAKEN,
  },
]);

battle.raw([
  {
    name: "a method that ends its line is another request, whose header is the rest",
    bytes: line(`GET / HTTP/1.1\r\nX: POST ${victim.path}/start HTTP/1.1`),
    gets: /^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Content-Type: text\/html/,
  },
]);

/** Refused by us, or by the runtime that knows no such method. */
function refused(answer: { status: number; text: string }): void {
  assert.ok([400, 403, 405, 501].includes(answer.status), `${answer.status} ${answer.text}`);
}

battle.afterwards();
