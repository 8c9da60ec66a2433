// The choice to keep a model provider's key out of the agent: one checkbox in each row of the card of keys.
import type { AgentContext } from "./agent.ts";
import type { SecretEntry, Settings } from "./api.ts";
import { byId, within } from "./dom.ts";
import { choiceReport, withChoice } from "./keyless-report.ts";
import { isModelProvider } from "./labels.ts";
import { showInfo } from "./notices.ts";

export interface KeylessChoice {
  /** Sets up the choice in a new row of the card. */
  add(row: HTMLElement, name: string): void;
  /** Offers the choice where the key is the owner's: the platform's are kept out without being asked. */
  offer(entry: SecretEntry): void;
  /** Takes over what the service has. */
  apply(settings: Settings): void;
}

/** `onChange` is told of every choice that was saved. */
export function showKeyless(context: AgentContext, onChange: () => void): KeylessChoice {
  const unavailable = byId("keyless-unavailable", HTMLParagraphElement);
  const boxes = new Map<string, HTMLInputElement>();
  const offered = new Set<string>();
  let settings: Settings | null = null;
  let saving = false;
  render();

  async function choose(box: HTMLInputElement, name: string, chosen: boolean): Promise<void> {
    saving = true;
    // Not yet so when it is tried again.
    box.checked = chosen;
    render();
    try {
      // The list is saved as a whole. What another tab chose since this one was loaded must not be undone with it.
      const { keyless } = await context.api.settings();
      const changed = await context.api.setKeyless(withChoice(keyless, name, chosen));
      settings = changed;
      onChange();
      showInfo(choiceReport(name, chosen, changed.effect));
    } finally {
      saving = false;
      // Also back to what was, where it could not be saved.
      render();
    }
  }

  function render(): void {
    // The sentence may by now be about another agent.
    if (context.api.signal.aborted) return;
    for (const [name, box] of boxes) {
      const known = settings !== null && offered.has(name);
      if (box.parentElement !== null) box.parentElement.hidden = !known;
      box.disabled = settings?.keylessOffered !== true;
      // Not `disabled`, which would take the keyboard's place on the page away.
      if (saving) box.setAttribute("aria-disabled", "true");
      else box.removeAttribute("aria-disabled");
      if (!saving) box.checked = settings?.keyless.includes(name) === true;
      const why = box.dataset.why ?? "";
      box.setAttribute("aria-describedby", box.disabled ? `${why} ${unavailable.id}` : why);
    }
    unavailable.hidden = settings === null || settings.keylessOffered || offered.size === 0;
  }

  return {
    add(row, name) {
      if (!isModelProvider(name)) return;
      const box = within(row, ".secret-keyless input", HTMLInputElement);
      const title = within(row, "h3", HTMLHeadingElement);
      const label = within(row, ".secret-keyless .strong", HTMLSpanElement);
      const why = within(row, ".secret-keyless .hint", HTMLSpanElement);
      box.dataset.testid = `secret-${name}-keyless`;
      title.id = `secret-${name}-title`;
      label.id = `secret-${name}-keyless-label`;
      why.id = box.dataset.why = `secret-${name}-keyless-why`;
      // Several rows have this label: each is told apart by its provider.
      box.setAttribute("aria-labelledby", `${title.id} ${label.id}`);
      box.addEventListener("click", (event) => {
        if (saving) event.preventDefault();
      });
      box.addEventListener("change", () => {
        const chosen = box.checked;
        void context.run(box, () => choose(box, name, chosen));
      });
      boxes.set(name, box);
    },
    offer({ name, source }) {
      if (boxes.has(name) && source === "user") offered.add(name);
      else offered.delete(name);
      render();
    },
    apply(next) {
      // The answer to what is being saved is newer.
      if (saving) return;
      settings = next;
      render();
    },
  };
}
