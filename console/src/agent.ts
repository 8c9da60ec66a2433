// The agent's screen: its state, the progress of a start or stop, and what the owner can do with it.
import { type AgentApi, type AgentState, ApiError, agentApi, type Session, type Status } from "./api.ts";
import { showChannels } from "./channels.ts";
import { byId, setBusy, setEnabled, setLines, setText } from "./dom.ts";
import { showEdgeChannels } from "./edge.ts";
import { watchStatus } from "./events.ts";
import { formatAgo, formatDateTime, formatElapsed, formatSize } from "./format.ts";
import { showLog } from "./log.ts";
import { clearNotices, showError } from "./notices.ts";
import { openAgent } from "./open.ts";
import { showPairing } from "./pairing.ts";
import { advance, PHASE_LABELS, steps, type Timeline, totalElapsed } from "./progress.ts";
import { showProposals } from "./proposals.ts";
import { showSecrets } from "./secrets.ts";
import { showSettings } from "./settings.ts";
import { showSnapshots } from "./snapshots.ts";
import { showUsage } from "./usage.ts";
import { showWakes } from "./wakes.ts";
import { showWallet } from "./wallet.ts";

/** What the cards of this screen share. */
export interface AgentContext {
  readonly api: AgentApi;
  readonly session: Session;
  state(): AgentState | null;
  /** Takes over a status that came as an answer, unless an event has already told of a later one. */
  apply(status: Status): void;
  /** Runs an action with its control busy, and shows what goes wrong. "Try again" keeps what the action closes over. */
  run(control: HTMLElement | null, action: () => Promise<void>, options?: { again: boolean }): Promise<void>;
  /** Brings something up to date unasked: what goes wrong is not worth a word, but for the end of the session. */
  renew(action: () => Promise<void>): Promise<void>;
}

const STATE_LABELS: Readonly<Record<AgentState, string>> = {
  asleep: "Asleep",
  starting: "Starting",
  running: "Running",
  stopping: "Stopping",
  failed: "Failed",
};

/** How long the steps of a finished start or stop stay in view. */
const DONE_SHOWN_MS = 60_000;

const screen = byId("agent-screen", HTMLElement);
const domain = byId("agent-domain", HTMLHeadingElement);
const heading = byId("agent-heading", HTMLHeadingElement);
const badge = byId("agent-state", HTMLSpanElement);
const since = byId("agent-since", HTMLParagraphElement);
const nextWake = byId("agent-next-wake", HTMLParagraphElement);
const phase = byId("agent-phase", HTMLParagraphElement);
const problem = byId("agent-problem", HTMLDivElement);
const problemLines = byId("agent-problem-lines", HTMLElement);
const progress = byId("agent-progress", HTMLDivElement);
const stepList = byId("agent-steps", HTMLOListElement);
const openHint = byId("open-hint", HTMLParagraphElement);
const live = byId("live", HTMLParagraphElement);
const buttons = {
  open: byId("open", HTMLButtonElement),
  start: byId("start", HTMLButtonElement),
  restart: byId("restart", HTMLButtonElement),
  stop: byId("stop", HTMLButtonElement),
};

let leave = new AbortController();

/** Shows the agent of this session. `onEnded` is called when the service no longer takes the session. */
export function showAgent(session: Session, onEnded: (reason: ApiError) => void): void {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const api = agentApi(session.asset, signal);
  let status: Status | null = null;
  let timeline: Timeline | null = null;

  const context: AgentContext = { api, session, state: () => status?.state ?? null, apply: applyAnswer, run, renew };

  function applyAnswer(answer: Status): void {
    if (status === null || !(Date.parse(answer.since) < Date.parse(status.since))) apply(answer);
  }

  function apply(next: Status): void {
    if (signal.aborted) return;
    timeline = advance(timeline, status?.state ?? null, next, Date.now());
    const previous = status;
    status = next;
    render(next, timeline);
    pairing.onStatus(previous, next);
    snapshots.onStatus(previous, next);
    wakes.onStatus(previous, next);
  }

  async function run(
    control: HTMLElement | null,
    action: () => Promise<void>,
    options = { again: true },
  ): Promise<void> {
    if (control?.getAttribute("aria-busy") === "true") return;
    if (control !== null) {
      clearNotices();
      setBusy(control, true);
    }
    try {
      await action();
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) onEnded(error);
      else showError(error, options.again ? () => void run(control, action) : null);
    } finally {
      if (control !== null) setBusy(control, false);
    }
  }

  async function renew(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const isOver = error instanceof ApiError && (error.status === 401 || error.status === 403);
      if (isOver && !signal.aborted) onEnded(error);
    }
  }

  reset(session);
  screen.hidden = false;
  domain.focus();
  // The default model follows from the keys, and which keys are kept out of the agent is a setting.
  const secrets = showSecrets(context, () => void run(null, settings.load));
  const settings = showSettings(context, secrets.apply);
  const channels = showChannels(context);
  const edge = showEdgeChannels(context);
  const pairing = showPairing(context, edge.isConnected);
  const usage = showUsage(context);
  const snapshots = showSnapshots(context, () => {
    void run(null, secrets.load);
    void run(null, settings.load);
  });
  const wakes = showWakes(context);
  const wallet = showWallet(context);
  const proposals = showProposals(context, () => void renew(wallet.load));
  showLog(context);
  const watcher = watchStatus({
    url: api.eventsUrl,
    signal,
    probe: api.status,
    onStatus: apply,
    onNews(of) {
      if (of === "proposals") void renew(proposals.load);
      if (of === "pairing") pairing.onNews();
    },
    onConnection: renderConnection,
    onDenied: onEnded,
  });

  const load = async () => {
    applyAnswer(await api.status());
    await Promise.all([
      settings.load(),
      secrets.load(),
      channels.load(),
      edge.load(),
      usage.load(),
      snapshots.load(),
      wakes.load(),
      wallet.load(),
      proposals.load(),
    ]);
  };
  void run(null, load);

  buttons.start.onclick = () => run(buttons.start, async () => applyAnswer(await api.start()));
  buttons.stop.onclick = () => run(buttons.stop, async () => applyAnswer(await api.stop()));
  buttons.restart.onclick = () => run(buttons.restart, async () => applyAnswer(await api.restart()));
  buttons.open.onclick = () => openAgent(context, buttons.open, domain.textContent);
  byId("live-retry", HTMLButtonElement).onclick = watcher.reconnect;

  const clock = setInterval(() => {
    if (status !== null) renderClock(status, timeline);
  }, 1000);
  signal.addEventListener("abort", () => clearInterval(clock));
}

export function hideAgent(): void {
  leave.abort();
  screen.hidden = true;
}

function reset(session: Session): void {
  setText(domain, session.domain);
  document.title = `${session.domain} · Multiclaw console`;
  setText(byId("agent-asset", HTMLElement), session.asset);
  setText(byId("agent-owner", HTMLElement), session.wallet);
  setText(byId("agent-expires", HTMLElement), formatDateTime(session.expiresAt));
  setText(byId("agent-last-snapshot", HTMLElement), "…");
  setText(badge, "Loading…");
  delete badge.dataset.state;
  for (const element of [since, nextWake, phase, openHint]) setText(element, "");
  problem.hidden = true;
  progress.hidden = true;
  live.hidden = true;
  for (const button of Object.values(buttons)) button.disabled = true;
}

function render(status: Status, timeline: Timeline | null): void {
  const { state } = status;
  setText(domain, status.domain);
  setText(badge, STATE_LABELS[state] ?? state);
  badge.dataset.state = state;
  phase.dataset.phase = status.phase ?? "";
  setText(phase, phaseText(status));
  setText(byId("agent-last-snapshot", HTMLElement), lastSnapshotText(status));

  problem.hidden = status.problem === null;
  setText(byId("agent-problem-detail", HTMLParagraphElement), status.problem?.detail ?? "");
  setText(byId("agent-problem-code", HTMLParagraphElement), status.problem?.code ?? "");
  setLines(problemLines, status.problem?.lines ?? []);
  setText(nextWake, nextWakeText(status));

  setEnabled(buttons.open, state === "running", heading);
  setEnabled(buttons.start, state === "asleep" || state === "failed", heading);
  setEnabled(buttons.restart, state === "running" || state === "failed", heading);
  setEnabled(buttons.stop, state === "running" || state === "starting", heading);
  setText(openHint, state === "running" ? "Opens in a new tab." : "Open works once the agent is running.");
  renderClock(status, timeline);
}

/** What changes with time alone. */
function renderClock(status: Status, timeline: Timeline | null): void {
  const now = Date.now();
  setText(since, `${STATE_LABELS[status.state] ?? status.state} since ${formatDateTime(status.since)}`);
  const over = timeline?.outcome === "done" && now - (timeline.endedAt ?? now) > DONE_SHOWN_MS;
  progress.hidden = timeline === null || over;
  if (timeline === null) return;
  setText(byId("agent-progress-title", HTMLParagraphElement), progressTitle(timeline));
  setText(byId("agent-progress-elapsed", HTMLParagraphElement), formatElapsed(totalElapsed(timeline, now)));
  const list = steps(timeline, now);
  while (stepList.children.length > list.length) stepList.lastElementChild?.remove();
  list.forEach((step, index) => {
    const item = stepList.children[index] ?? stepList.appendChild(newStep());
    if (!(item instanceof HTMLElement)) return;
    item.dataset.status = step.status;
    item.dataset.phase = step.phase;
    if (step.status === "active") item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
    const [label, time] = item.children;
    if (label) setText(label, step.label);
    if (time) setText(time, step.elapsed === null ? "" : formatElapsed(step.elapsed));
  });
}

function newStep(): HTMLLIElement {
  const item = document.createElement("li");
  item.className = "step";
  const time = document.createElement("span");
  time.className = "mono";
  item.append(document.createElement("span"), time);
  return item;
}

function progressTitle({ kind, outcome }: Timeline): string {
  if (kind === "start") return { going: "Starting", done: "Started", failed: "The start failed" }[outcome];
  return { going: "Stopping", done: "Stopped", failed: "The stop failed" }[outcome];
}

function phaseText({ state, phase: current, problem: fault }: Status): string {
  const label = STATE_LABELS[state] ?? state;
  if (fault !== null) return `${label}: ${fault.detail}`;
  return current === null ? label : `${label}: ${PHASE_LABELS[current] ?? current}`;
}

function nextWakeText({ state, nextWakeAt }: Status): string {
  if (!nextWakeAt) return "";
  const at = formatDateTime(nextWakeAt);
  return state === "failed" ? `Tries again by itself at ${at}.` : `Wakes by itself at ${at}, for its schedule.`;
}

function lastSnapshotText({ lastSnapshot }: Status): string {
  if (lastSnapshot === null) return "None yet";
  return `${formatAgo(lastSnapshot.createdAt, Date.now())}, ${formatSize(lastSnapshot.size)}`;
}

function renderConnection(failures: number): void {
  live.hidden = failures === 0;
  setText(byId("live-text", HTMLSpanElement), failures === 0 ? "" : "Live updates are interrupted; reconnecting…");
}
