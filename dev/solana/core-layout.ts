// Development stand-in for the Metaplex Core program: the bytes of its accounts, without plugins.
// Integers are little-endian, strings carry a u32 length, options a u8 flag (Borsh).
import bs58 from "bs58";

export const CORE_PROGRAM = "CoREENxT6tW1HoK8ypY1SxRMZTcVPm7R94rH4PZNhX7d";
export const SYSTEM_PROGRAM = "11111111111111111111111111111111";
/** What the program leaves of a burned asset: one byte, key 0 (Uninitialized). */
export const BURNED_DATA: Uint8Array = Uint8Array.of(0);

const KEY_ASSET_V1 = 1;
const KEY_COLLECTION_V1 = 5;
const OWNER_OFFSET = 1;
const PUBKEY_LENGTH = 32;

export type UpdateAuthority =
  | { readonly kind: "none" }
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "collection"; readonly address: string };

export interface AssetFields {
  readonly owner: string;
  readonly updateAuthority: UpdateAuthority;
  readonly name: string;
  readonly uri: string;
  /** Sequence number of compressed assets; null for every other. */
  readonly seq?: bigint | null;
}

export interface CollectionFields {
  readonly updateAuthority: string;
  readonly name: string;
  readonly uri: string;
  readonly numMinted: number;
  readonly currentSize: number;
}

export function encodeAsset(fields: AssetFields): Uint8Array {
  const seq = fields.seq ?? null;
  return concat(
    u8(KEY_ASSET_V1),
    pubkey(fields.owner),
    encodeUpdateAuthority(fields.updateAuthority),
    string(fields.name),
    string(fields.uri),
    seq === null ? u8(0) : concat(u8(1), u64(seq)),
  );
}

export function encodeCollection(fields: CollectionFields): Uint8Array {
  return concat(
    u8(KEY_COLLECTION_V1),
    pubkey(fields.updateAuthority),
    string(fields.name),
    string(fields.uri),
    u32(fields.numMinted),
    u32(fields.currentSize),
  );
}

/** True for the data of an asset that still exists. */
export function isAsset(data: Uint8Array): boolean {
  return data[0] === KEY_ASSET_V1 && data.length >= OWNER_OFFSET + PUBKEY_LENGTH;
}

export function assetOwner(data: Uint8Array): string {
  if (!isAsset(data)) throw new Error("not the data of an asset");
  return bs58.encode(data.subarray(OWNER_OFFSET, OWNER_OFFSET + PUBKEY_LENGTH));
}

/** The same asset with another owner; plugins, if any, stay as they are. */
export function withOwner(data: Uint8Array, owner: string): Uint8Array {
  if (!isAsset(data)) throw new Error("not the data of an asset");
  const copy = new Uint8Array(data);
  copy.set(pubkey(owner), OWNER_OFFSET);
  return copy;
}

/** Lamports that keep an account of this size alive. */
export function rentExemption(dataLength: number): number {
  const ACCOUNT_OVERHEAD = 128;
  const LAMPORTS_PER_BYTE = 6960;
  return (ACCOUNT_OVERHEAD + dataLength) * LAMPORTS_PER_BYTE;
}

/** The 32 bytes of an address; throws on anything else. */
export function pubkey(address: string): Uint8Array {
  const bytes = bs58.decodeUnsafe(address);
  if (bytes?.length !== PUBKEY_LENGTH) throw new Error(`not an address: ${address.slice(0, 64)}`);
  return bytes;
}

function encodeUpdateAuthority(authority: UpdateAuthority): Uint8Array {
  switch (authority.kind) {
    case "none":
      return u8(0);
    case "address":
      return concat(u8(1), pubkey(authority.address));
    case "collection":
      return concat(u8(2), pubkey(authority.address));
  }
}

function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

function string(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  return concat(u32(bytes.length), bytes);
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
