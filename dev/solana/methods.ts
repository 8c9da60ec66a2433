// Development stand-in: the read methods of a Solana node over the development ledger.
// Texts and codes of errors are those of Agave, so that a client meets here what it will meet there.
import { zstdCompressSync } from "node:zlib";
import bs58 from "bs58";
import { rentExemption } from "./core-layout.ts";
import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  isObject,
  type Json,
  type Method,
  MIN_CONTEXT_SLOT_NOT_REACHED,
  RpcError,
} from "./json-rpc.ts";
import { type Account, COMMITMENTS, type Commitment } from "./ledger.ts";
import { TOKEN_PROGRAMS, tokenAccount } from "./token-layout.ts";
import { BLOCKHASH_LIFETIME, blockhashOf, type Transactions } from "./transactions.ts";

/** What one endpoint knows of the ledger: a misbehaving one knows something else. */
export interface View {
  slot(commitment: Commitment): number;
  account(address: string, slot: number): Account | null;
  accounts(slot: number): Iterable<[string, Account]>;
  readonly transactions: Transactions;
}

interface Config {
  readonly commitment: Commitment;
  readonly minContextSlot: number | null;
  readonly encoding: Encoding | null;
  readonly dataSlice: { readonly offset: number; readonly length: number } | null;
}

const ENCODINGS = ["binary", "base58", "base64", "jsonParsed", "base64+zstd"] as const;
type Encoding = (typeof ENCODINGS)[number];

const API_VERSION = "3.1.14";
const FEATURE_SET = 3_640_012_085;
const MAX_MULTIPLE_ACCOUNTS = 100;
const MAX_BASE58_BYTES = 128;
const MAX_STATUSES = 256;
const MAX_TRANSACTION_BYTES = 1232;
/** u64::MAX as a bare JSON number, which a double can't hold. The type of JSON.rawJSON is not in TypeScript's library. */
const RENT_EPOCH = (JSON as unknown as { rawJSON(text: string): object }).rawJSON("18446744073709551615");

export function methodsOf(view: View): (name: string) => Method | undefined {
  const methods = new Map<string, Method>([
    ["getAccountInfo", (params) => getAccountInfo(view, params)],
    ["getMultipleAccounts", (params) => getMultipleAccounts(view, params)],
    ["getBalance", (params) => getBalance(view, params)],
    ["getLatestBlockhash", (params) => getLatestBlockhash(view, params)],
    ["getTokenAccountsByOwner", (params) => getTokenAccountsByOwner(view, params)],
    ["getMinimumBalanceForRentExemption", (params) => rentExemption(unsigned(required(params, 0)) ?? 0)],
    ["getFeeForMessage", (params) => getFeeForMessage(view, params)],
    ["sendTransaction", (params) => sendTransaction(view, params)],
    ["getSignatureStatuses", (params) => getSignatureStatuses(view, params)],
    ["getSlot", (params) => contextSlot(view, config(params[0]))],
    ["getHealth", () => "ok"],
    ["getVersion", () => ({ "feature-set": FEATURE_SET, "solana-core": API_VERSION })],
  ]);
  return (name) => methods.get(name);
}

function getAccountInfo(view: View, params: readonly Json[]): object {
  const address = addressOf(required(params, 0));
  const options = config(params[1]);
  const slot = contextSlot(view, options);
  return withContext(slot, encodeAccount(view.account(address, slot), options.encoding ?? "binary", options));
}

function getMultipleAccounts(view: View, params: readonly Json[]): object {
  const list = required(params, 0);
  if (!Array.isArray(list)) throw invalidParams("Invalid params: invalid type, expected a sequence.");
  if (list.length > MAX_MULTIPLE_ACCOUNTS) {
    throw invalidParams(`Too many inputs provided; max ${MAX_MULTIPLE_ACCOUNTS}`);
  }
  const addresses = list.map((entry) => addressOf(entry));
  const options = config(params[1]);
  const slot = contextSlot(view, options);
  const encoding = options.encoding ?? "base64";
  return withContext(
    slot,
    addresses.map((address) => encodeAccount(view.account(address, slot), encoding, options)),
  );
}

function getBalance(view: View, params: readonly Json[]): object {
  const address = addressOf(required(params, 0));
  const slot = contextSlot(view, config(params[1]));
  return withContext(slot, view.account(address, slot)?.lamports ?? 0);
}

function getLatestBlockhash(view: View, params: readonly Json[]): object {
  const slot = contextSlot(view, config(params[0]));
  return withContext(slot, { blockhash: blockhashOf(slot), lastValidBlockHeight: slot + BLOCKHASH_LIFETIME });
}

function getTokenAccountsByOwner(view: View, params: readonly Json[]): object {
  const owner = addressOf(required(params, 0));
  const filter = required(params, 1);
  const options = config(params[2]);
  const slot = contextSlot(view, options);
  if (!isObject(filter)) throw invalidParams("Invalid params: invalid type, expected a filter.");
  const [program, mint] = [filter.programId, filter.mint].map((value) =>
    value === undefined ? null : addressOf(value),
  );
  if (program === null && mint === null) throw invalidParams("Invalid param: missing filter");
  if (program !== null && !TOKEN_PROGRAMS.includes(program ?? ""))
    throw invalidParams("Invalid param: unrecognized Token program id");
  const found: object[] = [];
  for (const [pubkey, account] of view.accounts(slot)) {
    const token = tokenAccount(account);
    if (token?.owner !== owner || (program !== null && account.owner !== program)) continue;
    if (mint !== null && token.mint !== mint) continue;
    found.push({ pubkey, account: encodeAccount(account, options.encoding ?? "binary", options) });
  }
  return withContext(slot, found);
}

function getFeeForMessage(view: View, params: readonly Json[]): object {
  const slot = contextSlot(view, config(params[1]));
  return withContext(slot, view.transactions.fee(base64(required(params, 0), "Message"), slot));
}

function sendTransaction(view: View, params: readonly Json[]): string {
  const wire = required(params, 0);
  const options = isObject(params[1]) ? params[1] : {};
  if (options.encoding !== "base64") throw invalidParams("this development node takes transactions as base64 only");
  const level = variant(options.preflightCommitment, COMMITMENTS) ?? "finalized";
  return view.transactions.send(base64(wire, "VersionedTransaction"), level, options.skipPreflight === true);
}

function getSignatureStatuses(view: View, params: readonly Json[]): object {
  const list = required(params, 0);
  if (!Array.isArray(list)) throw invalidParams("Invalid params: invalid type, expected a sequence.");
  if (list.length > MAX_STATUSES) throw invalidParams(`Too many inputs provided; max ${MAX_STATUSES}`);
  const slot = view.slot("processed");
  return withContext(
    slot,
    list.map((signature) => {
      const landed = view.transactions.status(String(signature), slot);
      if (landed === null) return null;
      const level = (["finalized", "confirmed", "processed"] as const).find((it) => view.slot(it) >= landed.slot);
      const { err } = landed;
      const status = err === null ? { Ok: null } : { Err: err };
      const confirmations = level === "finalized" ? null : slot - landed.slot;
      return { slot: landed.slot, confirmations, err, status, confirmationStatus: level ?? "processed" };
    }),
  );
}

function base64(value: Json, what: string): Uint8Array {
  if (typeof value !== "string") throw invalidParams("Invalid params: invalid type, expected a string.");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw invalidParams("invalid base64 encoding: InvalidByte");
  const bytes = Buffer.from(value, "base64");
  if (bytes.length > MAX_TRANSACTION_BYTES) {
    throw invalidParams(
      `decoded solana_transaction::versioned::${what} too large: ${bytes.length} bytes (max: encoded/raw 1644/1232)`,
    );
  }
  return new Uint8Array(bytes);
}

function contextSlot(view: View, { commitment, minContextSlot }: Config): number {
  const slot = view.slot(commitment);
  if (minContextSlot !== null && slot < minContextSlot) {
    throw new RpcError(MIN_CONTEXT_SLOT_NOT_REACHED, "Minimum context slot has not been reached", {
      contextSlot: slot,
    });
  }
  return slot;
}

function encodeAccount(account: Account | null, encoding: Encoding, { dataSlice }: Config): object | null {
  if (account === null) return null;
  const { data, lamports, owner, executable } = account;
  const slice = dataSlice ? data.subarray(dataSlice.offset, dataSlice.offset + dataSlice.length) : data;
  return {
    data: encodeData(slice, encoding),
    executable,
    lamports,
    owner,
    rentEpoch: RENT_EPOCH,
    space: data.length,
  };
}

function encodeData(data: Uint8Array, encoding: Encoding): string | [string, string] {
  switch (encoding) {
    case "binary":
      return toBase58(data);
    case "base58":
      return [toBase58(data), encoding];
    case "base64+zstd":
      return [zstdCompressSync(data).toString("base64"), encoding];
    // A node has no parser for this program's accounts and then answers base64.
    case "jsonParsed":
    case "base64":
      return [Buffer.from(data).toString("base64"), "base64"];
  }
}

function toBase58(data: Uint8Array): string {
  if (data.length > MAX_BASE58_BYTES) {
    throw new RpcError(
      INVALID_REQUEST,
      `Encoded binary (base 58) data should be less than ${MAX_BASE58_BYTES} bytes, please use Base64 encoding.`,
    );
  }
  return bs58.encode(data);
}

function config(value: Json | undefined): Config {
  if (value === undefined || value === null) {
    return { commitment: "finalized", minContextSlot: null, encoding: null, dataSlice: null };
  }
  if (!isObject(value)) throw invalidParams("Invalid params: invalid type, expected a configuration object.");
  return {
    commitment: variant(value.commitment, COMMITMENTS) ?? "finalized",
    minContextSlot: unsigned(value.minContextSlot),
    encoding: variant(value.encoding, ENCODINGS),
    dataSlice: dataSlice(value.dataSlice),
  };
}

function dataSlice(value: Json | undefined): Config["dataSlice"] {
  if (value === undefined || value === null) return null;
  const [offset, length] = isObject(value) ? [unsigned(value.offset), unsigned(value.length)] : [null, null];
  if (offset === null) throw invalidParams("Invalid params: missing field `offset`.");
  if (length === null) throw invalidParams("Invalid params: missing field `length`.");
  return { offset, length };
}

function variant<T extends string>(value: Json | undefined, variants: readonly T[]): T | null {
  if (value === undefined || value === null) return null;
  const known = variants.find((candidate) => candidate === value);
  if (known !== undefined) return known;
  const expected = variants.map((candidate) => `\`${candidate}\``).join(", ");
  throw invalidParams(`Invalid params: unknown variant \`${String(value)}\`, expected one of ${expected}.`);
}

function unsigned(value: Json | undefined): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw invalidParams("Invalid params: invalid value, expected u64.");
}

function addressOf(value: Json): string {
  if (typeof value !== "string") throw invalidParams("Invalid params: invalid type, expected a string.");
  const bytes = bs58.decodeUnsafe(value);
  if (bytes === undefined) throw invalidParams("Invalid param: Invalid");
  if (bytes.length !== 32) throw invalidParams("Invalid param: WrongSize");
  return value;
}

function required(params: readonly Json[], index: number): Json {
  const value = params[index];
  if (value === undefined) throw invalidParams(`\`params\` should have at least ${index + 1} argument(s)`);
  return value;
}

function withContext(slot: number, value: unknown): object {
  return { context: { apiVersion: API_VERSION, slot }, value };
}

function invalidParams(message: string): RpcError {
  return new RpcError(INVALID_PARAMS, message);
}
