// Paths that one reader takes for our routes and another does not, or that lead out of where they seem to lead (C06). With
// the victim's cookie a path that is no spelling of ours reaches nothing; with the attacker's none reaches the victim.
import assert from "node:assert/strict";
import type { Answer } from "../support/http.ts";
import { sendRaw } from "../support/http.ts";
import { type Attack, Battle, check, type Gets, UNTAKEN } from "./support.ts";

const battle = await Battle.on("paths", "c06");
const { victim, attacker } = battle;
const [mine, theirs] = [attacker.path, victim.path];
const NOT_FOUND: Gets = [404, "not_found"];
const ASSET: Gets = [400, "invalid_field", "asset"];

/** As the victim themselves would be led to send it: it must not be a second spelling of the route. */
const spelled = (name: string, path: string, gets: Gets = NOT_FOUND, method = "POST"): Attack => ({
  name,
  method,
  path,
  as: victim,
  gets,
});

battle.all([
  spelled("a letter encoded", `${theirs}/%73tart`),
  spelled("a letter encoded twice", `${theirs}/%2573tart`),
  spelled("the slash encoded", `${theirs}%2fstart`, ASSET),
  spelled("the slash encoded in upper case", `${theirs}%2Fstart`, ASSET),
  spelled("all of it encoded", `/v1/agents/${[...victim.asset].map(hex).join("")}/start`, ASSET),
  spelled("the version in upper case", theirs.replace("/v1", "/V1").concat("/start"), [405, "method_not_allowed"]),
  spelled("the collection in upper case", theirs.replace("agents", "Agents").concat("/start")),
  spelled("the verb in upper case", `${theirs}/START`),
  spelled("the verb with a capital", `${theirs}/Start`),
  spelled("a slash at the end", `${theirs}/start/`),
  spelled("two slashes at the end", `${theirs}/start//`),
  spelled("two slashes before the verb", `${theirs}//start`),
  spelled("two slashes before the collection", theirs.replace("/agents", "//agents").concat("/start")),
  spelled("a parameter behind the verb", `${theirs}/start;a=b`),
  spelled("a parameter behind the asset", `${theirs};a=b/start`, ASSET),
  spelled("a parameter behind the version", theirs.replace("/v1", "/v1;x").concat("/start"), [
    405,
    "method_not_allowed",
  ]),
  spelled("a dot behind the verb", `${theirs}/start.`),
  spelled("a file's ending", `${theirs}/start.json`),
  spelled("a blank behind the verb", `${theirs}/start%20`),
  spelled("a blank before the verb", `${theirs}/%20start`),
  spelled("a plus behind the verb", `${theirs}/start+`),
  spelled("NUL behind the verb", `${theirs}/start%00`),
  spelled("NUL and a file's ending", `${theirs}/start%00.css`),
  spelled("a line feed behind the verb", `${theirs}/start%0a`),
  spelled("a tab within the verb", `${theirs}/st%09art`),
  spelled("an encoded question mark", `${theirs}/start%3f`),
  spelled("an encoded hash", `${theirs}/start%23`),
  spelled("an encoded percent", `${theirs}/start%25`),
  spelled("a percent alone", `${theirs}/start%`),
  spelled("a percent and no digits", `${theirs}/start%zz`),
  spelled("an encoding of sixteen bits", `${theirs}%u002fstart`, ASSET),
  spelled("a slash spelled too long", `${theirs}%c0%afstart`, ASSET),
  spelled("a slash of full width", `${theirs}%ef%bc%8fstart`, ASSET),
  spelled("a letter of full width", `${theirs}/%ef%bd%93tart`),
  spelled("a joiner of no width", `${theirs}/st%e2%80%8dart`),
  spelled("a route below the verb", `${theirs}/start/now`),
  spelled("the route below itself", `/v1${theirs}/start`),
  spelled("the asset in lower case", `/v1/agents/${victim.asset.toLowerCase()}/start`, (answer) =>
    assert.ok([400, 403].includes(answer.status), answer.text),
  ),
  spelled("a zero byte before the asset", `/v1/agents/1${victim.asset}/start`, ASSET),
  spelled("an asset of 4000 digits", `/v1/agents/${"1".repeat(4000)}/start`, ASSET),
  spelled("no asset", "/v1/agents//start", ASSET),
  spelled("a pattern for the asset", "/v1/agents/*/start", ASSET),
  spelled("the asset's name", "/v1/agents/victim.molt/start", ASSET),
  spelled("two assets", `/v1/agents/${victim.asset},${attacker.asset}/start`, ASSET),
  spelled("an object's own path", "/.call", [405, "method_not_allowed"]),
  spelled("an object's own path below the API", "/v1/.call"),
  spelled("an agent's entry at the app", "/.edge/enter", [405, "method_not_allowed"]),
]);

/** How the attacker leads out of what is theirs. None reaches the victim. */
const led = (name: string, path: string, method = "POST"): Attack => ({
  name,
  method,
  path,
  as: attacker,
  gets: (answer) => {
    assert.ok([400, 403, 404, 405].includes(answer.status), `${answer.status} ${answer.text}`);
    assert.equal(answer.headers["content-type"], "application/problem+json");
  },
});
battle.all([
  led("up by two dots", `${mine}/../${victim.asset}/start`),
  led("up by encoded dots", `${mine}/%2e%2e/${victim.asset}/start`),
  led("up by encoded dots in upper case", `${mine}/%2E%2E/${victim.asset}/start`),
  led("up by a dot and an encoded one", `${mine}/.%2e/${victim.asset}/start`),
  led("up by dots encoded twice", `${mine}/%252e%252e/${victim.asset}/start`),
  led("up by an encoded slash", `${mine}%2f..%2f${victim.asset}/start`),
  led("up by a backslash", `${mine}\\..\\${victim.asset}\\start`),
  led("up by an encoded backslash", `${mine}%5c..%5c${victim.asset}/start`),
  led("up by dots with a parameter", `${mine}/..;/${victim.asset}/start`),
  led("up by dots and NUL", `${mine}/..%00/${victim.asset}/start`),
  led("up by three dots", `${mine}/.../${victim.asset}/start`),
  led("up by dots spelled too long", `${mine}/%c0%ae%c0%ae/${victim.asset}/start`),
  led("up and beyond the root", `/../../../..${theirs}/start`),
  led("up from a snapshot", `${mine}/snapshots/../../${victim.asset}/start`),
  led("up from a file of the console", `/main.js/..${theirs}/start`),
  led("up from the hook", `/hooks/solana/../..${theirs}/start`),
  led("up from the health check", `/healthz/..${theirs}/start`),
  led("up from the calls of models", `/llm/openai/../..${theirs}/start`),
  led("both assets", `${mine}/${victim.asset}/start`),
  led("the victim's in the query", `${mine}/nothing?asset=${victim.asset}`),
  led("the victim's path behind a hash", `${mine}/nothing#${theirs}/start`),
]);
battle.all([
  {
    name: "the victim's in the query of a good route",
    path: `${mine}?asset=${victim.asset}`,
    as: attacker,
    gets: ownStatus,
  },
  { name: "the victim's as a fragment", path: `${mine}?/../${victim.asset}`, as: attacker, gets: ownStatus },
]);

// Files: nothing is served but the console's own.
const HIDDEN = [
  "/.dev.vars",
  "/.env",
  "/.git/config",
  "/wrangler.toml",
  "/wrangler.json",
  "/package.json",
  "/build/index.js",
  "/_worker.js",
  "/_headers",
  "/_redirects",
  "/.assetsignore",
  "/..%2f..%2f..%2fetc/passwd",
  "/%2e%2e/%2e%2e/wrangler.toml",
  "/..%5c..%5cwrangler.toml",
  "/main.js%00.html",
  "/main.js/..%2f..%2f.dev.vars",
  "/index.html%2f..%2f.dev.vars",
  "/main.js.map",
  "/cdn-cgi/trace",
  "/__scheduled",
  "/metrics",
  "/debug/pprof",
  "/actuator/env",
  "/admin",
  "/server-status",
];
battle.all(HIDDEN.map((path) => ({ name: `the file ${path}`, path, gets: hidden })));

// What can't be sent by a library of HTTP.
const line = (target: string): string =>
  [
    `POST ${target} HTTP/1.1`,
    `Host: ${victim.client.host}`,
    `Origin: ${victim.client.origin}`,
    `Cookie: ${battle.cookie(attacker)}`,
  ]
    .concat("Content-Length: 0", "Connection: close", "", "")
    .join("\r\n");
battle.raw(
  (
    [
      ["a raw blank", `${theirs}/start x`],
      ["a raw NUL", `${theirs}/start\0`],
      ["a raw letter beyond ASCII", `${theirs}/st\u00e4rt`],
      ["a raw tab", `${theirs}/start\t`],
      ["no slash in front", `${theirs.slice(1)}/start`],
      ["16 KB of path", `${theirs}/${"x".repeat(16_000)}`],
      ["an asterisk", "*"],
      ["two slashes in front, as of a host", `//evil.example${theirs}/start`],
      ["a backslash in front", `\\${theirs}/start`],
    ] as const
  ).map(([name, target]) => ({ name, bytes: line(target), gets: UNTAKEN })),
);

battle.attack("a path after which the connection still serves its owner", async () => {
  assert.match(await sendRaw(battle.port, line(`${theirs}/start`)), /^HTTP\/1\.1 403 /);
  check(await battle.send(spelled("", `${theirs}/nothing`)), NOT_FOUND);
});

function hex(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16)}`;
}

function ownStatus(answer: Answer): void {
  assert.deepEqual([answer.status, answer.json().asset], [200, attacker.asset]);
}

/** Not found; or, where the runtime redirects to a spelling of its own, nothing of a file. */
function hidden(answer: Answer): void {
  assert.equal(answer.status, 404, `${answer.status} ${answer.text.slice(0, 200)}`);
  assert.doesNotMatch(answer.text, /JWT_SECRET|compatibility_date|root:|\[core\]|devDependencies/);
}

battle.afterwards();
