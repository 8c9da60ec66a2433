// The card of the agent's wallet: its address, what it holds, how to put something in, and transfers out of it.
import type { AgentContext } from "./agent.ts";
import { type AgentWallet, ApiError, type Token, type Transaction } from "./api.ts";
import { byId, fromTemplate, setFieldError, setNotice, setText, within } from "./dom.ts";
import { explain } from "./explain.ts";
import { formatDateTime } from "./format.ts";
import { qrCode } from "./qr.ts";
import { isUnderWay, reviewTransaction } from "./transaction.ts";
import { shortState } from "./transaction-report.ts";
import { whileVisible } from "./visible.ts";
import {
  type Faults,
  moreText,
  payLink,
  planOf,
  readText,
  refusalOf,
  type TransferField,
  type TransferForm,
  tokenAmount,
  transferFaults,
} from "./wallet-report.ts";
import { isAddress } from "./wallets.ts";

/** Each look asks the network's endpoints a few questions. */
const RENEWED_EVERY_MS = 60_000;
const CLOCK_MS = 5_000;
const SENT_SHOWN = 5;
const COPIED_SHOWN_MS = 3_000;

const body = byId("wallet-body", HTMLDivElement);
const problem = byId("wallet-problem", HTMLParagraphElement);
const refresh = byId("wallet-refresh", HTMLButtonElement);
const address = byId("wallet-address", HTMLElement);
const copy = byId("wallet-copy", HTMLButtonElement);
const code = byId("wallet-code", HTMLDivElement);
const read = byId("wallet-read", HTMLParagraphElement);
const form = byId("transfer", HTMLFormElement);
const kind = byId("transfer-kind", HTMLSelectElement);
const fields: Readonly<Record<TransferField, HTMLInputElement>> = {
  mint: byId("transfer-mint", HTMLInputElement),
  amount: byId("transfer-amount", HTMLInputElement),
  to: byId("transfer-to", HTMLInputElement),
};
const toProgram = byId("transfer-program", HTMLInputElement);
const createAccount = byId("transfer-create", HTMLInputElement);
const formError = byId("transfer-error", HTMLParagraphElement);
const prepare = byId("transfer-prepare", HTMLButtonElement);
const review = byId("transfer-review", HTMLDivElement);

export function showWallet(context: AgentContext): { load(): Promise<void> } {
  const { api } = context;
  let last: { readonly wallet: AgentWallet; readonly at: number } | null = null;
  body.hidden = true;
  setNotice(problem, "");
  review.replaceChildren();
  form.reset();
  showFaults({});
  followKind();

  /** The network may be out of reach while all else is there: that is told here and nowhere else. */
  async function load(): Promise<void> {
    try {
      const [wallet, { transactions }] = await Promise.all([api.wallet(), api.transactions()]);
      if (api.signal.aborted) return;
      last = { wallet, at: Date.now() };
      setNotice(problem, "");
      render(wallet);
      renderSent(transactions);
      renderClock();
    } catch (error) {
      if (api.signal.aborted || (error instanceof ApiError && (error.status === 401 || error.status === 403)))
        throw error;
      const { message, next } = explain(error);
      setNotice(problem, `What the wallet holds could not be read. ${message} ${next}`);
    }
  }

  function renderClock(): void {
    if (last !== null) setText(read, readText(last.wallet, Date.now() - last.at));
  }

  refresh.onclick = () => void context.run(refresh, load);
  whileVisible(api.signal, RENEWED_EVERY_MS, () => void context.renew(load));
  whileVisible(api.signal, CLOCK_MS, renderClock);
  copy.onclick = () =>
    context.run(copy, async () => {
      await navigator.clipboard.writeText(address.textContent);
      setText(copy, "Copied");
      setTimeout(() => setText(copy, "Copy"), COPIED_SHOWN_MS);
    });

  kind.onchange = followKind;
  form.oninput = () => showFaults({});
  form.onsubmit = (event) => {
    event.preventDefault();
    const wanted = formNow();
    const faults = transferFaults(wanted, isAddress);
    showFaults(faults);
    if (Object.keys(faults).length > 0) return focusFirst(faults);
    if (isUnderWay(review)) return setNotice(formError, "Wait until it is known what became of the one below.");
    // What was prepared before is not what the form says now.
    review.replaceChildren();
    void context.run(prepare, () => ask(wanted));
  };

  async function ask(wanted: TransferForm): Promise<void> {
    try {
      const prepared = await api.prepareTransaction(planOf(wanted));
      if (api.signal.aborted) return;
      reviewTransaction(context, review, prepared, {
        onSettled: (isDone) => {
          // Else the next press would send the same again.
          if (isDone) form.reset();
          followKind();
          void context.renew(load);
        },
        onDiscard: () => prepare.focus(),
      });
    } catch (error) {
      if (!(error instanceof ApiError) || ![400, 409, 422].includes(error.status)) throw error;
      const { field, text, offer } = refusalOf(error);
      showFaults(field === null ? {} : { [field]: text });
      setNotice(formError, field === null ? text : "");
      if (offer === "toProgram") byId("transfer-program-field", HTMLLabelElement).hidden = false;
      if (field !== null) fields[field].focus();
    }
  }

  return { load };
}

function render(wallet: AgentWallet): void {
  const { address: text, sol, tokens, moreTokens } = wallet;
  setText(address, text);
  setText(byId("wallet-balance", HTMLParagraphElement), `${sol} SOL`);
  byId("wallet-tokens", HTMLUListElement).replaceChildren(...tokens.map(tokenRow));
  byId("transfer-mints", HTMLDataListElement).replaceChildren(
    ...tokens.map((token) => new Option(tokenAmount(token), token.mint)),
  );
  setText(byId("wallet-more", HTMLParagraphElement), moreText(moreTokens));
  renderFund(payLink(wallet));
  body.hidden = false;
}

function renderFund(link: string | null): void {
  const anchor = byId("wallet-pay", HTMLAnchorElement);
  anchor.hidden = link === null;
  if (link === null) {
    anchor.removeAttribute("href");
    code.replaceChildren();
    delete code.dataset.link;
  } else if (code.dataset.link !== link) {
    anchor.href = link;
    code.replaceChildren(qrCode(link, "QR code of the wallet's address"));
    code.dataset.link = link;
  }
}

function tokenRow(token: Token): HTMLLIElement {
  const row = fromTemplate("token-template", HTMLLIElement);
  setText(within(row, ".strong", HTMLSpanElement), tokenAmount(token));
  setText(within(row, "code", HTMLElement), token.mint);
  within(row, ".tag", HTMLSpanElement).hidden = !token.frozen;
  return row;
}

/** The newest of those that were sent, which a page that was left meanwhile did not follow to their end. */
function renderSent(transactions: readonly Transaction[]): void {
  const sent = transactions.filter(({ signature }) => signature !== null).slice(0, SENT_SHOWN);
  byId("transaction-list", HTMLUListElement).replaceChildren(...sent.map(sentRow));
  byId("transactions", HTMLElement).hidden = sent.length === 0;
}

function sentRow({ signature, state, summary, preparedAt }: Transaction): HTMLLIElement {
  const row = fromTemplate("sent-template", HTMLLIElement);
  const time = within(row, "time", HTMLTimeElement);
  const tag = within(row, ".tag", HTMLSpanElement);
  // The last line only says who signs.
  setText(within(row, ".sent-summary", HTMLParagraphElement), summary.slice(0, -1).join(" ") || summary.join(" "));
  time.dateTime = preparedAt;
  setText(time, formatDateTime(preparedAt));
  setText(within(row, ".mono", HTMLSpanElement), signature ?? "");
  setText(tag, shortState(state));
  tag.dataset.state = state;
  return row;
}

function formNow(): TransferForm {
  return {
    kind: kind.value === "token" ? "token" : "sol",
    mint: fields.mint.value.trim(),
    amount: fields.amount.value.trim(),
    to: fields.to.value.trim(),
    toProgram: toProgram.checked,
    createAccount: createAccount.checked,
  };
}

function showFaults(faults: Faults): void {
  setNotice(formError, "");
  for (const [name, input] of Object.entries(fields)) {
    setFieldError(input, byId(`transfer-${name}-error`, HTMLParagraphElement), faults[name as TransferField] ?? "");
  }
}

function focusFirst(faults: Faults): void {
  Object.entries(fields)
    .find(([name]) => name in faults)?.[1]
    .focus();
}

function followKind(): void {
  const isToken = kind.value === "token";
  byId("transfer-mint-field", HTMLDivElement).hidden = !isToken;
  byId("transfer-create-field", HTMLLabelElement).hidden = !isToken;
  byId("transfer-program-field", HTMLLabelElement).hidden = true;
  toProgram.checked = false;
}
