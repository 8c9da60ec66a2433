// What people write to an agent's bot at Slack is answered by the agent, asleep or not, once and in order, whatever dies (C18,
// C20); strangers wake nobody; and nothing of it is left to the next owner (C08).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { signed } from "../dev/slack/server.ts";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { killContainer, killWorkerd } from "./support/kill.ts";
import { editObject, objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { connectSlack, FRIEND, postsInTime, slackOf, turnsOf } from "./support/slack.ts";
import { channelOf, connect, post } from "./support/telegram.ts";
import { until } from "./support/wait.ts";

const stack = await fakeAgentStack({ vars: { IDLE_TIMEOUT: "8" } });
const { agent, rpc, slack } = stack;
afterEach(() => {
  agent.behave();
  rpc.control.reset();
  slack.mood = { kind: "well" };
});

const rows = (asset: string, query: string) => objectRows(stack, asset, query);
const open = (asset: string) => rows(asset, "SELECT number FROM turns WHERE stage <> 'done'").length;
const settled = (asset: string) => until("all is done", () => open(asset) === 0, { within: 120_000 });

test("a channel is set up with secrets that have their form and that Slack knows, and is shown without them", async () => {
  const owned = await Owned.ofNew(stack, "slack-set-up.molt");
  const put = (body: object) => owned.client.put(`${owned.path}/channels/slack`, body);
  const { requestUrl, ...off } = await slackOf(owned);
  const none = { name: "slack", prefix: null, dmPolicy: "pairing", waiting: 0, lastMessageAt: null, problem: null };
  assert.deepEqual(off, { ...none, state: "off" });
  assert.match(requestUrl, new RegExp(`^${stack.appOrigin}/hooks/slack/${owned.asset}/[a-z2-7]{103}$`));
  const app = slack.app();
  const { token, signingSecret } = app;
  for (const [body, field] of [
    [{ signingSecret }, "token"],
    [{ token }, "signingSecret"],
    [{ token: 1, signingSecret }, "token"],
    [{ token, signingSecret, dmPolicy: "all" }, "dmPolicy"],
    [{ token, signingSecret, dmPolicy: "allowlist", allowFrom: ["4242"] }, "allowFrom"],
  ] as const)
    assertProblem(await put(body), 400, "invalid_field", field);
  for (const bad of ["", "xoxb-", token.replace("xoxb", "xoxp"), `${token} `])
    assertProblem(await put({ token: bad, signingSecret }), 422, "invalid_value", "token");
  for (const bad of ["", signingSecret.slice(1), `A${signingSecret.slice(1)}`, `${signingSecret}0`])
    assertProblem(await put({ token, signingSecret: bad }), 422, "invalid_value", "signingSecret");
  assertProblem(await put({ token: `${token}invalid`, signingSecret }), 422, "invalid_value", "token");
  slack.mood = { kind: "down" };
  assertProblem(await put({ token, signingSecret }), 502, "channel_unavailable");
  slack.mood = { kind: "well" };

  const answer = await put({ token, signingSecret });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(!answer.text.includes(signingSecret) && !answer.text.includes(token.slice(0, 9)));
  const shown = { ...none, requestUrl, account: "dev_bot in Development", prefix: token.slice(0, 8) };
  const { tokenSetAt, ...now } = answer.json();
  assert.deepEqual(now, { ...shown, state: "connecting" });
  assert.ok(Math.abs(Date.parse(tokenSetAt) - Date.now()) < 60_000);
  for (const secret of [token, signingSecret]) assert.deepEqual(stack.filesWith(secret), [], "it is sealed");
  assert.ok(await slack.enter(app, requestUrl));
  assert.deepEqual(await slackOf(owned), { ...shown, tokenSetAt, state: "connected" });
  const changed = await put({ dmPolicy: "open" });
  assert.deepEqual([changed.json().state, changed.json().warning !== undefined], ["connected", true]);
  const { agentUrl } = await owned.start();
  const injected = JSON.stringify(agent.injected(agentUrl));
  for (const secret of [token, signingSecret]) assert.ok(!injected.includes(secret), "the agent never has it");
  await owned.stop();
});

test("c18 a message wakes a sleeping agent, and is answered once in the conversation's own session", async () => {
  const owned = await Owned.ofNew(stack, "slack-woken.molt");
  const app = await connectSlack(stack, owned);
  await owned.start();
  await owned.in("asleep");
  const id = slack.write(app, FRIEND, "are you &lt;there&gt;?");
  await owned.in("running");
  assert.deepEqual(await postsInTime(stack, app, 1), ["Echo: are you &lt;there&gt;?"]);
  const visitor = await owned.enter(stack);
  slack.mention(app, FRIEND, "and in here?");
  await postsInTime(stack, app, 2);
  const [direct, mentioned, ...more] = await turnsOf(visitor);
  assert.deepEqual([direct?.text, mentioned?.text, more], ["are you <there>?", "and in here?", []]);
  assert.equal(direct?.user, `slack-${app.team}-D0FRIEND`);
  assert.match(mentioned?.user ?? "", new RegExp(`^slack-${app.team}-C0GENERAL-\\d+\\.\\d+$`));
  assert.equal(direct?.scopes, "operator.write", "whoever writes is no owner");
  assert.match(direct?.context ?? "", /by Slack, from the member U0FRIEND, in a direct message/);
  const [, inThread] = slack.posts(app);
  assert.equal(inThread?.channel, "C0GENERAL");
  assert.ok(mentioned?.user.endsWith(inThread?.thread ?? "none"), "a mention is answered below it");
  assert.deepEqual(slack.deliveries(app)[0], { id, statuses: [200] });
  const { lastMessageAt, waiting, problem } = await slackOf(owned);
  assert.ok(Math.abs(Date.parse(lastMessageAt ?? "") - Date.now()) < 60_000);
  assert.deepEqual([waiting, problem], [0, null]);
  await owned.in("asleep");
  assert.deepEqual(rows(owned.asset, "SELECT DISTINCT stage, text, answer, place FROM turns"), [
    { stage: "done", text: "", answer: "", place: "" },
  ]);
  const { wakes } = (await owned.client.get(`${owned.path}/wakes`)).json();
  assert.equal(wakes[0].cause, "channel");
});

test("c18 one that its owner stopped stays so, and answers when it is started", async () => {
  const owned = await Owned.ofNew(stack, "slack-stopped.molt");
  const app = await connectSlack(stack, owned);
  slack.write(app, FRIEND, "hello?");
  await until("it waits", async () => (await slackOf(owned)).waiting === 1);
  assert.equal(agent.most(owned.asset), 0, "it was not woken");
  await owned.start();
  assert.deepEqual(await postsInTime(stack, app, 1), ["Echo: hello?"]);
  await owned.stop();
});

test("what bots say, what was edited and what comes twice is not answered", async () => {
  const owned = await Owned.ofNew(stack, "slack-twice.molt");
  const app = await connectSlack(stack, owned);
  await owned.start();
  slack.write(app, app.bot, "my own words");
  slack.write(app, FRIEND, "a bot's", { bot_id: "B0OTHER" });
  slack.write(app, FRIEND, "edited", { subtype: "message_changed" });
  const body = JSON.stringify(
    slack.callback(app, { type: "message", channel: "D1", user: FRIEND, text: "once", channel_type: "im" }),
  );
  const { requestUrl } = await slackOf(owned);
  const send = async (more: Record<string, string> = {}) =>
    assert.equal((await post(stack, requestUrl, body, { ...signed(app, body), ...more })).status, 200);
  await Promise.all([send(), send(), send({ "x-slack-retry-num": "1" })]);
  await postsInTime(stack, app, 1);
  await send({ "x-slack-retry-num": "2" });
  slack.write(app, FRIEND, "after");
  await postsInTime(stack, app, 2);
  await settled(owned.asset);
  assert.deepEqual(
    slack.posts(app).map(({ text }) => text),
    ["Echo: once", "Echo: after"],
  );
  await owned.stop();
});

test("c20 messages of several people, while the container and the Worker are killed: each is answered once and in order", async () => {
  const owned = await Owned.ofNew(stack, "slack-kills.molt");
  const app = await connectSlack(stack, owned);
  await owned.start();
  await owned.in("asleep");
  agent.behaveAt(owned.asset, { boot: { afterMs: 6000 } });
  const people = ["U0ONE", "U0TWO", "U0THREE"];
  const write = (from: number, to: number) => {
    for (let at = from; at < to; at += 1) for (const person of people) slack.write(app, person, `${person} ${at}`);
  };
  write(0, 4);
  await owned.boots();
  const came = () => slack.deliveries(app).every(({ statuses }) => statuses.includes(200));
  await until("all are taken in", came, { within: 60_000 });
  agent.behaveAt(owned.asset, {});
  await killContainer(stack, owned.asset);
  await owned.in("running");
  await postsInTime(stack, app, 12, { within: 120_000 });
  // Of each person's one is thought about as the container dies, then one as the Worker does, and others wait behind it.
  agent.behaveAt(owned.asset, { turn: { hold: true } });
  write(4, 8);
  const asked = "SELECT 1 FROM turns WHERE stage = 'waiting' AND attempts > 0";
  await until("some are asked", () => rows(owned.asset, asked).length > 0);
  await killContainer(stack, owned.asset);
  await until("it is noticed", async () => (await owned.status()).state !== "running");
  await owned.in("running");
  await stack.replaceWorker(() => killWorkerd(stack).catch(() => {}));
  agent.behaveAt(owned.asset, {});
  await postsInTime(stack, app, 24, { within: 180_000 });
  await settled(owned.asset);
  const said = slack.posts(app);
  for (const person of people) {
    const texts = said.filter(({ channel }) => channel === `D${person.slice(1)}`).map(({ text }) => text);
    assert.deepEqual(
      texts,
      Array.from({ length: 8 }, (_, at) => `Echo: ${person} ${at}`),
    );
  }
  assert.equal(said.length, 24);
  await owned.stop();
});

test("c20 a Worker that dies over a post does not post it again", async () => {
  const owned = await Owned.ofNew(stack, "slack-dies-posting.molt");
  const app = await connectSlack(stack, owned);
  await owned.start();
  slack.mood = { kind: "mute" };
  slack.write(app, FRIEND, "posted, and nobody hears of it");
  await postsInTime(stack, app, 1);
  await until("it is told", async () => (await slackOf(owned)).problem !== null);
  assert.match((await slackOf(owned)).problem ?? "", /not known whether/);
  slack.mood = { kind: "well" };
  slack.write(app, FRIEND, "and on");
  assert.deepEqual(await postsInTime(stack, app, 2), ["Echo: posted, and nobody hears of it", "Echo: and on"]);
  await until("all is well", async () => (await slackOf(owned)).problem === null);
  await owned.stop();
  // As a Worker leaves it that died between the count and the post.
  const left = `UPDATE turns SET stage = 'answered', answer = 'said before', posted = 1, retry_at = 0,
    place = '{"slack":{"person":"U0FRIEND","channel":"D0FRIEND","thread":null,"direct":true}}' WHERE number = (SELECT MAX(number) FROM turns)`;
  await stack.replaceWorker(() => editObject(stack, owned.asset, left));
  await owned.client.put(`${owned.path}/channels/slack`, { dmPolicy: "open" });
  await settled(owned.asset);
  assert.equal(slack.posts(app).length, 2);
  assert.match((await slackOf(owned)).problem ?? "", /not known whether/);
});

test("an answer that Slack does not take yet is posted later, also by an agent that sleeps", async () => {
  const owned = await Owned.ofNew(stack, "slack-later.molt");
  const app = await connectSlack(stack, owned);
  await owned.start();
  slack.mood = { kind: "limited", seconds: 10, times: 1 };
  slack.write(app, FRIEND, "no hurry");
  await until("it is told", async () => (await slackOf(owned)).problem !== null);
  await owned.stop();
  assert.deepEqual(slack.posts(app), []);
  assert.deepEqual(await postsInTime(stack, app, 1, { within: 30_000 }), ["Echo: no hurry"]);
  assert.equal((await owned.status()).state, "asleep");
  await owned.start();
  const told = () => until("it is told", async () => (await slackOf(owned)).problem ?? false);
  slack.mood = { kind: "refusing", error: "channel_not_found" };
  slack.write(app, FRIEND, "gone");
  assert.equal(await told(), "Slack did not take an answer: channel_not_found.");
  // As it never will, it holds up nothing.
  slack.mood = { kind: "well" };
  slack.write(app, FRIEND, "and on");
  assert.deepEqual(await postsInTime(stack, app, 2), ["Echo: no hurry", "Echo: and on"]);
  await owned.stop();
});

test("an agent that has nothing to say says nothing, and one that fails again and again is sorry once", async () => {
  const owned = await Owned.ofNew(stack, "slack-fails.molt");
  const app = await connectSlack(stack, owned);
  await owned.start();
  const visitor = await owned.enter(stack);
  agent.behaveAt(owned.asset, { turn: { silent: true } });
  slack.write(app, FRIEND, "psst");
  await until("it was asked", async () => (await turnsOf(visitor)).length === 1);
  await settled(owned.asset);
  assert.deepEqual(slack.posts(app), []);
  agent.behaveAt(owned.asset, { turn: { status: 500 } });
  slack.write(app, FRIEND, "fail");
  assert.match((await postsInTime(stack, app, 1, { within: 60_000 }))[0] ?? "", /could not answer/);
  assert.equal((await turnsOf(visitor)).filter(({ text }) => text === "fail").length, 5);
  await settled(owned.asset);
  assert.equal(slack.posts(app).length, 1);
  await owned.stop();
});

test("a stranger is let in by the owner's word, which needs no agent that runs, and wakes none", async () => {
  const owned = await Owned.ofNew(stack, "slack-stranger.molt");
  const { client, path } = owned;
  assertProblem(await client.get(`${path}/pairing`), 409, "wrong_state");
  const app = await connectSlack(stack, owned, {});
  assert.deepEqual((await client.get(`${path}/pairing`)).json(), { waiting: [] });
  await owned.start();
  await owned.in("asleep");
  slack.write(app, FRIEND, "hello, I am new");
  const [told = ""] = await postsInTime(stack, app, 1);
  const code = /\b[A-Z2-9]{8}\b/.exec(told)?.[0] ?? assert.fail(told);
  const listed = (await client.get(`${path}/pairing`)).json().waiting;
  const { askedAt, expiresAt, ...who } = listed[0];
  assert.deepEqual(who, { id: "slack-U0FRIEND", kind: "person", name: "U0FRIEND (slack)", code });
  assert.equal(Date.parse(expiresAt) - Date.parse(askedAt), 3_600_000);
  // Asked once; and of many three wait.
  slack.write(app, FRIEND, "well?");
  for (const other of ["U0AAA", "U0BBB", "U0CCC", "U0DDD"]) slack.write(app, other, "me too");
  await until("all came", () => slack.deliveries(app).every(({ statuses }) => statuses.includes(200)));
  await postsInTime(stack, app, 3);
  const ids: string[] = (await client.get(`${path}/pairing`)).json().waiting.map(({ id }: { id: string }) => id);
  assert.equal(ids.length, 3);
  // Whichever of them came first.
  const other = ids.find((id) => id !== `slack-${FRIEND}`);
  await settled(owned.asset);
  assert.equal(slack.posts(app).length, 3);
  assert.equal((await owned.status()).state, "asleep", "nobody was woken");

  const stranger = await Owned.ofNew(stack, "slack-strangers-own.molt", "buyer");
  assertProblem(await stranger.client.post(`${path}/pairing/slack-U0FRIEND/approve`), 403, "forbidden");
  const approved = await client.post(`${path}/pairing/slack-U0FRIEND/approve`);
  assert.deepEqual([approved.status, approved.json().waiting.length], [200, 2], approved.text);
  assert.equal((await client.post(`${path}/pairing/${other}/reject`)).json().waiting.length, 1);
  assertProblem(await client.post(`${path}/pairing/${other}/approve`), 404, "not_found");
  slack.write(app, FRIEND, "and now?");
  assert.equal((await postsInTime(stack, app, 4, { within: 60_000 })).at(-1), "Echo: and now?");
  const visitor = await owned.enter(stack);
  assert.deepEqual(
    (await turnsOf(visitor)).map(({ text }) => text),
    ["and now?"],
    "the agent heard nothing of what was written before",
  );
  // An agent that names one of them in its own list has nobody let in.
  const forged = { id: "slack-U0DDD", kind: "person", name: "Friend" };
  agent.behaveAt(owned.asset, { pairing: { waiting: [forged] } });
  const both = (await client.get(`${path}/pairing`)).json().waiting;
  assert.ok(!both.some(({ id }: { id: string }) => id === forged.id), JSON.stringify(both));
  await owned.stop();
});

test("whom an owner has let in they list, and can shut out again, with what waits of theirs", async () => {
  const owned = await Owned.ofNew(stack, "slack-taken-back.molt");
  const { client, path } = owned;
  const app = await connectSlack(stack, owned, {});
  const people = async () => (await slackOf(owned)).people;
  const shutOut = (person: string) => client.request("DELETE", `${path}/channels/slack/people/${person}`);
  for (const person of [FRIEND, "U0OTHER"]) slack.write(app, person, "hello?");
  await postsInTime(stack, app, 2);
  assert.equal(await people(), undefined, "who only waits is not let in");
  assertProblem(await shutOut(FRIEND), 404, "not_found");
  for (const person of [FRIEND, "U0OTHER"])
    assert.equal((await client.post(`${path}/pairing/slack-${person}/approve`)).status, 200);
  const [, first] = (await people()) ?? [];
  assert.deepEqual([first?.id, first?.name], [FRIEND, `${FRIEND} (slack)`], "the newest comes first");
  assert.ok(Math.abs(Date.parse(first?.letInAt ?? "") - Date.now()) < 60_000);
  for (const person of [FRIEND, "U0OTHER"]) slack.write(app, person, "never read, or is it?");
  await until("both wait", async () => (await slackOf(owned)).waiting === 2);

  const answer = await shutOut(FRIEND);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual([answer.json().waiting, answer.json().people.length], [1, 1]);
  assertProblem(await shutOut(FRIEND), 404, "not_found");
  await owned.start();
  await postsInTime(stack, app, 3);
  slack.write(app, FRIEND, "and now?");
  const last = (await postsInTime(stack, app, 4)).at(-1);
  assert.match(last ?? "", /does not know you yet/);
  const visitor = await owned.enter(stack);
  assert.deepEqual(
    (await turnsOf(visitor)).map(({ context }) => context.includes("U0OTHER")),
    [true],
    "the agent heard nobody else",
  );
  await owned.stop();
});

test("whom their owner shuts out is not answered, though they wrote before", async () => {
  const owned = await Owned.ofNew(stack, "slack-shut-out.molt");
  const app = await connectSlack(stack, owned);
  slack.write(app, FRIEND, "hello?");
  await until("it waits", async () => (await slackOf(owned)).waiting === 1);
  const changed = await owned.client.put(`${owned.path}/channels/slack`, { dmPolicy: "disabled" });
  assert.deepEqual([changed.status, changed.json().waiting], [200, 0], changed.text);
  await owned.start();
  assert.equal((await owned.client.put(`${owned.path}/channels/slack`, { dmPolicy: "open" })).status, 200);
  slack.write(app, FRIEND, "and now?");
  assert.deepEqual(await postsInTime(stack, app, 1), ["Echo: and now?"]);
  await owned.stop();
});

test("a channel that is deleted is gone, with all that came by it", async () => {
  const owned = await Owned.ofNew(stack, "slack-deleted.molt");
  const app = await connectSlack(stack, owned);
  const { requestUrl } = await slackOf(owned);
  slack.write(app, FRIEND, "never read");
  await until("it waits", async () => (await slackOf(owned)).waiting === 1);
  const deleted = await owned.client.request("DELETE", `${owned.path}/channels/slack`);
  assert.deepEqual([deleted.status, deleted.json().state], [200, "off"], deleted.text);
  for (const table of ["secrets", "channels", "turns", "people"])
    assert.deepEqual(rows(owned.asset, `SELECT * FROM ${table}`), [], table);
  const body = JSON.stringify(slack.callback(app, { type: "message" }));
  assertProblem(await post(stack, requestUrl, body, signed(app, body)), 404, "not_found");
});

test("c08 after a transfer the old bot reaches nothing", async () => {
  const owned = await Owned.ofNew(stack, "slack-sold.molt");
  const app = await connectSlack(stack, owned);
  await owned.start();
  agent.behaveAt(owned.asset, { turn: { hold: true } });
  slack.write(app, FRIEND, "thought about as it is sold");
  await until("it is asked", () => rows(owned.asset, "SELECT 1 FROM turns WHERE attempts = 1").length === 1);
  const { requestUrl } = await slackOf(owned);
  rpc.control.transfer(owned.asset, (await devKeypair("buyer")).address);
  const next = await Owned.of(stack, owned.asset, "buyer");
  agent.behaveAt(owned.asset, {});
  for (const table of ["secrets", "channels", "turns", "people"])
    assert.deepEqual(rows(owned.asset, `SELECT * FROM ${table}`), [], table);
  const body = JSON.stringify(slack.callback(app, { type: "message" }));
  assertProblem(await post(stack, requestUrl, body, signed(app, body)), 404, "not_found");
  const { state, requestUrl: nextUrl } = await slackOf(next);
  assert.equal(state, "off");
  assert.notEqual(nextUrl, requestUrl);
  await next.in("asleep");
  assert.deepEqual(slack.posts(app), []);
});

test("of what a flood leaves behind only so much is kept", async () => {
  const owned = await Owned.ofNew(stack, "slack-flooded.molt");
  const app = await connectSlack(stack, owned);
  await connect(stack, owned);
  const many = `WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000)
    INSERT INTO turns (owner, channel, id, conversation, rank, stage, place, text, answer, posted, received_at, attempts, retry_at)
    SELECT owner, name, 'Ev' || id, 'c', id, 'waiting', '', '', '', 0, unixepoch() * 1000, 0, 0 FROM n, channels WHERE name = 'slack'`;
  await stack.replaceWorker(() => editObject(stack, owned.asset, many));
  const { requestUrl } = await slackOf(owned);
  const body = JSON.stringify(
    slack.callback(app, { type: "message", channel: "D1", user: FRIEND, text: "x", channel_type: "im" }),
  );
  const full = await post(stack, requestUrl, body, signed(app, body));
  assertProblem(full, 429, "rate_limited");
  assert.equal(full.headers["retry-after"], "30");
  const late = `UPDATE turns SET received_at = received_at - 86400000`;
  await stack.replaceWorker(() => editObject(stack, owned.asset, late));
  await owned.client.put(`${owned.path}/channels/slack`, { dmPolicy: "open" });
  await until("what waited for a day is dropped", async () => (await slackOf(owned)).waiting === 0);
  assert.match((await slackOf(owned)).problem ?? "", /for a day were dropped: 1000\.$/);
  assert.equal((await channelOf(owned)).problem, null, "it was none of Telegram's");
  const dropped = rows(owned.asset, "SELECT entry FROM audit").map(({ entry }) => entry);
  assert.ok(dropped.includes('{"event":"messages_dropped","count":1000}'), dropped.join());
});

test("what waits at a channel that only a newer version knows is dropped after a day as well", async () => {
  const owned = await Owned.ofNew(stack, "slack-newer.molt");
  await connectSlack(stack, owned);
  const row = `INSERT INTO turns (owner, channel, id, conversation, rank, stage, place, text, answer, posted, received_at, attempts, retry_at)
    SELECT owner, 'x', 'Ev1', 'c', 1, 'waiting', '', 'x', '', 0, unixepoch() * 1000 - 86400000, 0, 0 FROM channels WHERE name = 'slack'`;
  await stack.replaceWorker(() => editObject(stack, owned.asset, row));
  await owned.client.put(`${owned.path}/channels/slack`, { dmPolicy: "open" });
  await until("it is gone", () => rows(owned.asset, "SELECT 1 FROM turns").length === 0, { within: 20_000 });
  assert.equal((await slackOf(owned)).problem, null, "it was none of Slack's");
  const dropped = rows(owned.asset, "SELECT entry FROM audit WHERE entry LIKE '%messages_dropped%'");
  assert.deepEqual(dropped, [{ entry: '{"event":"messages_dropped","count":1}' }]);
});
