// The card of snapshots: the list, taking one, and going back to one.
import type { AgentContext } from "./agent.ts";
import type { Snapshot, Status } from "./api.ts";
import { byId, confirm, fromTemplate, setEnabled, setText, within } from "./dom.ts";
import { formatAgo, formatDateTime, formatSize } from "./format.ts";
import { importReport, leakReport } from "./leak-report.ts";
import { showInfo } from "./notices.ts";

const CAUSES: Readonly<Record<string, string>> = {
  manual: "Taken by you",
  stop: "Before stop",
  sleep: "Before sleep",
  restore: "Before restore",
  period: "Periodic",
};

const heading = byId("snapshots-heading", HTMLHeadingElement);
const take = byId("snapshot-take", HTMLButtonElement);
const hint = byId("snapshot-hint", HTMLParagraphElement);
const progress = byId("snapshot-progress", HTMLParagraphElement);
const list = byId("snapshot-list", HTMLUListElement);
const empty = byId("snapshot-empty", HTMLParagraphElement);

export interface SnapshotsCard {
  load(): Promise<void>;
  onStatus(previous: Status | null, next: Status): void;
}

/** `onImport` is told when keys were moved into the card of keys. */
export function showSnapshots(context: AgentContext, onImport: () => void): SnapshotsCard {
  list.replaceChildren();
  empty.hidden = true;
  take.disabled = true;
  setText(progress, "");

  async function load(): Promise<void> {
    const { snapshots } = await context.api.snapshots();
    const newestFirst = [...snapshots].sort((left, right) => Date.parse(right.createdAt) - Date.parse(left.createdAt));
    // A reader in the middle of the list must not lose their place to a refresh that changes nothing.
    const ids = newestFirst.map(({ id }) => id).join(" ");
    if (list.dataset.ids !== ids || list.children.length === 0) {
      list.replaceChildren(
        ...newestFirst.map((snapshot, index) => snapshotRow(context, snapshot, index === 0 ? onImport : null)),
      );
      list.dataset.ids = ids;
    }
    empty.hidden = snapshots.length > 0;
  }

  take.onclick = () =>
    context.run(take, async () => {
      setText(progress, "Taking a snapshot: the agent finishes running work first…");
      try {
        const { size } = await context.api.takeSnapshot();
        await load();
        showInfo(`Snapshot taken, ${formatSize(size)}.`);
      } finally {
        setText(progress, "");
      }
    });

  return {
    load,
    onStatus(previous, next) {
      setEnabled(take, next.state === "running", heading);
      setText(hint, next.state === "running" ? "" : "A snapshot can be taken while the agent is running.");
      const restorable = next.state !== "starting" && next.state !== "stopping";
      for (const button of list.querySelectorAll<HTMLButtonElement>("[data-testid=snapshot-restore]"))
        setEnabled(button, restorable, heading);
      for (const button of list.querySelectorAll<HTMLButtonElement>(".snapshot-move"))
        setEnabled(button, next.state === "running", heading);
      if (previous !== null && previous.lastSnapshot?.id !== next.lastSnapshot?.id) void context.run(null, load);
    },
  };
}

/** `onImport` is null but for the newest: of an older one the keys may be gone long since. */
function snapshotRow(context: AgentContext, snapshot: Snapshot, onImport: (() => void) | null): HTMLLIElement {
  const row = fromTemplate("snapshot-template", HTMLLIElement);
  const time = within(row, "time", HTMLTimeElement);
  const restore = within(row, "button[data-testid=snapshot-restore]", HTMLButtonElement);
  const when = formatDateTime(snapshot.createdAt);
  row.dataset.id = snapshot.id;
  time.dateTime = snapshot.createdAt;
  setText(time, when);
  const cause = CAUSES[snapshot.cause] ?? snapshot.cause;
  const files = `${snapshot.files} ${snapshot.files === 1 ? "file" : "files"}`;
  const facts = [cause, formatSize(snapshot.size), files, formatAgo(snapshot.createdAt, Date.now())];
  setText(within(row, ".snapshot-facts", HTMLParagraphElement), facts.join(" · "));
  const report = within(row, ".snapshot-report", HTMLParagraphElement);
  const sentences = leakReport(snapshot);
  setText(report, sentences.join(" "));
  report.hidden = sentences.length === 0;
  const move = within(row, ".snapshot-move", HTMLButtonElement);
  move.hidden = onImport === null || !snapshot.typedKeys?.length;
  move.addEventListener("click", () => {
    void context.run(move, async () => {
      showInfo(importReport(await context.api.importSecrets()));
      onImport?.();
    });
  });
  restore.setAttribute("aria-label", `Restore the snapshot of ${when}`);
  const state = context.state();
  move.disabled = state !== "running";
  restore.disabled = state === "starting" || state === "stopping";
  restore.addEventListener("click", () => void confirmRestore(context, snapshot, restore));
  return row;
}

async function confirmRestore(context: AgentContext, snapshot: Snapshot, button: HTMLButtonElement): Promise<void> {
  const when = formatDateTime(snapshot.createdAt);
  const yes = await confirm(
    `Restore the snapshot of ${when}?`,
    "The agent starts again with the state it had then. What it has learned and written since is replaced.",
    "Restore",
  );
  if (!yes || context.api.signal.aborted) return;
  await context.run(button, async () => {
    context.apply(await context.api.restoreSnapshot(snapshot.id));
    showInfo(`Restoring the snapshot of ${when}.`);
  });
}
