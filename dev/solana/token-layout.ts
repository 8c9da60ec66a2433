// Development stand-in for the two token programs: the bytes of their accounts, and where a wallet's own one is.
// Token-2022 puts a byte that tells what it is, and then its extensions, behind what the older program has.
import { createHash } from "node:crypto";
import { type Address, isOffCurveAddress } from "@solana/addresses";
import bs58 from "bs58";
import { pubkey, rentExemption } from "./core-layout.ts";
import type { Account } from "./ledger.ts";

export const TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
export const TOKEN_2022_PROGRAM = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";
export const TOKEN_PROGRAMS: readonly string[] = [TOKEN_PROGRAM, TOKEN_2022_PROGRAM];
export const ASSOCIATED_TOKEN_PROGRAM = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";

const MINT_LENGTH = 82;
const ACCOUNT_LENGTH = 165;
const MINT = { supply: 36, decimals: 44, initialized: 45 } as const;
const ACCOUNT = { mint: 0, owner: 32, amount: 64, state: 108 } as const;
const KIND_MINT = 1;
const KIND_ACCOUNT = 2;
const IMMUTABLE_OWNER = 7;
const INITIALIZED = 1;
const FROZEN = 2;

export interface Mint {
  readonly decimals: number;
  readonly supply?: bigint;
  readonly program?: string;
  /** Of Token-2022: its extensions, by number. */
  readonly extensions?: readonly (readonly [number, Uint8Array])[];
}

export interface TokenAccount {
  readonly mint: string;
  readonly owner: string;
  readonly amount: bigint;
  readonly frozen?: boolean;
}

export function mintAccount({ decimals, supply = 0n, program = TOKEN_PROGRAM, extensions = [] }: Mint): Account {
  const plain = new Uint8Array(MINT_LENGTH);
  new DataView(plain.buffer).setBigUint64(MINT.supply, supply, true);
  plain[MINT.decimals] = decimals;
  plain[MINT.initialized] = 1;
  return programAccount(program, extensions.length === 0 ? plain : extended(plain, KIND_MINT, extensions));
}

export function newTokenAccount(token: TokenAccount, program = TOKEN_PROGRAM): Account {
  const plain = new Uint8Array(ACCOUNT_LENGTH);
  plain.set(pubkey(token.mint), ACCOUNT.mint);
  plain.set(pubkey(token.owner), ACCOUNT.owner);
  plain[ACCOUNT.state] = token.frozen === true ? FROZEN : INITIALIZED;
  const own: [number, Uint8Array][] = [[IMMUTABLE_OWNER, new Uint8Array()]];
  const data = program === TOKEN_PROGRAM ? plain : extended(plain, KIND_ACCOUNT, own);
  return programAccount(program, withAmount(data, token.amount));
}

/** What a token account says; null for any other. */
export function tokenAccount({ owner: program, data }: Account): Required<TokenAccount> | null {
  const isPlain = data.length === ACCOUNT_LENGTH;
  const isOne = TOKEN_PROGRAMS.includes(program) && (isPlain || data[ACCOUNT_LENGTH] === KIND_ACCOUNT);
  if (!isOne || data[ACCOUNT.state] === 0) return null;
  const key = (at: number): string => bs58.encode(data.subarray(at, at + 32));
  const amount = viewOf(data).getBigUint64(ACCOUNT.amount, true);
  return { mint: key(ACCOUNT.mint), owner: key(ACCOUNT.owner), amount, frozen: data[ACCOUNT.state] === FROZEN };
}

export function decimalsOf({ owner, data }: Account): number | null {
  const isOne = TOKEN_PROGRAMS.includes(owner) && (data.length === MINT_LENGTH || data[ACCOUNT_LENGTH] === KIND_MINT);
  return isOne ? (data[MINT.decimals] ?? null) : null;
}

export function withAmount(data: Uint8Array, amount: bigint): Uint8Array {
  const copy = new Uint8Array(data);
  viewOf(copy).setBigUint64(ACCOUNT.amount, amount, true);
  return copy;
}

export function associatedTokenAddress(wallet: string, mint: string, program = TOKEN_PROGRAM): string {
  return derivedAddress([pubkey(wallet), pubkey(program), pubkey(mint)], ASSOCIATED_TOKEN_PROGRAM);
}

/** The address that a program derives from seeds: the first that is no key. */
export function derivedAddress(seeds: readonly Uint8Array[], program: string): string {
  for (let bump = 255; bump >= 0; bump--) {
    const hash = createHash("sha256");
    for (const seed of [...seeds, Uint8Array.of(bump), pubkey(program)]) hash.update(seed);
    const address = bs58.encode(hash.update("ProgramDerivedAddress").digest());
    if (isOffCurveAddress(address as Address)) return address;
  }
  throw new Error("no bump is off the curve");
}

function extended(plain: Uint8Array, kind: number, extensions: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  const parts = extensions.map(([type, value]) => {
    const head = new Uint8Array(4);
    viewOf(head).setUint16(0, type, true);
    viewOf(head).setUint16(2, value.length, true);
    return Buffer.concat([head, value]);
  });
  const padding = new Uint8Array(ACCOUNT_LENGTH - plain.length);
  return new Uint8Array(Buffer.concat([plain, padding, Uint8Array.of(kind), ...parts]));
}

function programAccount(program: string, data: Uint8Array): Account {
  return { lamports: rentExemption(data.length), owner: program, data, executable: false };
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
