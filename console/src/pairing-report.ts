// Who waits to be let in to the agent, in words. Pure: the clock comes in as an argument.
import type { AgentState, Waiting } from "./api.ts";
import { formatAgo, formatLeft } from "./format.ts";

const KINDS: Readonly<Record<Waiting["kind"], string>> = { person: "Person", device: "Device" };

export const kindOf = (kind: Waiting["kind"]): string => KINDS[kind] ?? kind;

/** Somebody may call themselves nothing. */
export const nameOf = ({ name }: Waiting): string => name.trim() || "Without a name";

/** "Asked 3 minutes ago, and waits for another 57 min." */
export function waitText({ askedAt, expiresAt }: Waiting, now: number): string {
  const asked = askedAt === null ? "" : `Asked ${formatAgo(askedAt, now)}`;
  const left = Date.parse(expiresAt ?? "") - now;
  if (Number.isNaN(left)) return asked && `${asked}.`;
  const waits = left <= 0 ? "has to ask again" : `waits for another ${formatLeft(left)}`;
  return asked ? `${asked}, and ${waits}.` : `${waits.charAt(0).toUpperCase()}${waits.slice(1)}.`;
}

/** " Their code is ABCD2345." Empty where the service does not know it. */
export const codeText = ({ code }: Waiting): string => (code === undefined ? "" : ` Their code is ${code}.`);

/** What stands in place of an empty list. */
export function nobodyText(state: AgentState | null): string {
  return state === "running"
    ? "Nobody waits."
    : "Nobody waits at Slack or Discord. Who waits at Telegram, and which devices, is told by the running agent.";
}
