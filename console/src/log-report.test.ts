// What the owner reads about where the agent's log comes from.
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDateTime } from "./format.ts";
import { logSource } from "./log-report.ts";

const TAKEN_AT = "2026-01-15T12:00:00.000Z";
const when = formatDateTime(TAKEN_AT);

test("c20 the log of the running agent is told from the one kept when it last ended", () => {
  const lines = ["one"];
  assert.equal(logSource({ lines, takenAt: TAKEN_AT, live: true }), "Of the agent that runs now.");
  assert.equal(logSource({ lines, takenAt: TAKEN_AT, live: false }), `Kept when the agent last ended, at ${when}.`);
});

test("a log without lines says why there are none", () => {
  assert.match(logSource({ lines: [], takenAt: TAKEN_AT, live: true }), /runs now has written nothing yet/);
  assert.match(logSource({ lines: [], takenAt: null, live: false }), /no log yet/);
  assert.equal(
    logSource({ lines: [], takenAt: TAKEN_AT, live: false }),
    `The agent last ended at ${when}, and had written nothing.`,
  );
});
