// The card of model keys. A key goes from the field to the service and nowhere else: it is not kept, shown or logged.
import type { AgentContext } from "./agent.ts";
import type { Effect, SecretEntry } from "./api.ts";
import { byId, fromTemplate, setText, within } from "./dom.ts";
import { formatDateTime } from "./format.ts";
import { showInfo } from "./notices.ts";

const LABELS: Readonly<Record<string, string>> = { anthropic: "Anthropic", openai: "OpenAI", openrouter: "OpenRouter" };
const SOURCES: Readonly<Record<SecretEntry["source"], string>> = {
  user: "Your key",
  platform: "Platform's key",
  none: "No key",
};

const list = byId("secret-list", HTMLUListElement);

export function showSecrets(context: AgentContext): { load(): Promise<void> } {
  list.replaceChildren();
  return {
    async load() {
      const { secrets } = await context.api.secrets();
      list.replaceChildren(...secrets.map((entry) => secretRow(context, entry)));
    },
  };
}

function secretRow(context: AgentContext, entry: SecretEntry): HTMLLIElement {
  const row = fromTemplate("secret-template", HTMLLIElement);
  const input = within(row, "input", HTMLInputElement);
  const label = within(row, "label", HTMLLabelElement);
  const save = within(row, "button[type=submit]", HTMLButtonElement);
  const remove = within(row, "button[type=button]", HTMLButtonElement);
  const fault = within(row, ".field-error", HTMLParagraphElement);
  const { name } = entry;
  const title = LABELS[name] ?? name;
  const testid = (part: string) => `secret-${name}-${part}`;

  setText(within(row, "h3", HTMLHeadingElement), title);
  setText(label, `New ${title} key`);
  label.htmlFor = input.id = testid("input");
  fault.id = testid("error");
  input.placeholder = "Paste a new key";
  input.setAttribute("aria-describedby", fault.id);
  input.dataset.testid = testid("input");
  save.dataset.testid = testid("save");
  save.setAttribute("aria-label", `Save ${title} key`);
  remove.dataset.testid = testid("delete");
  remove.setAttribute("aria-label", `Delete your ${title} key`);
  within(row, "code", HTMLElement).dataset.testid = testid("prefix");
  within(row, ".tag", HTMLSpanElement).dataset.testid = testid("source");
  renderEntry(row, entry);

  input.addEventListener("input", () => setFault(""));
  within(row, "form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const value = input.value.trim();
    // Out of the page before anything else can happen to it.
    input.value = "";
    if (value === "") {
      setFault(`Enter the ${title} key to save.`);
      input.focus();
      return;
    }
    const store = async () => {
      const saved = await context.api.setSecret(name, value);
      renderEntry(row, saved);
      showInfo(`The ${title} key is saved. ${whenUsed(saved.effect)}`);
    };
    // Without "Try again": it would keep the key on the page for as long as the error is shown.
    void context.run(save, store, { again: false });
  });
  remove.addEventListener("click", () => {
    void context.run(remove, async () => {
      const left = await context.api.deleteSecret(name);
      renderEntry(row, left);
      input.focus();
      const then = left.source === "platform" ? "The platform's key is used instead." : "No key is set now.";
      showInfo(`Your ${title} key is deleted. ${then} ${whenUsed(left.effect)}`);
    });
  });
  return row;

  function setFault(text: string): void {
    setText(fault, text);
    fault.hidden = text === "";
    if (text === "") input.removeAttribute("aria-invalid");
    else input.setAttribute("aria-invalid", "true");
  }
}

function renderEntry(row: HTMLElement, entry: SecretEntry): void {
  const source = within(row, ".tag", HTMLSpanElement);
  const prefix = within(row, "code", HTMLElement);
  setText(source, SOURCES[entry.source] ?? entry.source);
  source.dataset.source = entry.source;
  setText(prefix, entry.prefix ? `${entry.prefix}…` : "");
  prefix.hidden = !entry.prefix;
  const set = entry.setAt ? `set ${formatDateTime(entry.setAt)}` : "";
  const lost = "can't be opened any more: agents start without it until you save it anew or delete it";
  setText(within(row, ".secret-time", HTMLSpanElement), entry.unreadable ? `${set}, ${lost}` : set);
  within(row, "button[type=button]", HTMLButtonElement).hidden = entry.source !== "user";
}

const EFFECTS: Readonly<Record<Effect, string>> = {
  reloading: "The agent takes it within seconds.",
  restarting: "The agent is saved and started anew for it.",
  nextStart: "It takes effect when the agent starts.",
};

function whenUsed(effect: Effect): string {
  return EFFECTS[effect] ?? EFFECTS.nextStart;
}
