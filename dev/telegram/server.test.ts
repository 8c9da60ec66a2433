// The stand-in for Telegram's Bot API answers as that does: bots by their tokens, webhooks by their rules, and what people write
// comes in order, with the secret, until it is taken.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { until } from "../../tests/support/wait.ts";
import { closeServer, listen, readBody } from "../solana/loopback.ts";
import { BotApi } from "./server.ts";

const RETRY_MS = 20;
const api = await BotApi.start({ retryMs: RETRY_MS });
after(() => api.close());
let bots = 0;
const newToken = (secret = "AAFdevelopmentBotsHaveSecretsLikeThis"): string => `${7_000_000_000 + ++bots}:${secret}`;
const SOMEBODY = { id: 42, name: "Somebody" };

/** What a method answers: its status, and its body. */
async function call(token: string, method: string, params: object = {}): Promise<[number, Record<string, unknown>]> {
  const answer = await fetch(`${api.url}/bot${token}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(params),
  });
  return [answer.status, (await answer.json()) as Record<string, unknown>];
}

const refused = (status: number, description: string): [number, object] => [
  status,
  { ok: false, error_code: status, description },
];

interface Came {
  readonly at: number;
  readonly secret: string | undefined;
  readonly id: number;
  readonly text: string | undefined;
}

/** Takes what comes with these statuses, one after the other, and then with 200; 0 cuts the connection. */
async function receiver(...statuses: number[]): Promise<{ url: string; came: Came[] }> {
  const came: Came[] = [];
  const server = createServer(async (request, response) => {
    const update = JSON.parse((await readBody(request, 1024 * 1024)) ?? "");
    const secret = request.headers["x-telegram-bot-api-secret-token"];
    came.push({ at: performance.now(), secret: secret?.toString(), id: update.update_id, text: update.message?.text });
    const status = statuses.shift() ?? 200;
    if (status === 0) response.destroy();
    else response.writeHead(status).end();
  });
  const origin = await listen(server);
  after(() => closeServer(server));
  return { url: `${origin}/hook`, came };
}

test("a bot is who its token says, and a token that is none gets nothing", async () => {
  const token = newToken();
  const [status, { ok, result }] = await call(token, "getMe");
  assert.deepEqual([status, ok], [200, true]);
  const { id, is_bot: isBot, username } = result as Record<string, unknown>;
  assert.deepEqual([id, isBot, typeof username], [Number(token.split(":")[0]), true, "string"]);
  assert.deepEqual(await call(newToken(`invalid${"x".repeat(30)}`), "getMe"), refused(401, "Unauthorized"));
  for (const none of ["x", "7:short", `${token}/x`, `x${token}`, token.replace(":", "")])
    assert.deepEqual(await call(none, "getMe"), refused(404, "Not Found"), none);
});

test("on a bad day it answers nothing but errors", async () => {
  const token = newToken();
  api.down = true;
  assert.deepEqual(await call(token, "getMe"), refused(502, "Bad Gateway"));
  api.down = false;
  assert.equal((await call(token, "getMe"))[0], 200);
  assert.equal(api.calls(token).length, 1, "what it refused so it did not do");
});

test("a webhook is an address with a secret of certain characters, and one at a time", async () => {
  const token = newToken();
  const { url } = await receiver();
  for (const bad of [undefined, "x", "ftp://127.0.0.1/x", "http://127.0.0.1", 7])
    assert.deepEqual(await call(token, "setWebhook", { url: bad }), refused(400, "Bad Request: bad webhook"), `${bad}`);
  const unallowed = refused(400, "Bad Request: secret token contains unallowed characters");
  for (const bad of ["a b", "ä", "a".repeat(257), 7])
    assert.deepEqual(await call(token, "setWebhook", { url, secret_token: bad }), unallowed, `${bad}`);
  assert.equal(api.webhook(token), undefined);
  assert.deepEqual((await call(token, "getUpdates"))[1].result, []);

  const secret = "aB_9-".repeat(51);
  assert.deepEqual(await call(token, "setWebhook", { url, secret_token: secret }), [200, { ok: true, result: true }]);
  assert.deepEqual(api.webhook(token), { url, secret });
  assert.deepEqual((await call(token, "getWebhookInfo"))[1].result, { url, pending_update_count: 0 });
  const conflict = refused(409, "Conflict: can't use getUpdates method while webhook is active");
  assert.deepEqual(await call(token, "getUpdates"), conflict);
  for (const forget of [() => call(token, "deleteWebhook"), () => call(token, "setWebhook", { url: "" })]) {
    assert.deepEqual(await call(token, "setWebhook", { url }), [200, { ok: true, result: true }]);
    assert.deepEqual(await forget(), [200, { ok: true, result: true }]);
    assert.deepEqual((await call(token, "getWebhookInfo"))[1].result, { url: "", pending_update_count: 0 });
  }
});

test("a call that is held is known at once, and takes effect when it is let go", async () => {
  const token = newToken();
  const release = api.hold("setWebhook");
  const answer = call(token, "setWebhook", { url: "https://edge.example/hook" });
  await until("the call", () => api.calls(token, "setWebhook").length === 1);
  assert.deepEqual((await call(token, "getWebhookInfo"))[1].result, { url: "", pending_update_count: 0 });
  release();
  assert.equal((await answer)[0], 200);
  assert.equal(api.webhook(token)?.url, "https://edge.example/hook");
});

test("a method's parameters come as JSON, as a form or in the query", async () => {
  const token = newToken();
  const at = `${api.url}/bot${token}/sendMessage`;
  const form = new URLSearchParams({ chat_id: "42", text: "by a form" });
  assert.equal((await fetch(at, { method: "POST", body: form })).status, 200);
  assert.equal((await fetch(`${at}?${new URLSearchParams({ chat_id: "42", text: "by the query" })}`)).status, 200);
  await call(token, "sendMessage", { chat_id: 42, text: "as JSON" });
  const said = api.sent(token).map(({ chat, text }) => `${chat} ${text}`);
  assert.deepEqual(said, ["42 by a form", "42 by the query", "42 as JSON"]);
});

test("a message is sent to somebody, and has a text that is no longer than messages are", async () => {
  const token = newToken();
  const [status, { result }] = await call(token, "sendMessage", { chat_id: 42, text: "x".repeat(4096) });
  const { chat, text, message_id: id } = result as Record<string, unknown>;
  assert.deepEqual([status, chat, (text as string).length], [200, { id: 42, type: "private" }, 4096]);
  assert.ok(Number.isSafeInteger(id));
  for (const [params, why] of [
    [{ chat_id: 42 }, "message text is empty"],
    [{ chat_id: 42, text: "" }, "message text is empty"],
    [{ text: "x" }, "chat_id is empty"],
    [{ chat_id: 42, text: "x".repeat(4097) }, "message is too long"],
  ] as const)
    assert.deepEqual(await call(token, "sendMessage", params), refused(400, `Bad Request: ${why}`));
  assert.equal(api.sent(token).length, 1);
});

test("what people write comes in order, each with the webhook's secret, and with numbers that grow", async () => {
  const token = newToken();
  const { url, came } = await receiver();
  const early = api.write(token, SOMEBODY, "before there was a webhook");
  assert.equal(api.pending(token), 1);
  await call(token, "setWebhook", { url, secret_token: "the_secret" });
  const ids = [early, ...["a", "b", "c"].map((text) => api.write(token, SOMEBODY, text))];
  await until("all are taken", () => api.pending(token) === 0, { every: 5 });
  assert.deepEqual(
    came.map(({ id, text, secret }) => ({ id, text, secret })),
    ["before there was a webhook", "a", "b", "c"].map((text, at) => ({ id: ids[at], text, secret: "the_secret" })),
  );
  assert.deepEqual(ids, [...new Set(ids)].sort());
  await call(token, "setWebhook", { url });
  api.write(token, SOMEBODY, "without a secret");
  await until("it is taken", () => came.length === 5, { every: 5 });
  assert.equal(came[4]?.secret, undefined);
});

test("an answer to what people write may call a method", async () => {
  const token = newToken();
  const answers = [
    JSON.stringify({ method: "sendMessage", chat_id: SOMEBODY.id, text: "at once" }),
    JSON.stringify({ chat_id: SOMEBODY.id, text: "no method" }),
    "no JSON",
  ];
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.end(answers.shift()));
  });
  const origin = await listen(server);
  after(() => closeServer(server));
  await call(token, "setWebhook", { url: `${origin}/hook` });
  for (const text of ["a", "b", "c"]) api.write(token, SOMEBODY, text);
  await until("all are taken", () => api.pending(token) === 0, { every: 5 });
  assert.deepEqual(api.sent(token), [{ chat: SOMEBODY.id, text: "at once" }]);
  assert.deepEqual(
    api.calls(token).map(({ method }) => method),
    ["setWebhook", "sendMessage"],
  );
});

test("what somebody is seen doing has a chat and a name that Telegram knows", async () => {
  const token = newToken();
  const chat_id = SOMEBODY.id;
  assert.deepEqual(await call(token, "sendChatAction", { chat_id, action: "typing" }), [
    200,
    { ok: true, result: true },
  ]);
  const wrong = "Bad Request: wrong parameter action in request";
  assert.deepEqual(await call(token, "sendChatAction", { chat_id, action: "thinking" }), refused(400, wrong));
  const empty = "Bad Request: chat_id is empty";
  assert.deepEqual(await call(token, "sendChatAction", { action: "typing" }), refused(400, empty));
});

test("what is not taken is sent again after pauses that double, and what came later waits for it", async () => {
  const token = newToken();
  const { url, came } = await receiver(500, 429, 0);
  await call(token, "setWebhook", { url });
  for (const text of ["first", "second"]) api.write(token, SOMEBODY, text);
  await until("both are taken", () => api.pending(token) === 0, { every: 5 });
  assert.deepEqual(
    came.map(({ text }) => text),
    ["first", "first", "first", "first", "second"],
  );
  assert.equal(new Set(came.slice(0, 4).map(({ id }) => id)).size, 1, "it is the same update each time");
  assert.deepEqual(api.answers(token), [500, 429, 0, 200, 200]);
  const pauses = came.slice(1, 4).map(({ at }, index) => at - (came[index]?.at ?? 0));
  // A timer may come a millisecond early.
  for (const [index, pause] of pauses.entries()) assert.ok(pause >= RETRY_MS * 2 ** index - 2, `${pauses}`);
});

test("what waits goes to the webhook that was set last, and to none that was taken away", async () => {
  const token = newToken();
  const refuses = await receiver(...Array<number>(1000).fill(500));
  await call(token, "setWebhook", { url: refuses.url });
  api.write(token, SOMEBODY, "to whom?");
  await until("it was tried", () => refuses.came.length > 0, { every: 5 });
  await call(token, "deleteWebhook");
  assert.deepEqual((await call(token, "getWebhookInfo"))[1].result, { url: "", pending_update_count: 1 });
  const takes = await receiver();
  await call(token, "setWebhook", { url: takes.url });
  await until("it is taken", () => api.pending(token) === 0, { every: 5 });
  assert.deepEqual(
    takes.came.map(({ text }) => text),
    ["to whom?"],
  );
});

test("a developer writes and reads by curl, and a web page does not", async () => {
  const token = newToken();
  const write = (headers: Record<string, string> = {}) =>
    fetch(`${api.url}/control/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ token, from: 42, text: "hello" }),
    });
  assert.equal((await write({ origin: "http://localhost:1" })).status, 403);
  assert.equal(api.pending(token), 0);
  assert.equal((await write()).status, 200);
  assert.equal(api.pending(token), 1);
  await call(token, "sendMessage", { chat_id: 42, text: "an answer" });
  const sent = await fetch(`${api.url}/control/sent?token=${encodeURIComponent(token)}`);
  assert.deepEqual(await sent.json(), { sent: [{ chat: 42, text: "an answer" }] });
  assert.equal((await fetch(`${api.url}/control/other`)).status, 404);
});
