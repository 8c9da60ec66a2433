// Both keys of the service are replaced while owners are signed in and agents run: nobody notices, and what only the
// previous keys open fails clean once they are dropped (C05, C10).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import type { Client } from "./support/client.ts";
import { assertProblem } from "./support/problem.ts";
import { type Change, reconfigure } from "./support/reconfigure.ts";
import { entryOf, put, remove, saltOf, sealedRows, unseal } from "./support/sealed.ts";
import { assertPass } from "./support/tokens.ts";
import { until } from "./support/wait.ts";

const newKeys = () => ({
  JWT_SECRET: randomBytes(48).toString("base64url"),
  SEALING_KEY: randomBytes(32).toString("base64"),
});
const [first, second] = [newKeys(), newKeys()];
const stack = await fakeAgentStack({ secrets: first });
const { agent } = stack;

const during: Change = {
  secrets: { ...second, JWT_SECRET_PREVIOUS: first.JWT_SECRET, SEALING_KEY_PREVIOUS: first.SEALING_KEY },
};
const afterwards: Change = { secrets: second };
const key = (what: string): string => `sk-${what}-${"0123456789abcdef".repeat(3)}`;

/** What a domain's one row holds for who has this key. */
function opened(sealingKey: string, { asset }: Owned): string | undefined {
  const [row, ...others] = sealedRows(stack, asset);
  assert.ok(row && others.length === 0);
  return unseal(sealingKey, saltOf(stack, asset), asset, row);
}

/** A domain whose owner has a key of their own. */
async function withKey(name: string): Promise<Owned> {
  const owned = await Owned.ofNew(stack, `${name}.molt`);
  await put(owned, "openai", key(name));
  return owned;
}

const [used, listed, unswept, deleted, kept] = (await Promise.all(
  ["used", "listed", "unswept", "deleted", "kept"].map(withKey),
)) as [Owned, Owned, Owned, Owned, Owned];
let visitor: Client;

test("c05 c10 both keys are replaced while an owner is signed in and an agent runs, and neither notices", async () => {
  const { since } = await used.start();
  visitor = await used.learn(stack, "before the rotation");
  const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
  const before = await entryOf(used, "openai");
  await reconfigure(stack, during);

  assert.equal((await used.client.get("/v1/auth/session")).status, 200);
  const status = await used.status();
  assert.deepEqual([status.state, status.since, status.problem], ["running", since, null]);
  assert.ok(agent.lives(sandbox));
  assert.equal((await visitor.get("/memory")).json().memory, "before the rotation");
  assert.deepEqual(await entryOf(used, "openai"), before);
  await used.stop();
  await used.start();
  assert.equal(agent.injected().secrets.openai, key("used"));
  assert.equal((await visitor.get("/memory")).json().memory, "before the rotation");
  await put(used, "openrouter", key("or-router"));
  assert.ok(!(await entryOf(used, "openrouter")).unreadable);
  await remove(used, "openrouter");
  await until("the start without the removed key", async () => {
    const { state, renewal } = await used.status();
    return state === "running" && renewal === null;
  });
});

test("c10 what is opened meanwhile is sealed anew, by a start and by a look at the status alike", async () => {
  assert.equal(opened(first.SEALING_KEY, listed), key("listed"));
  const [before] = sealedRows(stack, listed.asset);
  await entryOf(listed, "openai");
  const [after] = sealedRows(stack, listed.asset);
  assert.deepEqual({ ...after, sealed: "" }, { ...before, sealed: "" }, "nothing but the seal is another");
  for (const owned of [used, listed]) {
    const value = owned === used ? key("used") : key("listed");
    assert.deepEqual([opened(second.SEALING_KEY, owned), opened(first.SEALING_KEY, owned)], [value, undefined]);
  }
  const [sealed] = sealedRows(stack, listed.asset);
  await entryOf(listed, "openai");
  assert.deepEqual(sealedRows(stack, listed.asset), [sealed], "and not again each time");
  assert.equal(opened(first.SEALING_KEY, unswept), key("unswept"), "what nobody touched waits for its sweep");
});

test("c05 when the previous key is dropped the tokens that it signed end, and nothing else does", async () => {
  await reconfigure(stack, afterwards);
  for (const path of ["/v1/auth/session", used.path, `${used.path}/secrets`])
    assertProblem(await used.client.get(path), 401, "unauthenticated");
  assertProblem(await visitor.get("/memory"), 401, "unauthenticated");
  const again = await Owned.of(stack, used.asset);
  assert.equal((await again.status()).state, "running");
  assert.ok(!(await entryOf(again, "openai")).unreadable);
  await again.stop();
  await again.start();
  assert.equal(agent.injected().secrets.openai, key("used"));
});

test("c10 a row that was not sealed anew fails clean: its owner is told, and the agent starts without it", async () => {
  const before = sealedRows(stack, unswept.asset);
  const owned = await Owned.of(stack, unswept.asset);
  const entry = await entryOf(owned, "openai");
  assert.deepEqual([entry.source, entry.prefix, entry.unreadable], ["user", "sk-unswe", true]);
  const logged = stack.logs.length;
  assert.equal((await owned.start()).problem, null);
  const { secrets, config } = agent.injected();
  assert.equal(secrets.openai, undefined, "nor is the platform's key used in its place");
  assert.equal(config.models?.providers?.openai, undefined);
  await until("a word in the log", () => stack.logs.slice(logged).some((line) => line.includes("secret openai of")));
  assert.deepEqual(sealedRows(stack, unswept.asset), before, "nothing is overwritten");

  const set = await put(owned, "openai", key("anew"));
  assert.ok(!set.unreadable && !(await entryOf(owned, "openai")).unreadable);
  await owned.stop();
  await owned.start();
  assert.equal(agent.injected().secrets.openai, key("anew"));
});

test("c10 c12 an unreadable key that is deleted brings the platform's back", async () => {
  const owned = await Owned.of(stack, deleted.asset);
  assert.equal((await entryOf(owned, "openai")).unreadable, true);
  const entry = await remove(owned, "openai");
  assert.deepEqual([entry.source, entry.unreadable], ["platform", undefined]);
  await owned.start();
  assertPass(agent.injected().secrets.openai, owned.asset);
});

test("c10 c05 with the previous keys put back all that was left opens again", async () => {
  assert.equal((await entryOf(await Owned.of(stack, kept.asset), "openai")).unreadable, true);
  await reconfigure(stack, during);
  assert.ok(!(await entryOf(kept, "openai")).unreadable, "with the token of then");
  await kept.start();
  assert.equal(agent.injected().secrets.openai, key("kept"));
});
