// From a prepared transaction to a confirmed one: what it does in words, the wallet's signature, sending, and what became
// of it. Whatever prepares a transaction shows it by this.
import type { AgentContext } from "./agent.ts";
import { ApiError, type PreparedTransaction } from "./api.ts";
import { fromTemplate, setBusy, setItems, setNotice, setText, within } from "./dom.ts";
import { bySharing, signatureOf, signTransaction } from "./sign-transaction.ts";
import { feeText, type Outcome, stateText, troubleOf } from "./transaction-report.ts";
import { allWallets } from "./wallets.ts";

/** Twice in a second a domain may ask about its wallet. */
const ASKED_EVERY_MS = 2_000;
const NO_WALLET =
  "No wallet in this browser signs transactions. Unlock or install the one that holds the domain, then prepare it again.";

/**
 * Shows the transaction in `place`, in front of what was there. `onSettled` is told once it is known what became of it, and
 * `onDiscard` when its owner does not want it. Until the first of them, what is sent must stay in view: see `isUnderWay`.
 */
export function reviewTransaction(
  context: AgentContext,
  place: HTMLElement,
  prepared: PreparedTransaction,
  { onSettled, onDiscard }: { readonly onSettled: (isDone: boolean) => void; readonly onDiscard?: () => void },
): void {
  const { api, session } = context;
  const view = fromTemplate("transaction-template", HTMLElement);
  const sign = within(view, "[data-testid=transaction-sign]", HTMLButtonElement);
  const discard = within(view, "[data-testid=transaction-discard]", HTMLButtonElement);
  const choice = within(view, "select", HTMLSelectElement);
  const progress = within(view, ".progress-text", HTMLParagraphElement);
  const fault = within(view, ".field-error", HTMLParagraphElement);
  const wallets = bySharing(allWallets(), session.wallet);
  /** What the wallet has signed, which may be sent as often as it takes. */
  let signed: string | null = null;
  /** Whether it was sent and the answer was lost: then a later refusal does not mean that it was not carried out. */
  let mayBeSent = false;
  const isGone = () => api.signal.aborted || !view.isConnected;

  setItems(within(view, ".transaction-summary", HTMLUListElement), prepared.summary);
  setItems(within(view, ".transaction-notes", HTMLUListElement), prepared.notes);
  setText(within(view, ".transaction-fee", HTMLParagraphElement), `${feeText(prepared.fee)} Sign it within a minute.`);
  choice.replaceChildren(...wallets.map((wallet, at) => new Option(wallet.name, String(at))));
  within(view, ".transaction-wallet", HTMLLabelElement).hidden = wallets.length < 2;
  if (wallets.length === 0) {
    setNotice(fault, NO_WALLET);
    sign.hidden = true;
  }
  place.replaceChildren(view);
  within(view, "h3", HTMLHeadingElement).focus();

  discard.onclick = () => {
    view.remove();
    onDiscard?.();
  };
  sign.onclick = () => void context.run(sign, carryOut);

  async function carryOut(): Promise<void> {
    setNotice(fault, "");
    try {
      const signature = await send(await signedOnce());
      if (signature !== null) follow(signature);
    } catch (error) {
      if (isOver(error)) throw error;
      if (isGone()) return;
      const { text, again } = troubleOf(error, signed !== null);
      if (again === "none" && mayBeSent && signed !== null) return follow(signatureOf(signed));
      mayBeSent ||= again === "send";
      setText(progress, "");
      setNotice(fault, text);
      sign.hidden = again === "none";
      discard.hidden = again === "send";
      if (again !== "send") delete view.dataset.state;
      setText(sign, again === "send" ? "Send again" : "Sign and send");
    }
  }

  async function signedOnce(): Promise<string> {
    const wallet = wallets[choice.selectedIndex];
    if (signed !== null || wallet === undefined) return signed ?? "";
    setText(progress, `Sign the transaction in ${wallet.name}…`);
    signed = await signTransaction(wallet, session.wallet, prepared);
    return signed;
  }

  /** Null where its owner has turned away meanwhile: what is discarded is not sent. */
  async function send(transaction: string): Promise<string | null> {
    if (isGone()) return null;
    view.dataset.state = "sent";
    discard.hidden = true;
    within(view, ".transaction-wallet", HTMLLabelElement).hidden = true;
    setText(progress, "Sending…");
    const { signature } = await api.sendTransaction(transaction);
    return signature;
  }

  function follow(signature: string): void {
    sign.hidden = true;
    setText(progress, stateText("sent").text);
    setBusy(progress, true);
    const ask = async () => {
      let outcome: Outcome = "open";
      await context.renew(async () => {
        const { transactions } = await api.transactions();
        if (isGone()) return;
        // The service notes it before it sends it: what is not there was not sent.
        const found = transactions.find((one) => one.signature === signature);
        const { text, ...now } = stateText(found?.state ?? "unsent");
        outcome = now.outcome;
        if (outcome === "failed") setNotice(fault, text);
        setText(progress, outcome === "failed" ? "" : `${text} Its signature is ${signature}.`);
      });
      if (isGone()) return;
      if (outcome === "open") return void setTimeout(() => void ask(), ASKED_EVERY_MS);
      setBusy(progress, false);
      delete view.dataset.state;
      onSettled(outcome === "done");
    };
    void ask();
  }
}

/** Whether `place` shows one that was sent, and of which it is not known yet what became of it. */
export function isUnderWay(place: HTMLElement): boolean {
  return place.querySelector("[data-state=sent]") !== null;
}

function isOver(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 401 || error.status === 403);
}
