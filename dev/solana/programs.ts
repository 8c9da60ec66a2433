// Development stand-in: as much of the System, token, associated token, Memo and Metaplex Core programs as the agent's wallet
// has to do with. Each fails as the real one does, by the same number.
import { assetOwner, CORE_PROGRAM, isAsset, pubkey, rentExemption, SYSTEM_PROGRAM } from "./core-layout.ts";
import type { Json } from "./json-rpc.ts";
import type { Account } from "./ledger.ts";
import {
  ASSOCIATED_TOKEN_PROGRAM,
  associatedTokenAddress,
  decimalsOf,
  derivedAddress,
  newTokenAccount,
  TOKEN_PROGRAMS,
  tokenAccount,
  withAmount,
} from "./token-layout.ts";

export const MEMO_PROGRAM = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";
/** What the Core program takes for each ExecuteV1. */
export const EXECUTE_FEE = 48_720;

const SYSTEM_TRANSFER = 2;
const TRANSFER_CHECKED = 12;
const CREATE_IDEMPOTENT = 1;
const EXECUTE = 31;
const EXECUTE_ACCOUNTS = 7;

export interface Call {
  readonly program: string;
  readonly accounts: readonly string[];
  readonly data: Uint8Array;
  /** Who signed, or is signed for by the program that calls. */
  readonly signers: ReadonlySet<string>;
}

export interface Bank {
  read(address: string): Account | null;
  write(address: string, account: Account): void;
}

export class InstructionError extends Error {
  readonly err: Json;

  constructor(err: Json) {
    super(JSON.stringify(err));
    this.err = err;
  }
}

const custom = (code: number): InstructionError => new InstructionError({ Custom: code });

export function invoke(bank: Bank, call: Call): void {
  if (call.program === SYSTEM_PROGRAM) return systemTransfer(bank, call);
  if (call.program === CORE_PROGRAM) return execute(bank, call);
  if (call.program === ASSOCIATED_TOKEN_PROGRAM) return createAssociated(bank, call);
  if (call.program === MEMO_PROGRAM) return memo(call);
  if (TOKEN_PROGRAMS.includes(call.program)) return transferChecked(bank, call);
  throw new InstructionError("UnsupportedProgramId");
}

function systemTransfer(bank: Bank, { accounts, data, signers }: Call): void {
  const [from = "", to = ""] = accounts;
  if (accounts.length < 2) throw new InstructionError("NotEnoughAccountKeys");
  if (data.length !== 12 || viewOf(data).getUint32(0, true) !== SYSTEM_TRANSFER) {
    throw new InstructionError("InvalidInstructionData");
  }
  move(bank, { from, to, lamports: viewOf(data).getBigUint64(4, true), signers });
}

interface Move {
  readonly from: string;
  readonly to: string;
  readonly lamports: bigint;
  readonly signers: ReadonlySet<string>;
}

function move(bank: Bank, { from, to, lamports, signers }: Move): void {
  if (!signers.has(from)) throw new InstructionError("MissingRequiredSignature");
  const source = bank.read(from) ?? empty();
  if (source.data.length > 0) throw new InstructionError("InvalidArgument");
  if (source.owner !== SYSTEM_PROGRAM) throw new InstructionError("ExternalAccountLamportSpend");
  if (BigInt(source.lamports) < lamports) throw custom(1);
  bank.write(from, { ...source, lamports: source.lamports - Number(lamports) });
  const target = bank.read(to) ?? empty();
  bank.write(to, { ...target, lamports: target.lamports + Number(lamports) });
}

function transferChecked(bank: Bank, { program, accounts, data, signers }: Call): void {
  const [source = "", mint = "", destination = "", authority = ""] = accounts;
  if (data[0] !== TRANSFER_CHECKED || data.length !== 10) throw new InstructionError("InvalidInstructionData");
  const [from, to] = [source, destination].map((address) => {
    const account = bank.read(address);
    if (account?.owner !== program) throw new InstructionError("IncorrectProgramId");
    const token = tokenAccount(account);
    if (token === null) throw new InstructionError("InvalidAccountData");
    return { account, token };
  });
  const minted = bank.read(mint);
  if (!from || !to || minted === null) throw new InstructionError("InvalidAccountData");
  const amount = viewOf(data).getBigUint64(1, true);
  if (from.token.frozen || to.token.frozen) throw custom(17);
  if (from.token.amount < amount) throw custom(1);
  if (from.token.mint !== mint || to.token.mint !== mint) throw custom(3);
  if (decimalsOf(minted) !== data[9]) throw custom(18);
  if (from.token.owner !== authority) throw custom(4);
  if (!signers.has(authority)) throw new InstructionError("MissingRequiredSignature");
  if (source === destination) return;
  bank.write(source, { ...from.account, data: withAmount(from.account.data, from.token.amount - amount) });
  bank.write(destination, { ...to.account, data: withAmount(to.account.data, to.token.amount + amount) });
}

function createAssociated(bank: Bank, { accounts, data, signers }: Call): void {
  const [payer = "", address = "", wallet = "", mint = "", , program = ""] = accounts;
  const minted = bank.read(mint);
  if (minted?.owner !== program || decimalsOf(minted) === null) throw new InstructionError("IncorrectProgramId");
  if (address !== associatedTokenAddress(wallet, mint, program)) throw new InstructionError("InvalidSeeds");
  const before = bank.read(address);
  if (before !== null && before.owner !== SYSTEM_PROGRAM) {
    const isTheirs = data[0] === CREATE_IDEMPOTENT && tokenAccount(before)?.owner === wallet;
    if (isTheirs) return;
    throw new InstructionError(data[0] === CREATE_IDEMPOTENT ? { Custom: 0 } : "IllegalOwner");
  }
  const made = newTokenAccount({ mint, owner: wallet, amount: 0n }, program);
  const lamports = BigInt(Math.max(0, rentExemption(made.data.length) - (before?.lamports ?? 0)));
  move(bank, { from: payer, to: address, lamports, signers });
  bank.write(address, { ...made, lamports: bank.read(address)?.lamports ?? 0 });
}

function memo({ accounts, data, signers }: Call): void {
  if (!accounts.every((address) => signers.has(address))) throw new InstructionError("MissingRequiredSignature");
  new TextDecoder("utf-8", { fatal: true }).decode(data);
}

/** ExecuteV1: one instruction in the name of the asset's signer, if the asset's owner signed. */
function execute(bank: Bank, { accounts, data, signers }: Call): void {
  if (accounts.length < EXECUTE_ACCOUNTS) throw new InstructionError("NotEnoughAccountKeys");
  if (data[0] !== EXECUTE) throw new InstructionError("InvalidInstructionData");
  const [asset = "", collection = "", signer = "", payer = "", named = "", , program = "", ...rest] = accounts;
  const authority = named === CORE_PROGRAM ? payer : named;
  const length = viewOf(data).getUint32(1, true);
  if (data.length !== 5 + length) throw new InstructionError("InvalidInstructionData");
  if (!signers.has(payer) || !signers.has(authority)) throw new InstructionError("MissingRequiredSignature");
  const account = bank.read(asset);
  if (account?.owner !== CORE_PROGRAM) throw custom(24);
  if (!isAsset(account.data)) throw custom(1);
  const membership = Buffer.concat([Uint8Array.of(2), pubkey(collection)]);
  if (Buffer.compare(account.data.subarray(33, 66), membership) !== 0) throw custom(25);
  if (signer !== derivedAddress([new TextEncoder().encode("mpl-core-execute"), pubkey(asset)], CORE_PROGRAM)) {
    throw new InstructionError("InvalidSeeds");
  }
  if (assetOwner(account.data) !== authority) throw custom(26);
  move(bank, { from: payer, to: asset, lamports: BigInt(EXECUTE_FEE), signers });
  invoke(bank, { program, accounts: rest, data: data.slice(5), signers: new Set([...signers, signer]) });
}

function empty(): Account {
  return { lamports: 0, owner: SYSTEM_PROGRAM, data: new Uint8Array(), executable: false };
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
