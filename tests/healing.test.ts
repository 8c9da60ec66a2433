// What ends by itself: it is saved where it can be, started again, and stopped where it ends again and again (C20).
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { fakeAgentStack, Owned, type Status } from "./support/agent.ts";
import type { Client } from "./support/client.ts";
import { assertProblem } from "./support/problem.ts";
import { until } from "./support/wait.ts";

const stack = await fakeAgentStack({ vars: { SNAPSHOT_PERIOD: "86400" } });
const { agent } = stack;
afterEach(() => agent.behave());

/** The status once it runs again, since another moment than before. */
async function healed(owned: Owned, before: Status): Promise<Status> {
  return until("it runs again", async () => {
    const status = await owned.status();
    return status.state === "running" && status.since !== before.since && status;
  });
}

async function remembers(visitor: Client): Promise<string> {
  return (await visitor.get("/memory")).json().memory;
}

test("c20 a gateway that ends is saved as it lies there, and started again with all that it held", async () => {
  const owned = await Owned.ofNew(stack, "ended.molt");
  const before = await owned.start();
  const visitor = await owned.learn(stack, "learned a moment before");
  agent.behave({ logs: { lines: ["thinking", "about to end"] } });
  await visitor.request("POST", "/end");
  const running = await healed(owned, before);
  assert.equal(running.problem?.code, "crashed");
  assert.deepEqual(running.problem?.lines, ["thinking", "about to end"]);
  assert.equal(await remembers(visitor), "learned a moment before");
  assert.equal((await owned.snapshots())[0]?.cause, "crash");
  const { wakes } = (await owned.client.get(`${owned.path}/wakes`)).json();
  assert.deepEqual(
    wakes.map(({ cause, end }: { cause: string; end: string | null }) => [cause, end]),
    [
      ["crash", null],
      ["owner", "crash"],
    ],
  );
  await owned.stop();
  assert.equal((await owned.start()).problem, null);
});

test("c20 whoever comes to an agent that has ended is told so, and it is seen to at once", async () => {
  const owned = await Owned.ofNew(stack, "visited.molt");
  const before = await owned.start();
  const visitor = await owned.enter(stack);
  await visitor.request("POST", "/end");
  assertProblem(await visitor.request("POST", "/echo"), 503, "agent_unavailable");
  await until("it is seen to", async () => (await owned.status()).state !== "running", { within: 5000 });
  await healed(owned, before);
});

test("c20 a container that goes is started again with the newest snapshot, and that is told", async () => {
  const owned = await Owned.ofNew(stack, "gone.molt");
  const before = await owned.start();
  const visitor = await owned.learn(stack, "saved before the crash");
  assert.equal((await owned.client.post(`${owned.path}/snapshots`)).status, 201);
  await owned.learn(stack, "not saved");
  const crashed = await visitor.request("POST", "/crash");
  assert.ok(crashed.status >= 500, String(crashed.status));
  const running = await healed(owned, before);
  assert.equal(running.problem?.code, "crashed");
  assert.equal(await remembers(visitor), "saved before the crash");
});

test("c20 one that ends again and again is stopped with the reason and its last lines; one click tries again", async () => {
  const owned = await Owned.ofNew(stack, "loop.molt");
  let before = await owned.start();
  const visitor = await owned.learn(stack, "kept through it all");
  const begun = agent.begun("init").length;
  agent.behave({ logs: { lines: ["out of memory"] } });
  for (let time = 1; time < 3; time++) {
    await visitor.request("POST", "/end");
    before = await healed(owned, before);
  }
  await visitor.request("POST", "/end");
  const failed = await owned.in("failed");
  assert.equal(failed.problem?.code, "crash_loop");
  assert.deepEqual(failed.problem?.lines, ["out of memory"]);
  assert.equal(agent.begun("init").length - begun, 2);
  assert.equal((await owned.snapshots())[0]?.cause, "crash");
  assert.deepEqual((await owned.client.get(`${owned.path}/logs`)).json().lines, ["out of memory"]);
  agent.behave();
  assert.equal((await owned.start()).problem, null);
  assert.equal(await remembers(visitor), "kept through it all");
  await visitor.request("POST", "/end");
  await owned.in("starting");
});

test("c20 a start that nobody asked for is tried again by itself, its owner told when; one click tries at once", async () => {
  const owned = await Owned.ofNew(stack, "unasked.molt");
  await owned.start();
  const visitor = await owned.learn(stack, "kept meanwhile");
  agent.behave({ boot: { exit: 1 } });
  await visitor.request("POST", "/end");
  const failed = await owned.in("failed");
  assert.equal(failed.problem?.code, "start_failed");
  const pause = Date.parse(failed.nextWakeAt ?? "") - Date.parse(failed.since);
  assert.ok(Math.abs(pause - 300_000) < 1000, `${pause} ms`);
  agent.behave();
  const running = await owned.start();
  assert.deepEqual([running.problem, running.nextWakeAt], [null, undefined]);
  assert.equal(await remembers(visitor), "kept meanwhile");
});

test("c19 what ended and can't be saved while storage is away is kept until it can be", async () => {
  const owned = await Owned.ofNew(stack, "kept.molt");
  const before = await owned.start();
  const visitor = await owned.learn(stack, "only in its container");
  agent.behave({ send: { cut: true } });
  await visitor.request("POST", "/end");
  const failed = await owned.in("failed");
  assert.equal(failed.problem?.code, "snapshot_failed");
  agent.behave();
  await owned.ask("start");
  await healed(owned, before);
  assert.equal(await remembers(visitor), "only in its container");
});

test("c20 what ended and can never be saved goes on from its newest snapshot", async () => {
  const owned = await Owned.ofNew(stack, "broken-state.molt");
  const before = await owned.start();
  await owned.learn(stack, "saved in time");
  assert.equal((await owned.client.post(`${owned.path}/snapshots`)).status, 201);
  const visitor = await owned.learn(stack, "damaged with its database");
  agent.behave({ snapshot: { fail: true } });
  await visitor.request("POST", "/end");
  const running = await healed(owned, before);
  agent.behave();
  assert.equal(running.problem?.code, "crashed");
  assert.equal(await remembers(visitor), "saved in time");
});

describe("side by side, as most of the time passes in waiting", { concurrency: true }, () => {
  test("c20 an agent that answers no more is saved and started again", async () => {
    const owned = await Owned.ofNew(stack, "mute.molt");
    const before = await owned.start();
    const visitor = await owned.learn(stack, "said before it fell silent");
    await visitor.request("POST", "/mute");
    const running = await until(
      "it runs again",
      async () => {
        const status = await owned.status();
        return status.state === "running" && status.since !== before.since && status;
      },
      { within: 150_000, every: 500 },
    );
    assert.equal(running.problem?.code, "crashed");
    assert.equal(await remembers(visitor), "said before it fell silent");
  });

  test("c11 the log is shown while the agent runs, and what was kept of it after", async () => {
    const owned = await Owned.ofNew(stack, "log.molt");
    const log = async () => (await owned.client.get(`${owned.path}/logs`)).json();
    assert.deepEqual(await log(), { lines: [], takenAt: null, live: false });
    await owned.start();
    const live = await log();
    assert.deepEqual([live.lines, live.live], [["booted", "listening"], true]);
    await owned.stop();
    const kept = await log();
    assert.deepEqual([kept.lines, kept.live], [["booted", "listening"], false]);
    assert.ok(Math.abs(Date.parse(kept.takenAt) - Date.now()) < 60_000);
    assertProblem(await stack.client().get(`${owned.path}/logs`), 401, "unauthenticated");
  });
});
