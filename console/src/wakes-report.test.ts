// What the owner reads about the times that the agent was awake.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Wake } from "./api.ts";
import { awakeText, causesText, endText, lastDays, percentileText, phasesText, readyText } from "./wakes-report.ts";

const NOW = Date.parse("2026-01-15T00:30:00.000Z");
const WAKE: Wake = {
  at: "2026-01-14T12:00:00.000Z",
  cause: "owner",
  phases: { allocate: 812, restore: 1_204, inject: 96, boot: 6_088 },
  readyAt: "2026-01-14T12:00:08.200Z",
  restoredBytes: 12_345_678,
  endedAt: "2026-01-14T13:32:10.000Z",
  end: "sleep",
};
const STARTING: Wake = {
  ...WAKE,
  phases: { allocate: 812 },
  readyAt: null,
  restoredBytes: null,
  endedAt: null,
  end: null,
};
const FAILED: Wake = { ...STARTING, end: "failed", endedAt: "2026-01-14T12:00:40.000Z" };
const AWAKE: Wake = { ...WAKE, endedAt: null, end: null };

test("c18 a wake tells how long it took until the agent was ready", () => {
  assert.deepEqual([WAKE, STARTING, FAILED].map(readyText), ["8.2 s", "Not ready yet", "Never"]);
});

test("c18 the steps of a wake are those that it came to, with what was restored", () => {
  assert.equal(phasesText(WAKE), "container 0.8 s · restore 1.2 s (12 MB) · settings 0.1 s · boot 6.1 s");
  assert.equal(phasesText({ ...WAKE, restoredBytes: null, phases: { restore: 40, boot: null } }), "restore 0.0 s");
  assert.equal(phasesText({ ...STARTING, phases: {} }), "");
});

test("c18 a wake tells how it ended and after how long, or that it has not", () => {
  assert.deepEqual([WAKE, STARTING, FAILED, AWAKE].map(endText), [
    "Fell asleep",
    "Starting",
    "Start failed",
    "Awake now",
  ]);
  assert.deepEqual([WAKE, STARTING, FAILED, AWAKE].map(awakeText), ["after 1 h 32 min", "", "after 40 s", ""]);
});

test("a percentile of no wakes is not known", () => {
  assert.deepEqual([null, 0, 9_940, 74_000].map(percentileText), ["Not known yet", "0.0 s", "9.9 s", "1 min 14 s"]);
});

test("c18 days on which it slept are told too, and older ones are not", () => {
  const days = [
    { day: "2026-01-07", minutes: 5, causes: { owner: 1 } },
    { day: "2026-01-13", minutes: 92, causes: { owner: 3, schedule: 1 } },
    { day: "2026-01-15", minutes: 1, causes: {} },
  ];
  assert.deepEqual(
    lastDays(days, 4, NOW).map(({ day, minutes }) => [day, minutes]),
    [
      ["2026-01-15", 1],
      ["2026-01-14", 0],
      ["2026-01-13", 92],
      ["2026-01-12", 0],
    ],
  );
});

test("c18 what woke it on a day is counted, the most frequent first", () => {
  const day = { day: "2026-01-13", minutes: 92 };
  const causes = { schedule: 1, owner: 3, crash: 0, unheard: 2 };
  assert.equal(causesText({ ...day, causes }), "3 by you · 2 unheard · 1 by its schedule");
  assert.equal(causesText({ ...day, causes: {} }), "");
});
