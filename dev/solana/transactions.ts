// Development stand-in: what a node does with a transaction. It checks signature and blockhash, tries it, and carries it out.
// Errors are those of Agave. What programs do is in programs.ts.
import { createHash, createPublicKey, verify } from "node:crypto";
import { getCompiledTransactionMessageDecoder } from "@solana/transaction-messages";
import { getTransactionDecoder } from "@solana/transactions";
import bs58 from "bs58";
import { pubkey, rentExemption, SYSTEM_PROGRAM } from "./core-layout.ts";
import {
  INTERNAL_ERROR,
  INVALID_PARAMS,
  type Json,
  RpcError,
  SIGNATURE_FAILED,
  SIMULATION_FAILED,
} from "./json-rpc.ts";
import type { Account, Commitment, Ledger } from "./ledger.ts";
import { type Call, InstructionError, invoke } from "./programs.ts";

export const BLOCKHASH_LIFETIME = 150;
const LAMPORTS_PER_SIGNATURE = 5000;
const ED25519_HEADER = Buffer.from("302a300506032b6570032100", "hex");

export interface Landed {
  readonly slot: number;
  readonly err: Json;
}

interface Decoded {
  readonly payer: string;
  readonly blockhash: string;
  readonly signers: readonly string[];
  readonly writable: ReadonlySet<string>;
  readonly calls: readonly Call[];
}

export function blockhashOf(slot: number): string {
  return bs58.encode(createHash("sha256").update(`multiclaw-dev:block:${slot}`).digest());
}

/** What a node does with transactions that it should send. */
export type Fault = "swallows" | "fails";

/** A transaction that would fail, with the error as a node tells it. */
class Failed extends Error {
  readonly err: Json;

  constructor(err: Json) {
    super(JSON.stringify(err));
    this.err = err;
  }
}

export class Transactions {
  readonly #ledger: Ledger;
  readonly #landed: Map<string, Landed>;
  /** By message: another signature over the same is the same transaction. */
  readonly #done: Set<string>;
  readonly #fault: Fault | null;

  constructor(ledger: Ledger, before?: Transactions, fault: Fault | null = null) {
    this.#ledger = ledger;
    this.#landed = before ? before.#landed : new Map();
    this.#done = before ? before.#done : new Set();
    this.#fault = fault;
  }

  /** The same network by way of a node with a fault. */
  but(fault: Fault): Transactions {
    return new Transactions(this.#ledger, this, fault);
  }

  status(signature: string, slot: number): Landed | null {
    const landed = this.#landed.get(signature);
    return landed !== undefined && landed.slot <= slot ? landed : null;
  }

  /** Null where the blockhash is not known. */
  fee(message: Uint8Array, slot: number): number | null {
    const { blockhash, signers } = decodeMessage(message);
    return this.#knows(blockhash, slot) ? signers.length * LAMPORTS_PER_SIGNATURE : null;
  }

  send(wire: Uint8Array, level: Commitment, skipPreflight: boolean): string {
    if (this.#fault === "fails") throw new RpcError(INTERNAL_ERROR, "Internal error");
    const { messageBytes, signatures } = decodeTransaction(wire);
    const message = new Uint8Array(messageBytes);
    const decoded = decodeMessage(message);
    const bySigner: Readonly<Record<string, Uint8Array | null>> = signatures;
    const made = decoded.signers.map((signer) => bySigner[signer]);
    const signature = made[0];
    const good = decoded.signers.every((signer, at) => isSigned(signer, message, made[at]));
    if (!good || !signature) throw new RpcError(SIGNATURE_FAILED, "Transaction signature verification failure");
    const name = bs58.encode(signature);
    const key = bs58.encode(createHash("sha256").update(message).digest());
    try {
      if (this.#done.has(key)) throw new Failed("AlreadyProcessed");
      const changes = this.#run(decoded, this.#ledger.slot(level));
      if (this.#fault === "swallows") return name;
      const slot = this.#ledger.setAccounts(changes);
      this.#done.add(key);
      this.#landed.set(name, { slot, err: null });
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      // A node that knows it already says so, and clients that send again take that for an answer.
      if (error.err === "AlreadyProcessed" || skipPreflight) return name;
      const data = { accounts: null, err: error.err, logs: [], returnData: null, unitsConsumed: 0 };
      throw new RpcError(SIMULATION_FAILED, `Transaction simulation failed: ${describe(error.err)}`, data);
    }
    return name;
  }

  #knows(blockhash: string, slot: number): boolean {
    for (let age = 0; age <= BLOCKHASH_LIFETIME; age++) if (blockhashOf(slot - age) === blockhash) return true;
    return false;
  }

  /** What it changes, or why it fails. */
  #run({ payer, blockhash, signers, writable, calls }: Decoded, slot: number): Map<string, Account | null> {
    if (!this.#knows(blockhash, this.#ledger.slot("processed"))) throw new Failed("BlockhashNotFound");
    const before = (address: string): Account | null => this.#ledger.account(address, slot);
    const changes = new Map<string, Account | null>();
    const bank = {
      read: (address: string) => (changes.has(address) ? (changes.get(address) ?? null) : before(address)),
      write: (address: string, account: Account) => {
        if (!writable.has(address)) throw new InstructionError("ReadonlyDataModified");
        changes.set(address, account);
      },
    };
    const pays = bank.read(payer);
    if (pays === null) throw new Failed("AccountNotFound");
    const fee = signers.length * LAMPORTS_PER_SIGNATURE;
    if (pays.owner !== SYSTEM_PROGRAM) throw new Failed("InvalidAccountForFee");
    if (pays.lamports < fee) throw new Failed("InsufficientFundsForFee");
    bank.write(payer, { ...pays, lamports: pays.lamports - fee });
    for (const [index, call] of calls.entries()) {
      try {
        invoke(bank, call);
      } catch (error) {
        if (!(error instanceof InstructionError)) throw error;
        throw new Failed({ InstructionError: [index, error.err] });
      }
    }
    for (const [address, account] of changes) {
      const least = rentExemption(account?.data.length ?? 0);
      const lamports = account?.lamports ?? 0;
      if (lamports > 0 && lamports < least) {
        throw new Failed({ InsufficientFundsForRent: { account_index: [...writable].indexOf(address) } });
      }
      if (lamports === 0) changes.set(address, null);
    }
    return changes;
  }
}

function describe(err: Json): string {
  if (err === "BlockhashNotFound") return "Blockhash not found";
  return typeof err === "string" ? err : `Error processing Instruction: ${JSON.stringify(err)}`;
}

function decodeTransaction(wire: Uint8Array): ReturnType<ReturnType<typeof getTransactionDecoder>["decode"]> {
  try {
    return getTransactionDecoder().decode(wire);
  } catch {
    throw new RpcError(INVALID_PARAMS, "failed to deserialize solana_transaction::versioned::VersionedTransaction");
  }
}

function decodeMessage(bytes: Uint8Array): Decoded {
  let compiled: ReturnType<ReturnType<typeof getCompiledTransactionMessageDecoder>["decode"]>;
  try {
    compiled = getCompiledTransactionMessageDecoder().decode(bytes);
  } catch {
    throw new RpcError(INVALID_PARAMS, "failed to deserialize solana_message::versions::VersionedMessage");
  }
  if (compiled.version === 1) throw new RpcError(INVALID_PARAMS, "this development node knows no version 1");
  const { header, staticAccounts: accounts, instructions, lifetimeToken } = compiled;
  const { numSignerAccounts, numReadonlySignerAccounts, numReadonlyNonSignerAccounts } = header;
  const isWritable = (at: number): boolean =>
    at < numSignerAccounts
      ? at < numSignerAccounts - numReadonlySignerAccounts
      : at < accounts.length - numReadonlyNonSignerAccounts;
  const signers: readonly string[] = accounts.slice(0, numSignerAccounts);
  return {
    payer: accounts[0] ?? "",
    blockhash: lifetimeToken,
    signers,
    writable: new Set<string>(accounts.filter((_, at) => isWritable(at))),
    calls: instructions.map(({ programAddressIndex, accountIndices = [], data = new Uint8Array() }) => ({
      program: accounts[programAddressIndex] ?? "",
      accounts: accountIndices.map((at) => accounts[at] ?? ""),
      data: new Uint8Array(data),
      signers: new Set(signers),
    })),
  };
}

function isSigned(signer: string, message: Uint8Array, signature: Uint8Array | null | undefined): boolean {
  if (!signature) return false;
  const key = createPublicKey({ key: Buffer.concat([ED25519_HEADER, pubkey(signer)]), format: "der", type: "spki" });
  return verify(null, message, key, signature);
}
