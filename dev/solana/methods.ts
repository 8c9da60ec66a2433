// Development stand-in: the read methods of a Solana node over the development ledger.
// Texts and codes of errors are those of Agave, so that a client meets here what it will meet there.
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import bs58 from "bs58";
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

/** What one endpoint knows of the ledger: a misbehaving one knows something else. */
export interface View {
  slot(commitment: Commitment): number;
  account(address: string, slot: number): Account | null;
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
const BLOCKHASH_LIFETIME = 150;
/** u64::MAX as a bare JSON number, which a double can't hold. The type of JSON.rawJSON is not in TypeScript's library. */
const RENT_EPOCH = (JSON as unknown as { rawJSON(text: string): object }).rawJSON("18446744073709551615");

export function methodsOf(view: View): (name: string) => Method | undefined {
  const methods = new Map<string, Method>([
    ["getAccountInfo", (params) => getAccountInfo(view, params)],
    ["getMultipleAccounts", (params) => getMultipleAccounts(view, params)],
    ["getBalance", (params) => getBalance(view, params)],
    ["getLatestBlockhash", (params) => getLatestBlockhash(view, params)],
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
  const blockhash = bs58.encode(createHash("sha256").update(`multiclaw-dev:block:${slot}`).digest());
  return withContext(slot, { blockhash, lastValidBlockHeight: slot + BLOCKHASH_LIFETIME });
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
