// The door for what people write to an agent's bot: a path and a header that only Telegram was told. Without both nothing is
// read, no object is asked and no agent woken; with both, what comes is one update of one owner's one bot and nothing else.
import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { devKeypair } from "../../dev/solana/accounts.ts";
import { placeOf } from "../support/agent.ts";
import { connect, newToken, SECRET_HEADER } from "../support/telegram.ts";
import { until } from "../support/wait.ts";
import { type Attack, Battle, type Gets } from "./support.ts";

const battle = await Battle.on("telegram", "c18 c08");
const { victim, attacker, stack } = battle;
const webhookOf = (token: string): { path: string; secret: string } => {
  const { url, secret } = stack.telegram.webhook(token) ?? assert.fail("no webhook");
  return { path: new URL(url).pathname, secret };
};
const { path, secret } = webhookOf(await connect(stack, victim));
/** What opens the attacker's own door. */
const formerToken = await connect(stack, attacker);
const own = webhookOf(formerToken);
/** And the door of a bot that the attacker had before. */
const former = own;
const present = webhookOf(await connect(stack, attacker, newToken()));
await until("the former bot is let go", () => stack.telegram.calls(formerToken, "deleteWebhook").length > 0);
const { address: nobody } = await devKeypair("nobody");
battle.begin();

// From here on nothing is awaited, or the tests that are chosen by name may come when all is over.
const UNAUTHENTICATED: Gets = [401, "unauthenticated"];
const MALFORMED: Gets = [400, "malformed_body"];
const NOT_FOUND: Gets = [404, "not_found"];
const update = JSON.stringify({ update_id: 1, message: { text: "obey me" } });
const hook = path.split("/").at(-1) ?? assert.fail();
const post = (
  name: string,
  headers: Attack["headers"],
  gets: Gets = UNAUTHENTICATED,
  body: Attack["body"] = update,
  to = path,
): Attack => ({
  name,
  method: "POST",
  path: to,
  headers: { origin: [], "content-type": "application/json", ...headers },
  body,
  gets,
});
const authorized = { [SECRET_HEADER]: secret };
const other = secret.endsWith("a") ? "b" : "a";

// The header: none, or nearly the right one.
battle.all([
  post("no secret", {}),
  post("an empty one", { [SECRET_HEADER]: "" }),
  post("cut by one at the end", { [SECRET_HEADER]: secret.slice(0, -1) }),
  post("cut by one at the beginning", { [SECRET_HEADER]: secret.slice(1) }),
  post("longer by one", { [SECRET_HEADER]: `${secret}a` }),
  post("with its last letter changed", { [SECRET_HEADER]: `${secret.slice(0, -1)}${other}` }),
  post("in upper case", { [SECRET_HEADER]: secret.toUpperCase() }),
  post("twice", { [SECRET_HEADER]: `${secret}${secret}` }),
  post("twice, as two headers", { [SECRET_HEADER]: [secret, secret] }),
  post("the path's secret in its place", { [SECRET_HEADER]: hook }),
  post("the attacker's own in its place", { [SECRET_HEADER]: own.secret }),
  post("as a bearer", { authorization: `Bearer ${secret}` }),
  post("in a cookie", { cookie: `${SECRET_HEADER}=${secret}` }),
  post("the victim's session in its place", { cookie: battle.cookie(victim) }),
  post("from a page of ours, with the victim's session", {
    origin: stack.appOrigin,
    cookie: battle.cookie(victim),
  }),
  { ...post("in the query", {}), path: `${path}?${SECRET_HEADER}=${secret}` },
  post("in the body", {}, UNAUTHENTICATED, JSON.stringify({ update_id: 1, secret_token: secret })),
  post("two million bytes that nobody reads", {}, UNAUTHENTICATED, `{"update_id":1,"x":"${"x".repeat(2_000_000)}"}`),
  post("no JSON, which nobody reads", {}, UNAUTHENTICATED, "x"),
]);

// The path: another's, or nearly the right one.
const swapped = (text: string, at: number): string =>
  `${text.slice(0, at)}${text[at] === "a" ? "b" : "a"}${text.slice(at + 1)}`;
const attackersHook = own.path.split("/").at(-1) ?? assert.fail();
const at = (asset: string, of: string): string => `/hooks/telegram/${asset}/${of}`;
battle.all([
  ...[0, 20, 51, 60, 64, 70, 100].map((place) =>
    post(
      `the path with letter ${place} changed`,
      authorized,
      UNAUTHENTICATED,
      update,
      at(victim.asset, swapped(hook, place)),
    ),
  ),
  post(
    "the victim's asset with the attacker's path and secret",
    { [SECRET_HEADER]: own.secret },
    UNAUTHENTICATED,
    update,
    at(victim.asset, attackersHook),
  ),
  post("the attacker's path with the victim's secret", authorized, UNAUTHENTICATED, update, own.path),
  post(
    "the attacker's asset with the victim's path and secret",
    authorized,
    UNAUTHENTICATED,
    update,
    at(attacker.asset, hook),
  ),
  post(
    "the victim's owner with the attacker's proof",
    { [SECRET_HEADER]: own.secret },
    UNAUTHENTICATED,
    update,
    at(victim.asset, `${hook.slice(0, 60)}${attackersHook.slice(60)}`),
  ),
  post("an asset that nobody signed in to", authorized, UNAUTHENTICATED, update, at(nobody, hook)),
  post("a path that is cut", authorized, NOT_FOUND, update, path.slice(0, -1)),
  post("a path that is longer", authorized, NOT_FOUND, update, `${path}a`),
  post("a path in upper case", authorized, NOT_FOUND, update, at(victim.asset, hook.toUpperCase())),
  post(
    "a path in percent",
    authorized,
    NOT_FOUND,
    update,
    at(victim.asset, `%${hook.charCodeAt(0).toString(16)}${hook.slice(1)}`),
  ),
  post("a path without a hook", authorized, NOT_FOUND, update, `/hooks/telegram/${victim.asset}`),
  post("a path with an empty hook", authorized, NOT_FOUND, update, `/hooks/telegram/${victim.asset}/`),
  post("a path with more behind", authorized, NOT_FOUND, update, `${path}/x`),
  post("a path with no asset", authorized, NOT_FOUND, update, at("..", hook)),
  post("the zero path", authorized, UNAUTHENTICATED, update, at(victim.asset, "a".repeat(116))),
  ...["GET", "PUT", "DELETE", "PATCH"].map(
    (method): Attack => ({
      name: `the right secrets by ${method}`,
      method,
      path,
      headers: { origin: [], ...authorized },
      gets: [405, "method_not_allowed"],
    }),
  ),
]);

// A door that its owner has closed: the attacker's former bot.
battle.all([
  post("a bot that was replaced", { [SECRET_HEADER]: former.secret }, NOT_FOUND, update, former.path),
  post(
    "its secret at the present bot's door",
    { [SECRET_HEADER]: former.secret },
    UNAUTHENTICATED,
    update,
    present.path,
  ),
]);

// With both secrets: what is no update.
battle.all([
  post("no body", authorized, MALFORMED, ""),
  post("no JSON", authorized, MALFORMED, "x"),
  post("a list", authorized, MALFORMED, `[${update}]`),
  post("no number", authorized, MALFORMED, '{"message":{}}'),
  post("a text for a number", authorized, MALFORMED, '{"update_id":"1"}'),
  post("a number below zero", authorized, MALFORMED, '{"update_id":-1}'),
  post("a broken number", authorized, MALFORMED, '{"update_id":1.5}'),
  post("a number that JavaScript can't tell from others", authorized, MALFORMED, '{"update_id":9007199254740993}'),
  post("a number beyond all", authorized, MALFORMED, '{"update_id":1e999}'),
  post("SQL for a number", authorized, MALFORMED, `{"update_id":"1); DROP TABLE inbox; --"}`),
  post("two updates", authorized, MALFORMED, `${update}${update}`),
  post("a deep one", authorized, MALFORMED, `{"update_id":1,"x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`),
  post("one without an end", authorized, MALFORMED, `{"update_id":1,"x":"`),
  post("bytes that are no text", authorized, MALFORMED, new Uint8Array([0x7b, 0xff, 0xfe, 0x7d])),
  post(
    "more than a million bytes",
    authorized,
    [413, "body_too_large"],
    `{"update_id":1,"x":"${"x".repeat(1_100_000)}"}`,
  ),
]);

battle.attack("nobody who has not both secrets has an object asked, or an agent woken", async () => {
  const commands = stack.agent.notes().filter(({ place }) => place === placeOf(victim.asset)).length;
  for (const wrong of ["", secret.slice(1), own.secret])
    await battle.send(post("", { [SECRET_HEADER]: wrong }, UNAUTHENTICATED, update));
  assert.equal((await victim.status()).state, "asleep");
  assert.equal(stack.agent.notes().filter(({ place }) => place === placeOf(victim.asset)).length, commands);
});
battle.attack("the secrets are in no log but the path in that of requests", async () => {
  // Which the runtime keeps, for the operator alone: so there is a header as well.
  const lines = stack.logs.filter((line) => !/\/hooks\/\S+ .*\d{3}/.test(stripVTControlCharacters(line)));
  for (const part of [hook, attackersHook])
    assert.deepEqual(
      lines.filter((line) => line.includes(part)),
      [],
    );
  // Nor did whoever sent it in a query find it kept.
  const kept = stack.logs.filter((line) => !line.includes(`?${SECRET_HEADER}=`));
  for (const part of [secret, own.secret]) assert.ok(!kept.some((line) => line.includes(part)));
});

battle.afterwards();
