// Memo transactions as wallets see and change them, by Solana's own library: not a line of ours reads or writes them here.
import { address } from "@solana/addresses";
import {
  appendTransactionMessageInstructions,
  createTransactionMessage,
  decompileTransactionMessage,
  getCompiledTransactionMessageDecoder,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/transaction-messages";
import { compileTransaction, getTransactionDecoder, getTransactionEncoder } from "@solana/transactions";

type Message = Parameters<typeof compileTransaction>[0];
export type Instruction = Message["instructions"][number];
type Blockhash = Parameters<typeof setTransactionMessageLifetimeUsingBlockhash>[0]["blockhash"];

export const DEAD_BLOCKHASH = "11111111111111111111111111111111";
export const MEMO_PROGRAM = address("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr");
const COMPUTE_BUDGET = address("ComputeBudget111111111111111111111111111111");
const LIGHTHOUSE = address("L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95");
const SYSTEM_PROGRAM = address("11111111111111111111111111111111");

/** How a message uses an account. */
const ROLE = { readonly: 0, writable: 1, signer: 2, writableSigner: 3 } as const;

export interface Signer {
  readonly address: string;
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

export interface Plan {
  readonly payer: string;
  readonly instructions: readonly Instruction[];
  readonly version?: "legacy" | 0;
  readonly blockhash?: string;
}

/** What a transaction does, by what it says. */
export function planOf(transaction: Uint8Array): Required<Plan> {
  const { messageBytes } = getTransactionDecoder().decode(transaction);
  const compiled = getCompiledTransactionMessageDecoder().decode(messageBytes);
  const message = decompileTransactionMessage(compiled);
  const { version } = message;
  if (version === 1) throw new Error("a version that is not expected here");
  if (!("blockhash" in message.lifetimeConstraint)) throw new Error("a durable nonce is not expected here");
  const { blockhash } = message.lifetimeConstraint;
  return { payer: message.feePayer.address, instructions: message.instructions, version, blockhash };
}

/** The transaction, signed by these. */
export async function signed(plan: Plan, ...signers: Signer[]): Promise<Uint8Array> {
  const { payer, instructions, version = "legacy", blockhash = DEAD_BLOCKHASH } = plan;
  const empty = setTransactionMessageLifetimeUsingBlockhash(
    { blockhash: blockhash as Blockhash, lastValidBlockHeight: 0n },
    setTransactionMessageFeePayer(address(payer), createTransactionMessage({ version })),
  );
  const { messageBytes, signatures } = compileTransaction(appendTransactionMessageInstructions(instructions, empty));
  const made = await Promise.all(
    signers.map(async (signer) => [signer.address, await signer.sign(new Uint8Array(messageBytes))] as const),
  );
  const all = { ...signatures, ...Object.fromEntries(made) } as typeof signatures;
  return new Uint8Array(getTransactionEncoder().encode({ messageBytes, signatures: all }));
}

export function memo(text: string, signer?: string): Instruction {
  const accounts = signer === undefined ? [] : [{ address: address(signer), role: ROLE.signer }];
  return { programAddress: MEMO_PROGRAM, accounts, data: new TextEncoder().encode(text) };
}

/** What wallets put around an instruction: a limit and a price, and guards of the payer's balance. */
export function guarded(payer: string, ...instructions: readonly Instruction[]): Instruction[] {
  const account = { address: address(payer), role: ROLE.writable };
  return [
    { programAddress: COMPUTE_BUDGET, data: Uint8Array.of(2, 0x40, 0x0d, 3, 0) },
    { programAddress: COMPUTE_BUDGET, data: Uint8Array.of(3, 0x10, 0x27, 0, 0, 0, 0, 0, 0) },
    ...instructions,
    { programAddress: LIGHTHOUSE, accounts: [account], data: Uint8Array.of(5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4) },
  ];
}

export function transfer(from: string, to: string): Instruction {
  const accounts = [
    { address: address(from), role: ROLE.writableSigner },
    { address: address(to), role: ROLE.writable },
  ];
  return { programAddress: SYSTEM_PROGRAM, accounts, data: Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0) };
}
