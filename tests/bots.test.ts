// A bot of Telegram's as its owner sets it up, changes it and takes it away: what is shown, and what Telegram is told.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { channelOf, connect, FRIEND, farewell, newToken, post, SECRET_HEADER } from "./support/telegram.ts";
import { until } from "./support/wait.ts";

const stack = await fakeAgentStack();
const { agent, telegram } = stack;
afterEach(() => {
  telegram.down = false;
});

test("a channel is set up with a token that Telegram knows, and shown without it", async () => {
  const owned = await Owned.ofNew(stack, "set-up.molt");
  const none = {
    name: "telegram",
    prefix: null,
    dmPolicy: "pairing",
    waiting: 0,
    lastMessageAt: null,
    heldBackToday: 0,
  };
  assert.deepEqual(await channelOf(owned), { ...none, problem: null, state: "off" });
  const token = newToken();
  const answer = await owned.client.put(`${owned.path}/channels/telegram`, { token });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(!answer.text.includes(token.slice(0, 9)));
  const { effect, ...shown } = answer.json();
  assert.equal(effect, "nextStart");
  assert.deepEqual(shown, { ...none, problem: null, state: "connecting", prefix: token.slice(0, 8) });
  await until("connected", async () => (await channelOf(owned)).state === "connected");
  assert.deepEqual(
    telegram.calls(token).map(({ method }) => method),
    ["getMe", "setWebhook"],
  );
  const { url, secret } = telegram.webhook(token) ?? assert.fail();
  assert.match(url, new RegExp(`^${stack.appOrigin}/hooks/telegram/${owned.asset}/[a-z2-7]{116}$`));
  assert.match(secret, /^[a-z2-7]{52}$/);
  assert.deepEqual(stack.filesWith(token), [], "the token is sealed");

  const { agentUrl } = await owned.start();
  const { config, secrets } = agent.injected(agentUrl);
  assert.equal(secrets.telegram, token);
  assert.equal(secrets["telegram-secret"], secret);
  assert.equal(config.channels.telegram.webhookUrl, url);
  assert.equal(config.channels.telegram.dmPolicy, "pairing");
  await owned.stop();
});

test("who may write is as its owner chose, and open has a warning", async () => {
  const owned = await Owned.ofNew(stack, "policies.molt");
  const put = (body: object) => owned.client.put(`${owned.path}/channels/telegram`, body);
  assertProblem(await put({}), 400, "invalid_field", "token");
  const token = await connect(stack, owned);
  const chosen = async (body: object) => {
    const answer = await put(body);
    assert.equal(answer.status, 200, answer.text);
    const { dmPolicy, allowFrom, warning } = answer.json();
    return { dmPolicy, allowFrom, warned: warning !== undefined };
  };
  assert.deepEqual(await chosen({ dmPolicy: "open" }), { dmPolicy: "open", allowFrom: undefined, warned: true });
  const list = { dmPolicy: "allowlist", allowFrom: ["4242", "7"] };
  assert.deepEqual(await chosen(list), { ...list, warned: false });
  const { agentUrl } = await owned.start();
  const { allowFrom, dmPolicy } = agent.injected(agentUrl).config.channels.telegram;
  assert.deepEqual({ allowFrom, dmPolicy }, list);
  for (const [body, field] of [
    [{ dmPolicy: "all" }, "dmPolicy"],
    [{ dmPolicy: 1 }, "dmPolicy"],
    [{ dmPolicy: "allowlist" }, "allowFrom"],
    [{ dmPolicy: "allowlist", allowFrom: [4242] }, "allowFrom"],
    [{ dmPolicy: "allowlist", allowFrom: ["@friend"] }, "allowFrom"],
    [{ allowFrom: ["1"] }, "allowFrom"],
    [{ token: 1 }, "token"],
  ] as const) {
    assertProblem(await put(body), 400, "invalid_field", field);
  }
  for (const bad of ["", "x", `${token}x y`, "sk-0123456789abcdef0123456789"])
    assertProblem(await put({ token: bad }), 422, "invalid_value", "token");
  const unknown = await put({ token: `1000000000:invalid${"x".repeat(30)}` });
  assertProblem(unknown, 422, "invalid_value", "token");
  telegram.down = true;
  assertProblem(await put({ token: newToken() }), 502, "channel_unavailable");
  telegram.down = false;
  const { state, ...kept } = await channelOf(owned);
  assert.deepEqual([kept.prefix, kept.dmPolicy, kept.allowFrom], [token.slice(0, 8), "allowlist", ["4242", "7"]]);
  for (const channel of ["matrix", "Telegram", "telegram2"])
    assertProblem(await owned.client.put(`${owned.path}/channels/${channel}`, { token }), 404, "not_found");
  await owned.stop();
});

test("what Telegram can't be told at once it is told later, and its owner sees that", async () => {
  const owned = await Owned.ofNew(stack, "told-later.molt");
  telegram.down = true;
  // As an owner who sets it as a secret, where Telegram is not asked.
  const token = newToken();
  assert.equal((await owned.client.put(`${owned.path}/secrets/telegram`, { value: token })).status, 200);
  const told = await until("it is told", async () => {
    const channel = await channelOf(owned);
    return channel.problem !== null && channel;
  });
  assert.equal(told.state, "connecting");
  telegram.down = false;
  await until("connected", async () => (await channelOf(owned)).state === "connected");
  assert.equal((await channelOf(owned)).problem, null);
  assert.ok(telegram.webhook(token));
});

test("a channel that is deleted is gone from the agent, from Telegram and from here", async () => {
  const owned = await Owned.ofNew(stack, "deleted.molt");
  const token = await connect(stack, owned);
  const { url, secret } = telegram.webhook(token) ?? assert.fail();
  const { agentUrl } = await owned.start();
  await owned.stop();
  telegram.write(token, FRIEND, "never read");
  await until("it waits", async () => (await channelOf(owned)).waiting === 1);
  await owned.start();
  const deleted = await owned.client.request("DELETE", `${owned.path}/channels/telegram`);
  assert.equal(deleted.status, 200, deleted.text);
  assert.deepEqual([deleted.json().state, deleted.json().effect], ["off", "restarting"]);
  await until("Telegram is told", () => telegram.webhook(token) === undefined);
  for (const table of ["secrets", "channels", "inbox"])
    assert.deepEqual(objectRows(stack, owned.asset, `SELECT * FROM ${table}`), [], table);
  const update = JSON.stringify({ update_id: 1 });
  assertProblem(await post(stack, url, update, { [SECRET_HEADER]: secret }), 404, "not_found");
  await until("it was started anew", () => agent.injected(agentUrl).config.channels === undefined);
  await owned.in("running");
  await owned.stop();
});

test("a bot that another agent was given meanwhile keeps that one's webhook", async () => {
  const [former, next] = [await Owned.ofNew(stack, "former.molt"), await Owned.ofNew(stack, "next.molt")];
  const token = await connect(stack, former);
  await connect(stack, next, token);
  const { url } = telegram.webhook(token) ?? assert.fail();
  await former.client.request("DELETE", `${former.path}/channels/telegram`);
  await farewell(stack, former);
  assert.deepEqual([telegram.webhook(token)?.url, url.includes(next.asset)], [url, true]);
});

test("what is said of a bot last is what Telegram hears last, however long it takes to hear it", async () => {
  const owned = await Owned.ofNew(stack, "hasty.molt");
  const token = await connect(stack, owned);
  const calls = (method: string): number => telegram.calls(token, method).length;
  const forgets = telegram.hold("deleteWebhook");
  await owned.client.request("DELETE", `${owned.path}/channels/telegram`);
  await until("it is asked to forget", () => calls("deleteWebhook") === 1);
  const before = calls("setWebhook");
  await connect(stack, owned, token);
  forgets();
  await until("it is told once more", () => calls("setWebhook") === before + 2);
  await until("connected", async () => (await channelOf(owned)).state === "connected");
  assert.ok(telegram.webhook(token));
});

test("a bot that is deleted while Telegram is told of it is forgotten all the same", async () => {
  const owned = await Owned.ofNew(stack, "hardly.molt");
  const token = newToken();
  const learns = telegram.hold("setWebhook");
  assert.equal((await owned.client.put(`${owned.path}/channels/telegram`, { token })).status, 200);
  await until("it is told", () => telegram.calls(token, "setWebhook").length === 1);
  await owned.client.request("DELETE", `${owned.path}/channels/telegram`);
  await farewell(stack, owned);
  learns();
  await until("it is asked to forget", () => telegram.calls(token, "deleteWebhook").length === 1);
  assert.equal(telegram.webhook(token), undefined);
});
