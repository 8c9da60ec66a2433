// What a transaction costs, what became of it, and what to do when it does not get through, in words. Pure.
import { ApiError, NetworkError, type PreparedTransaction, type TransactionState } from "./api.ts";
import { isRejection } from "./explain.ts";
import { solOf } from "./wallet-report.ts";

/** The wallet gave back something else than it was asked to sign. */
export class ChangedTransaction extends Error {}

/** "Your own wallet pays 0.00204 SOL: 0.002 SOL stay in the new token account, the rest is fees." */
export function feeText({ total, rent }: PreparedTransaction["fee"]): string {
  const pays = `Your own wallet pays ${solOf(total)} SOL`;
  if (rent === "0") return `${pays} in fees.`;
  return `${pays}: ${solOf(rent)} SOL stay in the recipient's new token account, the rest is fees.`;
}

export type Outcome = "open" | "done" | "failed";

/** How far a transaction is that was sent, and whether that is how it stays. */
export function stateText(state: TransactionState | "unsent"): { readonly text: string; readonly outcome: Outcome } {
  switch (state) {
    case "prepared":
    case "sent":
      return { text: "Sent. Waiting until the network has confirmed it…", outcome: "open" };
    case "confirmed":
    case "finalized":
      return { text: "Done: the network has confirmed it.", outcome: "done" };
    case "unsent":
      return { text: "It did not get as far as the network: nothing moved. Prepare it again.", outcome: "failed" };
    case "failed":
      return {
        text: "The network tried it and it failed: nothing moved but the network's fee. Prepare it again.",
        outcome: "failed",
      };
    case "expired":
      return {
        text: "The network did not take it in time, and will not any more. Nothing moved. Prepare it again.",
        outcome: "failed",
      };
    default:
      return { text: state, outcome: "open" };
  }
}

const SHORT_STATES: Readonly<Record<TransactionState, string>> = {
  prepared: "Not sent",
  sent: "Not confirmed yet",
  confirmed: "Confirmed",
  finalized: "Confirmed",
  failed: "Failed",
  expired: "Not taken in time",
};

/** In a list. */
export const shortState = (state: TransactionState): string => SHORT_STATES[state] ?? state;

export interface Trouble {
  readonly text: string;
  /** `sign`: ask the wallet again. `send`: send what is signed again. `none`: this one can't be sent any more. */
  readonly again: "sign" | "send" | "none";
}

/** What went wrong with a transaction. `isSigned` says whether the wallet has signed it. */
export function troubleOf(error: unknown, isSigned: boolean): Trouble {
  if (error instanceof NetworkError) {
    const text = `${error.message} It may have been sent all the same: to send it again is safe, as it is carried out only once.`;
    return { text, again: isSigned ? "send" : "sign" };
  }
  if (error instanceof ApiError) {
    if (error.status === 429 || error.status >= 500)
      return { text: `${error.message} Wait a moment, then send it again.`, again: isSigned ? "send" : "sign" };
    return { text: error.message, again: "none" };
  }
  if (error instanceof ChangedTransaction) return { text: error.message, again: "sign" };
  if (isRejection(error)) {
    return { text: "It was declined in the wallet. Nothing was signed, and nothing was sent.", again: "sign" };
  }
  const message = error instanceof Error && error.message !== "" ? error.message : "The wallet gave no reason";
  return {
    text: `The wallet did not sign: ${message.replace(/\.$/, "")}. Nothing was sent. Try again.`,
    again: "sign",
  };
}
