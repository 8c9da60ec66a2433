// The card of snapshots: the list, taking one, going back to one, and what else can be done with one.
import type { AgentContext } from "./agent.ts";
import { ApiError, type Snapshot, type Status } from "./api.ts";
import { snapshotCause } from "./causes.ts";
import { byId, confirm, fromTemplate, setEnabled, setText, within } from "./dom.ts";
import { formatAgo, formatDateTime, formatSize } from "./format.ts";
import { importReport, leakReport } from "./leak-report.ts";
import { showInfo } from "./notices.ts";
import { showSnapshotUpload } from "./snapshot-upload.ts";

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
      // The row with the keyboard's place may be the one that went.
      if (list.contains(document.activeElement)) heading.focus();
      // An uploaded one says nothing of the keys that the agent has.
      const newest = newestFirst.find(({ cause }) => cause !== "upload");
      const actions = { reload: load, onImport };
      list.replaceChildren(
        ...newestFirst.map((snapshot) => snapshotRow(context, snapshot, snapshot === newest, actions)),
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

  showSnapshotUpload(context, load);

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

interface RowActions {
  readonly reload: () => Promise<void>;
  readonly onImport: () => void;
}

/** Keys can be moved out of the agent's `newest` alone: of an older one they may be gone long since. */
function snapshotRow(context: AgentContext, snapshot: Snapshot, newest: boolean, actions: RowActions): HTMLLIElement {
  const row = fromTemplate("snapshot-template", HTMLLIElement);
  const time = within(row, "time", HTMLTimeElement);
  const when = formatDateTime(snapshot.createdAt);
  row.dataset.id = snapshot.id;
  time.dateTime = snapshot.createdAt;
  setText(time, when);
  setText(within(row, ".snapshot-facts", HTMLParagraphElement), factsText(snapshot));
  const report = within(row, ".snapshot-report", HTMLParagraphElement);
  const sentences = leakReport(snapshot);
  setText(report, sentences.join(" "));
  report.hidden = sentences.length === 0;
  const state = context.state();
  const move = within(row, ".snapshot-move", HTMLButtonElement);
  move.hidden = !newest || !snapshot.typedKeys?.length;
  move.disabled = state !== "running";
  move.addEventListener("click", () => {
    void context.run(move, async () => {
      showInfo(importReport(await context.api.importSecrets()));
      actions.onImport();
    });
  });
  const download = within(row, "a[data-testid=snapshot-download]", HTMLAnchorElement);
  download.hidden = snapshot.incremental === true;
  download.href = context.api.snapshotUrl(snapshot.id);
  download.setAttribute("aria-label", `Download the snapshot of ${when}`);
  const remove = within(row, "button[data-testid=snapshot-delete]", HTMLButtonElement);
  remove.setAttribute("aria-label", `Delete the snapshot of ${when}`);
  remove.addEventListener("click", () => void confirmDelete(context, snapshot, row, actions.reload));
  const restore = within(row, "button[data-testid=snapshot-restore]", HTMLButtonElement);
  restore.setAttribute("aria-label", `Restore the snapshot of ${when}`);
  restore.disabled = state === "starting" || state === "stopping";
  restore.addEventListener("click", () => void confirmRestore(context, snapshot, restore));
  return row;
}

function factsText({ cause, size, files, createdAt }: Snapshot): string {
  const count = `${files} ${files === 1 ? "file" : "files"}`;
  return [snapshotCause(cause), formatSize(size), count, formatAgo(createdAt, Date.now())].join(" · ");
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

async function confirmDelete(
  context: AgentContext,
  snapshot: Snapshot,
  row: HTMLLIElement,
  reload: () => Promise<void>,
): Promise<void> {
  const when = formatDateTime(snapshot.createdAt);
  const yes = await confirm(
    `Delete the snapshot of ${when}?`,
    `${factsText(snapshot)}. ${snapshot.incremental ? "The" : "Unless you have downloaded it, the"} agent can never go back to what it was then. The other ` +
      "snapshots, and the agent as it is now, stay.",
    "Delete",
  );
  if (!yes || context.api.signal.aborted) return;
  const fault = within(row, ".field-error", HTMLParagraphElement);
  await context.run(within(row, "button[data-testid=snapshot-delete]", HTMLButtonElement), async () => {
    setText(fault, "");
    fault.hidden = true;
    try {
      await context.api.deleteSnapshot(snapshot.id);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
      // It is needed, which waiting may never change: the reason stands where the snapshot does.
      fault.hidden = false;
      setText(fault, error.message);
      return;
    }
    await reload();
    showInfo(`The snapshot of ${when} is deleted.`);
  });
}
