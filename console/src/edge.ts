// The cards of the channels that end at the edge: their secrets, which go from the fields to the service and nowhere else, the
// address that the company is to be given, and who may write.
import type { AgentContext } from "./agent.ts";
import { ApiError } from "./api.ts";
import type { Channel, DmPolicy } from "./channel.ts";
import { POLICIES, policyHint } from "./channel-report.ts";
import { byId, confirm, fromTemplate, setFieldError, setNotice, setText, within } from "./dom.ts";
import { edgePeople } from "./edge-people.ts";
import {
  EDGE_KINDS,
  type EdgeChange,
  type EdgeKind,
  edgeFacts,
  edgeReminder,
  edgeState,
  parseEdgePeople,
} from "./edge-report.ts";
import { showInfo } from "./notices.ts";
import { whileVisible } from "./visible.ts";

const RENEWED_EVERY_MS = 10_000;

export function showEdgeChannels(context: AgentContext): { load(): Promise<void>; isConnected(): boolean } {
  const { api } = context;
  const cards = EDGE_KINDS.map((kind) => ({ kind, ...edgeCard(context, kind, load) }));
  byId("edge-channels", HTMLDivElement).replaceChildren(...cards.map(({ card }) => card));

  async function load(): Promise<void> {
    const { channels } = await api.channels();
    if (api.signal.aborted) return;
    for (const { kind, card, render } of cards) {
      const channel = channels.find(({ name }) => name === kind.name);
      // A service of another version may not have it.
      card.hidden = channel === undefined;
      if (channel !== undefined) render(channel);
    }
  }

  whileVisible(api.signal, RENEWED_EVERY_MS, () => void context.renew(load));
  return { load, isConnected: () => cards.some(({ isOff }) => !isOff()) };
}

interface Card {
  readonly card: HTMLElement;
  isOff(): boolean;
  render(channel: Channel): void;
}

function edgeCard(context: AgentContext, kind: EdgeKind, load: () => Promise<void>): Card {
  const { api } = context;
  const card = fromTemplate("edge-template", HTMLElement);
  const part = <T extends HTMLElement>(name: string, type: new () => T): T => within(card, `.edge-${name}`, type);
  const [title, tag] = [part("title", HTMLHeadingElement), within(card, "[data-testid=edge-state]", HTMLSpanElement)];
  const [policy, people] = [part("policy", HTMLSelectElement), part("people", HTMLInputElement)];
  const [save, disconnect] = [part("save", HTMLButtonElement), part("disconnect", HTMLButtonElement)];
  const peopleError = part("people-error", HTMLParagraphElement);
  const form = within(card, "form", HTMLFormElement);
  const showPeople = edgePeople(context, card, render);
  /** How often the owner has chosen something, and how much of that is saved: no refresh may take the rest away. */
  let [edits, saved] = [0, 0];
  let isOff = true;

  card.dataset.channel = kind.name;
  setText(title, kind.title);
  title.id = `${kind.name}-heading`;
  card.setAttribute("aria-labelledby", title.id);
  setText(part("hint", HTMLParagraphElement), kind.hint);
  const url = part("url", HTMLInputElement);
  label(part("url-label", HTMLLabelElement), url, `${kind.name}-url`, kind.urlLabel);
  setText(part("url-hint", HTMLParagraphElement), kind.urlHint);
  url.onfocus = () => url.select();
  label(part("policy-label", HTMLLabelElement), policy, `${kind.name}-policy`, "Who may write");
  policy.replaceChildren(...POLICIES.map(({ policy: name, label: text }) => new Option(text, name)));
  label(part("people-label", HTMLLabelElement), people, `${kind.name}-people`, kind.people.label);
  people.placeholder = kind.people.example;
  setText(part("people-hint", HTMLParagraphElement), kind.people.hint);
  const inputs = kind.fields.map((field) => {
    const row = fromTemplate("edge-field-template", HTMLDivElement);
    const input = within(row, "input", HTMLInputElement);
    const error = within(row, ".field-error", HTMLParagraphElement);
    input.type = field.isSecret ? "password" : "text";
    input.dataset.testid = `edge-${field.name}`;
    error.dataset.testid = `edge-${field.name}-error`;
    error.id = `${kind.name}-${field.name}-error`;
    input.setAttribute("aria-describedby", error.id);
    label(within(row, "label", HTMLLabelElement), input, `${kind.name}-${field.name}`, field.label);
    part("secrets", HTMLDivElement).append(row);
    return { field, input, error };
  });
  followPolicy();

  function render(channel: Channel): void {
    isOff = channel.state === "off";
    setText(tag, edgeState(channel));
    tag.dataset.state = channel.state;
    setText(part("facts", HTMLParagraphElement), edgeFacts(channel, Date.now()));
    setNotice(part("problem", HTMLParagraphElement), channel.problem ?? "");
    setNotice(part("reminder", HTMLParagraphElement), edgeReminder(kind, channel, Date.now()));
    if (url.value !== channel.requestUrl) url.value = channel.requestUrl ?? "";
    for (const { field, input } of inputs)
      input.placeholder = isOff ? field.placeholder : "Enter another, or keep this one";
    setText(save, isOff ? "Connect" : "Save");
    disconnect.hidden = isOff;
    showPeople(channel);
    if (edits !== saved) return;
    policy.value = channel.dmPolicy;
    people.value = channel.allowFrom?.join(", ") ?? "";
    followPolicy();
  }

  function followPolicy(): void {
    const chosen = policy.value as DmPolicy;
    const hint = part("policy-hint", HTMLParagraphElement);
    setText(hint, policyHint(chosen));
    hint.classList.toggle("warning", chosen === "open");
    part("people-field", HTMLDivElement).hidden = chosen !== "allowlist";
  }

  /** What the form says, or null where it says why it can't be sent. What is secret leaves the page here. */
  function changeFrom(): EdgeChange | null {
    const dmPolicy = policy.value as DmPolicy;
    const named = parseEdgePeople(kind, people.value);
    if (dmPolicy === "allowlist" && named.fault !== "") {
      setFieldError(people, peopleError, named.fault);
      people.focus();
      return null;
    }
    const values: Record<string, string> = {};
    let missing: HTMLInputElement | null = null;
    for (const { field, input, error } of inputs) {
      const value = input.value.trim();
      if (field.isSecret) input.value = "";
      if (value !== "") values[field.name] = value;
      else if (isOff) {
        setFieldError(input, error, `Enter this: ${field.label}.`);
        missing ??= input;
      }
    }
    missing?.focus();
    if (missing !== null) return null;
    return { dmPolicy, ...values, ...(dmPolicy === "allowlist" && { allowFrom: named.people }) };
  }

  async function store(change: EdgeChange): Promise<void> {
    const sent = edits;
    const answer = await api.setEdgeChannel(kind.name, change).catch((error: unknown) => {
      if (!(error instanceof ApiError) || !showFault(error)) throw error;
      return null;
    });
    if (answer === null) return;
    saved = sent;
    for (const { input } of inputs) input.value = "";
    await load();
    showInfo(`What you entered for ${kind.title} is saved.`);
  }

  /** Shows what is wrong with a field beside it; false where it is about none of these. */
  function showFault({ field, message }: ApiError): boolean {
    const fault =
      inputs.find((one) => one.field.name === field) ??
      (field === "allowFrom" && { input: people, error: peopleError });
    if (!fault) return false;
    setFieldError(fault.input, fault.error, message);
    fault.input.focus();
    return true;
  }

  form.oninput = (event) => {
    const typed = inputs.find(({ input }) => input === event.target);
    if (typed) setFieldError(typed.input, typed.error, "");
    else edits += 1;
    setFieldError(people, peopleError, "");
    followPolicy();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    const change = changeFrom();
    // Without "Try again": it would keep the secrets on the page for as long as the error is shown.
    if (change !== null) void context.run(save, () => store(change), { again: false });
  };
  disconnect.onclick = async () => {
    const yes = await confirm(
      `Disconnect ${kind.title}?`,
      "Its secrets are destroyed here, and so are messages that still wait and who was let in. The app itself stays yours.",
      "Disconnect",
    );
    if (!yes || api.signal.aborted) return;
    await context.run(disconnect, async () => {
      await api.deleteEdgeChannel(kind.name);
      saved = edits;
      await load();
      title.focus();
      showInfo(`${kind.title} is disconnected.`);
    });
  };
  return { card, isOff: () => isOff, render };
}

function label(element: HTMLLabelElement, control: HTMLElement, id: string, text: string): void {
  control.id = id;
  element.htmlFor = id;
  setText(element, text);
}
