// What the agent proposes, in words, and what hinders its owner from deciding on it. Pure: the clock comes in as an argument.
import { ApiError, type Proposal, type ProposalList } from "./api.ts";
import { formatAgo, formatCount, formatLeft } from "./format.ts";

/** The service counts no further in a day. */
const REFUSALS_COUNTED = 1000;

export const UNDER_WAY = "Wait until it is known what became of the one below.";
export const SPENT =
  "The proposal is used up with that, as it could be paid twice otherwise. If you still want it, have the agent propose it " +
  "again, or send the same yourself.";

export function waitingText(count: number): string {
  if (count === 0) return "Nothing waits for your word.";
  return count === 1 ? "1 proposal waits for your word." : `${formatCount(count)} proposals wait for your word.`;
}

/** "The agent proposed 3 of at most 20 today (UTC); 5 were refused." */
export function countsText({ today, perDay, refusedToday }: Omit<ProposalList, "proposals">): string {
  const taken = `The agent proposed ${formatCount(today)} of at most ${formatCount(perDay)} today (UTC)`;
  if (refusedToday === 0) return `${taken}.`;
  const refused = `${formatCount(refusedToday)}${refusedToday < REFUSALS_COUNTED ? "" : " or more"}`;
  return `${taken}; ${refused} ${refusedToday === 1 ? "was" : "were"} refused.`;
}

/** "Proposed 3 minutes ago, and waits for another 23 h." */
export function timeText({ createdAt, expiresAt }: Pick<Proposal, "createdAt" | "expiresAt">, now: number): string {
  const left = Date.parse(expiresAt) - now;
  return `Proposed ${formatAgo(createdAt, now)}, and ${left > 0 ? `waits for another ${formatLeft(left)}` : "has expired"}.`;
}

/** What is the proposal's own trouble, and not that of whoever asks or of the way to the service. */
export function troubleText(error: unknown): string | null {
  if (!(error instanceof ApiError)) return null;
  if (error.status === 404) return "This proposal does not wait any more: it was rejected or sent, or has expired.";
  if (![400, 409, 422].includes(error.status)) return null;
  return `This can't be prepared as the agent proposed it, and nothing was signed. ${refusalText(error)}`;
}

/** Its owner has no field of it to mend: the service's names for them say nothing here. */
function refusalText({ field, message }: ApiError): string {
  if (field === "createAccount")
    return "The recipient has no account for this token yet, and the agent did not propose to make one.";
  if (field === "to" && message.includes("toProgram"))
    return "No person has a key of the address that it would send to: it is a program's.";
  return message.replaceAll("`", "");
}
