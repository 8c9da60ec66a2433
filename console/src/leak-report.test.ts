// What the owner reads about files that a snapshot does not hold.
import assert from "node:assert/strict";
import { test } from "node:test";
import { importReport, leakReport } from "./leak-report.ts";

test("c14 a snapshot that holds all says nothing", () => {
  assert.deepEqual(leakReport({}), []);
});

test("c14 files left out are named, and counted where not all are", () => {
  const why = "not saved: they hold one of your secrets, or could not be searched for them";
  assert.deepEqual(leakReport({ leftOut: ["a", "b"], leftOutCount: 2 }), [`2 files are ${why}: a and b.`]);
  assert.deepEqual(leakReport({ leftOut: ["a", "b"], leftOutCount: 9 }), [`9 files are ${why}: a, b and 7 more.`]);
  assert.deepEqual(leakReport({ leftOutCount: 2 }), [`2 files are ${why}.`]);
  assert.deepEqual(leakReport({ leftOut: ["a"], leftOutCount: 1 }), [
    "1 file is not saved: it holds one of your secrets, or could not be searched for them: a.",
  ]);
});

test("c14 overwritten databases and keys typed elsewhere are told", () => {
  assert.deepEqual(leakReport({ masked: ["x.sqlite"], typedKeys: ["openai", "anthropic"] }), [
    "A secret was overwritten with asterisks in x.sqlite.",
    "Keys typed into the agent's own pages are not saved, here for openai and anthropic.",
  ]);
});

test("what became of keys that were to be moved is told by name", () => {
  assert.equal(
    importReport({ imported: ["openai"], refused: ["anthropic"] }),
    "Moved: openai. The agent gets it from here now. Not moved, as one is set already or it is no such key: anthropic.",
  );
  assert.match(importReport({ imported: [], refused: [] }), /^There is no key that could be moved/);
});
