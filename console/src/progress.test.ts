// The steps that an owner sees during a start or stop, from the statuses alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentState, Phase } from "./api.ts";
import { advance, steps, type Timeline, totalElapsed } from "./progress.ts";

const SINCE = "2026-01-15T12:00:00.000Z";
const T0 = Date.parse(SINCE);

type Seen = readonly [seconds: number, state: AgentState, phase?: Phase];

function play(seen: readonly Seen[]): Timeline | null {
  let timeline: Timeline | null = null;
  let previous: AgentState | null = null;
  for (const [seconds, state, phase = null] of seen) {
    timeline = advance(timeline, previous, { state, phase, since: SINCE }, T0 + seconds * 1000);
    previous = state;
  }
  return timeline;
}

function lines(timeline: Timeline | null, seconds: number): string[] {
  assert.ok(timeline, "there is a timeline");
  return steps(timeline, T0 + seconds * 1000).map(
    ({ phase, status, elapsed }) => `${phase} ${status} ${elapsed === null ? "-" : elapsed / 1000}`,
  );
}

test("a start that is watched shows the time of every step", () => {
  const seen: Seen[] = [
    [0, "asleep"],
    [1, "starting", "allocate"],
    [3, "starting", "restore"],
    [4, "starting", "inject"],
    [5, "starting", "boot"],
  ];
  assert.deepEqual(lines(play(seen), 9), [
    "allocate done 2",
    "restore done 1",
    "inject done 1",
    "boot active 4",
    "ready pending -",
  ]);
  const done = play([...seen, [12, "starting", "ready"], [13, "running"]]);
  assert.equal(lines(done, 99).at(-1), "ready done 1");
  assert.equal(done && totalElapsed(done, T0 + 99_000), 12_000);
});

test("a start that was under way when the page came is timed from `since`, its passed steps have no time", () => {
  const timeline = play([[20, "starting", "boot"]]);
  assert.equal(timeline && totalElapsed(timeline, T0 + 25_000), 25_000);
  assert.deepEqual(lines(timeline, 25).slice(2), ["inject done -", "boot active -", "ready pending -"]);
});

test("a service clock ahead of the page's gives no negative time", () => {
  const timeline = play([[-60, "starting", "allocate"]]);
  assert.equal(timeline && totalElapsed(timeline, T0 - 60_000), 0);
});

test("a skipped phase takes no time from the one before it", () => {
  const timeline = play([
    [0, "asleep"],
    [0, "starting", "allocate"],
    [2, "starting", "inject"],
  ]);
  assert.deepEqual(lines(timeline, 3).slice(0, 3), ["allocate done 2", "restore done -", "inject active 1"]);
});

test("a phase begun again is timed anew", () => {
  const timeline = play([
    [0, "asleep"],
    [0, "starting", "allocate"],
    [1, "starting", "restore"],
    [2, "starting", "boot"],
    [5, "starting", "restore"],
  ]);
  assert.deepEqual(lines(timeline, 6).slice(1, 4), ["restore active 1", "inject pending -", "boot pending -"]);
});

test("a failure stays at the step where it happened", () => {
  const timeline = play([
    [0, "asleep"],
    [0, "starting", "allocate"],
    [1, "starting", "boot"],
    [8, "failed"],
  ]);
  assert.equal(timeline?.outcome, "failed");
  assert.equal(lines(timeline, 60)[3], "boot failed 7");
});

test("a restart shows its stop, then its start", () => {
  const stopping: Seen[] = [
    [0, "running"],
    [1, "stopping", "quiesce"],
    [2, "stopping", "upload"],
  ];
  assert.deepEqual(lines(play(stopping), 4), ["quiesce done 1", "upload active 2", "destroy pending -"]);
  assert.equal(play([...stopping, [5, "starting", "allocate"]])?.kind, "start");
});

test("states at rest have no steps of their own", () => {
  assert.equal(play([[0, "running"]]), null);
  assert.equal(play([[0, "asleep"]]), null);
  assert.equal(play([[0, "failed"]]), null);
  const crashed = play([
    [0, "asleep"],
    [0, "starting", "boot"],
    [1, "running"],
    [90, "failed"],
  ]);
  assert.equal(crashed, null, "a crash of a running agent is not a failed start");
});
