// The two messages at the top of the page: one error with its next step, one piece of good news.
import { byId, setText } from "./dom.ts";
import { explain } from "./explain.ts";

const error = byId("error", HTMLDivElement);
const message = byId("error-message", HTMLParagraphElement);
const next = byId("error-next", HTMLParagraphElement);
const retry = byId("error-retry", HTMLButtonElement);
const dismiss = byId("error-dismiss", HTMLButtonElement);
const info = byId("info", HTMLParagraphElement);

/** Good news need not stay; errors do. */
const INFO_MS = 15_000;

let infoTimer: ReturnType<typeof setTimeout> | undefined;
let retryAction: (() => void) | null = null;
retry.addEventListener("click", () => {
  const action = retryAction;
  clearNotices();
  action?.();
});
dismiss.addEventListener("click", clearNotices);

/** Shows an error; `again` is what "Try again" does, offered when trying again can help. */
export function showError(cause: unknown, again: (() => void) | null = null): void {
  const explanation = explain(cause);
  retryAction = explanation.retryable ? again : null;
  retry.hidden = retryAction === null;
  setText(info, "");
  setText(message, explanation.message);
  setText(next, explanation.next);
  error.hidden = false;
}

export function showInfo(text: string): void {
  clearNotices();
  setText(info, text);
  infoTimer = setTimeout(() => setText(info, ""), INFO_MS);
}

export function clearNotices(): void {
  clearTimeout(infoTimer);
  // The buttons go away with the message: keep the keyboard on the page.
  if (error.contains(document.activeElement)) {
    document.querySelector<HTMLElement>("main > section:not([hidden]) h1")?.focus();
  }
  error.hidden = true;
  retryAction = null;
  setText(message, "");
  setText(next, "");
  setText(info, "");
}
