// Cookie headers that are not what a browser sends for our cookie, each with a token that is good (C05): the name is exact,
// there is one of it, and nothing else is a way in.
import assert from "node:assert/strict";
import { AGENT_COOKIE, SESSION_COOKIE } from "../support/tokens.ts";
import { type Attack, Battle, type Gets, type RawAttack } from "./support.ts";

const battle = await Battle.on("cookies", "c05 c06");
const { victim, attacker, stack } = battle;
const good = battle.token(victim);
const theirs = battle.token(attacker);
const pair = `${SESSION_COOKIE}=${good}`;
const UNAUTHENTICATED: Gets = [401, "unauthenticated"];
const start = { method: "POST", path: `${victim.path}/start` };

const attack = (name: string, cookie: string, gets: Gets = UNAUTHENTICATED): Attack => ({
  ...start,
  name,
  headers: { cookie },
  gets,
});

// The name: a prefix that browsers do not insist on, or another host's or path's cookie, is not it.
battle.all([
  attack("the prefix in lower case", `__host-molt_session=${good}`),
  attack("the name in upper case", `${SESSION_COOKIE.toUpperCase()}=${good}`),
  attack("the prefix of cookies with a domain", `__Secure-molt_session=${good}`),
  attack("without a prefix", `molt_session=${good}`),
  attack("one underscore", `_Host-molt_session=${good}`),
  attack("the name and more", `${SESSION_COOKIE}2=${good}`),
  attack("more and the name", `x${SESSION_COOKIE}=${good}`),
  attack("a blank behind the name", `${SESSION_COOKIE} =${good}`),
  attack("a tab behind the name", `${SESSION_COOKIE}\t=${good}`),
  attack("the name encoded", `__%48ost-molt_session=${good}`),
  attack("the name in quotes", `"${SESSION_COOKIE}"=${good}`),
  attack("a dot behind the name", `${SESSION_COOKIE}.=${good}`),
  attack("the name as a list", `${SESSION_COOKIE}[]=${good}`),
  attack("of a cookie without a name", `=${pair}`),
  attack("the agent's cookie", `${AGENT_COOKIE}=${good}`),
  attack("the cookie that passes would have", `__Host-molt_models=${good}`),
  attack("the name in characters that look alike", `__Host-molt_sess\u00efon=${good}`),
]);

// The value, and what stands around it.
battle.all([
  attack("no value", `${SESSION_COOKIE}=`),
  attack("no equals sign", SESSION_COOKIE),
  attack("two equals signs", `${SESSION_COOKIE}==${good}`),
  attack("a blank before the value", `${SESSION_COOKIE}= ${good}`),
  attack("the value in quotes", `${SESSION_COOKIE}="${good}"`),
  attack("the value in single quotes", `${SESSION_COOKIE}='${good}'`),
  attack("the value encoded", `${SESSION_COOKIE}=${good.replaceAll(".", "%2e")}`),
  attack("separated by a comma", `a=b, ${pair}`),
  attack("followed by a comma", `${pair}, a=b`),
  attack("within another's value", `a="x${pair}"`),
  attack("within another's value in quotes", `a="; b=c ${pair}"`),
  attack("nothing but separators", ";;;=;=;"),
  attack("behind very many others, under another name", `${"a=b; ".repeat(1500)}molt_session=${good}`),
]);

// Two of the name: one of them is somebody else's, and nobody guesses which.
battle.all([
  attack("the attacker's before the victim's", `${SESSION_COOKIE}=${theirs}; ${pair}`),
  attack("the attacker's behind the victim's", `${pair}; ${SESSION_COOKIE}=${theirs}`),
  attack("the same one twice", `${pair}; ${pair}`),
  attack("an empty one behind it", `${pair}; ${SESSION_COOKIE}=`),
  attack("an empty one before it", `${SESSION_COOKIE}=; ${pair}`),
  attack("twenty of them", `${Array.from({ length: 20 }, () => pair).join("; ")}`),
  attack("one without a blank between", `${pair};${pair}`),
  attack("the attacker's alone", `${SESSION_COOKIE}=${theirs}`, [403, "forbidden"]),
]);

// Other places, where a token might be read by mistake.
const other = (name: string, headers: Record<string, string>, path = start.path): Attack => ({
  ...start,
  name,
  path,
  headers: { cookie: [], ...headers } as NonNullable<Attack["headers"]>,
  gets: UNAUTHENTICATED,
});
battle.all([
  other("as a bearer token", { authorization: `Bearer ${good}` }),
  other("as a basic password", { authorization: `Basic ${Buffer.from(`x:${good}`).toString("base64")}` }),
  other("as the authorization itself", { authorization: good }),
  other("in Cookie2", { cookie2: pair }),
  other("in Set-Cookie", { "set-cookie": pair }),
  other("in X-Cookie", { "x-cookie": pair }),
  other("in X-Auth-Token", { "x-auth-token": good }),
  other("in a proxy's header", { "proxy-authorization": `Bearer ${good}` }),
  other("as a WebSocket's protocol", { "sec-websocket-protocol": good }),
  other("as our own header of the caller", {
    "x-molt-caller": JSON.stringify({ asset: victim.asset, session: "0".repeat(32), wallet: victim.asset }),
  }),
  other("in the query", {}, `${start.path}?${pair}`),
  other("in the query as access_token", {}, `${start.path}?access_token=${good}`),
  other("in the path as a parameter", {}, `${start.path}?;${pair}`),
]);

// Bytes that no client sends.
const raw = (name: string, ...lines: string[]): RawAttack => ({
  name,
  bytes: [
    `POST ${start.path} HTTP/1.1`,
    `Host: ${victim.client.host}`,
    `Origin: ${stack.appOrigin}`,
    "Content-Length: 0",
    "Connection: close",
    ...lines,
    "",
    "",
  ].join("\r\n"),
  // Refused by the runtime before it is ours, or by us as nobody's.
  gets: /^(HTTP\/1\.1 (400|401) |$)/,
});
battle.raw([
  raw("two headers, the attacker's first", `Cookie: ${SESSION_COOKIE}=${theirs}`, `Cookie: ${pair}`),
  raw("two headers, the victim's first", `Cookie: ${pair}`, `Cookie: ${SESSION_COOKIE}=${theirs}`),
  raw("two headers with the same", `Cookie: ${pair}`, `Cookie: ${pair}`),
  raw("NUL before the value", `Cookie: ${SESSION_COOKIE}=\0${good}`),
  raw("NUL behind the value", `Cookie: ${pair}\0`),
  raw("NUL in the name", `Cookie: __Host-molt_\0session=${good}`),
  raw("a vertical tab in the value", `Cookie: ${SESSION_COOKIE}=\x0b${good}`),
  raw("a carriage return in the value", `Cookie: ${SESSION_COOKIE}=\r${good}`),
  raw("a delete character behind the value", `Cookie: ${pair}\x7f`),
  raw("the header folded", `Cookie: ${SESSION_COOKIE}=`, ` ${good}`),
  raw("a blank before the colon", `Cookie : ${pair}`),
]);

battle.attack("a cookie that is taken is the control of all these", async () => {
  const answer = await battle.send({ path: victim.path, headers: { cookie: `a=b;  ${pair} ; c=d` } });
  assert.equal(answer.status, 200, answer.text);
});

battle.afterwards();
