// Turns the stream of statuses into a list of steps with times. Pure: the clock comes in as an argument.
import type { AgentState, Phase, Status } from "./api.ts";

export type StepStatus = "pending" | "active" | "done" | "failed";

export interface Step {
  readonly phase: Phase;
  readonly label: string;
  readonly status: StepStatus;
  readonly elapsed: number | null;
}

export interface Timeline {
  readonly kind: "start" | "stop";
  readonly outcome: "going" | "done" | "failed";
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly current: Phase | null;
  /** When each phase was seen to begin; none for phases that passed before the page was looking. */
  readonly entered: Readonly<Partial<Record<Phase, number>>>;
}

export const PHASE_LABELS: Readonly<Record<Phase, string>> = {
  allocate: "Allocate a container",
  restore: "Restore the last snapshot",
  inject: "Inject settings and keys",
  boot: "Boot the agent",
  ready: "Ready",
  quiesce: "Let running work finish",
  upload: "Upload a snapshot",
  destroy: "Release the container",
};

const PHASES: Readonly<Record<Timeline["kind"], readonly Phase[]>> = {
  start: ["allocate", "restore", "inject", "boot", "ready"],
  stop: ["quiesce", "upload", "destroy"],
};

/** The timeline after one more status. `previousState` is null for the first status that the page sees. */
export function advance(
  previous: Timeline | null,
  previousState: AgentState | null,
  status: Pick<Status, "state" | "phase" | "since">,
  now: number,
): Timeline | null {
  switch (status.state) {
    case "starting":
      return proceed(previous, "start", previousState, status, now);
    case "stopping":
      return proceed(previous, "stop", previousState, status, now);
    case "running":
      return finish(previous, "start", "done", now);
    case "asleep":
      return finish(previous, "stop", "done", now);
    case "failed":
      return previous === null ? null : finish(previous, previous.kind, "failed", now);
  }
}

function proceed(
  previous: Timeline | null,
  kind: Timeline["kind"],
  previousState: AgentState | null,
  status: Pick<Status, "phase" | "since">,
  now: number,
): Timeline {
  const ongoing = previous?.outcome === "going" && previous.kind === kind ? previous : null;
  // A change seen live is timed by this page's clock; `since` is another machine's and serves only what began unseen.
  const since = Date.parse(status.since);
  const begun = previousState !== null || Number.isNaN(since) ? now : Math.min(since, now);
  const current = status.phase ?? ongoing?.current ?? null;
  const entered = { ...ongoing?.entered };
  if (current !== null && current !== ongoing?.current) {
    const order = PHASES[kind];
    // A phase that is begun again (a restore that falls back) takes its old time, and those of what followed, away.
    for (const later of order.slice(Math.max(0, order.indexOf(current)))) delete entered[later];
    if (ongoing !== null || previousState !== null) entered[current] = now;
  }
  return { kind, outcome: "going", startedAt: ongoing?.startedAt ?? begun, endedAt: null, current, entered };
}

function finish(
  previous: Timeline | null,
  kind: Timeline["kind"],
  outcome: "done" | "failed",
  now: number,
): Timeline | null {
  if (previous === null || previous.kind !== kind) return null;
  if (previous.outcome === "going") return { ...previous, outcome, endedAt: now };
  return previous.outcome === outcome ? previous : null;
}

export function steps(timeline: Timeline, now: number): Step[] {
  const order = PHASES[timeline.kind];
  const at = timeline.current === null ? -1 : order.indexOf(timeline.current);
  return order.map((phase, index) => {
    const status = stepStatus(timeline.outcome, index, at);
    const begun = timeline.entered[phase];
    const next = order.slice(index + 1).find((later) => timeline.entered[later] !== undefined);
    const ended = (next === undefined ? undefined : timeline.entered[next]) ?? timeline.endedAt ?? now;
    const elapsed = begun === undefined || status === "pending" ? null : Math.max(0, ended - begun);
    return { phase, label: PHASE_LABELS[phase], status, elapsed };
  });
}

function stepStatus(outcome: Timeline["outcome"], index: number, at: number): StepStatus {
  if (outcome === "done" || index < at) return "done";
  if (index > at) return "pending";
  return outcome === "failed" ? "failed" : "active";
}

export function totalElapsed(timeline: Timeline, now: number): number {
  return Math.max(0, (timeline.endedAt ?? now) - timeline.startedAt);
}
