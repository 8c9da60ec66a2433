// An owner who has the agent's wallet do things: what is prepared is read and signed by Solana's own library.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { getTransactionDecoder, getTransactionEncoder } from "@solana/transactions";
import bs58 from "bs58";
import { type DevKeypair, devKeypair } from "../../dev/solana/accounts.ts";
import { CORE_PROGRAM, pubkey } from "../../dev/solana/core-layout.ts";
import {
  associatedTokenAddress,
  derivedAddress,
  type Mint,
  mintAccount,
  newTokenAccount,
  TOKEN_PROGRAM,
} from "../../dev/solana/token-layout.ts";
import { Owned } from "./agent.ts";
import type { Answer } from "./http.ts";
import type { Signer } from "./memo.ts";
import type { TestStack } from "./stack.ts";

export const SOL = 1_000_000_000;

export interface Prepared {
  readonly transaction: string;
  readonly chain: string;
  readonly blockhash: string;
  readonly lastValidBlockHeight: number;
  readonly expiresAt: string;
  readonly fee: { readonly network: string; readonly program: string; readonly rent: string; readonly total: string };
  readonly summary: readonly string[];
  readonly notes: readonly string[];
}

export function walletOf(asset: string): string {
  return derivedAddress([new TextEncoder().encode("mpl-core-execute"), pubkey(asset)], CORE_PROGRAM);
}

/** An address that somebody has the key of, and nobody has used. */
export async function newWallet(): Promise<DevKeypair> {
  return devKeypair(`wallet:${randomBytes(8).toString("hex")}`);
}

export class AgentWallet {
  readonly owned: Owned;
  readonly address: string;
  readonly path: string;
  readonly #stack: TestStack;

  constructor(stack: TestStack, owned: Owned) {
    this.owned = owned;
    this.address = walletOf(owned.asset);
    this.path = `${owned.path}/wallet`;
    this.#stack = stack;
  }

  /** The wallet of a domain that nobody used before, with so many lamports in it. */
  static async ofNew(stack: TestStack, name: string, lamports = SOL): Promise<AgentWallet> {
    const wallet = new AgentWallet(stack, await Owned.ofNew(stack, name));
    if (lamports > 0) stack.rpc.control.setBalance(wallet.address, lamports);
    return wallet;
  }

  /** Gives it so many base units of a new token. */
  async holdTokens(amount: bigint, mint: Mint, { frozen = false } = {}): Promise<string> {
    const { address } = await newWallet();
    const program = mint.program ?? TOKEN_PROGRAM;
    const held = newTokenAccount({ mint: address, owner: this.address, amount, frozen }, program);
    this.#stack.rpc.control.setAccount(address, mintAccount(mint));
    this.#stack.rpc.control.setAccount(associatedTokenAddress(this.address, address, program), held);
    return address;
  }

  read(): Promise<Answer> {
    return this.owned.client.get(this.path);
  }

  ask(plan: object): Promise<Answer> {
    return this.owned.client.post(`${this.path}/transactions`, plan);
  }

  async prepare(plan: object): Promise<Prepared> {
    const answer = await this.ask(plan);
    assert.equal(answer.status, 201, answer.text);
    return answer.json();
  }

  send(transaction: string): Promise<Answer> {
    return this.owned.client.post(`${this.path}/transactions/send`, { transaction });
  }

  async transactions(): Promise<{ state: string; signature: string | null; summary: string[] }[]> {
    const answer = await this.owned.client.get(`${this.path}/transactions`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json().transactions;
  }

  balance(address: string): number {
    return this.#stack.rpc.ledger.account(address, this.#stack.rpc.ledger.slot("processed"))?.lamports ?? 0;
  }
}

/** The transaction with this wallet's signature in its one place, whoever's that is. */
export async function signedBy(signer: Signer, transaction: string): Promise<string> {
  const { messageBytes, signatures } = getTransactionDecoder().decode(Buffer.from(transaction, "base64"));
  const signature = await signer.sign(new Uint8Array(messageBytes));
  const [place = ""] = Object.keys(signatures);
  const all = { [place]: signature } as typeof signatures;
  return Buffer.from(getTransactionEncoder().encode({ messageBytes, signatures: all })).toString("base64");
}

export function signatureOf(transaction: string): string {
  return bs58.encode(Buffer.from(transaction, "base64").subarray(1, 65));
}
