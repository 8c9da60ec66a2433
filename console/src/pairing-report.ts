// Who waits to be let in to the agent, in words. Pure: the clock comes in as an argument.
import type { AgentState, Waiting } from "./api.ts";
import { formatAgo } from "./format.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

const KINDS: Readonly<Record<Waiting["kind"], string>> = { person: "Person", device: "Device" };

export const kindOf = (kind: Waiting["kind"]): string => KINDS[kind] ?? kind;

/** Somebody may call themselves nothing. */
export const nameOf = ({ name }: Waiting): string => name.trim() || "Without a name";

/** "Asked 3 minutes ago, and waits for another 57 min." */
export function waitText({ askedAt, expiresAt }: Waiting, now: number): string {
  const asked = askedAt === null ? "" : `Asked ${formatAgo(askedAt, now)}`;
  const left = Date.parse(expiresAt ?? "") - now;
  if (Number.isNaN(left)) return asked && `${asked}.`;
  const waits = left <= 0 ? "has to ask again" : `waits for another ${leftText(left)}`;
  return asked ? `${asked}, and ${waits}.` : `${waits.charAt(0).toUpperCase()}${waits.slice(1)}.`;
}

function leftText(left: number): string {
  if (left < MINUTE_MS) return "minute at most";
  // In whole minutes that are certain to be there.
  return left < 2 * HOUR_MS ? `${Math.floor(left / MINUTE_MS)} min` : `${Math.floor(left / HOUR_MS)} h`;
}

/** What stands in place of an empty list. */
export function nobodyText(state: AgentState | null): string {
  return state === "running"
    ? "Nobody waits."
    : "Who waits is told by the running agent. Whose request is gone with a sleep writes again.";
}
