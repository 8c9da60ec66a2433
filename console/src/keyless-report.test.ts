// What is saved when the owner keeps one more key out of the agent, or one less, and what they read about it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { choiceReport, withChoice } from "./keyless-report.ts";

test("a choice changes its own provider alone, also beside one that this page does not know", () => {
  assert.deepEqual(withChoice([], "openai", true), ["openai"]);
  assert.deepEqual(withChoice(["newer", "anthropic"], "openai", true), ["newer", "anthropic", "openai"]);
  assert.deepEqual(withChoice(["newer", "openai", "anthropic"], "openai", false), ["newer", "anthropic"]);
});

test("a choice that is made already is not made twice", () => {
  assert.deepEqual(withChoice(["openai"], "openai", true), ["openai"]);
  assert.deepEqual(withChoice([], "openai", false), []);
});

test("the owner reads where the key is, and from when", () => {
  assert.equal(
    choiceReport("openai", true, "restarting"),
    "The OpenAI key is kept out of the agent. The agent is saved and started anew for it.",
  );
  assert.equal(
    choiceReport("anthropic", false, "nextStart"),
    "The agent gets the Anthropic key itself. It takes effect when the agent starts.",
  );
});
