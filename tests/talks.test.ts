// People who write to the real OpenClaw by Telegram, Slack and Discord: whoever is unknown needs its owner's word, and whoever is
// known is answered once, also by an agent that slept; each conversation is remembered, and in no other (C18).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Owned } from "./support/agent.ts";
import { connectDiscord, FRIEND as DISCORD_FRIEND, discordOf } from "./support/discord.ts";
import { connectSlack, postsInTime, FRIEND as SLACK_FRIEND, slackOf } from "./support/slack.ts";
import { testStack } from "./support/stack.ts";
import { channelOf, connect, FRIEND } from "./support/telegram.ts";
import { type Patience, until } from "./support/wait.ts";

const TIMEOUT_MS = 900_000;
const PATIENCE: Patience = { within: 400_000, every: 250 };
/** What strangers write keeps no agent awake, and on a busy machine it is long until one of them has a code. */
const stack = await testStack({ vars: { IDLE_TIMEOUT: "45" } });
const { telegram, slack, discord } = stack;

test("c18 strangers of each channel are let in by the owner, and answered once, also by an agent that slept", {
  timeout: TIMEOUT_MS,
}, async () => {
  const owned = await Owned.ofNew(stack, "talks.molt");
  const { client, path } = owned;
  const approve = async (id: string) => {
    const approved = await client.post(`${path}/pairing/${id}/approve`);
    assert.deepEqual([approved.status, approved.json()], [200, { waiting: [] }], approved.text);
  };
  const token = await connect(stack, owned);
  const slackApp = await connectSlack(stack, owned, {});
  const discordApp = await connectDiscord(stack, owned, {});

  // By Slack and Discord the edge itself lets people in, which takes no running agent.
  slack.write(slackApp, SLACK_FRIEND, "let me in");
  const posted = async (count: number) => (await postsInTime(stack, slackApp, count, PATIENCE)).at(-1);
  assert.match((await posted(1)) ?? "", /does not know you yet/);
  await approve(`slack-${SLACK_FRIEND}`);
  const told = await discord.ask(discordApp, DISCORD_FRIEND, "let me in");
  assert.ok(told.whispered);
  await approve(`discord-${DISCORD_FRIEND.id}`);
  const asked = async (text: string) => {
    const question = await discord.ask(discordApp, DISCORD_FRIEND, text);
    await until("an answer at Discord", () => question.messages.length > 0, PATIENCE);
    return question.messages;
  };
  assert.equal((await owned.status()).state, "asleep");

  await owned.start(PATIENCE);
  const said = (): string[] => telegram.sent(token).map(({ text }) => text);
  // What came while it was not there it may answer together.
  const answers = (what: string): string[] =>
    said().filter((text) => text.startsWith("Echo: ") && text.split(/\n|^Echo: /).includes(what));
  telegram.write(token, FRIEND, "hello, I am new");
  const code = await until("a code", () => /\b[A-Z0-9]{8}\b/.exec(said().join("\n"))?.[0], PATIENCE);
  assert.deepEqual(answers("hello, I am new"), [], `the agent heard nothing of it, and ${code} is a stranger's`);
  const listed = await client.get(`${path}/pairing`);
  assert.equal(listed.status, 200, listed.text);
  const [waiting, ...more] = listed.json().waiting;
  assert.deepEqual([waiting.kind, waiting.name, more], ["person", "Friend (telegram 4242)", []]);
  assert.equal(Date.parse(waiting.expiresAt) - Date.parse(waiting.askedAt), 3_600_000);
  await approve(waiting.id);
  telegram.write(token, FRIEND, "and now?");
  await until("an answer", () => answers("and now?").length > 0, PATIENCE);
  slack.write(slackApp, SLACK_FRIEND, "the word is swordfish");
  assert.equal(await posted(2), "Echo: the word is swordfish");
  assert.deepEqual(await asked("the word is herring"), ["Echo: the word is herring"]);

  await owned.in("asleep", PATIENCE);
  for (const text of ["are you awake?", "still there?"]) telegram.write(token, FRIEND, text);
  slack.write(slackApp, SLACK_FRIEND, "what did I say?");
  const atDiscord = asked("what did I say?");
  await owned.in("running", PATIENCE);
  assert.equal(await posted(3), "Earlier you said: the word is swordfish");
  assert.deepEqual(await atDiscord, ["Earlier you said: the word is herring"]);
  await until("the last answer", () => answers("still there?").length > 0, PATIENCE);
  slack.mention(slackApp, SLACK_FRIEND, "what did I say?");
  assert.equal(await posted(4), "Earlier you said: nothing yet", "a channel is a conversation of its own");
  // A command of OpenClaw's is its owner's, and here it is no more than words.
  slack.write(slackApp, SLACK_FRIEND, "/config show");
  assert.equal(await posted(5), "Echo: /config show");

  // Whatever it would have said twice it has said by the time it sleeps again.
  await owned.in("asleep", PATIENCE);
  for (const what of ["and now?", "are you awake?", "still there?"]) {
    assert.equal(answers(what).length, 1, JSON.stringify(said()));
  }
  assert.equal(telegram.pending(token), 0);
  assert.equal(slack.posts(slackApp).length, 5);
  for (const { waiting, problem } of [await channelOf(owned), await slackOf(owned), await discordOf(owned)])
    assert.deepEqual([waiting, problem], [0, null]);
  const leaked = JSON.stringify((await client.get(`${path}/logs`)).json());
  const webhook = telegram.webhook(token);
  for (const secret of [
    token,
    webhook?.secret ?? "",
    webhook?.url.slice(-116) ?? "",
    slackApp.token,
    slackApp.signingSecret,
    discordApp.token,
  ])
    assert.ok(secret && !leaked.includes(secret), "the agent's log shows none of their secrets");
});
