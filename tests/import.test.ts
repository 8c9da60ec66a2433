// Keys that an owner typed into the agent's own pages, moved to where they are sealed and given to every start (C10 to C12).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { assertProblem } from "./support/problem.ts";
import { until } from "./support/wait.ts";

const stack = await fakeAgentStack();
const { agent } = stack;
afterEach(() => agent.behave());

const ANTHROPIC = `sk-ant-api03-typed-${"0123456789abcdef".repeat(2)}`;
const OPENROUTER = `sk-or-v1-typed-${"0123456789abcdef".repeat(2)}`;

interface Moved {
  secrets: { name: string; source: string; prefix: string | null }[];
  imported: string[];
  refused: string[];
}

async function move(owned: Owned): Promise<Moved> {
  const answer = await owned.client.post(`${owned.path}/secrets/import`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

const sources = ({ secrets }: Pick<Moved, "secrets">) =>
  Object.fromEntries(secrets.map(({ name, source }) => [name, source]));

test("c12 a key typed into the agent's pages becomes the owner's own, sealed, and is given to the agent", async () => {
  const owned = await Owned.ofNew(stack, "typed.molt");
  agent.behave({ keys: { keys: { anthropic: ANTHROPIC, mistral: "a-key-of-no-kind-that-there-is" } } });
  await owned.start();
  const moved = await owned.client.post(`${owned.path}/secrets/import`);
  assert.equal(moved.status, 200, moved.text);
  const { imported, refused, secrets } = moved.json() as Moved;
  assert.deepEqual([imported, refused], [["anthropic"], []]);
  assert.equal(secrets.find(({ name }) => name === "anthropic")?.prefix, ANTHROPIC.slice(0, 8));
  const listed = (await owned.client.get(`${owned.path}/secrets`)).json();
  assert.deepEqual(sources(listed), sources({ secrets }));
  assert.equal(sources(listed).anthropic, "user");
  await until("the running agent to have it", () => agent.injected().secrets.anthropic === ANTHROPIC);
  assert.ok(!moved.text.includes(ANTHROPIC));
  assert.ok(!stack.logs.some((line) => line.includes(ANTHROPIC)), "no log holds it");
  assert.deepEqual(stack.filesWith(ANTHROPIC), [], "nor does storage");
});

test("c12 a key that is set is never overwritten, and one that can't be a key is refused", async () => {
  const owned = await Owned.ofNew(stack, "typed-twice.molt");
  const own = `sk-or-v1-own-${"0123456789abcdef".repeat(2)}`;
  assert.equal((await owned.client.put(`${owned.path}/secrets/openrouter`, { value: own })).status, 200);
  agent.behave({ keys: { keys: { openrouter: OPENROUTER, anthropic: "short", openai: ANTHROPIC } } });
  await owned.start();
  const moved = await move(owned);
  assert.deepEqual([moved.imported, moved.refused], [[], ["openrouter", "anthropic", "openai"]]);
  await owned.stop();
  await owned.start();
  assert.equal(agent.injected().secrets.openrouter, own);
  assert.notEqual(agent.injected().secrets.openai, ANTHROPIC);
});

test("c06 keys are moved by their owner alone, and only while the agent runs", async () => {
  const owned = await Owned.ofNew(stack, "typed-asleep.molt");
  assertProblem(await owned.client.post(`${owned.path}/secrets/import`), 409, "wrong_state");
  const other = await Owned.ofNew(stack, "typed-other.molt");
  assertProblem(await other.client.post(`${owned.path}/secrets/import`), 403, "forbidden");
  assertProblem(await stack.client().post(`${owned.path}/secrets/import`), 401, "unauthenticated");
  const wrong = await owned.client.put(`${owned.path}/secrets/import`, { value: OPENROUTER });
  assertProblem(wrong, 405, "method_not_allowed");
});

test("c20 a container that can't tell its keys, or tells something else, changes nothing", async () => {
  const owned = await Owned.ofNew(stack, "typed-broken.molt");
  await owned.start();
  for (const keys of [
    { unknown: true },
    { fail: true },
    { print: "{}" },
    { print: "sk-no-json" },
    { print: "x".repeat(200_000) },
  ]) {
    agent.behave({ keys });
    const answer = await owned.client.post(`${owned.path}/secrets/import`);
    assertProblem(answer, 409, "wrong_state");
    assert.ok(!answer.text.includes("sk-no-json"));
  }
  assert.ok(!stack.logs.some((line) => line.includes("sk-no-json")));
  assert.equal((await owned.status()).state, "running");
});

test("c08 what the container says after the domain was sold is kept for nobody", async () => {
  const owned = await Owned.ofNew(stack, "typed-sold.molt");
  await owned.start();
  agent.behave({ keys: { keys: { anthropic: ANTHROPIC }, delayMs: 8_000 } });
  const since = Date.now();
  const asked = owned.client.post(`${owned.path}/secrets/import`);
  await until("the question", () => agent.begun("keys", since).length > 0);
  const buyer = await devKeypair("buyer");
  stack.rpc.control.transfer(owned.asset, buyer.address);
  const bought = await Owned.of(stack, owned.asset, buyer.label);
  const answer = await asked;
  assert.notEqual(answer.status, 200);
  assert.equal(sources((await bought.client.get(`${bought.path}/secrets`)).json()).anthropic, "none");
  stack.rpc.control.transfer(owned.asset, (await devKeypair("owner")).address);
  const back = await Owned.of(stack, owned.asset, "owner");
  assert.equal(sources((await back.client.get(`${back.path}/secrets`)).json()).anthropic, "none");
});
