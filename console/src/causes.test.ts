// What the owner reads about why something happened.
import assert from "node:assert/strict";
import { test } from "node:test";
import { capitalised, snapshotCause, wakeCause, wakeEnd } from "./causes.ts";

const SNAPSHOT_CAUSES = ["stop", "sleep", "restart", "manual", "period", "crash", "upload", "other"];
const WAKE_CAUSES = ["owner", "schedule", "crash", "restart", "channel"];
const WAKE_ENDS = ["sleep", "stop", "restart", "crash", "failed"];

test("c19 every cause of a snapshot has words of its own", () => {
  const words = SNAPSHOT_CAUSES.map(snapshotCause);
  assert.equal(new Set(words).size, SNAPSHOT_CAUSES.length);
  assert.deepEqual(
    words.filter((text) => SNAPSHOT_CAUSES.includes(text)),
    [],
  );
  assert.equal(snapshotCause("upload"), "Uploaded by you");
  assert.equal(snapshotCause("crash"), "After a crash");
});

test("c18 every cause of a wake, and every end of one, has words of its own", () => {
  for (const [causes, words] of [
    [WAKE_CAUSES, WAKE_CAUSES.map(wakeCause)],
    [WAKE_ENDS, WAKE_ENDS.map(wakeEnd)],
  ] as const) {
    assert.equal(new Set(words).size, causes.length);
    assert.deepEqual(
      words.filter((text) => causes.includes(text)),
      [],
    );
  }
});

test("what only a newer service knows is shown as it came", () => {
  assert.deepEqual([snapshotCause("x"), wakeCause("x"), wakeEnd("x")], ["x", "x", "x"]);
});

test("a line begins with a capital", () => {
  assert.deepEqual(["by you", "", "É"].map(capitalised), ["By you", "", "É"]);
});
