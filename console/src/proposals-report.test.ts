// What the owner reads of what the agent proposes, and of what hinders them from deciding on it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, NetworkError } from "./api.ts";
import { formatCount } from "./format.ts";
import { countsText, timeText, troubleText, waitingText } from "./proposals-report.ts";

const NOW = Date.parse("2026-06-01T12:00:00.000Z");
const at = (minutes: number) => new Date(NOW + minutes * 60_000).toISOString();

test("how many wait is told, and that none do", () => {
  assert.equal(waitingText(0), "Nothing waits for your word.");
  assert.equal(waitingText(1), "1 proposal waits for your word.");
  assert.equal(waitingText(40), "40 proposals wait for your word.");
});

test("how many of today's were taken and refused is told", () => {
  const told = (today: number, refusedToday: number) => countsText({ today, perDay: 20, refusedToday });
  assert.equal(told(0, 0), "The agent proposed 0 of at most 20 today (UTC).");
  assert.equal(told(3, 5), "The agent proposed 3 of at most 20 today (UTC); 5 were refused.");
  assert.equal(told(20, 1), "The agent proposed 20 of at most 20 today (UTC); 1 was refused.");
  assert.match(told(1, 999), /; 999 were refused\.$/);
  assert.ok(told(1, 1000).endsWith(`; ${formatCount(1000)} or more were refused.`), "it is counted no further");
});

test("a proposal is told with when it came, and how long it will still be there", () => {
  const told = (createdAt: string, expiresAt: string) => timeText({ createdAt, expiresAt }, NOW);
  assert.equal(told(at(-3), at(1437)), "Proposed 3 minutes ago, and waits for another 23 h.");
  assert.equal(told(at(0), at(57.9)), "Proposed just now, and waits for another 57 min.");
  assert.equal(told(at(-180), at(0)), "Proposed 3 hours ago, and has expired.");
});

test("one that is gone meanwhile is told so", () => {
  const text = troubleText(new ApiError(404, "There is no such proposal, or none any more.", "not_found"));
  assert.equal(text, "This proposal does not wait any more: it was rejected or sent, or has expired.");
});

test("what can't be prepared is told in words of its owner, who has no field to mend", () => {
  const told = (status: number, message: string, field: string | null = null) =>
    troubleText(new ApiError(status, message, "", field));
  const whole = "`amount` must be at most 1, which is what the agent's wallet holds.";
  assert.equal(
    told(422, whole, "amount"),
    "This can't be prepared as the agent proposed it, and nothing was signed. amount must be at most 1, which is what the " +
      "agent's wallet holds.",
  );
  assert.match(told(409, "The agent's wallet holds no SOL. Fund it first.") ?? "", /holds no SOL\. Fund it first\.$/);
  assert.match(
    told(422, "if that is meant, send `toProgram` as true", "to") ?? "",
    /No person has a key of the address .* a program's\.$/,
  );
  assert.match(told(422, "be another address", "to") ?? "", /signed\. be another address$/);
  assert.match(told(422, "be true", "createAccount") ?? "", /the agent did not propose to make one\.$/);
});

test("what is no trouble of the proposal is left to whoever tells of it everywhere", () => {
  for (const error of [new NetworkError("No answer."), ...[401, 403, 429, 500, 503].map((s) => new ApiError(s, "No."))])
    assert.equal(troubleText(error), null);
});
