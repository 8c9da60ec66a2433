// A conversation at Slack with the real OpenClaw, which is asked by the edge: each conversation is a session that remembers, and
// one that slept is woken and answers once (C18).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Owned } from "./support/agent.ts";
import { connectSlack, FRIEND, postsInTime, slackOf } from "./support/slack.ts";
import { testStack } from "./support/stack.ts";
import type { Patience } from "./support/wait.ts";

const TIMEOUT_MS = 900_000;
const PATIENCE: Patience = { within: 400_000, every: 250 };
const stack = await testStack({ vars: { IDLE_TIMEOUT: "15" } });
const { slack } = stack;

test("c18 a friend at Slack is answered by an agent that slept, which remembers the conversation and no other", {
  timeout: TIMEOUT_MS,
}, async () => {
  const owned = await Owned.ofNew(stack, "slack-talks.molt");
  const app = await connectSlack(stack, owned, {});
  const { client, path } = owned;
  slack.write(app, FRIEND, "let me in");
  assert.match((await postsInTime(stack, app, 1, PATIENCE))[0] ?? "", /does not know you yet/);
  const approved = await client.post(`${path}/pairing/slack-${FRIEND}/approve`);
  assert.equal(approved.status, 200, approved.text);
  await owned.start(PATIENCE);
  slack.write(app, FRIEND, "the word is swordfish");
  assert.equal((await postsInTime(stack, app, 2, PATIENCE)).at(-1), "Echo: the word is swordfish");
  // By its state: the session is the same after a sleep.
  await owned.in("asleep", PATIENCE);
  slack.write(app, FRIEND, "what did I say?");
  assert.equal((await postsInTime(stack, app, 3, PATIENCE)).at(-1), "Earlier you said: the word is swordfish");
  slack.mention(app, FRIEND, "what did I say?");
  assert.equal((await postsInTime(stack, app, 4, PATIENCE)).at(-1), "Earlier you said: nothing yet");
  // A command of OpenClaw's is the owner's, and here it is no more than words.
  slack.write(app, FRIEND, "/config show");
  const said = (await postsInTime(stack, app, 5, PATIENCE)).at(-1) ?? "";
  assert.equal(said, "Echo: /config show");
  const { waiting, problem } = await slackOf(owned);
  assert.deepEqual([waiting, problem], [0, null]);
  assert.equal(slack.posts(app).length, 5, "each was answered once");
  const leaked = JSON.stringify((await client.get(`${path}/logs`)).json());
  for (const secret of [app.token, app.signingSecret]) assert.ok(!leaked.includes(secret));
});
