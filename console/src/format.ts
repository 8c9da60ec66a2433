// Plain values to text: sizes, times, addresses. No state, no DOM.

const DATE_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const COUNT = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0, useGrouping: "always" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  // 999.5 would print as "1000": go to the next unit from there.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** "1,234", with what separates thousands in the reader's language. */
export function formatCount(count: number): string {
  return COUNT.format(count);
}

export function formatDateTime(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : DATE_TIME.format(date);
}

export function formatAgo(time: string, now: number): string {
  const seconds = (Date.parse(time) - now) / 1000;
  if (Number.isNaN(seconds)) return "";
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.round(seconds / length), unit);
  }
  return "just now";
}

/** "8 s", "1 min 04 s". Never negative: clocks of page and service may differ. */
export function formatElapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** "0.4 s", "8.2 s", and from ten seconds on as elapsed time is: what is measured, where tenths tell a difference. */
export function formatDuration(milliseconds: number): string {
  const tenths = Math.max(0, Math.round(milliseconds / 100));
  return tenths < 100 ? `${(tenths / 10).toFixed(1)} s` : formatElapsed(milliseconds);
}

/** "0 min", "59 min", "1 h 05 min". */
export function formatMinutes(minutes: number): string {
  const whole = Math.max(0, Math.round(minutes));
  return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h ${String(whole % 60).padStart(2, "0")} min`;
}

/** "Thu 15 Jan" of "2026-01-15", which is the same day wherever it is read. */
export function formatDay(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  return Number.isNaN(date.getTime()) ? day : DAY.format(date);
}

/** "57 min", of what is left: in whole minutes or hours that are certain to be there. */
export function formatLeft(milliseconds: number): string {
  if (milliseconds < MINUTE_MS) return "minute at most";
  return milliseconds < 2 * HOUR_MS
    ? `${Math.floor(milliseconds / MINUTE_MS)} min`
    : `${Math.floor(milliseconds / HOUR_MS)} h`;
}

export function shortAddress(address: string): string {
  return address.length <= 12 ? address : `${address.slice(0, 4)}…${address.slice(-4)}`;
}

/** "Development wallet (owner)" -> "development-wallet-owner". */
export function slug(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, "") || "wallet"
  );
}
