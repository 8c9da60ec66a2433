// Each object goes through what it holds sealed once a period, also while its agent sleeps (C10).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { editObject, objectRows } from "./support/objects.ts";
import { type Change, reconfigure } from "./support/reconfigure.ts";
import { entryOf, put, remove, saltOf, sealedRows, unseal } from "./support/sealed.ts";
import { until } from "./support/wait.ts";

const [first, second] = [1, 2].map(() => randomBytes(32).toString("base64")) as [string, string];
const IDLE_SECONDS = 6;
const vars = { SWEEP_PERIOD: "1", IDLE_TIMEOUT: String(IDLE_SECONDS) };
const stack = await fakeAgentStack({ vars, secrets: { SEALING_KEY: first } });
const { agent } = stack;
const key = (what: string): string => `sk-${what}-${"0123456789abcdef".repeat(3)}`;

const during: Change = { secrets: { SEALING_KEY: second, SEALING_KEY_PREVIOUS: first } };
const sweptAt = ({ asset }: Owned): number => objectRows(stack, asset, "SELECT swept_at FROM upkeep")[0]?.swept_at ?? 0;

/** Waits for a sweep that begins after this moment. */
async function swept(owned: Owned): Promise<void> {
  const before = Math.max(sweptAt(owned), Date.now());
  await until("a sweep", () => sweptAt(owned) > before);
}

const words = (owned: Owned): string[] => stack.logs.filter((line) => line.includes(`sweep of ${owned.asset}`));

test("c10 a sleeping agent's rows are swept, and sealed anew when the key was replaced", async () => {
  const owned = await Owned.ofNew(stack, "sleeping.molt");
  await put(owned, "openai", key("openai"));
  await put(owned, "openrouter", key("or-openrouter"));
  await swept(owned);
  await swept(owned);
  const before = sealedRows(stack, owned.asset);
  assert.deepEqual(words(owned), [], "one that had nothing to do says nothing");

  const starts = agent.begun("init").length;
  await reconfigure(stack, during);
  await until("both are sealed anew", () =>
    sealedRows(stack, owned.asset).every((row, index) => row.sealed !== before[index]?.sealed),
  );
  const after = sealedRows(stack, owned.asset);
  const unsealed = (row: Record<string, unknown>) => ({ ...row, sealed: "" });
  assert.deepEqual(after.map(unsealed), before.map(unsealed), "nothing but the seal is another");
  const salt = saltOf(stack, owned.asset);
  assert.deepEqual(
    after.map((row) => unseal(second, salt, owned.asset, row)),
    [key("openai"), key("or-openrouter")],
  );
  await swept(owned);
  assert.deepEqual(sealedRows(stack, owned.asset), after, "once is enough");
  assert.equal(agent.begun("init").length, starts, "and no agent was woken");
  assert.equal(words(owned).length, 1);
  assert.match(words(owned).join(), /2 sealed anew, 0 can't be opened/);

  await reconfigure(stack, { secrets: { SEALING_KEY: second } });
  await owned.start();
  assert.deepEqual(
    [agent.injected().secrets.openai, agent.injected().secrets.openrouter],
    [key("openai"), key("or-openrouter")],
  );
});

test("c10 a row that does not open is told to the operator, and left as it is", async () => {
  await reconfigure(stack, during);
  const owned = await Owned.ofNew(stack, "tampered.molt");
  await put(owned, "openai", key("openai"));
  await put(owned, "openrouter", key("or-openrouter"));
  await stack.replaceWorker(() =>
    editObject(stack, owned.asset, "UPDATE secrets SET sealed = 'AQ==' WHERE name = 'openai'"),
  );
  const before = sealedRows(stack, owned.asset);
  await until("a word in the log", () =>
    words(owned).some((line) => line.includes("0 sealed anew, 1 can't be opened")),
  );
  await swept(owned);
  assert.deepEqual(sealedRows(stack, owned.asset), before);
  assert.equal((await entryOf(owned, "openai")).unreadable, true);
  assert.ok(!(await entryOf(owned, "openrouter")).unreadable);
});

test("c10 c18 sweeps neither keep an agent awake nor wake it", async () => {
  const owned = await Owned.ofNew(stack, "used.molt");
  await put(owned, "openai", key("openai"));
  await owned.start();
  const visitor = await owned.learn(stack, "before the sleep");
  await swept(owned);
  await owned.in("asleep", { within: (IDLE_SECONDS + 20) * 1000 });
  const starts = agent.begun("init").length;
  await swept(owned);
  await swept(owned);
  assert.equal((await owned.status()).state, "asleep");
  assert.equal(agent.begun("init").length, starts);
  await owned.start();
  assert.equal((await visitor.get("/memory")).json().memory, "before the sleep");
});

/** Whether the object has an alarm, by the runtime's own table, which is made with the first one. */
function hasAlarm({ asset }: Owned): boolean {
  const there = objectRows(stack, asset, "SELECT name FROM sqlite_master WHERE name = '_cf_METADATA'");
  return (
    there.length > 0 && objectRows(stack, asset, "SELECT key FROM _cf_METADATA WHERE key = 1 AND value > 0").length > 0
  );
}

test("c10 only an object that holds something sealed wakes for it", async () => {
  const owned = await Owned.ofNew(stack, "empty.molt");
  assert.ok(!hasAlarm(owned));
  await put(owned, "openai", key("openai"));
  await until("an alarm", () => hasAlarm(owned));
  await swept(owned);
  await remove(owned, "openai");
  await until("no alarm", () => !hasAlarm(owned));
  const last = sweptAt(owned);
  assert.equal((await owned.status()).state, "asleep");
  assert.ok(!hasAlarm(owned));
  assert.equal(sweptAt(owned), last);
});

test("c10 an object that was written before there were sweeps, or lost its alarm, is swept from its next request on", async () => {
  const owned = await Owned.ofNew(stack, "before-sweeps.molt");
  await put(owned, "openai", key("openai"));
  await swept(owned);
  await stack.replaceWorker(() => editObject(stack, owned.asset, "DELETE FROM upkeep; DELETE FROM _cf_METADATA"));
  assert.equal(sweptAt(owned), 0);
  assert.equal((await owned.status()).state, "asleep");
  await swept(owned);
});

after(() => {
  const shown = stack.logs.join("\n");
  for (const secret of [first, second, key("").slice(4)]) assert.ok(!shown.includes(secret));
});
