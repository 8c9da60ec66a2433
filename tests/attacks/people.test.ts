// Whom an owner has let in at Slack nobody else shuts out, nor learns of, and nobody is shut out by a name that is almost theirs.
import assert from "node:assert/strict";
import { objectRows } from "../support/objects.ts";
import { connectSlack, slackOf } from "../support/slack.ts";
import { until } from "../support/wait.ts";
import { type Attack, Battle, type Gets } from "./support.ts";

const battle = await Battle.on("people", "c04 c18");
const { victim, attacker, stack } = battle;
const { slack } = stack;
const app = await connectSlack(stack, victim, {});
const own = await connectSlack(stack, attacker, {});
const KNOWN = "U0KNOWN";
const WAITS = "U0WAITS";
for (const person of [KNOWN, WAITS]) slack.write(app, person, "hello?");
slack.write(own, "U0OTHER", "hello?");
await until("all are told", () => slack.posts(app).length === 2 && slack.posts(own).length === 1);
for (const [owned, person] of [
  [victim, KNOWN],
  [attacker, "U0OTHER"],
] as const)
  assert.equal((await owned.client.post(`${owned.path}/pairing/slack-${person}/approve`)).status, 200);
assert.deepEqual(
  (await slackOf(victim)).people?.map(({ id }) => id),
  [KNOWN],
);
const open = `SELECT 1 FROM turns WHERE stage <> 'done'`;
await until("all is posted", () => objectRows(stack, victim.asset, open).length === 0);
battle.begin();

const MALFORMED: Gets = [400, "invalid_field", "person"];
const NOT_FOUND: Gets = [404, "not_found"];
const shut = (name: string, gets: Gets, person = KNOWN, more: Partial<Attack> = {}): Attack => ({
  name,
  method: "DELETE",
  path: `${victim.path}/channels/slack/people/${person}`,
  as: victim,
  gets,
  ...more,
});
const at = (path: string): Partial<Attack> => ({ path });

battle.all([
  {
    name: "by nobody",
    method: "DELETE",
    path: `${victim.path}/channels/slack/people/${KNOWN}`,
    gets: [401, "unauthenticated"],
  },
  shut("by another owner", [403, "forbidden"], KNOWN, { as: attacker }),
  shut("the victim's person of the attacker's channel", NOT_FOUND, KNOWN, {
    as: attacker,
    ...at(`${attacker.path}/channels/slack/people/${KNOWN}`),
  }),
  shut("whoever only waits", NOT_FOUND, WAITS),
  shut("whom nobody knows", NOT_FOUND, "U0NOBODY"),
  shut("at another channel", MALFORMED, KNOWN, at(`${victim.path}/channels/discord/people/${KNOWN}`)),
  shut("at Telegram", NOT_FOUND, "7", at(`${victim.path}/channels/telegram/people/7`)),
  shut("at no channel", NOT_FOUND, KNOWN, at(`${victim.path}/channels/x/people/${KNOWN}`)),
  ...[
    "",
    "u0known",
    "7",
    "*",
    "%",
    "U0KNOWN%20",
    "%55%30KNOWN",
    "slack-U0KNOWN",
    "U0KNOWN'--",
    `U${"0".repeat(99)}`,
  ].map((person) => shut(`by the name "${person.slice(0, 20)}"`, MALFORMED, person)),
  shut("with more behind", NOT_FOUND, `${KNOWN}/x`),
  shut("all of them", NOT_FOUND, KNOWN, at(`${victim.path}/channels/slack/people`)),
  ...["GET", "POST", "PUT", "PATCH"].map((method) =>
    shut(`by ${method}`, [405, "method_not_allowed"], KNOWN, { method }),
  ),
]);

battle.afterwards();
