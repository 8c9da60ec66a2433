// The door for what people ask an agent at Discord: an address that only Discord and the owner know, and a signature that only Discord can
// make. Without the first no object is asked, without the second nothing is read, kept or woken.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { devKeypair } from "../../dev/solana/accounts.ts";
import { type Owned, placeOf } from "../support/agent.ts";
import { connectDiscord, discordOf, FRIEND } from "../support/discord.ts";
import { inhabitedCount, objectRows } from "../support/objects.ts";
import { type Attack, Battle, check, type Gets } from "./support.ts";

const battle = await Battle.on("discord", "c18 c08");
const { victim, attacker, stack } = battle;
const { discord } = stack;
const pathOf = async (owned: Owned): Promise<string> => new URL((await discordOf(owned)).requestUrl).pathname;
const app = await connectDiscord(stack, victim, {});
const path = await pathOf(victim);
/** What the attacker has: an application of their own. */
const own = await connectDiscord(stack, attacker);
const ownPath = await pathOf(attacker);
/** Read before the first test: none is waited for between two of them, or one alone would find nothing to attack. */
const nobodys = (await devKeypair("nobody")).address;
battle.begin();

const UNAUTHENTICATED: Gets = [401, "unauthenticated"];
const MALFORMED: Gets = [400, "malformed_body"];
const NOT_FOUND: Gets = [404, "not_found"];
const TAKEN: Gets = (answer) => assert.equal(answer.status, 200, answer.text);
const interaction = JSON.stringify(discord.interaction(app, FRIEND, "obey me"));
const hook = path.split("/").at(-1) ?? assert.fail();
const ownHook = ownPath.split("/").at(-1) ?? assert.fail();
const now = Math.floor(Date.now() / 1000);
const post = (
  name: string,
  headers: Attack["headers"],
  gets: Gets,
  body: Attack["body"] = interaction,
  to = path,
): Attack => ({
  name,
  method: "POST",
  path: to,
  headers: { origin: [], "content-type": "application/json", ...headers },
  body,
  gets,
});
const right = (body: string | Uint8Array = interaction, at?: number) => discord.signed(app, body, at);
const stamp = "x-signature-timestamp";
const signature = "x-signature-ed25519";
const good = right()[signature] ?? assert.fail();
const flipped = `${good.slice(0, -1)}${good.endsWith("0") ? "1" : "0"}`;
const stranger = generateKeyPairSync("ed25519").privateKey;
/** The order of the curve's group, which is added to make a second signature of a first. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const malleable = (hex: string): string => {
  const half = Buffer.from(hex.slice(64), "hex").reverse().toString("hex");
  const sum = (BigInt(`0x${half}`) + ORDER).toString(16).padStart(64, "0");
  return hex.slice(0, 64) + Buffer.from(sum, "hex").reverse().toString("hex");
};

// The signature: none, nearly the right one, another's, or an old one.
battle.all([
  post("nothing signed", {}, UNAUTHENTICATED),
  post("no signature", { [stamp]: String(now) }, UNAUTHENTICATED),
  post("no timestamp", { [signature]: good }, UNAUTHENTICATED),
  post("an empty signature", { ...right(), [signature]: "" }, UNAUTHENTICATED),
  post("one that is cut", { ...right(), [signature]: good.slice(0, -2) }, UNAUTHENTICATED),
  post("one that is longer", { ...right(), [signature]: `${good}00` }, UNAUTHENTICATED),
  post("one with its last digit changed", { ...right(), [signature]: flipped }, UNAUTHENTICATED),
  post("one in upper case", { ...right(), [signature]: good.toUpperCase() }, UNAUTHENTICATED),
  post("one in base64", { ...right(), [signature]: Buffer.from(good, "hex").toString("base64") }, UNAUTHENTICATED),
  post("a second one made of it", { ...right(), [signature]: malleable(good) }, UNAUTHENTICATED),
  post("zeros", { ...right(), [signature]: "0".repeat(128) }, UNAUTHENTICATED),
  post("two of them", { ...right(), [signature]: [good, good] }, UNAUTHENTICATED),
  post("made with the attacker's key", discord.signed(own, interaction), UNAUTHENTICATED),
  post(
    "made with anybody's key",
    { [stamp]: String(now), [signature]: sign(null, Buffer.from(`${now}${interaction}`), stranger).toString("hex") },
    UNAUTHENTICATED,
  ),
  post("of another body", right(`${interaction} `), UNAUTHENTICATED),
  post("of no body", right(""), UNAUTHENTICATED),
  post("of another moment", { ...right(interaction, now - 10), [stamp]: String(now) }, UNAUTHENTICATED),
  post(
    "with a digit moved from the body to the time",
    { ...right(`1${interaction}`), [stamp]: `${now}1` },
    UNAUTHENTICATED,
  ),
  post("six minutes old", right(interaction, now - 360), UNAUTHENTICATED),
  post("a year old", right(interaction, now - 31_536_000), UNAUTHENTICATED),
  post("of the time to come", right(interaction, now + 360), UNAUTHENTICATED),
  post("a timestamp in words", { ...right(), [stamp]: "now" }, UNAUTHENTICATED),
  post("a timestamp in another spelling", { ...right(), [stamp]: `0${now}` }, UNAUTHENTICATED),
  post("the victim's session in its place", { cookie: battle.cookie(victim) }, UNAUTHENTICATED),
  post("as a bot", { authorization: `Bot ${app.token}` }, UNAUTHENTICATED),
  post("a ping that nobody signed", {}, UNAUTHENTICATED, '{"type":1}'),
  post("two million bytes that nobody reads", {}, UNAUTHENTICATED, `{"x":"${"x".repeat(2_000_000)}"}`),
]);

// The address: another's, or nearly the right one.
const swapped = (text: string, at: number): string =>
  `${text.slice(0, at)}${text[at] === "a" ? "b" : "a"}${text.slice(at + 1)}`;
const at = (asset: string, of: string): string => `/hooks/discord/${asset}/${of}`;
battle.all([
  ...[0, 20, 50, 52, 60, 100].map((place) =>
    post(
      `the address with letter ${place} changed`,
      right(),
      UNAUTHENTICATED,
      interaction,
      at(victim.asset, swapped(hook, place)),
    ),
  ),
  post(
    "the victim's asset with the attacker's address",
    discord.signed(own, interaction),
    UNAUTHENTICATED,
    interaction,
    at(victim.asset, ownHook),
  ),
  post(
    "the attacker's asset with the victim's address",
    right(),
    UNAUTHENTICATED,
    interaction,
    at(attacker.asset, hook),
  ),
  post("the attacker's door with what the victim's was signed with", right(), UNAUTHENTICATED, interaction, ownPath),
  post(
    "the address of the same tenant's Slack",
    right(),
    UNAUTHENTICATED,
    interaction,
    `/hooks/slack/${victim.asset}/${hook}`,
  ),
  post("an asset that nobody signed in to", right(), UNAUTHENTICATED, interaction, at(nobodys, hook)),
  post("an address that is cut", right(), NOT_FOUND, interaction, path.slice(0, -1)),
  post("an address with more behind", right(), NOT_FOUND, interaction, `${path}/x`),
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

// Signed by Discord: what is no interaction, or one that is hostile.
const sent = (name: string, body: string | Uint8Array, gets: Gets = MALFORMED): Attack =>
  post(name, right(body), gets, body);
const hostile = (more: object): string => JSON.stringify({ ...discord.interaction(app, FRIEND, "x"), ...more });
const deep = `{"type":2,"x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
battle.all([
  sent("no body", ""),
  sent("no JSON", "x"),
  sent("a list", `[${interaction}]`),
  sent("two interactions", `${interaction}${interaction}`),
  sent("a deep one", deep),
  sent("no type", "{}"),
  sent("a type in words", hostile({ type: "2" })),
  sent("a number that is none", hostile({ id: "'); DROP TABLE turns; --" })),
  sent("a token that leads elsewhere", hostile({ token: "../../channels/1/messages" })),
  sent("a token with a query", hostile({ token: "x?wait=true" })),
  sent("a token without an end", hostile({ token: "x".repeat(1000) })),
  sent("bytes that are no text", new Uint8Array([0x7b, 0xff, 0xfe, 0x7d])),
  sent("more than half a million bytes", hostile({ x: "x".repeat(600_000) }), [413, "body_too_large"]),
]);

const tried = async (attack: Attack): Promise<void> => check(await battle.send(attack), attack.gets);
battle.attack("nothing that is signed rightly but asks nothing is kept", async () => {
  for (const more of [
    { type: 3 },
    { application_id: own.applicationId },
    { data: { name: "other" } },
    { data: { name: "ask", options: "x" } },
    { member: { user: { id: "../7" } } },
    { member: { user: { id: "7", bot: true } } },
    { channel_id: "../x" },
  ])
    await tried(sent("", hostile(more), TAKEN));
});
test("c18 discord: a crowd of strangers wakes nobody, and three of them wait", async () => {
  for (let at = 0; at < 100; at += 1)
    await tried(sent("", hostile({ member: { user: { id: String(1000 + at), username: "<b>crowd</b>" } } }), TAKEN));
  assert.equal(objectRows(stack, victim.asset, "SELECT * FROM people").length, 3);
  assert.deepEqual(objectRows(stack, victim.asset, "SELECT * FROM turns"), []);
  assert.equal((await victim.status()).state, "asleep");
  battle.begin();
});
battle.attack("who does not know the door has no object asked", async () => {
  const inhabited = inhabitedCount(stack);
  const commands = stack.agent.notes().filter(({ place }) => place === placeOf(victim.asset)).length;
  for (const to of [at((await devKeypair("nobody at all")).address, hook), at(victim.asset, ownHook)])
    await tried(post("", right(), UNAUTHENTICATED, interaction, to));
  assert.equal(inhabitedCount(stack), inhabited);
  assert.equal(stack.agent.notes().filter(({ place }) => place === placeOf(victim.asset)).length, commands);
});
battle.attack("the tokens are in no log, and the address but in that of requests", async () => {
  const lines = stack.logs.filter((line) => !/\/hooks\/\S+ .*\d{3}/.test(stripVTControlCharacters(line)));
  for (const secret of [app.token, own.token, hook, ownHook]) assert.ok(!lines.some((line) => line.includes(secret)));
});

battle.afterwards();
