// The form that uploads a snapshot from a file. What the service has to say against the file stands beside it.
import type { AgentContext } from "./agent.ts";
import { ApiError } from "./api.ts";
import { byId, setText } from "./dom.ts";
import { formatSize } from "./format.ts";
import { showInfo } from "./notices.ts";
import { readUpload, refusal } from "./upload-file.ts";

/** Answers that are about the file alone. */
const FILE_REFUSED: readonly number[] = [400, 413, 415, 422];

const form = byId("snapshot-upload", HTMLFormElement);
const input = byId("snapshot-file", HTMLInputElement);
const button = byId("snapshot-upload-send", HTMLButtonElement);
const fault = byId("snapshot-upload-error", HTMLParagraphElement);
const progress = byId("snapshot-upload-progress", HTMLParagraphElement);

/** `onUpload` is told of every snapshot that arrived. */
export function showSnapshotUpload(context: AgentContext, onUpload: () => Promise<void>): void {
  const { signal } = context.api;
  form.reset();
  setFault("");
  setText(progress, "");
  input.onchange = () => setFault("");
  form.onsubmit = (event) => {
    event.preventDefault();
    const file = input.files?.[0];
    if (file === undefined) return refuse("Choose a file first.");
    const why = refusal(file);
    if (why !== null) return refuse(why);
    void context.run(button, () => send(file));
  };

  async function send(file: File): Promise<void> {
    setFault("");
    setText(progress, `Uploading ${file.name}, ${formatSize(file.size)}…`);
    try {
      const { size } = await context.api.uploadSnapshot(await readUpload(file));
      form.reset();
      await onUpload();
      showInfo(`Snapshot uploaded, ${formatSize(size)}. It is restored only when you choose it.`);
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError && FILE_REFUSED.includes(error.status))) throw error;
      refuse(error.message);
    } finally {
      // The line may by now be about another agent's upload.
      if (!signal.aborted) setText(progress, "");
    }
  }
}

function refuse(text: string): void {
  setFault(text);
  input.focus();
}

function setFault(text: string): void {
  setText(fault, text);
  fault.hidden = text === "";
  if (text === "") input.removeAttribute("aria-invalid");
  else input.setAttribute("aria-invalid", "true");
}
