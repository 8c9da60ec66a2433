// Why snapshots were taken, and why agents woke and fell asleep again, in the words of every card. What only a newer
// service knows is shown as it came.

const SNAPSHOT_CAUSES: Readonly<Record<string, string>> = {
  manual: "Taken by you",
  upload: "Uploaded by you",
  stop: "Before stop",
  sleep: "Before sleep",
  restart: "Before a restart",
  restore: "Before restore",
  period: "Every few minutes while it worked",
  crash: "After a crash",
  other: "For another reason",
};

const WAKE_CAUSES: Readonly<Record<string, string>> = {
  owner: "by you",
  schedule: "by its schedule",
  channel: "by a message",
  restart: "after a restart",
  crash: "after a crash",
};

const WAKE_ENDS: Readonly<Record<string, string>> = {
  sleep: "Fell asleep",
  stop: "Stopped",
  restart: "Restarted",
  crash: "Crashed",
  failed: "Start failed",
};

export const snapshotCause = (cause: string): string => SNAPSHOT_CAUSES[cause] ?? cause;

/** Within a sentence: "3 by you". */
export const wakeCause = (cause: string): string => WAKE_CAUSES[cause] ?? cause;

export const wakeEnd = (end: string): string => WAKE_ENDS[end] ?? end;

/** For the start of a line. */
export function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
