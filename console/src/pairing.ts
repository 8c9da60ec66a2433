// The card of those who wait to be let in, as the running agent tells, or the service itself of channels that end at the edge, and
// the owner's word on each.
import type { AgentContext } from "./agent.ts";
import type { Status, Waiting } from "./api.ts";
import { byId, fromTemplate, setText, within } from "./dom.ts";
import { showInfo } from "./notices.ts";
import { codeText, kindOf, nameOf, nobodyText, waitText } from "./pairing-report.ts";
import { whileVisible } from "./visible.ts";

/** Each look runs a command in the agent's container. */
const RENEWED_EVERY_MS = 10_000;

const heading = byId("pairing-heading", HTMLHeadingElement);
const list = byId("pairing-list", HTMLUListElement);
const empty = byId("pairing-empty", HTMLParagraphElement);
const refresh = byId("pairing-refresh", HTMLButtonElement);

/** Whoever just wrote to the agent waits once it has read that. */
const READ_WITHIN_MS = 2_000;

export interface PairingCard {
  /** Somebody wrote whom the agent does not know. */
  onNews(): void;
  onStatus(previous: Status | null, next: Status): void;
}

/** `hasEdge` tells whether a channel that ends at the edge is connected. */
export function showPairing(context: AgentContext, hasEdge: () => boolean): PairingCard {
  const { api } = context;
  render([]);

  async function load(): Promise<void> {
    const { waiting } = isTold() ? await api.pairing() : { waiting: [] };
    render(waiting);
  }

  function render(waiting: readonly Waiting[]): void {
    if (api.signal.aborted) return;
    const rows = new Map([...list.children].map((row) => [(row as HTMLElement).dataset.id, row]));
    // The row with the keyboard's place may be the one that went.
    const focused = document.activeElement;
    const kept = waiting.map((one) => renderRow(rows.get(one.id) ?? pairingRow(context, one, render), one));
    const had = focused !== null && list.contains(focused);
    list.replaceChildren(...kept);
    if (had && focused instanceof HTMLElement) (list.contains(focused) ? focused : heading).focus();
    setText(empty, waiting.length === 0 ? nobodyText(context.state()) : "");
  }

  /** Else only the agent could tell. */
  const isTold = () => context.state() === "running" || hasEdge();
  const isFree = () => refresh.getAttribute("aria-busy") !== "true";
  refresh.onclick = () => void context.run(refresh, load);
  whileVisible(api.signal, RENEWED_EVERY_MS, () => {
    if (isFree()) void context.renew(load);
  });
  let reading: ReturnType<typeof setTimeout> | undefined;
  api.signal.addEventListener("abort", () => clearTimeout(reading));
  return {
    onNews() {
      clearTimeout(reading);
      reading = setTimeout(() => {
        if (isTold()) void context.renew(load);
      }, READ_WITHIN_MS);
    },
    onStatus(previous, next) {
      if (previous?.state === next.state) return;
      void context.renew(load);
    },
  };
}

function pairingRow(context: AgentContext, one: Waiting, render: (waiting: readonly Waiting[]) => void): HTMLLIElement {
  const row = fromTemplate("pairing-template", HTMLLIElement);
  const name = nameOf(one);
  row.dataset.id = one.id;
  const letIn = within(row, "[data-testid=pairing-approve]", HTMLButtonElement);
  const sendAway = within(row, "[data-testid=pairing-reject]", HTMLButtonElement);
  letIn.setAttribute("aria-label", `Let in ${name}`);
  sendAway.setAttribute("aria-label", `Send away ${name}`);
  const { approve, reject } = context.api;
  for (const [button, say, done] of [
    [letIn, approve, `${name} is let in.`],
    [sendAway, reject, `${name} is sent away, and may ask again.`],
  ] as const) {
    button.addEventListener("click", () => {
      void context.run(button, async () => {
        render((await say(one.id)).waiting);
        showInfo(done);
      });
    });
  }
  return row;
}

function renderRow(row: Element, one: Waiting): Element {
  setText(within(row, ".pairing-name", HTMLSpanElement), nameOf(one));
  setText(within(row, ".tag", HTMLSpanElement), kindOf(one.kind));
  setText(within(row, ".pairing-time", HTMLParagraphElement), waitText(one, Date.now()) + codeText(one));
  return row;
}
