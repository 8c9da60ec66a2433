// Waiting for a condition: asked again and again until it holds, or until it is certain that it will not.
import { setTimeout as delay } from "node:timers/promises";

export interface Patience {
  /** Longest wait, milliseconds. */
  within?: number;
  /** Pause between two looks, milliseconds; by default the longer, the longer it takes. */
  every?: number;
}

/** A tenth of what was waited, within these bounds: a look through the service is work for four processes. */
const SHORTEST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 300;

/** What `look` gives once it is neither undefined nor false; `what` tells of it when it never is. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { within = 120_000, every }: Patience = {},
): Promise<T> {
  const began = Date.now();
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    const waited = Date.now() - began;
    if (waited > within) throw new Error(`not within ${within / 1000} s: ${what}`);
    await delay(every ?? Math.min(Math.max(waited / 10, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS));
  }
}

/** The promise, or an error that names what took too long. */
export async function inTime<T>(what: string, promise: Promise<T>, within = 60_000): Promise<T> {
  const patience = new AbortController();
  const late = delay(within, undefined, { signal: patience.signal }).then(() => {
    throw new Error(`not within ${within / 1000} s: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    patience.abort();
    late.catch(() => {});
  }
}
