// Which model an agent starts with: the first provider's that has a key, or the one its owner chose (C12).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { editObject, objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";

// Of the platform's keys none but those of a test: an agent of it alone has what its owner sets.
const stack = await fakeAgentStack({ secrets: { OPENAI_API_KEY: undefined } });
const { agent } = stack;
afterEach(() => agent.behave());

const HEX = "0123456789abcdef".repeat(4);
/** In the order of the promise. */
const PROVIDERS = [
  ["clawrouter", `cr-${HEX}`, "clawrouter/anthropic/claude-sonnet-4-6"],
  ["openrouter", `sk-or-v1-${HEX}`, "openrouter/anthropic/claude-sonnet-4-5"],
  ["anthropic", `sk-ant-api03-${HEX}`, "anthropic/claude-sonnet-4-5"],
  ["openai", `sk-proj-${HEX}`, "openai/gpt-5.4"],
] as const;

interface Settings {
  model: string | null;
  defaultModel: string | null;
  modelInForce: string | null;
  suggestions: string[];
}

/** Which keys stay out of the agent is tested in keyless.test.ts. */
function modelsOf({ keyless, keylessOffered, ...models }: Settings & { keyless: string[]; keylessOffered: boolean }) {
  assert.deepEqual([keyless, keylessOffered], [[], true]);
  return models;
}

async function settings(owned: Owned): Promise<Settings> {
  const answer = await owned.client.get(`${owned.path}/settings`);
  assert.equal(answer.status, 200, answer.text);
  return modelsOf(answer.json());
}

async function choose(owned: Owned, model: string | null): Promise<Settings> {
  const answer = await owned.client.put(`${owned.path}/settings`, { model });
  assert.equal(answer.status, 200, answer.text);
  const { effect, ...chosen } = answer.json();
  assert.match(effect, /^(reloading|restarting|nextStart)$/);
  const models = modelsOf(chosen);
  assert.deepEqual(models, await settings(owned));
  return models;
}

const set = (owned: Owned, name: string, value: string) =>
  owned.client
    .put(`${owned.path}/secrets/${name}`, { value })
    .then(({ status, text }) => assert.equal(status, 200, text));

/** The model of the agent that was started last. */
const started = (): unknown => agent.injected().config.agents?.defaults.model.primary;

test("c12 the default model is that of ClawRouter, OpenRouter, Anthropic, OpenAI: the first that has a key", async () => {
  const owned = await Owned.ofNew(stack, "default-order.molt");
  assert.deepEqual(await settings(owned), { model: null, defaultModel: null, modelInForce: null, suggestions: [] });
  const suggestions: string[] = [];
  for (const [name, value, model] of PROVIDERS.toReversed()) {
    await set(owned, name, value);
    suggestions.unshift(model);
    assert.deepEqual(await settings(owned), { model: null, defaultModel: model, modelInForce: model, suggestions });
    await owned.start();
    assert.equal(started(), model);
    await owned.stop();
  }
  for (const [name, , model] of PROVIDERS) {
    assert.equal((await settings(owned)).modelInForce, model);
    assert.equal((await owned.client.delete(`${owned.path}/secrets/${name}`)).status, 200);
  }
  await owned.start();
  assert.equal(started(), undefined, "without any key there is no model");
});

test("c12 the owner's model goes before the default, and null brings that back", async () => {
  const owned = await Owned.ofNew(stack, "chosen.molt");
  for (const [name, value] of PROVIDERS) await set(owned, name, value);
  const model = "openrouter/meta-llama/llama-3.3-70b-instruct:free";
  const defaultModel = PROVIDERS[0][2];
  const suggestions = PROVIDERS.map(([, , suggested]) => suggested);
  assert.deepEqual(await choose(owned, model), { model, defaultModel, modelInForce: model, suggestions });
  await owned.start();
  assert.equal(started(), model);
  await owned.stop();
  assert.deepEqual(await choose(owned, null), { model: null, defaultModel, modelInForce: defaultModel, suggestions });
  await owned.start();
  assert.equal(started(), defaultModel);
});

test("c12 a model whose provider has no key waits for one, and until then the default answers", async () => {
  const owned = await Owned.ofNew(stack, "waits.molt");
  await set(owned, "openai", PROVIDERS[3][1]);
  const model = "anthropic/claude-opus-4-6";
  const chosen = await choose(owned, model);
  assert.deepEqual([chosen.model, chosen.modelInForce], [model, "openai/gpt-5.4"]);
  await owned.start();
  assert.equal(started(), "openai/gpt-5.4");
  await owned.stop();
  await set(owned, "anthropic", PROVIDERS[2][1]);
  assert.equal((await settings(owned)).modelInForce, model);
  await owned.start();
  assert.equal(started(), model);
});

test("c12 a model that breaks a rule is refused with the rule, and the choice before stays", async () => {
  const owned = await Owned.ofNew(stack, "no-model.molt");
  await choose(owned, "openai/gpt-5.4-mini");
  const cases: [string, RegExp][] = [
    ["", /`provider\/model`/],
    ["gpt-5.4", /`provider\/model`/],
    [`openai/${"x".repeat(200)}`, /at most 200 characters/],
    ["x/".repeat(30_000), /at most 200 characters/],
    ["mistral/large", /clawrouter, openrouter, anthropic, openai/],
    ["OPENAI/gpt-5.4", /clawrouter, openrouter, anthropic, openai/],
    ["telegram/x", /clawrouter, openrouter, anthropic, openai/],
    ["wallet/x", /clawrouter, openrouter, anthropic, openai/],
    ["openai/", /name a model/],
    ["openai/a b", /name a model/],
    ["openai/a\nb", /name a model/],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration's own reference to a variable.
    ["openai/${OPENAI_API_KEY}", /name a model/],
    ["openai/../../etc", /name a model/],
    ["openai/gpt\u0000", /name a model/],
    ["openai/géant", /name a model/],
  ];
  for (const [model, rule] of cases) {
    const answer = await owned.client.put(`${owned.path}/settings`, { model });
    assertProblem(answer, 422, "invalid_value", "model");
    assert.match(answer.json().detail, rule, model.slice(0, 40));
  }
  for (const body of [{}, { model: 1 }, { model: ["openai/gpt-5.4"] }, { modle: "openai/gpt-5.4" }]) {
    assertProblem(await owned.client.put(`${owned.path}/settings`, body), 400, "invalid_field", "model");
  }
  assert.equal((await settings(owned)).model, "openai/gpt-5.4-mini");
});

test("a choice that another version stored does not keep an agent from starting", async () => {
  const owned = await Owned.ofNew(stack, "later-choice.molt");
  await set(owned, "openai", PROVIDERS[3][1]);
  await choose(owned, "openai/gpt-5.4-mini");
  const row = JSON.stringify({ model: "provider-of-later/x", added: { x: 1 } });
  await stack.replaceWorker(() => editObject(stack, owned.asset, `UPDATE choices SET row = '${row}'`));
  assert.deepEqual([(await settings(owned)).model, (await settings(owned)).modelInForce], [null, "openai/gpt-5.4"]);
  await owned.start();
  assert.equal(started(), "openai/gpt-5.4");
  assert.equal(objectRows(stack, owned.asset, "SELECT row FROM choices")[0]?.row, row);
});
