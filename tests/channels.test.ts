// What people write to an agent's bot gets to it: kept while it sleeps or boots, delivered once and in order, whatever dies
// (C18, C20), and nothing of it to whoever owned it before (C08).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { killContainer, killGateway, killWorkerd } from "./support/kill.ts";
import { editObject, objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { onDocker } from "./support/stack.ts";
import {
  channelOf,
  connect,
  FRIEND,
  FRIENDS,
  farewell,
  newToken,
  post,
  SECRET_HEADER,
  taken,
  takenInTime,
} from "./support/telegram.ts";
import { until } from "./support/wait.ts";

const IDLE_SECONDS = 8;
const stack = await fakeAgentStack({ vars: { IDLE_TIMEOUT: String(IDLE_SECONDS) } });
const { agent, rpc, telegram } = stack;
afterEach(() => {
  agent.behave();
  rpc.control.reset();
  telegram.down = false;
});

const texts = (count: number, what = "message"): string[] => Array.from({ length: count }, (_, at) => `${what} ${at}`);
const rows = (asset: string, query: string) => objectRows(stack, asset, query);

/** An owner whose agent fell asleep after it was set up; by default it knows the friend alone. */
async function asleep(name: string, admission: object = FRIENDS): Promise<{ owned: Owned; token: string }> {
  const owned = await Owned.ofNew(stack, name);
  const token = await connect(stack, owned, newToken(), admission);
  await owned.start();
  await owned.in("asleep");
  return { owned, token };
}

test("c18 a message wakes a sleeping agent, which gets it once", async () => {
  const { owned, token } = await asleep("woken.molt");
  const id = telegram.write(token, FRIEND, "are you there?");
  await until("it is taken in", () => telegram.pending(token) === 0);
  assert.deepEqual(telegram.answers(token), [200]);
  const typing = () => telegram.calls(token, "sendChatAction").map(({ params }) => params);
  assert.deepEqual(typing(), [{ chat_id: FRIEND.id, action: "typing" }], "whoever writes sees that somebody wakes");
  await owned.in("running");
  const visitor = await owned.enter(stack);
  assert.deepEqual(await takenInTime(visitor, 1), [{ id, text: "are you there?" }]);
  const { lastMessageAt, waiting, problem } = await channelOf(owned);
  assert.ok(Math.abs(Date.parse(lastMessageAt ?? "") - Date.now()) < 60_000);
  assert.deepEqual([waiting, problem], [0, null]);
  const { wakes } = (await owned.client.get(`${owned.path}/wakes`)).json();
  assert.equal(wakes[0].cause, "channel");
  await owned.in("asleep");
  assert.deepEqual(rows(owned.asset, "SELECT state, body FROM inbox"), [{ state: "done", body: "" }]);
});

test("c18 one that its owner stopped stays so, and gets its messages when it is started", async () => {
  const owned = await Owned.ofNew(stack, "stopped.molt");
  const token = await connect(stack, owned);
  telegram.write(token, FRIEND, "hello?");
  await until("it waits", async () => (await channelOf(owned)).waiting === 1);
  assert.equal((await owned.status()).state, "asleep");
  assert.deepEqual((await owned.client.get(`${owned.path}/wakes`)).json().wakes, [], "it was not woken");
  assert.deepEqual(telegram.calls(token, "sendChatAction"), [], "nobody is about to answer");
  await owned.start();
  const visitor = await owned.enter(stack);
  assert.equal((await takenInTime(visitor, 1))[0]?.text, "hello?");
  await owned.stop();
});

test("c20 200 messages while it boots, and it is killed twice on the way: each once and in order", async () => {
  const { owned, token } = await asleep("many.molt");
  agent.behave({ boot: { afterMs: 3000 } });
  const sent = texts(200).map((text) => ({ id: telegram.write(token, FRIEND, text), text }));
  await owned.boots();
  await killContainer(stack, owned.asset);
  await owned.in("running");
  const visitor = await owned.enter(stack);
  await takenInTime(visitor, 10, { within: 120_000, every: 20 });
  await killContainer(stack, owned.asset);
  await until("all are taken in", () => telegram.pending(token) === 0, { within: 120_000 });
  await until("it runs again", async () => (await taken(visitor)).length === 200, { within: 180_000 });
  assert.deepEqual(await taken(visitor), sent);
  await owned.stop();
  await owned.start();
  assert.deepEqual(await taken(visitor), sent, "and that is saved");
  await owned.stop();
});

test("c20 what the agent has accepted, and no snapshot holds, is given to the one that is started in its place", async () => {
  const { owned, token } = await asleep("lost.molt");
  await owned.start();
  const visitor = await owned.enter(stack);
  telegram.write(token, FRIEND, "one");
  await takenInTime(visitor, 1);
  await until("accepted", () => rows(owned.asset, "SELECT 1 FROM inbox WHERE state = 'accepted'").length === 1);
  await killContainer(stack, owned.asset);
  await until("it is back", async () => (await taken(visitor)).length === 1, { within: 120_000 });
  // A gateway that ends is saved first: what it has is not given to it again.
  telegram.write(token, FRIEND, "two");
  await takenInTime(visitor, 2);
  if (!onDocker) await killGateway(stack, owned.asset);
  else await visitor.request("POST", "/end");
  await until("done", () => rows(owned.asset, "SELECT 1 FROM inbox WHERE state = 'done'").length === 2);
  telegram.write(token, FRIEND, "three");
  const all = await takenInTime(visitor, 3, { within: 120_000 });
  assert.deepEqual(
    all.map(({ text }) => text),
    ["one", "two", "three"],
  );
  await owned.stop();
});

test("c20 an agent that dies over a message, and a Worker that does, lose and double none", async () => {
  const { owned, token } = await asleep("dies-over-it.molt");
  await owned.start();
  const visitor = await owned.enter(stack);
  const first = telegram.write(token, FRIEND, "first");
  await takenInTime(visitor, 1);
  agent.behave({ telegram: { exitAfter: first + 1 } });
  telegram.write(token, FRIEND, "deadly");
  await until("it died", async () => (await owned.status()).state !== "running");
  agent.behave();
  const sent = ["first", "deadly", ...texts(20)];
  for (const text of sent.slice(2)) telegram.write(token, FRIEND, text);
  await until("some are taken in", () => telegram.pending(token) < 15, { every: 10 });
  await stack.replaceWorker(() => killWorkerd(stack).catch(() => {}));
  await until("all are taken", async () => (await taken(visitor)).length === sent.length, { within: 180_000 });
  const got = (await taken(visitor)).map(({ text }) => text);
  assert.deepEqual(got, sent);
  await owned.stop();
});

test("only the agent's word that it has a message for good counts", async () => {
  const { owned, token } = await asleep("vague.molt");
  agent.behave({ telegram: { vague: true } });
  const id = telegram.write(token, FRIEND, "kept");
  await owned.in("running");
  await until("it is told", async () => (await channelOf(owned)).problem !== null);
  assert.equal((await channelOf(owned)).waiting, 1);
  agent.behave({ telegram: { refuse: true } });
  await until("tried again", () =>
    rows(owned.asset, "SELECT attempts FROM inbox").some(({ attempts }) => attempts >= 2),
  );
  agent.behave();
  const visitor = await owned.enter(stack);
  assert.deepEqual(await takenInTime(visitor, 1), [{ id, text: "kept" }]);
  await until("all is well", async () => (await channelOf(owned)).problem === null);
  await owned.stop();
});

test("a message that comes twice is taken once, as is one that was delivered before", async () => {
  const owned = await Owned.ofNew(stack, "twice.molt");
  const token = await connect(stack, owned);
  const { url, secret } = telegram.webhook(token) ?? assert.fail();
  const update = JSON.stringify({ update_id: 7, message: { text: "once" } });
  const send = async () => assert.equal((await post(stack, url, update, { [SECRET_HEADER]: secret })).status, 200);
  await Promise.all([send(), send(), send()]);
  assert.equal((await channelOf(owned)).waiting, 1);
  await owned.start();
  const visitor = await owned.enter(stack);
  await takenInTime(visitor, 1);
  await send();
  await owned.stop();
  await send();
  await owned.start();
  const after = JSON.stringify({ update_id: 8, message: { text: "after" } });
  assert.equal((await post(stack, url, after, { [SECRET_HEADER]: secret })).status, 200);
  assert.deepEqual(await takenInTime(visitor, 2), [
    { id: 7, text: "once" },
    { id: 8, text: "after" },
  ]);
  await owned.stop();
});

test("c08 after a transfer the old bot reaches nothing, and Telegram is told", async () => {
  const { owned, token } = await asleep("sold.molt", {});
  const letIn = () =>
    rows(owned.asset, "SELECT row FROM channels").flatMap(({ row }) => JSON.parse(row).strangers.let_in);
  agent.behaveAt(owned.asset, { snapshot: { claim: { letIn: [String(FRIEND.id)] } } });
  await owned.start();
  await owned.in("asleep");
  assert.deepEqual(letIn(), [String(FRIEND.id)]);
  agent.behaveAt(owned.asset, {});
  const { url, secret } = telegram.webhook(token) ?? assert.fail();
  const update = (id: number) => JSON.stringify({ update_id: id, message: { text: "for the old one" } });
  const send = (id: number) => post(stack, url, update(id), { [SECRET_HEADER]: secret });
  rpc.control.transfer(owned.asset, (await devKeypair("buyer")).address);
  // Nobody has looked since: it may be kept, and wakes nobody.
  const early = await send(1);
  assert.ok([200, 404].includes(early.status), early.text);
  const next = await Owned.of(stack, owned.asset, "buyer");
  assertProblem(await send(2), 404, "not_found");
  for (const table of ["secrets", "channels", "inbox"])
    assert.deepEqual(rows(owned.asset, `SELECT * FROM ${table}`), [], table);
  await until("Telegram is told", () => telegram.webhook(token) === undefined);
  await farewell(stack, owned);
  assert.equal((await channelOf(next)).state, "off");
  assertProblem(await send(3), 404, "not_found");
  // What the early one may have begun to wake is taken away.
  await next.in("asleep");
  assert.deepEqual(await next.snapshots(), []);
  // The new owner's bot has another door, and the old one still none.
  const other = await connect(stack, next);
  assert.notEqual(telegram.webhook(other)?.url, url);
  assert.deepEqual(letIn(), [], "whom the old one let in is a stranger to the new one");
  assertProblem(await send(4), 404, "not_found");
});

test("of what a flood leaves behind only so much is remembered", async () => {
  const { owned, token } = await asleep("flooded.molt", { dmPolicy: "open" });
  await owned.stop();
  const many = `WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 10100)
    INSERT INTO inbox SELECT owner, json_extract(row, '$.bot'), id, 'done', '', unixepoch() * 1000, 0, 0 FROM n, channels`;
  await stack.replaceWorker(() => editObject(stack, owned.asset, many));
  const hook = telegram.webhook(token) ?? assert.fail();
  const update = (id: number) => JSON.stringify({ update_id: id, message: { from: FRIEND, text: "hello" } });
  const send = (id: number) => post(stack, hook.url, update(id), { [SECRET_HEADER]: hook.secret });
  assert.equal((await send(10_101)).status, 200);
  const left = "SELECT MIN(id) AS first, COUNT(*) AS count FROM inbox WHERE state = 'done'";
  await until("the oldest are forgotten", () => rows(owned.asset, left)[0]?.count === 10_000);
  assert.deepEqual(rows(owned.asset, left), [{ first: 101, count: 10_000 }]);
  // And what is remembered is known.
  assert.equal((await send(10_100)).status, 200);
  assert.equal((await channelOf(owned)).waiting, 1);
});

test("what could not be delivered for a day is dropped, and its owner is told", async () => {
  const owned = await Owned.ofNew(stack, "late.molt");
  const token = await connect(stack, owned, newToken(), FRIENDS);
  const dropped = () =>
    rows(owned.asset, "SELECT entry FROM audit WHERE entry LIKE '%messages_dropped%'").map(({ entry }) => entry);
  const late = telegram.write(token, FRIEND, "yesterday's");
  telegram.write(token, FRIEND, "nearly as old");
  await until("they wait", async () => (await channelOf(owned)).waiting === 2);
  const age = (ms: number, which: string) =>
    `UPDATE inbox SET received_at = received_at - ${ms} WHERE state = 'waiting' AND id ${which} ${late};`;
  const almost = 86_400_000 - 600_000;
  await stack.replaceWorker(() => editObject(stack, owned.asset, age(86_400_000, "=") + age(almost, ">")));
  telegram.write(token, FRIEND, "today's");
  const told = await until("it is dropped", async () => {
    const channel = await channelOf(owned);
    return channel.problem !== null && channel;
  });
  assert.deepEqual(
    [told.problem, told.waiting],
    ["Messages that could not be delivered for a day were dropped: 1.", 2],
  );
  assert.deepEqual(dropped(), ['{"event":"messages_dropped","count":1}']);
  await owned.start();
  const visitor = await owned.enter(stack);
  const texts = (await takenInTime(visitor, 2)).map(({ text }) => text);
  assert.deepEqual(texts, ["nearly as old", "today's"]);
  await until("that is over", async () => (await channelOf(owned)).problem === null);
  await owned.stop();
});

test("c18 whom its owner did not name wakes an agent never, and is counted", async () => {
  const { owned, token } = await asleep("named-only.molt");
  for (const id of [1, 2, 2]) telegram.write(token, { id, name: "Stranger" }, "hello?");
  await until("they are taken in", () => telegram.pending(token) === 0);
  assert.deepEqual(telegram.answers(token), [200, 200, 200], "Telegram is not to send them again");
  const { waiting, lastMessageAt, heldBackToday } = await channelOf(owned);
  assert.deepEqual([waiting, lastMessageAt, heldBackToday], [0, null, 3]);
  assert.equal((await owned.status()).state, "asleep");
  assert.equal(rows(owned.asset, "SELECT 1 FROM audit WHERE entry LIKE '%strangers_held_back%'").length, 1);
  const id = telegram.write(token, FRIEND, "it is me");
  await owned.in("running");
  assert.deepEqual(await takenInTime(await owned.enter(stack), 1), [{ id, text: "it is me" }]);
  await owned.stop();
});

test("c18 strangers wake an agent a few times and keep none awake, and whom it has let in none of them keeps out", async () => {
  const { owned, token } = await asleep("flood.molt", {});
  const wakes = async () => (await owned.client.get(`${owned.path}/wakes`)).json().wakes.length;
  const stranger = (id: number) => telegram.write(token, { id, name: "Stranger" }, `hello from ${id}`);
  // As one does that has let its friend in.
  agent.behave({ snapshot: { claim: { letIn: [String(FRIEND.id)] } } });
  let writers = 0;
  stranger(++writers);
  await owned.in("running");
  const events = await owned.events();
  await events.first("a status", () => true);
  stranger(++writers);
  await until("who listens is told that somebody may wait", () => events.news.includes("pairing"));
  events.close();
  // As long as it runs: what comes later would wake it again.
  const goOnWriting = async () => {
    const isOver = (await owned.status()).state !== "running";
    if (!isOver) stranger(++writers);
    return isOver;
  };
  await until("it falls asleep though they go on writing", goOnWriting, { every: 1000 });
  assert.equal((await channelOf(owned)).heldBackToday, 0, "they had not used up what they have by then");
  await owned.in("asleep");
  // Then all at once, until they have.
  for (let left = 100; left > 0; left -= 1) stranger(++writers);
  await until("all are taken in", () => telegram.pending(token) === 0);
  await owned.in("running");
  await owned.in("asleep");
  const before = await wakes();
  const held = (await channelOf(owned)).heldBackToday;
  assert.ok(held >= 40, `${held} were held back`);
  stranger(++writers);
  await until("it is counted", async () => (await channelOf(owned)).heldBackToday === held + 1);
  assert.deepEqual([await wakes(), (await owned.status()).state], [before, "asleep"]);
  const id = telegram.write(token, FRIEND, "and I?");
  await owned.in("running");
  const visitor = await owned.enter(stack);
  await until("it has that", async () => (await taken(visitor)).some((one) => one.id === id));
  await owned.stop();
});

test("who waits is listed, let in and sent away by the owner alone", async () => {
  const owned = await Owned.ofNew(stack, "pairing.molt");
  const { client, path } = owned;
  assertProblem(await client.get(`${path}/pairing`), 409, "wrong_state");
  const friend = { id: "gy78iSSlz7xFxwBfWQxTGr5smoWWw8jU", kind: "person", name: "Friend (telegram 4242)" };
  const phone = { id: "0b5a-1", kind: "device", name: "A phone" };
  agent.behave({ pairing: { waiting: [{ ...friend, askedAt: 1_000, expiresAt: 3_601_000 }, phone] } });
  await owned.start();
  const listed = await client.get(`${path}/pairing`);
  assert.equal(listed.status, 200, listed.text);
  const shown = { ...friend, askedAt: "1970-01-01T00:00:01.000Z", expiresAt: "1970-01-01T01:00:01.000Z" };
  assert.deepEqual(listed.json(), { waiting: [shown, { ...phone, askedAt: null, expiresAt: null }] });
  const approved = await client.post(`${path}/pairing/${friend.id}/approve`);
  assert.deepEqual([approved.status, approved.json().waiting.length], [200, 1], approved.text);
  const rejected = await client.post(`${path}/pairing/${phone.id}/reject`);
  assert.deepEqual([rejected.status, rejected.json().waiting], [200, [shown]]);
  const words = agent.notes("pairing").flatMap(({ argv }) => argv ?? []);
  assert.deepEqual(words, [`--approve=${friend.id}`, `--reject=${phone.id}`]);
  await until("it is saved", async () => (await owned.snapshots()).length > 0);
  assertProblem(await client.post(`${path}/pairing/nobody/approve`), 404, "not_found");
  for (const id of ["--approve", "a%20b", "x".repeat(65)])
    assertProblem(await client.post(`${path}/pairing/${id}/approve`), 400, "invalid_field", "id");
  const stranger = await Owned.ofNew(stack, "pairing-stranger.molt", "buyer");
  assertProblem(await stranger.client.get(`${path}/pairing`), 403, "forbidden");
  assertProblem(await stranger.client.post(`${path}/pairing/${friend.id}/approve`), 403, "forbidden");
  await owned.stop();
});
