// What the owner reads about today's calls to models. Numbers and times are as the reader's language writes them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Usage } from "./api.ts";
import { formatCount, formatDateTime } from "./format.ts";
import { budgetText, isSpent, resetsText, spentText, usageText } from "./usage-report.ts";

const RESETS_AT = "2026-11-26T00:00:00.000Z";
const when = formatDateTime(RESETS_AT);

function usage(requests: number, tokens: number): Usage {
  return {
    day: "2026-11-25",
    resetsAt: RESETS_AT,
    providers: [],
    budget: { requests: { used: requests, limit: 500 }, tokens: { used: tokens, limit: 2_000_000 } },
  };
}

test("a provider's use is told in requests and tokens, one of each without an s", () => {
  const of = { name: "openai", source: "platform" } as const;
  assert.equal(usageText({ ...of, requests: 3, tokens: 1_234 }), `3 requests · ${formatCount(1_234)} tokens`);
  assert.equal(usageText({ ...of, requests: 1, tokens: 1 }), "1 request · 1 token");
  assert.equal(usageText({ ...of, requests: 0, tokens: 0 }), "0 requests · 0 tokens");
});

test("a budget is told as what is used of it, also when more was used than it allows", () => {
  assert.equal(budgetText({ used: 1_234, limit: 2_000_000 }), `${formatCount(1_234)} of ${formatCount(2_000_000)}`);
  assert.equal(budgetText({ used: 501, limit: 500 }), "501 of 500");
});

test("a budget is spent from its limit on, and one of nothing at once", () => {
  assert.deepEqual(
    [499, 500, 501].map((used) => isSpent({ used, limit: 500 })),
    [false, true, true],
  );
  assert.equal(isSpent({ used: 0, limit: 0 }), true);
});

test("nothing is said of a budget that is not spent", () => {
  assert.equal(spentText(usage(499, 1_999_999)), "");
});

test("a spent budget is named, with when it starts again and what goes on", () => {
  const rest = `is spent: calls with the platform's keys are refused until ${when}. Calls with your own keys go on.`;
  assert.equal(spentText(usage(500, 0)), `Today's budget of requests ${rest}`);
  assert.equal(spentText(usage(0, 2_000_001)), `Today's budget of tokens ${rest}`);
  assert.equal(spentText(usage(500, 2_000_000)), `Today's budget of requests and tokens ${rest}`);
});

test("when the count starts again is told in the reader's own time", () => {
  assert.equal(resetsText(usage(0, 0)), `The count starts again on ${when}, which is midnight UTC.`);
});
