// Follows an agent's status and what else is news over server-sent events, and comes back after interruptions by itself.
// Reconnecting is done here, not by EventSource: it gives up for good on an HTTP error and cannot tell which.
import { ApiError, type Status } from "./api.ts";

export interface Watcher {
  /** Reconnects now rather than after the waiting time. */
  reconnect(): void;
}

interface Options {
  readonly url: string;
  readonly signal: AbortSignal;
  /** Reads the status once: shows an ended session as what it is, and brings the page up to date. */
  readonly probe: () => Promise<Status>;
  readonly onStatus: (status: Status) => void;
  /** Something else is to be read again. */
  readonly onNews: (of: string) => void;
  /** How many attempts in a row have failed; 0 once live. */
  readonly onConnection: (failures: number) => void;
  readonly onDenied: (error: ApiError) => void;
}

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
/** A tab nobody looks at gives its stream back after this long. */
const HIDDEN_MS = 300_000;

export function watchStatus(options: Options): Watcher {
  const { signal } = options;
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  function open(): void {
    close();
    const current = new EventSource(options.url);
    source = current;
    current.addEventListener("open", () => {
      failures = 0;
      options.onConnection(0);
    });
    current.addEventListener("status", (event) => {
      const status = parseStatus(event.data);
      if (status !== null) options.onStatus(status);
    });
    current.addEventListener("news", (event) => {
      const news = parseNews(event.data);
      if (news !== null) options.onNews(news);
    });
    current.addEventListener("end", () => {
      if (source === current) void reconnect();
    });
    current.addEventListener("error", () => {
      if (source === current) retryLater();
    });
  }

  function close(): void {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function retryLater(): void {
    close();
    // The first end of a stream is often a deploy or a proxy's limit: not worth a word to the owner.
    if (failures > 0) options.onConnection(failures);
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
    failures += 1;
    // Spread over half the time, so that the tabs of all owners do not come back in the same second.
    timer = setTimeout(() => void reconnect(), delay * (0.5 + Math.random() / 2));
  }

  async function reconnect(): Promise<void> {
    close();
    try {
      const status = await options.probe();
      if (signal.aborted) return;
      options.onStatus(status);
      open();
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) options.onDenied(error);
      else retryLater();
    }
  }

  function onVisibility(): void {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(close, HIDDEN_MS);
    else if (source === null) void reconnect();
  }

  const once = { signal };
  window.addEventListener("online", () => void reconnect(), once);
  document.addEventListener("visibilitychange", onVisibility, once);
  signal.addEventListener("abort", () => {
    close();
    clearTimeout(hiddenTimer);
  });
  open();
  return { reconnect: () => void reconnect() };
}

function parseStatus(data: unknown): Status | null {
  const value = parse(data);
  return value !== null && "state" in value ? (value as Status) : null;
}

function parseNews(data: unknown): string | null {
  const value = parse(data);
  return value !== null && "of" in value ? String(value.of) : null;
}

function parse(data: unknown): object | null {
  try {
    const value: unknown = JSON.parse(String(data));
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
