// What went through the service to models today, in words for its owner.
import type { ProviderUsage, Usage, UsageBudget } from "./api.ts";
import { formatCount, formatDateTime } from "./format.ts";

/** "3 requests · 1,234 tokens". */
export function usageText({ requests, tokens }: ProviderUsage): string {
  return [counted(requests, "request"), counted(tokens, "token")].join(" · ");
}

/** "1,234 of 2,000,000". */
export function budgetText({ used, limit }: UsageBudget): string {
  return `${formatCount(used)} of ${formatCount(limit)}`;
}

export function isSpent({ used, limit }: UsageBudget): boolean {
  return used >= limit;
}

/** Empty while something of both budgets is left. */
export function spentText({ budget, resetsAt }: Usage): string {
  const spent = (["requests", "tokens"] as const).filter((kind) => isSpent(budget[kind]));
  if (spent.length === 0) return "";
  return (
    `Today's budget of ${spent.join(" and ")} is spent: calls with the platform's keys are refused until ` +
    `${formatDateTime(resetsAt)}. Calls with your own keys go on.`
  );
}

export function resetsText({ resetsAt }: Usage): string {
  return `The count starts again on ${formatDateTime(resetsAt)}, which is midnight UTC.`;
}

function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
