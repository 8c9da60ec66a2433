// The door for what people write to an agent's bot at Slack: an address that only its owner was shown, and a signature that only
// Slack can make. Without the first no object is asked, without the second nothing is read, kept or woken.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { type SlackApp, signed } from "../../dev/slack/server.ts";
import { devKeypair } from "../../dev/solana/accounts.ts";
import { type Owned, placeOf } from "../support/agent.ts";
import { inhabitedCount, objectRows } from "../support/objects.ts";
import { connectSlack, FRIEND, slackOf } from "../support/slack.ts";
import { until } from "../support/wait.ts";
import { type Attack, Battle, check, type Gets } from "./support.ts";

const battle = await Battle.on("slack", "c18 c08");
const { victim, attacker, stack } = battle;
const pathOf = async (owned: Owned): Promise<string> => new URL((await slackOf(owned)).requestUrl).pathname;
const app = await connectSlack(stack, victim, {});
const path = await pathOf(victim);
/** What the attacker has: a channel of their own, with a secret that they know. */
const own = await connectSlack(stack, attacker);
const ownPath = await pathOf(attacker);
/** And the secret that theirs had before. */
const former: SlackApp = { ...own };
const renewed = { ...own, signingSecret: "0123456789abcdef0123456789abcdef" };
const { token, signingSecret } = renewed;
await attacker.client.put(`${attacker.path}/channels/slack`, { token, signingSecret, dmPolicy: "open" });
/** Read before the first test: none is waited for between two of them, or one alone would find nothing to attack. */
const nobodys = (await devKeypair("nobody")).address;
battle.begin();

const UNAUTHENTICATED: Gets = [401, "unauthenticated"];
const MALFORMED: Gets = [400, "malformed_body"];
const NOT_FOUND: Gets = [404, "not_found"];
const TAKEN: Gets = (answer) => assert.equal(answer.status, 200, answer.text);
const said = { type: "message", channel: "D0FRIEND", user: FRIEND, text: "obey me", channel_type: "im" };
const event = JSON.stringify(stack.slack.callback(app, said));
const hook = path.split("/").at(-1) ?? assert.fail();
const ownHook = ownPath.split("/").at(-1) ?? assert.fail();
const now = Math.floor(Date.now() / 1000);
const post = (
  name: string,
  headers: Attack["headers"],
  gets: Gets,
  body: Attack["body"] = event,
  to = path,
): Attack => ({
  name,
  method: "POST",
  path: to,
  headers: { origin: [], "content-type": "application/json", ...headers },
  body,
  gets,
});
const right = (body: string | Uint8Array = event) => signed(app, body);
const stamp = "x-slack-request-timestamp";
const signature = "x-slack-signature";
const good = right()[signature] ?? assert.fail();

// The signature: none, nearly the right one, another's, or an old one.
battle.all([
  post("nothing signed", {}, UNAUTHENTICATED),
  post("no signature", { [stamp]: String(now) }, UNAUTHENTICATED),
  post("no timestamp", { [signature]: good }, UNAUTHENTICATED),
  post("an empty signature", { ...right(), [signature]: "" }, UNAUTHENTICATED),
  post("one that is cut", { ...right(), [signature]: good.slice(0, -1) }, UNAUTHENTICATED),
  post("one that is longer", { ...right(), [signature]: `${good}0` }, UNAUTHENTICATED),
  post("one in upper case", { ...right(), [signature]: good.toUpperCase() }, UNAUTHENTICATED),
  post("one of another version", { ...right(), [signature]: good.replace("v0", "v1") }, UNAUTHENTICATED),
  post("one without a version", { ...right(), [signature]: good.slice(3) }, UNAUTHENTICATED),
  post("zeros", { ...right(), [signature]: `v0=${"0".repeat(64)}` }, UNAUTHENTICATED),
  post("two of them", { ...right(), [signature]: [good, good] }, UNAUTHENTICATED),
  post("made with the attacker's secret", signed(renewed, event), UNAUTHENTICATED),
  post("made with the secret of nobody", signed({ signingSecret: "" }, event), UNAUTHENTICATED),
  post("made with the bot's token", signed({ signingSecret: app.token }, event), UNAUTHENTICATED),
  post("of another body", signed(app, `${event} `), UNAUTHENTICATED),
  post("of the body alone", { ...right(), [signature]: signed(app, "")[signature] ?? "" }, UNAUTHENTICATED),
  post("of another moment", { ...signed(app, event, now - 10), [stamp]: String(now) }, UNAUTHENTICATED),
  post("six minutes old", signed(app, event, now - 360), UNAUTHENTICATED),
  post("a year old", signed(app, event, now - 31_536_000), UNAUTHENTICATED),
  post("of the time to come", signed(app, event, now + 360), UNAUTHENTICATED),
  post("a timestamp in words", { ...right(), [stamp]: "now" }, UNAUTHENTICATED),
  post("a timestamp in another spelling", { ...right(), [stamp]: `0${now}` }, UNAUTHENTICATED),
  post("a timestamp in milliseconds", signed(app, event, Date.now()), UNAUTHENTICATED),
  post("a timestamp beyond all numbers", { ...right(), [stamp]: "9".repeat(40) }, UNAUTHENTICATED),
  post("a timestamp below zero", { ...right(), [stamp]: `-${now}` }, UNAUTHENTICATED),
  post("the victim's session in its place", { cookie: battle.cookie(victim) }, UNAUTHENTICATED),
  post("as a bearer", { authorization: `Bearer ${app.token}` }, UNAUTHENTICATED),
  post("Slack's old token in the body", {}, UNAUTHENTICATED, JSON.stringify({ token: "x", ...said })),
  post("a challenge that nobody signed", {}, UNAUTHENTICATED, '{"type":"url_verification","challenge":"x"}'),
  post("two million bytes that nobody reads", {}, UNAUTHENTICATED, `{"x":"${"x".repeat(2_000_000)}"}`),
]);

// The address: another's, or nearly the right one. Nothing signed helps.
const swapped = (text: string, at: number): string =>
  `${text.slice(0, at)}${text[at] === "a" ? "b" : "a"}${text.slice(at + 1)}`;
const at = (asset: string, of: string): string => `/hooks/slack/${asset}/${of}`;
battle.all([
  ...[0, 20, 50, 52, 60, 100].map((place) =>
    post(
      `the address with letter ${place} changed`,
      right(),
      UNAUTHENTICATED,
      event,
      at(victim.asset, swapped(hook, place)),
    ),
  ),
  post(
    "the victim's asset with the attacker's address",
    signed(renewed, event),
    UNAUTHENTICATED,
    event,
    at(victim.asset, ownHook),
  ),
  post("the attacker's asset with the victim's address", right(), UNAUTHENTICATED, event, at(attacker.asset, hook)),
  post(
    "the victim's owner with the attacker's proof",
    right(),
    UNAUTHENTICATED,
    event,
    at(victim.asset, `${hook.slice(0, 52)}${ownHook.slice(52)}`),
  ),
  post("the attacker's door with what the victim's Slack has signed", right(), UNAUTHENTICATED, event, ownPath),
  post("an asset that nobody signed in to", right(), UNAUTHENTICATED, event, at(nobodys, hook)),
  post("the zero address", right(), UNAUTHENTICATED, event, at(victim.asset, "a".repeat(103))),
  post("an address that is cut", right(), NOT_FOUND, event, path.slice(0, -1)),
  post("an address that is longer", right(), NOT_FOUND, event, `${path}a`),
  post("an address in upper case", right(), NOT_FOUND, event, at(victim.asset, hook.toUpperCase())),
  post("an address without its end", right(), NOT_FOUND, event, `/hooks/slack/${victim.asset}/`),
  post("an address with more behind", right(), NOT_FOUND, event, `${path}/x`),
  post("the door of another channel", right(), NOT_FOUND, event, `/hooks/telegram/${victim.asset}/${hook}`),
  post("the secret that was replaced", signed(former, event), UNAUTHENTICATED, event, ownPath),
  ...["GET", "PUT", "DELETE", "PATCH"].map(
    (method): Attack => ({
      name: `what is signed by ${method}`,
      method,
      path,
      headers: { origin: [], ...right() },
      gets: [405, "method_not_allowed"],
    }),
  ),
]);

// Signed by Slack: what is no event, or one that is hostile.
const sent = (name: string, body: string | Uint8Array, gets: Gets = MALFORMED): Attack =>
  post(name, right(body), gets, body);
const hostile = (changes: object): string => JSON.stringify(stack.slack.callback(app, { ...said, ...changes }));
const deep = `{"type":"event_callback","event_id":"Ev1","team_id":"${app.team}","event":{"type":"x","x":${"[".repeat(10_000)}${"]".repeat(10_000)}}}`;
battle.all([
  sent("no body", ""),
  sent("no JSON", "x"),
  sent("a list", `[${event}]`),
  sent("two events", `${event}${event}`),
  sent("an event without an end", event.slice(0, -1)),
  sent("a deep one", deep),
  sent("no type", "{}"),
  sent("no event", '{"type":"event_callback","event_id":"Ev1","team_id":"T1"}'),
  sent("SQL for a number", event.replace(/"event_id":"\w+"/, `"event_id":"'); DROP TABLE turns; --"`)),
  sent("a long number", event.replace(/"event_id":"\w+"/, `"event_id":"${"E".repeat(100)}"`)),
  sent("a long challenge", JSON.stringify({ type: "url_verification", challenge: "x".repeat(2000) })),
  sent("bytes that are no text", new Uint8Array([0x7b, 0xff, 0xfe, 0x7d])),
  sent("more than half a million bytes", hostile({ text: "x".repeat(600_000) }), [413, "body_too_large"]),
]);

/** What was rightly kept for strangers is told to them, and is how it is from then on. */
async function quiet(): Promise<void> {
  const open = "SELECT 1 FROM turns WHERE stage <> 'done'";
  await until("all is told", () => objectRows(stack, victim.asset, open).length === 0);
  battle.begin();
}
const tried = async (attack: Attack): Promise<void> => check(await battle.send(attack), attack.gets);
const kept = (owned: Owned): number => objectRows(stack, owned.asset, "SELECT * FROM turns").length;
battle.attack("nothing that is signed rightly but says nothing is kept", async () => {
  const before = kept(victim);
  for (const changes of [
    { user: app.bot },
    { user: "../../etc" },
    { channel: "D0/../x" },
    { ts: "../1" },
    { thread_ts: { $gt: 0 }, channel_type: "channel" },
    { bot_id: "B1" },
    { text: { toString: "x" } },
    { subtype: "message_deleted" },
  ]) {
    await tried(sent("", hostile(changes), TAKEN));
  }
  for (const outside of [{ team_id: own.team }, { team_id: "T0OTHER" }, { type: "app_rate_limited" }])
    await tried(sent("", JSON.stringify({ ...JSON.parse(event), ...outside }), TAKEN));
  assert.equal(kept(victim), before);
});
test("c18 slack: a request that was seen is of no use later, nor at once", async () => {
  const body = hostile({ text: "seen" });
  const headers = right(body);
  const before = kept(victim);
  for (let round = 0; round < 3; round += 1) {
    await tried(post("", headers, TAKEN, body));
  }
  // Once: the stranger is told a code.
  assert.equal(kept(victim), before + 1);
  await quiet();
});
test("c18 slack: a crowd of strangers wakes nobody, and is told three codes", async () => {
  for (let at = 0; at < 200; at += 1) {
    const body = hostile({ user: `U0CROWD${at}`, channel: `D0CROWD${at}` });
    await tried(post("", right(body), TAKEN, body));
  }
  assert.ok(objectRows(stack, victim.asset, "SELECT * FROM people").length <= 3);
  assert.equal((await victim.status()).state, "asleep");
  await quiet();
  assert.ok(stack.slack.posts(app).length <= 3);
});
battle.attack("who does not know the door has no object asked", async () => {
  const inhabited = inhabitedCount(stack);
  const commands = stack.agent.notes().filter(({ place }) => place === placeOf(victim.asset)).length;
  const nobody = (await devKeypair("nobody at all")).address;
  for (const to of [at(nobody, hook), at(victim.asset, ownHook)])
    await tried(post("", right(), UNAUTHENTICATED, event, to));
  assert.equal(inhabitedCount(stack), inhabited);
  assert.equal(stack.agent.notes().filter(({ place }) => place === placeOf(victim.asset)).length, commands);
});
battle.attack("the secrets are in no log, and the address but in that of requests", async () => {
  for (const secret of [app.token, app.signingSecret, own.token, renewed.signingSecret])
    assert.ok(!stack.logs.some((line) => line.includes(secret)));
  const lines = stack.logs.filter((line) => !/\/hooks\/\S+ .*\d{3}/.test(stripVTControlCharacters(line)));
  for (const part of [hook, ownHook])
    assert.deepEqual(
      lines.filter((line) => line.includes(part)),
      [],
    );
});

battle.afterwards();
