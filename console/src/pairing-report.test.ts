// What the owner reads of those who wait to be let in.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Waiting } from "./api.ts";
import { kindOf, nameOf, nobodyText, waitText } from "./pairing-report.ts";

const NOW = Date.parse("2026-06-01T12:00:00.000Z");
const at = (minutes: number) => new Date(NOW + minutes * 60_000).toISOString();

function waiting(more: Partial<Waiting> = {}): Waiting {
  return { id: "a", kind: "person", name: "Friend (telegram 4242)", askedAt: at(-3), expiresAt: at(57.9), ...more };
}

test("a request is told with its time, and how long it will still be there", () => {
  assert.equal(waitText(waiting(), NOW), "Asked 3 minutes ago, and waits for another 57 min.");
  assert.equal(
    waitText(waiting({ expiresAt: at(0.5) }), NOW),
    "Asked 3 minutes ago, and waits for another minute at most.",
  );
  assert.equal(waitText(waiting({ expiresAt: at(190) }), NOW), "Asked 3 minutes ago, and waits for another 3 h.");
  assert.equal(waitText(waiting({ expiresAt: at(0) }), NOW), "Asked 3 minutes ago, and has to ask again.");
  assert.equal(waitText(waiting({ expiresAt: null }), NOW), "Asked 3 minutes ago.");
  assert.equal(waitText(waiting({ askedAt: null, expiresAt: at(5) }), NOW), "Waits for another 5 min.");
  assert.equal(waitText(waiting({ askedAt: null, expiresAt: null }), NOW), "");
});

test("who has no name is told so, and people from devices", () => {
  assert.equal(nameOf(waiting()), "Friend (telegram 4242)");
  assert.equal(nameOf(waiting({ name: " " })), "Without a name");
  assert.deepEqual([kindOf("person"), kindOf("device")], ["Person", "Device"]);
});

test("an empty list means nobody only where the agent runs", () => {
  assert.equal(nobodyText("running"), "Nobody waits.");
  for (const state of ["asleep", "starting", "stopping", "failed", null] as const)
    assert.match(nobodyText(state), /told by the running agent/);
});
