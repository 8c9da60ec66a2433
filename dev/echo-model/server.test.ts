// The echo model speaks the three APIs, whole and streamed, and recalls what a conversation holds.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { until } from "../../tests/support/wait.ts";
import { type RecordedRequest, startEchoModel } from "./server.ts";

const model = await startEchoModel();
after(() => model.close());
beforeEach(() => (model.requests as RecordedRequest[]).splice(0));

const CHAT = "/v1/chat/completions";
const RESPONSES = "/v1/responses";
const MESSAGES = "/anthropic/v1/messages";
const KEY = { authorization: "Bearer sk-dev-0123456789" };

// biome-ignore lint/suspicious/noExplicitAny: answers are read by path
type Answer = any;

function post(path: string, body: unknown, headers: Record<string, string> = KEY): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(model.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: text,
  });
}

const user = (content: unknown): object => ({ role: "user", content });
const assistant = (content: unknown): object => ({ role: "assistant", content });

async function chat(...messages: object[]): Promise<string> {
  const response = await post(CHAT, { model: "echo-1", messages });
  assert.equal(response.status, 200);
  return ((await response.json()) as Answer).choices[0].message.content;
}

/** The events of a stream: [name or null, data]. */
async function events(path: string, body: object): Promise<[string | null, Answer][]> {
  const response = await post(path, { ...body, stream: true });
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  const blocks = (await response.text()).split("\n\n").filter((block) => block !== "");
  return blocks.map((block) => {
    const data = /^data: (.*)$/m.exec(block)?.[1] ?? "";
    return [/^event: (.*)$/m.exec(block)?.[1] ?? null, data === "[DONE]" ? data : JSON.parse(data)];
  });
}

test("it repeats the last user message, as text or as parts", async () => {
  assert.equal(
    await chat({ role: "system", content: "be kind" }, user("first"), assistant("ok"), user("hello")),
    "Echo: hello",
  );
  const parts = [
    { type: "text", text: "one" },
    { type: "image_url", image_url: { url: "data:," } },
    { type: "text", text: "two" },
  ];
  assert.equal(await chat(user(parts)), "Echo: one\ntwo");
  assert.equal(await chat(user("hello"), assistant(null), { role: "tool", content: "x" }), "Echo: hello");
});

test("of a turn that OpenClaw framed, the person's own words count", async () => {
  const framed = [
    "[Sun 2026-11-22 11:17 UTC] Conversation info: ⟦openclaw:ctx⟧",
    "```json",
    '{"channel":"webchat"}',
    "```",
    "",
    "my cat is Tom",
    "",
    "Runtime: agent=main | host=box",
  ].join("\n");
  const made = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>\nanything\n<<<END_OPENCLAW_INTERNAL_CONTEXT>>>";
  assert.equal(await chat(user(framed), user(made)), "Echo: my cat is Tom");
});

test("asked what was said, it lists the earlier messages it was given", async () => {
  const asked = user("What did I say?");
  assert.equal(
    await chat(user("my cat is Tom"), assistant("Echo: my cat is Tom"), asked),
    "Earlier you said: my cat is Tom",
  );
  assert.equal(await chat(user("one"), asked, assistant("…"), user("two"), asked), "Earlier you said: one | two");
  assert.equal(await chat(asked), "Earlier you said: nothing yet");
});

test("a chat stream: role, pieces, reason, usage when asked for, [DONE]", async () => {
  const body = {
    model: "echo-1",
    messages: [user("a message of several words")],
    stream_options: { include_usage: true },
  };
  const chunks = (await events(CHAT, body)).map(([, data]) => data);
  assert.equal(chunks.pop(), "[DONE]");
  const usage = chunks.pop();
  assert.deepEqual(usage.choices, []);
  assert.equal(usage.usage.total_tokens, usage.usage.prompt_tokens + usage.usage.completion_tokens);
  const choices = chunks.map(({ choices: [choice] }: Answer) => choice);
  assert.equal(choices[0].delta.role, "assistant");
  assert.deepEqual([choices.at(-1).finish_reason, choices.at(-1).delta], ["stop", {}]);
  const pieces = choices.slice(1, -1).map(({ delta }: Answer) => delta.content);
  assert.ok(pieces.length > 2);
  assert.equal(pieces.join(""), "Echo: a message of several words");
});

test("without include_usage a chat stream has none", async () => {
  const chunks = await events(CHAT, { model: "echo-1", messages: [user("hi")] });
  assert.ok(chunks.every(([, data]) => data === "[DONE]" || (data.choices.length === 1 && !("usage" in data))));
});

test("responses: whole, from text and from items", async () => {
  const ask = async (input: unknown): Promise<Answer> => (await post(RESPONSES, { model: "gpt-5.4", input })).json();
  const whole = await ask("hello");
  assert.deepEqual([whole.object, whole.status, whole.model], ["response", "completed", "gpt-5.4"]);
  assert.equal(whole.output[0].content[0].text, "Echo: hello");
  const items = [
    { role: "developer", content: "be kind" },
    { type: "message", role: "user", content: [{ type: "input_text", text: "from items" }] },
    { type: "function_call_output", call_id: "c", output: "x" },
  ];
  assert.equal((await ask(items)).output[0].content[0].text, "Echo: from items");
});

test("responses: the stream's events in order", async () => {
  const stream = await events(RESPONSES, { model: "gpt-5.4", input: "two words" });
  const names = stream.map(([name]) => name);
  const deltas = stream.filter(([name]) => name === "response.output_text.delta").map(([, data]) => data.delta);
  assert.ok(deltas.length > 1);
  assert.equal(deltas.join(""), "Echo: two words");
  assert.deepEqual(
    names.filter((name, index) => name !== names[index - 1]),
    [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ],
  );
  assert.ok(stream.every(([name, data], index) => data.type === name && data.sequence_number === index));
  assert.equal(stream.at(-1)?.[1].response.output[0].content[0].text, "Echo: two words");
});

test("anthropic messages: whole and streamed", async () => {
  const body = { model: "claude", max_tokens: 100, messages: [user([{ type: "text", text: "hi there" }])] };
  const headers = { "x-api-key": "sk-ant-0123456789" };
  const whole = (await (await post(MESSAGES, body, headers)).json()) as Answer;
  assert.deepEqual(whole.content, [{ type: "text", text: "Echo: hi there" }]);
  assert.equal(whole.stop_reason, "end_turn");
  const stream = await events(MESSAGES, body);
  const text = stream.filter(([name]) => name === "content_block_delta").map(([, data]) => data.delta.text);
  assert.equal(text.join(""), "Echo: hi there");
  assert.deepEqual([stream[0]?.[0], stream.at(-1)?.[0]], ["message_start", "message_stop"]);
});

test("a key is required, and an invalid one refused in the API's own words", async () => {
  const body = { model: "echo-1", messages: [user("hi")] };
  assert.equal((await post(CHAT, body, {})).status, 401);
  assert.equal((await post(CHAT, body, { authorization: "Bearer " })).status, 401);
  const refused = await post(CHAT, body, { authorization: "Bearer sk-invalid-0123456789" });
  const { error } = (await refused.json()) as Answer;
  assert.deepEqual([refused.status, error.code, error.type], [401, "invalid_api_key", "invalid_request_error"]);
  assert.ok(!JSON.stringify(error).includes("sk-invalid-0"));
  const anthropic = await post(MESSAGES, body, { "x-api-key": "sk-invalid-0123456789" });
  assert.deepEqual([anthropic.status, ((await anthropic.json()) as Answer).error.type], [401, "authentication_error"]);
});

test("models, unknown paths and bad bodies", async () => {
  const models = (await (await fetch(`${model.url}/v1/models`, { headers: KEY })).json()) as Answer;
  assert.deepEqual(
    models.data.map(({ id }: Answer) => id),
    ["echo-1"],
  );
  assert.equal((await post("/v1/embeddings", { model: "m", input: "x" })).status, 404);
  assert.equal((await fetch(model.url + CHAT, { headers: KEY })).status, 405);
  assert.equal((await post(CHAT, "{")).status, 400);
  assert.equal((await post(CHAT, { messages: [] })).status, 400);
  assert.equal((await post(CHAT, { model: "echo-1" })).status, 400);
});

test("requests are recorded with the key's first 8 characters only", async () => {
  await chat(user("remember this"));
  await post(RESPONSES, { model: "m", input: "no" }, { authorization: "Bearer sk-invalid-0123456789" });
  const expected = [
    { path: CHAT, model: "echo-1", keyPrefix: "sk-dev-0", lastUserText: "remember this", stream: false, status: 200 },
    { path: RESPONSES, model: null, keyPrefix: "sk-inval", lastUserText: "", stream: false, status: 401 },
  ];
  assert.deepEqual(model.requests, expected);
  const control = `${model.url}/control/requests`;
  assert.deepEqual(await (await fetch(control)).json(), { requests: expected });
  assert.equal((await fetch(control, { headers: { origin: "http://localhost:8787" } })).status, 403);
});

test("only the last 100 requests are kept", async () => {
  for (let index = 0; index < 105; index += 1) await chat(user(`message ${index}`));
  assert.deepEqual([model.requests.length, model.requests[0]?.lastUserText], [100, "message 5"]);
});

test("an answer waits as long as it is told to, and a question is noted at once", async () => {
  const release = model.hold();
  let isAnswered = false;
  const answer = chat(user("hello?")).then((text) => {
    isAnswered = true;
    return text;
  });
  await until("it is asked", () => model.requests.length === 1, { every: 5 });
  const models = await fetch(`${model.url}/v1/models`, { headers: KEY });
  assert.deepEqual([models.status, isAnswered], [200, false]);
  release();
  assert.equal(await answer, "Echo: hello?");
  assert.equal(await chat(user("and now?")), "Echo: and now?");
});
