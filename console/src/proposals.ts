// The card of what the agent proposes that its wallet do, and the owner's word on each: rejected, or prepared as a transaction
// that they read before they sign it. What of it is the agent's own stands apart, and moves nothing that is being signed.
import type { AgentContext } from "./agent.ts";
import type { Proposal, ProposalList } from "./api.ts";
import { byId, fromTemplate, setItems, setNotice, setText, within } from "./dom.ts";
import { showInfo } from "./notices.ts";
import { countsText, SPENT, timeText, troubleText, UNDER_WAY, waitingText } from "./proposals-report.ts";
import { isUnderWay, reviewTransaction } from "./transaction.ts";
import { whileVisible } from "./visible.ts";

/** A new one is told of at once; this is for what was missed, and for what expires. */
const RENEWED_EVERY_MS = 60_000;

const heading = byId("proposals-heading", HTMLHeadingElement);
const refresh = byId("proposals-refresh", HTMLButtonElement);
const waiting = byId("proposals-waiting", HTMLParagraphElement);
const counts = byId("proposals-counts", HTMLParagraphElement);
const problem = byId("proposals-problem", HTMLParagraphElement);
const review = byId("proposal-review", HTMLDivElement);
const list = byId("proposal-list", HTMLUListElement);

type Decide = (proposal: Proposal) => Promise<void>;

/** `onSettled` is told when something was sent, and it is known what became of it. */
export function showProposals(context: AgentContext, onSettled: () => void): { load(): Promise<void> } {
  const { api } = context;
  let looks = 0;
  /** The one of which a transaction is asked for or shown. */
  let chosen: string | null = null;
  setText(waiting, "");
  setText(counts, "");
  setNotice(problem, "");
  review.replaceChildren();
  list.replaceChildren();

  async function look(): Promise<ProposalList> {
    looks += 1;
    const mine = looks;
    const answer = await api.proposals();
    // An older answer that comes late would bring back what is decided.
    if (mine === looks && !api.signal.aborted) render(answer);
    return answer;
  }

  const load = async () => void (await look());

  function render(answer: ProposalList): void {
    setText(waiting, waitingText(answer.proposals.length));
    setText(counts, countsText(answer));
    const rows = new Map([...list.children].map((row) => [(row as HTMLElement).dataset.id, row]));
    const focused = document.activeElement;
    const had = focused !== null && list.contains(focused);
    const now = Date.now();
    list.replaceChildren(
      ...answer.proposals.map((one) => {
        const row = rows.get(one.id) ?? proposalRow(context, one, prepare, reject);
        setText(within(row, ".proposal-time", HTMLParagraphElement), timeText(one, now));
        return row;
      }),
    );
    // The row with the keyboard's place may be the one that went.
    if (had && focused instanceof HTMLElement) (list.contains(focused) ? focused : heading).focus();
  }

  async function prepare({ id }: Proposal): Promise<void> {
    if (isUnderWay(review)) return tell(UNDER_WAY);
    setNotice(problem, "");
    // One at a time is read, and that is the one that was chosen last.
    review.replaceChildren();
    chosen = id;
    await orTell(async () => {
      const prepared = await api.prepareProposal(id);
      if (api.signal.aborted || chosen !== id) return;
      reviewTransaction(context, review, prepared, {
        onSettled: (isDone) => void context.renew(() => settle(id, isDone)),
        onDiscard: () => heading.focus(),
      });
    });
  }

  async function settle(id: string, isDone: boolean): Promise<void> {
    onSettled();
    const { proposals } = await look();
    if (!isDone && !proposals.some((one) => one.id === id)) setNotice(problem, SPENT);
  }

  async function reject({ id }: Proposal): Promise<void> {
    setNotice(problem, "");
    // From here on nothing of it is sent, whatever a wallet that was asked answers.
    if (chosen === id && !isUnderWay(review)) {
      review.replaceChildren();
      chosen = null;
    }
    await orTell(async () => {
      await api.rejectProposal(id);
      await look();
      showInfo("The proposal is rejected. The agent is not told.");
    });
  }

  async function orTell(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const text = troubleText(error);
      if (text === null || api.signal.aborted) throw error;
      tell(text);
      await look();
    }
  }

  refresh.onclick = () => void context.run(refresh, load);
  whileVisible(api.signal, RENEWED_EVERY_MS, () => void context.renew(load));
  return { load };
}

/** The button that was pressed may be far below, or go away with its row. */
function tell(text: string): void {
  setNotice(problem, text);
  problem.focus();
}

function proposalRow(context: AgentContext, one: Proposal, prepare: Decide, reject: Decide): HTMLLIElement {
  const row = fromTemplate("proposal-template", HTMLLIElement);
  row.dataset.id = one.id;
  setItems(within(row, "ul", HTMLUListElement), one.summary);
  setText(within(row, "blockquote", HTMLQuoteElement), one.reason);
  for (const [name, word, decide] of [
    ["prepare", "Prepare", prepare],
    ["reject", "Reject", reject],
  ] as const) {
    const button = within(row, `[data-testid=proposal-${name}]`, HTMLButtonElement);
    button.setAttribute("aria-label", `${word}: ${one.summary.join(" ")}`);
    button.addEventListener("click", () => void context.run(button, () => decide(one)));
  }
  return row;
}
