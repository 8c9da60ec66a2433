// When and how long the agent was awake, in words for its owner. Pure: the clock comes in as an argument.
import type { TimedPhase, Wake, WakeDay } from "./api.ts";
import { wakeCause, wakeEnd } from "./causes.ts";
import { formatCount, formatDuration, formatMinutes, formatSize } from "./format.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const PHASES: readonly [TimedPhase, string][] = [
  ["allocate", "container"],
  ["restore", "restore"],
  ["inject", "settings"],
  ["boot", "boot"],
];

/** "8.2 s", and why there is no such time where there is none. */
export function readyText({ at, readyAt, end }: Wake): string {
  if (readyAt !== null) return formatDuration(Date.parse(readyAt) - Date.parse(at));
  return end === null ? "Not ready yet" : "Never";
}

/** "container 0.8 s · restore 1.2 s (12 MB) · settings 0.1 s · boot 6.1 s". */
export function phasesText({ phases, restoredBytes }: Wake): string {
  const parts = PHASES.flatMap(([phase, name]) => {
    const time = phases[phase];
    if (typeof time !== "number") return [];
    const size = phase === "restore" && restoredBytes !== null ? ` (${formatSize(restoredBytes)})` : "";
    return [`${name} ${formatDuration(time)}${size}`];
  });
  return parts.join(" · ");
}

/** "Fell asleep", or what it does now. */
export function endText({ readyAt, end }: Wake): string {
  if (end !== null) return wakeEnd(end);
  return readyAt === null ? "Starting" : "Awake now";
}

/** "after 32 min". Empty for what has not ended. */
export function awakeText({ at, endedAt }: Wake): string {
  if (endedAt === null) return "";
  const time = Date.parse(endedAt) - Date.parse(at);
  return `after ${time < MINUTE_MS ? formatDuration(time) : formatMinutes(time / MINUTE_MS)}`;
}

/** Of a half, or most, of the wakes. */
export function percentileText(milliseconds: number | null): string {
  return milliseconds === null ? "Not known yet" : formatDuration(milliseconds);
}

/** The days up to `now`, newest first: those on which it did not wake are in no answer, and count too. */
export function lastDays(days: readonly WakeDay[], count: number, now: number): WakeDay[] {
  const known = new Map(days.map((day) => [day.day, day]));
  return Array.from({ length: count }, (_, back) => {
    const day = new Date(now - back * DAY_MS).toISOString().slice(0, 10);
    return known.get(day) ?? { day, minutes: 0, causes: {} };
  });
}

/** "3 by you · 1 by its schedule", the most frequent first. */
export function causesText({ causes }: WakeDay): string {
  const woken = Object.entries(causes).filter(([, times]) => times > 0);
  woken.sort(([, left], [, right]) => right - left);
  return woken.map(([cause, times]) => `${formatCount(times)} ${wakeCause(cause)}`).join(" · ");
}
