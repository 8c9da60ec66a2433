// Cookies between a browser and an agent: an agent sets none in the place of ours nor beyond its host, and what other hosts'
// pages may have set is never taken for a session (RFC 6265bis).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Arena, statuses } from "../support/hostile.ts";
import { AGENT_COOKIE, SESSION_COOKIE } from "../support/tokens.ts";

const arena = await Arena.open("cookies");
const { visitor, neighbour, owned, stack } = arena;
const { host } = new URL(visitor.origin);
const mine = visitor.cookies.get(AGENT_COOKIE) ?? "";
const theirs = neighbour.cookies.get(AGENT_COOKIE) ?? "";
const app = owned.client.cookies.get(SESSION_COOKIE) ?? "";

function attack(title: string, work: () => Promise<void>): void {
  test(`attack agent cookies: ${title}`, async () => {
    await work();
    await arena.unharmed();
  });
}

const shown = (text: string): string => JSON.stringify(text).slice(0, 80);

for (const cookie of [
  `${AGENT_COOKIE}=forged; Path=/; Secure`,
  `${AGENT_COOKIE}=; Path=/; Secure; Max-Age=0`,
  `${SESSION_COOKIE}=forged; Path=/; Secure`,
  "__Host-molt_models=forged; Path=/; Secure",
  "__HOST-MOLT_AGENT=forged; Path=/; Secure",
  ` ${AGENT_COOKIE}=forged; Path=/; Secure`,
  `\t${AGENT_COOKIE}\t=forged; Path=/; Secure`,
  `\u00a0${AGENT_COOKIE}=forged; Path=/`,
  `\u0085${AGENT_COOKIE}=forged; Path=/`,
  `\u00e2\u0080\u0080${AGENT_COOKIE}=forged; Path=/`,
  `\u0001${AGENT_COOKIE}=forged; Path=/`,
  `${AGENT_COOKIE}\u007f=forged; Path=/`,
  `=${AGENT_COOKIE}=forged; Path=/`,
  AGENT_COOKIE,
  `${AGENT_COOKIE};a=b`,
  "=nameless",
  "__Secure-molt_agent=forged; Secure",
  "__Host-Http-molt_agent=forged; Path=/; Secure; HttpOnly",
  "two words=1",
  'quoted"name=1',
  "comma,name=1",
  "control=a\u0007b",
  "wide=1; Domain=localhost",
  "wide=1;domain=.localhost",
  "wide=1; DOMAIN = localhost",
  "wide=1; Domain",
  "wide=1; Path=/; Domain=; Secure",
  `wide=1; Domain=${host.split(":")[0]}`,
]) {
  attack(`an agent can't set ${shown(cookie)}`, async () => {
    const answer = Buffer.from(
      `HTTP/1.1 200 OK\r\nSet-Cookie: ${cookie}\r\nSet-Cookie: own=1; Path=/\r\nContent-Length: 2\r\n\r\nok`,
      "latin1",
    );
    const seen = await visitor.request("POST", "/raw", { body: answer });
    visitor.cookies.delete("own");
    // The whole answer may be refused, too.
    if (seen.status === 200) assert.deepEqual(seen.setCookies, ["own=1; Path=/"]);
    else assert.deepEqual([[502, 503].includes(seen.status), seen.setCookies], [true, []]);
  });
}

attack("an agent can't join two cookies to one line that is ours", async () => {
  const line = `own=1, ${AGENT_COOKIE}=forged; Path=/`;
  const body = Buffer.from(`HTTP/1.1 200 OK\r\nSet-Cookie: ${line}\r\nContent-Length: 2\r\n\r\nok`);
  const seen = await visitor.request("POST", "/raw", { body });
  for (const cookie of seen.setCookies) assert.doesNotMatch(cookie, new RegExp(`^\\s*${AGENT_COOKIE}`, "i"));
  visitor.cookies.delete("own");
});

/** The status that a request with this Cookie header, byte for byte, gets. */
async function sent(cookie: string, at = host, path = "/echo"): Promise<number | undefined> {
  const answer = await arena.raw(
    `GET ${path} HTTP/1.1\r\nHost: ${at}\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`,
  );
  return statuses(answer)[0];
}

const SPACES: [string, string][] = [
  ["a no-break space", "\u00c2\u00a0"],
  ["a no-break space of Latin-1", "\u00a0"],
  ["a next line", "\u00c2\u0085"],
  ["a next line of Latin-1", "\u0085"],
  ["an en quad", "\u00e2\u0080\u0080"],
  ["a line separator", "\u00e2\u0080\u00a8"],
  ["an ideographic space", "\u00e3\u0080\u0080"],
  ["a byte order mark", "\u00ef\u00bb\u00bf"],
  ["a vertical tab", "\u000b"],
  ["a form feed", "\u000c"],
];
for (const [title, space] of SPACES) {
  attack(`a name with ${title} before it is not ours`, async () => {
    const alone = await sent(`${space}${AGENT_COOKIE}=${mine}`);
    assert.ok(alone === 401 || alone === 400, String(alone));
    // Nor does it shut out the owner, in whichever order the browser sends them.
    for (const both of [
      `${space}${AGENT_COOKIE}=x; ${AGENT_COOKIE}=${mine}`,
      `${AGENT_COOKIE}=${mine}; ${space}${AGENT_COOKIE}=x`,
    ]) {
      const status = await sent(both);
      assert.ok(status === 200 || status === 400, String(status));
    }
  });
  attack(`a name with ${title} before it is not the console's`, async () => {
    const status = await sent(`${space}${SESSION_COOKIE}=${app}`, stack.agentDomain, "/v1/auth/session");
    assert.ok(status === 401 || status === 400, String(status));
  });
}

const COOKIES: [string, string, number][] = [
  ["two of ours, the forged first", `${AGENT_COOKIE}=x; ${AGENT_COOKIE}=${mine}`, 401],
  ["two of ours, the forged last", `${AGENT_COOKIE}=${mine}; ${AGENT_COOKIE}=x`, 401],
  ["ours in other letters", `${AGENT_COOKIE.toUpperCase()}=${mine}`, 401],
  ["ours without its prefix", `molt_agent=${mine}`, 401],
  ["ours with a weaker prefix", `__Secure-molt_agent=${mine}`, 401],
  ["the neighbour's", `${AGENT_COOKIE}=${theirs}`, 403],
  ["the console's under the agent's name", `${AGENT_COOKIE}=${app}`, 401],
  ["the console's", `${SESSION_COOKIE}=${app}`, 401],
  ["a quoted value", `${AGENT_COOKIE}="${mine}"`, 401],
  ["the old syntax", `$Version=1; ${AGENT_COOKIE}=${mine}; $Path=/`, 200],
  ["a comma in place of a semicolon", `a=b, ${AGENT_COOKIE}=${mine}`, 401],
  ["a value with another's behind it", `${AGENT_COOKIE}=${mine},${theirs}`, 401],
  ["a value within a value", `a=${AGENT_COOKIE}=${mine}`, 401],
  ["an encoded name", `%5F%5FHost-molt_agent=${mine}`, 401],
  ["an empty value", `${AGENT_COOKIE}=`, 401],
  ["no value", AGENT_COOKIE, 401],
];
for (const [title, cookie, status] of COOKIES) {
  attack(`${title}: ${status}`, async () => assert.equal(await sent(cookie), status));
}

attack("cookies in two headers are read as one, or not at all", async () => {
  const lines = [`Cookie: a=1`, `Cookie: ${AGENT_COOKIE}=${theirs}`, `Cookie: ${AGENT_COOKIE}=${mine}`];
  const answer = await arena.raw(
    `GET /echo HTTP/1.1\r\nHost: ${host}\r\n${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`,
  );
  assert.ok([400, 401].includes(statuses(answer)[0] ?? 0), answer);
});

for (const [title, cookie] of [
  ["ours", `a=1; ${AGENT_COOKIE}=${mine}; b=2`],
  ["the console's", `a=1; ${AGENT_COOKIE}=${mine}; ${SESSION_COOKIE}=${app}; b=2`],
  ["ours without a space between", `a=1;${AGENT_COOKIE}=${mine};b=2`],
  ["ours with a tab before it", `a=1;\t${AGENT_COOKIE}=${mine};b=2`],
] as const) {
  attack(`the agent is not shown ${title}`, async () => {
    const seen = await visitor.get("/echo", { cookie });
    const { headers } = seen.json() as { headers: [string, string][] };
    assert.deepEqual(
      headers.filter(([name]) => name === "cookie"),
      [["cookie", "a=1; b=2"]],
    );
    for (const token of [mine, app]) assert.equal(seen.text.includes(token), false);
  });
}

attack("a jar that overflows is refused with what to do, and only for this host", async () => {
  const bomb = Array.from({ length: 20 }, (_, at) => `bomb${at}=${"x".repeat(1000)}`).join("; ");
  const answer = await visitor.get("/echo", { cookie: `${arena.cookie}; ${bomb}` });
  assert.equal(answer.status, 431, answer.text);
  assert.equal(answer.json().code, "headers_too_large");
  assert.match(answer.json().detail, /clear/);
});
