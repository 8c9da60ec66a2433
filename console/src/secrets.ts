// The card of keys. A key goes from the field to the service and nowhere else: it is not kept, shown or logged.
import type { AgentContext } from "./agent.ts";
import type { SecretEntry, Settings } from "./api.ts";
import { TELEGRAM } from "./channels.ts";
import { byId, fromTemplate, setFieldError, setText, within } from "./dom.ts";
import { whenUsed } from "./effect.ts";
import { formatDateTime } from "./format.ts";
import { type KeylessChoice, showKeyless } from "./keyless.ts";
import { labelOf, sourceText } from "./labels.ts";
import { showInfo } from "./notices.ts";

const list = byId("secret-list", HTMLUListElement);

export interface SecretsCard {
  load(): Promise<void>;
  /** Takes over which keys are kept out of the agent. */
  apply(settings: Settings): void;
}

/** `onChange` is told of every key that was saved or deleted. */
export function showSecrets(context: AgentContext, onChange: () => void): SecretsCard {
  const rows = new Map<string, HTMLLIElement>();
  const keyless = showKeyless(context, () => void context.run(null, load));
  list.replaceChildren();

  async function load(): Promise<void> {
    const { secrets } = await context.api.secrets();
    for (const entry of secrets.filter(({ name }) => name !== TELEGRAM)) {
      // A row that is there stays, with what is being typed into it.
      const row = rows.get(entry.name);
      if (row === undefined) {
        const added = secretRow(context, entry, keyless, onChange);
        rows.set(entry.name, added);
        list.append(added);
      } else {
        renderEntry(row, entry, keyless);
      }
    }
  }

  return { load, apply: keyless.apply };
}

function secretRow(
  context: AgentContext,
  entry: SecretEntry,
  keyless: KeylessChoice,
  onChange: () => void,
): HTMLLIElement {
  const row = fromTemplate("secret-template", HTMLLIElement);
  const input = within(row, "input", HTMLInputElement);
  const label = within(row, "label", HTMLLabelElement);
  const save = within(row, "button[type=submit]", HTMLButtonElement);
  const remove = within(row, "button[type=button]", HTMLButtonElement);
  const fault = within(row, ".field-error", HTMLParagraphElement);
  const { name } = entry;
  const { title, noun, hint = "" } = labelOf(name);
  const testid = (part: string) => `secret-${name}-${part}`;

  setText(within(row, "h3", HTMLHeadingElement), title);
  setText(within(row, ".secret-hint", HTMLParagraphElement), hint);
  setText(label, `New ${title} ${noun}`);
  label.htmlFor = input.id = testid("input");
  fault.id = testid("error");
  input.placeholder = `Paste a new ${noun}`;
  input.setAttribute("aria-describedby", fault.id);
  input.dataset.testid = testid("input");
  save.dataset.testid = testid("save");
  save.setAttribute("aria-label", `Save ${title} ${noun}`);
  remove.dataset.testid = testid("delete");
  remove.setAttribute("aria-label", `Delete your ${title} ${noun}`);
  within(row, "code", HTMLElement).dataset.testid = testid("prefix");
  within(row, ".tag", HTMLSpanElement).dataset.testid = testid("source");
  within(row, ".secret-place", HTMLSpanElement).dataset.testid = testid("place");
  within(row, ".secret-time", HTMLSpanElement).dataset.testid = testid("time");
  keyless.add(row, name);
  renderEntry(row, entry, keyless);

  input.addEventListener("input", () => setFault(""));
  within(row, "form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const value = input.value.trim();
    // Out of the page before anything else can happen to it.
    input.value = "";
    if (value === "") {
      setFault(`Enter the ${title} ${noun} to save.`);
      input.focus();
      return;
    }
    const store = async () => {
      const saved = await context.api.setSecret(name, value);
      renderEntry(row, saved, keyless);
      onChange();
      showInfo(`The ${title} ${noun} is saved. ${whenUsed(saved.effect)}`);
    };
    // Without "Try again": it would keep the key on the page for as long as the error is shown.
    void context.run(save, store, { again: false });
  });
  remove.addEventListener("click", () => {
    void context.run(remove, async () => {
      const left = await context.api.deleteSecret(name);
      renderEntry(row, left, keyless);
      onChange();
      input.focus();
      const then = left.source === "platform" ? `The platform's ${noun} is used instead.` : `No ${noun} is set now.`;
      showInfo(`Your ${title} ${noun} is deleted. ${then} ${whenUsed(left.effect)}`);
    });
  });
  return row;

  function setFault(text: string): void {
    setFieldError(input, fault, text);
  }
}

function renderEntry(row: HTMLElement, entry: SecretEntry, keyless: KeylessChoice): void {
  const source = within(row, ".tag", HTMLSpanElement);
  const prefix = within(row, "code", HTMLElement);
  setText(source, sourceText(entry.source, labelOf(entry.name).noun));
  source.dataset.source = entry.source;
  setText(prefix, entry.prefix ? `${entry.prefix}…` : "");
  prefix.hidden = !entry.prefix;
  within(row, ".secret-place", HTMLSpanElement).hidden = entry.keyless !== true;
  const used = entry.usedAt
    ? `last used ${formatDateTime(entry.usedAt)}`
    : entry.source === "none"
      ? ""
      : "not used yet";
  const set = [entry.setAt ? `set ${formatDateTime(entry.setAt)}` : "", used].filter(Boolean).join(", ");
  const lost = "can't be opened any more: agents start without it until you save it anew or delete it";
  setText(within(row, ".secret-time", HTMLSpanElement), entry.unreadable ? `${set}, ${lost}` : set);
  within(row, "button[type=button]", HTMLButtonElement).hidden = entry.source !== "user";
  keyless.offer(entry);
}
