// What the agent's wallet holds and what a transfer out of it says, in words and in the form that the service takes. Pure.
import type { AgentWallet, ApiError, Plan, Token } from "./api.ts";
import { formatCount, formatElapsed } from "./format.ts";

const SOL_DECIMALS = 9;

/** "0.00005372", of lamports as a text: no number of JavaScript holds all of them. */
export function solOf(lamports: string): string {
  const digits = lamports.padStart(SOL_DECIMALS + 1, "0");
  const behind = digits.slice(-SOL_DECIMALS).replace(/0+$/, "");
  return `${digits.slice(0, -SOL_DECIMALS)}${behind === "" ? "" : `.${behind}`}`;
}

/** What the wallet holds of a token: base units where nobody can tell how many make one. */
export function tokenAmount({ amount, baseUnits }: Token): string {
  return amount ?? `${baseUnits} base units`;
}

/** How old a reading is that came `elapsed` milliseconds ago and was `age` seconds old then. */
export function readText({ slot, age }: AgentWallet, elapsed: number): string {
  return `As of slot ${formatCount(slot)}, read ${formatElapsed(age * 1000 + elapsed)} ago.`;
}

export function moreText(count: number): string {
  if (count === 0) return "";
  return count === 1
    ? "1 more token account is not shown."
    : `${formatCount(count)} more token accounts are not shown.`;
}

/** The link if it is one that has a wallet pay to the address that is shown: whatever else could be a script, or rob. */
export function payLink({ address, fund }: AgentWallet): string | null {
  const { solanaPay: link } = fund;
  return link === `solana:${address}` || link.startsWith(`solana:${address}?`) ? link : null;
}

/** The fields of the form of a transfer. */
export interface TransferForm {
  readonly kind: "sol" | "token";
  readonly mint: string;
  readonly amount: string;
  readonly to: string;
  readonly toProgram: boolean;
  readonly createAccount: boolean;
}

export type TransferField = "mint" | "amount" | "to";
export type Faults = Readonly<Partial<Record<TransferField, string>>>;

/** What is missing or no address, before the service is asked. It checks everything itself. */
export function transferFaults(form: TransferForm, isAddress: (text: string) => boolean): Faults {
  const { kind, mint, amount, to } = form;
  const faults: Partial<Record<TransferField, string>> = {};
  if (kind === "token" && !isAddress(mint)) faults.mint = "Enter the address of the token's mint.";
  if (!/^\d+(\.\d+)?$/.test(amount)) faults.amount = "Enter a number, with a point before decimals, like 0.01.";
  if (!isAddress(to)) faults.to = "Enter the address of a wallet on Solana.";
  return faults;
}

export function planOf({ kind, mint, amount, to, toProgram, createAccount }: TransferForm): Plan {
  const program = toProgram ? { toProgram } : {};
  if (kind === "sol") return { operation: "transfer_sol", to, amount, ...program };
  return { operation: "transfer_token", mint, to, amount, ...program, ...(createAccount ? { createAccount } : {}) };
}

/** A refusal in the words of the form, and the field that it is about, if it is one of the form's. */
export interface Refusal {
  readonly field: TransferField | null;
  readonly text: string;
  /** Which of the two further choices would make it good. */
  readonly offer: "toProgram" | "createAccount" | null;
}

export function refusalOf({ field, message }: Pick<ApiError, "field" | "message">): Refusal {
  if (field === "createAccount") {
    const text = "The recipient has no account for this token yet. Choose below to make one, or ask them to.";
    return { field: null, text, offer: "createAccount" };
  }
  if (field === "to" && message.includes("toProgram")) {
    const text =
      "No person has a key of this address: it is a program's. Check it; if it is what you mean, say so below.";
    return { field: "to", text, offer: "toProgram" };
  }
  const known = field === "mint" || field === "to" || field === "amount" ? field : null;
  return { field: known, text: message, offer: null };
}
