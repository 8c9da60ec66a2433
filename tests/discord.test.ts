// What people ask an agent at Discord is answered by the agent, asleep or not, once, whatever dies (C18, C20); strangers wake nobody;
// and nothing of it is left to the next owner (C08).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import type { Asked, Person } from "../dev/discord/server.ts";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { connectDiscord, discordOf, FRIEND } from "./support/discord.ts";
import { killContainer, killWorkerd } from "./support/kill.ts";
import { editObject, objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { turnsOf } from "./support/slack.ts";
import { post } from "./support/telegram.ts";
import { type Patience, until } from "./support/wait.ts";

const stack = await fakeAgentStack({ vars: { IDLE_TIMEOUT: "8" } });
const { agent, rpc, discord } = stack;
afterEach(() => {
  agent.behave();
  rpc.control.reset();
  discord.mood = { kind: "well" };
});

const rows = (asset: string, query: string) => objectRows(stack, asset, query);
const settled = (asset: string) =>
  until("all is done", () => rows(asset, "SELECT 1 FROM turns WHERE stage <> 'done'").length === 0, {
    within: 120_000,
  });
const answered = (asked: Asked, patience?: Patience) => until("an answer", () => asked.messages.length > 0, patience);

test("a channel is set up with an application that Discord knows, which is told where to send what people ask", async () => {
  const owned = await Owned.ofNew(stack, "discord-set-up.molt");
  const put = (body: object) => owned.client.put(`${owned.path}/channels/discord`, body);
  const { requestUrl, ...off } = await discordOf(owned);
  const none = { name: "discord", prefix: null, dmPolicy: "pairing", waiting: 0, lastMessageAt: null, problem: null };
  assert.deepEqual(off, { ...none, state: "off" });
  assert.match(requestUrl, new RegExp(`^${stack.appOrigin}/hooks/discord/${owned.asset}/[a-z2-7]{103}$`));
  const app = discord.app();
  const { token, applicationId, publicKey } = app;
  for (const [body, field] of [
    [{ applicationId, publicKey }, "token"],
    [{ token, publicKey }, "applicationId"],
    [{ token, applicationId }, "publicKey"],
    [{ ...app, applicationId: 7 }, "applicationId"],
    [{ ...app, dmPolicy: "allowlist", allowFrom: ["U024BE7LH"] }, "allowFrom"],
  ] as const)
    assertProblem(await put(body), 400, "invalid_field", field);
  const other = discord.app();
  for (const [body, field] of [
    [{ ...app, token: "x" }, "token"],
    [{ ...app, token: `${token} ` }, "token"],
    [{ ...app, token: `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}` }, "token"],
    [{ ...app, applicationId: "x" }, "applicationId"],
    [{ ...app, applicationId: other.applicationId }, "applicationId"],
    [{ ...app, publicKey: publicKey.toUpperCase().replace(/^\d+$/, "A") }, "publicKey"],
    [{ ...app, publicKey: "00".repeat(32) }, "publicKey"],
    [{ ...app, publicKey: other.publicKey }, "publicKey"],
  ] as const)
    assertProblem(await put(body), 422, "invalid_value", field);
  discord.mood = { kind: "down" };
  assertProblem(await put(app), 502, "channel_unavailable");
  discord.mood = { kind: "well" };

  const answer = await put(app);
  assert.equal(answer.status, 200, answer.text);
  assert.ok(!answer.text.includes(token.slice(0, 9)));
  const shown = {
    ...none,
    requestUrl,
    account: "Development bot",
    applicationId,
    publicKey,
    prefix: token.slice(0, 8),
  };
  const { tokenSetAt, ...now } = answer.json();
  assert.deepEqual(now, { ...shown, state: "connecting" });
  assert.deepEqual(stack.filesWith(token), [], "it is sealed");
  await until("connected", async () => (await discordOf(owned)).state === "connected");
  assert.deepEqual(await discordOf(owned), { ...shown, tokenSetAt, state: "connected" });
  assert.equal(discord.endpoint(app), requestUrl);
  assert.deepEqual(
    discord.commands(app).map((command) => (command as { name: string }).name),
    ["ask"],
  );
  const { agentUrl } = await owned.start();
  assert.ok(!JSON.stringify(agent.injected(agentUrl)).includes(token), "the agent never has it");
  await owned.stop();
});

test("c18 a question wakes a sleeping agent, and is answered once where it was asked", async () => {
  const owned = await Owned.ofNew(stack, "discord-woken.molt");
  const app = await connectDiscord(stack, owned);
  await owned.start();
  await owned.in("asleep");
  const asked = await discord.ask(app, FRIEND, "are you there?");
  assert.deepEqual([asked.status, asked.type], [200, 5], "it is told at once that the agent thinks");
  await owned.in("running");
  await answered(asked);
  assert.deepEqual(asked.messages, ["Echo: are you there?"]);
  const visitor = await owned.enter(stack);
  const [turn] = await turnsOf(visitor);
  assert.equal(turn?.user, "discord-41771983423143937-4242");
  assert.equal(turn?.scopes, "operator.write", "whoever asks is no owner");
  assert.match(turn?.context ?? "", /by Discord, from the user 4242/);
  const loud = await discord.ask(app, FRIEND, "@everyone, <@4242>");
  await answered(loud);
  assert.deepEqual([loud.messages, loud.called], [["Echo: @everyone, <@4242>"], []], "it calls nobody");
  const long = await discord.ask(app, FRIEND, "x".repeat(5000));
  await until("all parts", () => long.messages.join("").length === 5006);
  assert.equal(long.messages.length, 3);
  await owned.in("asleep");
  assert.deepEqual(rows(owned.asset, "SELECT DISTINCT stage, text, answer, place FROM turns"), [
    { stage: "done", text: "", answer: "", place: "" },
  ]);
  assert.equal(asked.edits, 1);
});

test("c18 one that its owner stopped says so, and is not woken", async () => {
  const owned = await Owned.ofNew(stack, "discord-stopped.molt");
  const app = await connectDiscord(stack, owned);
  const asked = await discord.ask(app, FRIEND, "hello?");
  assert.deepEqual([asked.status, asked.type], [200, 4]);
  assert.match(asked.messages[0] ?? "", /stopped/);
  assert.deepEqual(rows(owned.asset, "SELECT * FROM turns"), []);
  assert.equal(agent.most(owned.asset), 0, "it was not woken");
});

test("c20 questions of several people, while the container and the Worker are killed: each is answered once", async () => {
  const owned = await Owned.ofNew(stack, "discord-kills.molt");
  const app = await connectDiscord(stack, owned);
  await owned.start();
  await owned.in("asleep");
  agent.behaveAt(owned.asset, { boot: { afterMs: 6000 } });
  const people: Person[] = ["11", "22", "33"].map((id) => ({ id, name: `Person ${id}` }));
  const all: { text: string; asked: Asked }[] = [];
  for (let at = 0; at < 4; at += 1)
    for (const person of people) {
      const text = `${person.id} ${at}`;
      all.push({ text, asked: await discord.ask(app, person, text) });
    }
  await owned.boots();
  agent.behaveAt(owned.asset, { turn: { hold: true } });
  await killContainer(stack, owned.asset);
  await owned.in("running");
  const asked = "SELECT 1 FROM turns WHERE stage = 'waiting' AND attempts > 0";
  await until("some are asked", () => rows(owned.asset, asked).length > 0);
  await stack.replaceWorker(() => killWorkerd(stack).catch(() => {}));
  agent.behaveAt(owned.asset, {});
  await until("all are answered", () => all.every(({ asked }) => asked.messages.length > 0), { within: 180_000 });
  await settled(owned.asset);
  for (const { text, asked } of all) assert.deepEqual(asked.messages, [`Echo: ${text}`]);
  await owned.stop();
});

test("c20 an answer whose fate is not known is written again in its place, and what followed it is not", async () => {
  const owned = await Owned.ofNew(stack, "discord-mute.molt");
  const app = await connectDiscord(stack, owned);
  await owned.start();
  discord.mood = { kind: "mute", times: 1 };
  const asked = await discord.ask(app, FRIEND, "short");
  await settled(owned.asset);
  assert.deepEqual([asked.messages, asked.edits], [["Echo: short"], 2]);
  discord.mood = { kind: "limited", seconds: 1, times: 1 };
  const limited = await discord.ask(app, FRIEND, "limited");
  await answered(limited, { within: 30_000 });
  await settled(owned.asset);
  assert.deepEqual(limited.messages, ["Echo: limited"]);
  await owned.stop();
});

test("what can't be answered any more is not, and its owner is told", async () => {
  const owned = await Owned.ofNew(stack, "discord-late.molt");
  const app = await connectDiscord(stack, owned);
  await owned.start();
  agent.behaveAt(owned.asset, { turn: { hold: true } });
  const asked = await discord.ask(app, FRIEND, "late");
  await until("it is asked", () => rows(owned.asset, "SELECT 1 FROM turns WHERE attempts > 0").length > 0);
  const late = `UPDATE turns SET place = json_set(place, '$.discord.until', '2026-01-01T00:00:00.000Z')`;
  await stack.replaceWorker(() => editObject(stack, owned.asset, late));
  agent.behaveAt(owned.asset, {});
  await settled(owned.asset);
  assert.deepEqual(asked.messages, []);
  assert.match((await discordOf(owned)).problem ?? "", /15 minutes/);
  await owned.stop();
});

test("a stranger is told a code, and nobody else sees it; the owner lets them in without an agent that runs", async () => {
  const owned = await Owned.ofNew(stack, "discord-stranger.molt");
  const { client, path } = owned;
  const app = await connectDiscord(stack, owned, {});
  await owned.start();
  await owned.in("asleep");
  const told = await discord.ask(app, FRIEND, "hello, I am new");
  assert.deepEqual([told.type, told.whispered], [4, true]);
  const code = /\b[A-Z2-9]{8}\b/.exec(told.messages[0] ?? "")?.[0] ?? assert.fail(told.messages[0]);
  const [{ askedAt, expiresAt, ...who }] = (await client.get(`${path}/pairing`)).json().waiting;
  assert.deepEqual(who, { id: "discord-4242", kind: "person", name: "Friend (discord 4242)", code });
  assert.equal(Date.parse(expiresAt) - Date.parse(askedAt), 3_600_000);
  const again = await discord.ask(app, FRIEND, "well?");
  assert.match(again.messages[0] ?? "", new RegExp(code));
  for (const id of ["1", "2", "3"]) await discord.ask(app, { id, name: "Crowd" }, "me too");
  assert.equal((await client.get(`${path}/pairing`)).json().waiting.length, 3);
  assert.equal((await owned.status()).state, "asleep", "nobody was woken");
  assert.equal((await client.post(`${path}/pairing/discord-4242/approve`)).status, 200);
  const asked = await discord.ask(app, FRIEND, "and now?");
  await answered(asked, { within: 60_000 });
  assert.deepEqual(asked.messages, ["Echo: and now?"]);
  assert.deepEqual(
    (await discordOf(owned)).people?.map(({ id, name }) => [id, name]),
    [["4242", "Friend (discord 4242)"]],
  );
  const shutOut = await client.request("DELETE", `${path}/channels/discord/people/4242`);
  assert.deepEqual([shutOut.status, shutOut.json().people], [200, undefined], shutOut.text);
  const stranger = await discord.ask(app, FRIEND, "and now?");
  assert.match(stranger.messages[0] ?? "", /does not know you yet|Too many people wait/);
  await client.put(`${path}/channels/discord`, { dmPolicy: "disabled" });
  const unheard = await discord.ask(app, FRIEND, "hello?");
  assert.deepEqual([unheard.type, unheard.whispered], [4, true]);
  await owned.stop();
});

test("a channel that is deleted is gone, from here and from Discord", async () => {
  const owned = await Owned.ofNew(stack, "discord-deleted.molt");
  const app = await connectDiscord(stack, owned);
  const { requestUrl } = await discordOf(owned);
  const deleted = await owned.client.request("DELETE", `${owned.path}/channels/discord`);
  assert.deepEqual([deleted.status, deleted.json().state], [200, "off"], deleted.text);
  for (const table of ["secrets", "channels", "turns", "people"])
    assert.deepEqual(rows(owned.asset, `SELECT * FROM ${table}`), [], table);
  await until("Discord is told", () => discord.endpoint(app) === null && discord.commands(app).length === 0);
  const body = JSON.stringify(discord.interaction(app, FRIEND, "x"));
  assertProblem(await post(stack, requestUrl, body, discord.signed(app, body)), 404, "not_found");
});

/** How the agent's farewell to its application ended, once it has. */
const farewell = (asset: string) =>
  until("the farewell has ended", () => {
    const [row] = rows(asset, "SELECT entry FROM audit WHERE entry LIKE '%application_left%'");
    return row !== undefined && JSON.parse(row.entry);
  });

test("an application that is deleted and connected again at once is told so last, however long its farewell takes", async () => {
  const owned = await Owned.ofNew(stack, "discord-again.molt");
  const app = await connectDiscord(stack, owned);
  // Longer than anybody waits: it comes after what is said next.
  const slow = { kind: "slow" as const, ms: 9000, times: 1 };
  discord.mood = slow;
  const deleted = await owned.client.request("DELETE", `${owned.path}/channels/discord`);
  assert.equal(deleted.status, 200, deleted.text);
  await until("the farewell is under way", () => slow.times === 0);
  await connectDiscord(stack, owned, {}, app);
  const told = () => discord.calls(app).filter((call) => call.startsWith("PUT ")).length;
  await until("it is told, told to forget, told again, and once more", () => told() === 4, { within: 60_000 });
  await until("connected", async () => (await discordOf(owned)).state === "connected");
  assert.equal(discord.endpoint(app), (await discordOf(owned)).requestUrl);
  assert.equal(discord.commands(app).length, 1);
  assert.deepEqual(rows(owned.asset, "SELECT 1 FROM audit WHERE entry LIKE '%application_left%'"), []);
});

test("an application that is deleted while Discord is told of it is forgotten as soon as that has ended", async () => {
  const owned = await Owned.ofNew(stack, "discord-hardly.molt");
  const app = discord.app();
  const slow = { kind: "slow" as const, ms: 4000, times: 1 };
  discord.mood = slow;
  assert.equal((await owned.client.put(`${owned.path}/channels/discord`, app)).status, 200);
  await until("it is told", () => slow.times === 0);
  await owned.client.request("DELETE", `${owned.path}/channels/discord`);
  const told = () => discord.calls(app).filter((call) => call.startsWith("PUT ")).length;
  await until("it is told of the command", () => told() >= 1);
  // A try that only waited would be followed by a longer pause.
  await until("it is told to forget", () => told() === 2, { within: 6000 });
  assert.equal((await farewell(owned.asset)).told, true);
  assert.deepEqual([discord.endpoint(app), discord.commands(app).length], [null, 0]);
});

test("a farewell clears nothing that another agent was given meanwhile", async () => {
  const former = await Owned.ofNew(stack, "discord-former.molt");
  const app = await connectDiscord(stack, former);
  const next = await Owned.ofNew(stack, "discord-next.molt");
  await connectDiscord(stack, next, {}, app);
  const { requestUrl } = await discordOf(next);
  await former.client.request("DELETE", `${former.path}/channels/discord`);
  assert.equal((await farewell(former.asset)).told, true);
  assert.deepEqual([discord.endpoint(app), discord.commands(app).length], [requestUrl, 1]);
});

test("a farewell that is tried again clears nothing that was set since", async () => {
  const former = await Owned.ofNew(stack, "discord-hasty.molt");
  const app = await connectDiscord(stack, former);
  const next = await Owned.ofNew(stack, "discord-hasty-next.molt");
  // After two tries it is another ten seconds.
  const limited = { kind: "limited" as const, seconds: 1, times: 2 };
  discord.mood = limited;
  await former.client.request("DELETE", `${former.path}/channels/discord`);
  await until("it has failed", () => limited.times === 0);
  await connectDiscord(stack, next, {}, app);
  const { requestUrl } = await discordOf(next);
  assert.equal((await farewell(former.asset)).told, true);
  assert.deepEqual([discord.endpoint(app), discord.commands(app).length], [requestUrl, 1]);
});

test("c08 after a transfer the old application reaches nothing, and Discord is told", async () => {
  const owned = await Owned.ofNew(stack, "discord-sold.molt");
  const app = await connectDiscord(stack, owned);
  await owned.start();
  agent.behaveAt(owned.asset, { turn: { hold: true } });
  const asked = await discord.ask(app, FRIEND, "thought about as it is sold");
  await until("it is asked", () => rows(owned.asset, "SELECT 1 FROM turns WHERE attempts = 1").length === 1);
  const { requestUrl } = await discordOf(owned);
  rpc.control.transfer(owned.asset, (await devKeypair("buyer")).address);
  const next = await Owned.of(stack, owned.asset, "buyer");
  agent.behaveAt(owned.asset, {});
  for (const table of ["secrets", "channels", "turns", "people"])
    assert.deepEqual(rows(owned.asset, `SELECT * FROM ${table}`), [], table);
  const body = JSON.stringify(discord.interaction(app, FRIEND, "x"));
  assertProblem(await post(stack, requestUrl, body, discord.signed(app, body)), 404, "not_found");
  await until("Discord is told", () => discord.endpoint(app) === null && discord.commands(app).length === 0);
  assert.equal((await discordOf(next)).state, "off");
  await next.in("asleep");
  assert.deepEqual(asked.messages, []);
});

test("what Discord can't be told at once it is told later, and its owner sees that", async () => {
  const owned = await Owned.ofNew(stack, "discord-told-later.molt");
  const app = discord.app();
  const answer = await owned.client.put(`${owned.path}/channels/discord`, app);
  discord.mood = { kind: "down" };
  assert.equal(answer.status, 200, answer.text);
  const told = await until("it is told, or was fast", async () => {
    const { problem, state } = await discordOf(owned);
    return problem ?? (state === "connected" && "fast");
  });
  assert.match(told, /fast|told/);
  discord.mood = { kind: "well" };
  await until("connected", async () => (await discordOf(owned)).state === "connected", { within: 30_000 });
  assert.equal((await discordOf(owned)).problem, null);
});
