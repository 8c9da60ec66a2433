// Snapshots of a running agent from time to time, and waking by its own schedule (C18, C19).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { until } from "./support/wait.ts";

const PERIOD_SECONDS = 5;
const IDLE_SECONDS = 14;
const vars = { SNAPSHOT_PERIOD: String(PERIOD_SECONDS), IDLE_TIMEOUT: String(IDLE_SECONDS) };
const stack = await fakeAgentStack({ vars });
const { agent } = stack;
afterEach(() => agent.behave());

test("c19 a running agent is saved from time to time while it changes, and goes on meanwhile", async () => {
  const owned = await Owned.ofNew(stack, "periodic.molt");
  const { since } = await owned.start();
  const visitor = await owned.learn(stack, "the first of it");
  const count = async (): Promise<number> => (await owned.snapshots()).length;
  await until("the first snapshot", async () => (await count()) === 1);
  const [first] = await owned.snapshots();
  assert.equal(first?.cause, "period");
  const live = agent.begun("snapshot").at(-1);
  assert.ok(live?.argv?.includes("--live"), String(live?.argv));

  // Nothing new: asked again, and nothing is stored.
  const asked = agent.begun("snapshot").length;
  await until("two more looks", async () => {
    assert.equal((await visitor.get("/memory")).status, 200);
    return agent.begun("snapshot").length >= asked + 2;
  });
  assert.equal(await count(), 1);

  await owned.learn(stack, "and then this");
  await until("the second snapshot", async () => (await count()) === 2);
  assert.equal((await owned.status()).since, since, "it went on");
  assert.equal((await visitor.get("/memory")).json().memory, "and then this");

  const before = await owned.status();
  await visitor.request("POST", "/crash");
  await until("it runs again", async () => {
    const status = await owned.status();
    return status.state === "running" && status.since !== before.since;
  });
  assert.equal((await visitor.get("/memory")).json().memory, "and then this");
});

test("c19 a periodic snapshot that fails is told, tried again, and then told no more", async () => {
  const owned = await Owned.ofNew(stack, "unsaved.molt");
  await owned.start();
  const visitor = await owned.learn(stack, "too much of it");
  const big = { tooLarge: { biggest: [{ path: "workspace/film.mkv", bytes: 3_000_000_000 }] } };
  agent.behave({ snapshot: { print: `${JSON.stringify(big)}\n` } });
  const told = await until("it is told", async () => (await owned.status()).problem ?? undefined);
  assert.equal(told.code, "snapshot_failed");
  assert.match(told.detail, /workspace\/film\.mkv \(3000 MB\)/);
  const answer = await owned.client.post(`${owned.path}/snapshots`);
  assert.ok(answer.status >= 400, answer.text);
  agent.behave();
  await until("it is saved", async () => {
    assert.equal((await visitor.get("/memory")).status, 200);
    return (await owned.status()).problem === null && (await owned.snapshots()).length > 0;
  });
});

test("c18 an agent with something to do wakes by itself, once", async () => {
  const owned = await Owned.ofNew(stack, "scheduled.molt");
  await owned.start();
  const dueAt = Date.now() + 60_000;
  agent.behave({ snapshot: { claim: { nextDueAt: dueAt } } });
  const asleep = await owned.in("asleep");
  assert.ok(Math.abs(Date.parse(asleep.nextWakeAt ?? "") - (dueAt - 20_000)) < 1000, String(asleep.nextWakeAt));
  await owned.in("running", { within: 70_000 });
  assert.ok(Date.now() > dueAt - 21_000, "not before its time");
  const { wakes } = (await owned.client.get(`${owned.path}/wakes`)).json();
  assert.equal(wakes[0].cause, "schedule");
  // What stays due though it woke for it wakes it no more.
  const again = await owned.in("asleep");
  assert.equal(again.nextWakeAt, undefined);
});

test("c18 an agent that its owner stopped stays asleep, whatever its schedule says", async () => {
  const owned = await Owned.ofNew(stack, "stopped.molt");
  await owned.start();
  agent.behave({ snapshot: { claim: { nextDueAt: Date.now() + 1000 } } });
  const asleep = await owned.stop();
  assert.equal(asleep.nextWakeAt, undefined);
});

test("c18 an agent that works, or is about to, does not fall asleep", async () => {
  const owned = await Owned.ofNew(stack, "works.molt");
  agent.behave({ activity: { busy: true } });
  await owned.start();
  await until("it was asked twice", async () => {
    assert.equal((await owned.status()).state, "running");
    return agent.begun("activity").length >= 2;
  });
  assert.ok(agent.begun("activity").every(({ argv }) => argv?.includes("--within=60")));
  agent.behave();
  await owned.in("asleep");
});
