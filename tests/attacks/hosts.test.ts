// Hosts that are not ours, or that another reader takes for ours, and headers that name another host or path than the one
// that is asked (C06, C17). Each asks to start the victim's agent with the victim's cookie.
import assert from "node:assert/strict";
import { devWalletAddress } from "../../dev/solana/accounts.ts";
import type { Answer, Headers } from "../support/http.ts";
import { type Attack, Battle, type Gets, type RawAttack, UNTAKEN } from "./support.ts";

const battle = await Battle.on("hosts", "c06 c17");
const { victim, attacker, stack } = battle;
const { host, port } = victim.client;
const agentHost = new URL((await victim.status()).agentUrl).host;
const label = agentHost.split(".")[0] ?? "";
const wallet = await devWalletAddress("owner");
const start = { method: "POST", path: `${victim.path}/start`, as: victim };
const NOT_FOUND: Gets = [404, "not_found"];

const at = (name: string, host: string, gets: Gets = NOT_FOUND): Attack => ({ ...start, name, host, gets });
battle.all([
  at("a host of somebody else's", "evil.example"),
  at("our host without its port", "localhost"),
  at("our host with another port", `localhost:${port + 1}`),
  at("our host with the port of the web", "localhost:80"),
  at("our host with a dot at the end", `localhost.:${port}`),
  at("our host as a part of another", `localhost.evil.example:${port}`),
  at("our host at the end of another", `evillocalhost:${port}`),
  at("our host with a part in front", `app.localhost:${port}`),
  at("our host with a hyphen", `local-host:${port}`),
  at("loopback by number", `127.0.0.1:${port}`),
  at("loopback by a short number", `127.1:${port}`),
  at("loopback as one number", `2130706433:${port}`),
  at("loopback in hexadecimal", `0x7f.0.0.1:${port}`),
  at("loopback of the other protocol", `[::1]:${port}`),
  at("loopback of both protocols", `[::ffff:127.0.0.1]:${port}`),
  at("the host of objects", "object.invalid"),
  at("the provider's metadata", "169.254.169.254"),
  at("a host in punycode", `xn--lcalhost-9fg:${port}`),
  at("an agent's host cut by one", `${label.slice(1)}.${host}`),
  at("an agent's host longer by one", `${label}a.${host}`),
  at("an agent's host with other unused bits", `${label.slice(0, -1)}${label.endsWith("b") ? "c" : "b"}.${host}`),
  at("an agent's host below another", `x.${agentHost}`),
  at("an agent's host with two dots", `${label}..${host}`),
  at("an agent's host by base58", `${victim.asset}.${host}`),
  at("an agent's host with an underscore", `_${label}.${host}`),
  at("the agents' suffix alone", `.${host}`),
]);

// On an agent's host the app's cookie opens nothing, whatever the spelling.
battle.all([
  at("the victim's own agent's host", agentHost, [403, "origin_not_allowed"]),
  at("the same in upper case", agentHost.toUpperCase(), [403, "origin_not_allowed"]),
  { ...at("the API on an agent's host, by reading", agentHost, [401, "unauthenticated"]), method: "GET" },
  { ...at("the API on the attacker's agent's host", agentHost, [401, "unauthenticated"]), method: "GET", as: attacker },
]);

// What forwards say: ours is the one that was asked, and is not theirs to name.
const FORWARDS: Headers[] = [
  { "x-forwarded-host": "evil.example" },
  { "x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "x-forwarded-port": "443" },
  { "x-forwarded-server": "evil.example" },
  { "x-original-host": "evil.example" },
  { "x-host": "evil.example" },
  { "x-http-host-override": "evil.example" },
  { forwarded: "host=evil.example;proto=https" },
  { "x-rewrite-url": "https://evil.example/" },
];
for (const headers of FORWARDS) {
  const [name] = Object.keys(headers);
  battle.attack(`${JSON.stringify(headers)} in what a wallet is asked to sign`, async () => {
    const json = { asset: victim.asset, wallet };
    const answer = await battle.send({ method: "POST", path: "/v1/auth/challenge", json, headers });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.json().input.domain, host);
    assert.equal(answer.json().input.uri, stack.appOrigin);
    assert.doesNotMatch(answer.text + JSON.stringify(answer.headers), /evil/, name);
  });
}
battle.all([
  ...["x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-path", "x-override-url"].map((name) => ({
    name: `another path by ${name}`,
    path: "/v1/auth/session",
    as: attacker,
    headers: { [name]: `${victim.path}/start` },
    gets: own,
  })),
  {
    name: "the agent's host by a forward",
    path: "/v1/auth/session",
    as: attacker,
    headers: { "x-forwarded-host": agentHost },
    gets: own,
  },
  {
    name: "the app's host by a forward, asked of another",
    path: "/v1/auth/session",
    host: "evil.example",
    as: victim,
    headers: { "x-forwarded-host": host, forwarded: `host=${host}` },
    gets: NOT_FOUND,
  },
]);

// What no library sends.
const raw = (name: string, lines: string[], gets = UNTAKEN, target = start.path): RawAttack => ({
  name,
  bytes: battle.start(lines, target),
  gets,
});
battle.raw([
  raw("no host", []),
  raw("an empty host", ["Host: "]),
  raw("a host of blanks", ["Host:    "]),
  raw("two hosts, ours first", [`Host: ${host}`, "Host: evil.example"]),
  raw("two hosts, ours last", ["Host: evil.example", `Host: ${host}`]),
  raw("two hosts in one", [`Host: ${host}, evil.example`]),
  raw("our host as the user", [`Host: ${host}@evil.example`]),
  raw("a path behind", [`Host: ${host}/x`]),
  raw("a query behind", [`Host: ${host}?x`]),
  raw("a hash behind", [`Host: ${host}#x`]),
  raw("a scheme in front", [`Host: http://${host}`]),
  raw("a blank within", [`Host: localhost :${port}`]),
  raw("a NUL within", [`Host: localhost\0:${port}`]),
  raw("a port that is no number", ["Host: localhost:http"]),
  raw("a port below zero", [`Host: localhost:-${port}`]),
  raw("a port beyond all", [`Host: localhost:${port + 65536}`]),
  raw("a host of 4000 letters", [`Host: ${"a".repeat(4000)}`]),
  raw("a header folded into the host", ["Host: evil.example", ` ${host}`]),
  raw("a blank before the colon", [`Host : ${host}`]),
  raw(
    "our host in an absolute target, another in the header",
    ["Host: evil.example"],
    undefined,
    `http://${host}${start.path}`,
  ),
  raw("a user in an absolute target", ["Host: evil.example"], undefined, `http://x@${host}${start.path}`),
  raw("another scheme in an absolute target", ["Host: evil.example"], undefined, `ftp://${host}${start.path}`),
]);

// Spellings that the local runtime's front turns into ours before they are here: a wallet is asked to sign for our host.
const json = JSON.stringify({ asset: victim.asset, wallet });
const asking = (name: string, first: string, said: string): RawAttack => ({
  name: `${name}, in what a wallet is asked to sign`,
  bytes: [
    `POST ${first}/v1/auth/challenge HTTP/1.1`,
    `Host: ${said}`,
    `Origin: ${stack.appOrigin}`,
    "Content-Type: application/json",
    `Content-Length: ${json.length}`,
    "Connection: close",
    "",
    json,
  ].join("\r\n"),
  gets: new RegExp(`^HTTP/1\\.1 (?:404 |201 (?![^]*evil)[^]*"domain":"${host}")`),
});
battle.raw([
  asking("a user in front", "", `evil@${host}`),
  asking("a user and a password in front", "", `evil:evil@${host}`),
  asking("zeros before the port", "", `localhost:0${port}`),
  asking("another host in an absolute target", "http://evil.example", host),
  asking("our host in an absolute target, another in the header", `http://${host}`, "evil.example"),
]);

function own(answer: Answer): void {
  assert.deepEqual([answer.status, answer.json().asset], [200, attacker.asset]);
}

battle.afterwards();
