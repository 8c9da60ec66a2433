// The door for notices of transfers (C07): without the secret nothing is read, and with it nothing is believed. A notice
// that says the victim's domain was sold takes nothing from the victim, however often it comes.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import bs58 from "bs58";
import { devKeypair } from "../../dev/solana/accounts.ts";
import { CORE_PROGRAM } from "../../dev/solana/core-layout.ts";
import { type Answer, sendRaw } from "../support/http.ts";
import { until } from "../support/wait.ts";
import { type Attack, Battle, check, type Gets } from "./support.ts";

const SECRET = randomBytes(32).toString("base64url");
const battle = await Battle.on("hooks", "c07", { secrets: { SOLANA_WEBHOOK_SECRET: SECRET } });
const { victim, stack } = battle;
const buyer = await devKeypair("buyer");
const UNAUTHENTICATED: Gets = [401, "unauthenticated"];

const move = (...assets: string[]) => [
  {
    type: "TRANSFER",
    slot: 1,
    instructions: assets.map((asset) => ({ programId: CORE_PROGRAM, accounts: [asset, buyer.address], data: "x" })),
  },
];
const notice = JSON.stringify(move(victim.asset));
const post = (
  name: string,
  headers: Attack["headers"],
  gets: Gets = UNAUTHENTICATED,
  body: Attack["body"] = notice,
): Attack => ({
  name,
  method: "POST",
  path: "/hooks/solana",
  headers: { origin: [], "content-type": "application/json", ...headers },
  body,
  gets,
});
const authorized = { authorization: SECRET };
/** How often the chain was asked about the victim's asset. */
const readings = (): number => stack.rpc.control.calls().filter(({ params }) => params[0] === victim.asset).length;

// Without the secret, or with what is nearly it.
battle.all([
  post("no secret", {}),
  post("an empty secret", { authorization: "" }),
  post("a short one", { authorization: "x" }),
  post("cut by one at the end", { authorization: SECRET.slice(0, -1) }),
  post("cut by one at the beginning", { authorization: SECRET.slice(1) }),
  post("longer by one", { authorization: `${SECRET}x` }),
  post("twice", { authorization: `${SECRET}${SECRET}` }),
  post("in lower case", { authorization: SECRET.toLowerCase() }),
  post("in upper case", { authorization: SECRET.toUpperCase() }),
  post("with one letter changed", { authorization: SECRET.replace(/.$/, (last) => (last === "A" ? "B" : "A")) }),
  post("as a bearer", { authorization: `Bearer ${SECRET}` }),
  post("as a basic password", { authorization: `Basic ${Buffer.from(`:${SECRET}`).toString("base64")}` }),
  post("in quotes", { authorization: `"${SECRET}"` }),
  post("in base64", { authorization: Buffer.from(SECRET).toString("base64") }),
  post("its bytes", { authorization: Buffer.from(SECRET, "base64url").toString("hex") }),
  post("the word that nothing is written as", { authorization: "undefined" }),
  post("the word that is nothing", { authorization: "null" }),
  post("a session in its place", { authorization: battle.token(victim) }),
  post("the session's key in its place", { authorization: stack.secrets.JWT_SECRET }),
  post("a provider's key in its place", { authorization: stack.secrets.OPENAI_API_KEY }),
  post("the victim's cookie in its place", { cookie: battle.cookie(victim) }),
  post("in another header", { "x-webhook-secret": SECRET, "x-authorization": SECRET, "x-api-key": SECRET }),
  post("in a proxy's header", { "proxy-authorization": SECRET }),
  post("in a cookie", { cookie: `authorization=${SECRET}` }),
  { ...post("in the query", {}), path: `/hooks/solana?authorization=${SECRET}&secret=${SECRET}` },
  { ...post("as a user of the URL", {}), path: `/hooks/solana?x=${SECRET}@localhost` },
  post("in the body", {}, UNAUTHENTICATED, JSON.stringify({ authorization: SECRET, notices: move(victim.asset) })),
  post("two million bytes that nobody reads", {}, UNAUTHENTICATED, `[${" ".repeat(2_000_000)}]`),
  post("no JSON, which nobody reads", {}, UNAUTHENTICATED, "x"),
  post("from a page of ours", { origin: stack.appOrigin, cookie: battle.cookie(victim) }),
]);
const twice = (...secrets: string[]): string =>
  ["POST /hooks/solana HTTP/1.1", `Host: ${victim.client.host}`, ...secrets.map((secret) => `Authorization: ${secret}`)]
    .concat("Content-Length: 2", "Connection: close", "", "[]")
    .join("\r\n");
battle.raw([
  { name: "two secrets, the right one first", bytes: twice(SECRET, "x"), gets: /^HTTP\/1\.1 40[01] / },
  { name: "two secrets, the right one last", bytes: twice("x", SECRET), gets: /^HTTP\/1\.1 40[01] / },
  { name: "the right secret twice", bytes: twice(SECRET, SECRET), gets: /^HTTP\/1\.1 40[01] / },
  { name: "the secret and NUL", bytes: twice(`${SECRET}\0`), gets: /^(HTTP\/1\.1 40[01] |$)/ },
]);
battle.attack("a notice without the secret asks the chain nothing", async () => {
  const before = readings();
  check(await battle.send(post("", { authorization: "x" })), UNAUTHENTICATED);
  // Answered behind it, and by the same object.
  assert.equal((await victim.status()).state, "asleep");
  assert.equal(readings(), before);
});

// With the secret: other methods, other paths, other bodies.
const WRONG: Gets = [405, "method_not_allowed"];
const MALFORMED: Gets = [400, "malformed_body"];
battle.all([
  ...["GET", "PUT", "PATCH", "DELETE", "OPTIONS"].map((method) => ({
    ...post(`the right secret by ${method}`, authorized, WRONG, method === "GET" ? undefined : notice),
    method,
  })),
  { ...post("the right secret, a slash behind", authorized, [404, "not_found"]), path: "/hooks/solana/" },
  { ...post("the right secret, in upper case", authorized, [405, "method_not_allowed"]), path: "/Hooks/solana" },
  { ...post("the right secret, another hook", authorized, [404, "not_found"]), path: "/hooks/solana2" },
  {
    ...post("the right secret, Telegram's hook", authorized, [404, "not_found"]),
    path: `/hooks/telegram/${victim.asset}/x`,
  },
  post("the right secret and no body", authorized, MALFORMED, ""),
  post("the right secret and no list", authorized, MALFORMED, JSON.stringify(move(victim.asset)[0])),
  post("the right secret and a list of nothing", authorized, MALFORMED, "[null]"),
  post("the right secret and a list of texts", authorized, MALFORMED, JSON.stringify([victim.asset])),
  post("the right secret and two lists", authorized, MALFORMED, `${notice}${notice}`),
  post("the right secret and a list without an end", authorized, MALFORMED, `${"[".repeat(100_000)}`),
  post("the right secret and a deep list", authorized, MALFORMED, `${"[".repeat(10_000)}${"]".repeat(10_000)}`),
  post("the right secret and a byte order mark", authorized, MALFORMED, `\ufeff${notice}`),
  post("the right secret and no UTF-8", authorized, MALFORMED, Buffer.from([0x5b, 0xff, 0x5d])),
  post("the right secret and two million bytes", authorized, [413, "body_too_large"], `[${" ".repeat(2_000_000)}]`),
]);

/** Taken, and followed by a reading of the chain, which says that nothing moved. */
function believed(name: string, body: unknown, times = 1): void {
  battle.attack(name, async () => {
    const before = readings();
    for (let time = 0; time < times; time++)
      taken(await battle.send(post("", authorized, taken, JSON.stringify(body))));
    await until("the chain is asked", () => readings() > before);
    assert.equal((await victim.status()).state, "asleep");
  });
}
function taken(answer: Answer): void {
  assert.deepEqual([answer.status, answer.text, answer.setCookies], [204, "", []]);
}
believed("a lie that the domain was sold", move(victim.asset));
believed("the same lie again", move(victim.asset));
believed("the same lie ten times", move(victim.asset), 10);
believed("a lie about a burn", [{ type: "BURN_NFT", instructions: move(victim.asset)[0]?.instructions, burned: true }]);
believed("a lie that names its new owner", [
  { ...move(victim.asset)[0], newOwner: buyer.address, owner: buyer.address },
]);

// What names nobody, or very many.
const quiet = (name: string, body: unknown): Attack => post(name, authorized, taken, JSON.stringify(body));
const strangers = (count: number) => Array.from({ length: count }, () => bs58.encode(randomBytes(32)));
battle.all([
  quiet("an empty list", []),
  quiet("an instruction of another program", [
    { instructions: [{ programId: buyer.address, accounts: [victim.asset] }] },
  ]),
  quiet("accounts that are no addresses", move("../../x", "' OR 1=1", "", "1".repeat(5000))),
  quiet("places beyond the list", [
    {
      transaction: {
        message: { accountKeys: [CORE_PROGRAM], instructions: [{ programIdIndex: 0, accounts: [4294967296] }] },
      },
    },
  ]),
  quiet("places below zero", [
    {
      transaction: { message: { accountKeys: [CORE_PROGRAM], instructions: [{ programIdIndex: -1, accounts: [-1] }] } },
    },
  ]),
  quiet("a transaction that failed", [{ ...move(victim.asset)[0], transactionError: { error: "x" } }]),
]);
battle.attack("five thousand assets that nobody signed in to", async () => {
  const named = strangers(5000);
  taken(await battle.send(quiet("", move(...named))));
  assert.equal((await victim.status()).state, "asleep");
  const asked = stack.rpc.control.calls().filter(({ params }) => named.includes(String(params[0])));
  assert.deepEqual(asked, [], "the chain is asked about none of them");
});
battle.attack("the secret sent to the agent's host opens nothing", async () => {
  const { host } = new URL((await victim.status()).agentUrl);
  const answer = await sendRaw(battle.port, twice(SECRET).replace(victim.client.host, host));
  assert.match(answer, /^HTTP\/1\.1 401 /);
});

battle.afterwards();
