// Where the lines of the agent's log come from, in words for its owner.
import type { AgentLog } from "./api.ts";
import { formatDateTime } from "./format.ts";

export function logSource({ lines, takenAt, live }: AgentLog): string {
  const none = lines.length === 0;
  if (live) return none ? "The agent that runs now has written nothing yet." : "Of the agent that runs now.";
  if (takenAt === null) return "There is no log yet. It is kept each time that the agent ends.";
  const when = formatDateTime(takenAt);
  if (none) return `The agent last ended at ${when}, and had written nothing.`;
  return `Kept when the agent last ended, at ${when}.`;
}
