// The index of an incremental snapshot: which chunks, in their order, are the tar of the state, and in which pack each lies.
// It comes back from outside, so it is read as what anybody may have written.
import { createHash } from "node:crypto";
import zlib from "node:zlib";

import { MIN_CHUNK } from "./chunks.mjs";
import { asObject } from "./config.mjs";
import { AgentError } from "./errors.mjs";
import { MAX_ARCHIVE_BYTES, MAX_PACKS, MAX_UNPACKED } from "./limits.mjs";

export const INCREMENTAL_FORMAT = 2;
const MAX_CHUNKS = Math.ceil(MAX_UNPACKED / MIN_CHUNK);
const MAX_HEADER = 64 * 1024;
const HASH = 32;
/** Hash, number of the pack, place and length in it. */
const RECORD = HASH + 1 + 4 + 4;
/** Also unpacked. */
export const MAX_INDEX_BYTES = 4 + MAX_HEADER + MAX_CHUNKS * RECORD;
const MALFORMED = "the index is malformed";

/**
 * @typedef {{id: string, size: number, sha256: string}} Pack
 * @typedef {object} Chunk
 * @property {string} hash its SHA-256, a character for each byte
 * @property {number} pack number in the list of packs
 * @property {number} offset @property {number} length
 * @typedef {{packs: Pack[], chunks: Chunk[]}} Index
 */

/**
 * @param {Index} index
 * @returns {Buffer}
 */
export function encodeIndex({ packs, chunks }) {
  const header = Buffer.from(JSON.stringify({ format: INCREMENTAL_FORMAT, packs, chunks: chunks.length }));
  if (header.length > MAX_HEADER || chunks.length > MAX_CHUNKS) throw new AgentError("the index is too large");
  const bytes = Buffer.alloc(4 + header.length + chunks.length * RECORD);
  bytes.writeUInt32LE(header.length, 0);
  header.copy(bytes, 4);
  const place = placesIn(4 + header.length, chunks.length);
  const ends = packs.map(() => 0);
  for (const [number, { hash, pack, offset, length }] of chunks.entries()) {
    const at = place(number);
    bytes.write(hash, at.hash, "latin1");
    bytes[at.pack] = pack;
    // Told from where the one before ended, it mostly is 0, and costs nothing.
    bytes.writeUInt32LE((offset - (ends[pack] ?? 0)) >>> 0, at.offset);
    bytes.writeUInt32LE(length, at.length);
    ends[pack] = offset + length;
  }
  return zlib.zstdCompressSync(bytes);
}

/**
 * @param {Buffer} encoded
 * @returns {Index}
 */
export function decodeIndex(encoded) {
  let bytes;
  try {
    bytes = zlib.zstdDecompressSync(encoded, { maxOutputLength: MAX_INDEX_BYTES });
  } catch {
    throw new AgentError("the index can't be unpacked");
  }
  const length = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  const { packs, count } = parseHeader(bytes.subarray(4, 4 + Math.min(length, MAX_HEADER)));
  if (bytes.length !== 4 + length + count * RECORD) throw new AgentError(MALFORMED);
  const place = placesIn(4 + length, count);
  const ends = packs.map(() => 0);
  /** @type {Chunk[]} */
  const chunks = [];
  for (let number = 0; number < count; number += 1) {
    const at = place(number);
    const pack = bytes[at.pack] ?? 0;
    const offset = ((ends[pack] ?? 0) + bytes.readUInt32LE(at.offset)) % 2 ** 32;
    const length = bytes.readUInt32LE(at.length);
    const size = packs[pack]?.size ?? 0;
    if (length === 0 || offset + length > size) throw new AgentError("the index names a chunk outside of its pack");
    ends[pack] = offset + length;
    chunks.push({ hash: bytes.toString("latin1", at.hash, at.hash + HASH), pack, offset, length });
  }
  return { packs, chunks };
}

/** @param {Buffer} bytes */
function parseHeader(bytes) {
  let header;
  try {
    header = asObject(JSON.parse(bytes.toString("utf8")));
  } catch {
    throw new AgentError(MALFORMED);
  }
  if (header?.format !== INCREMENTAL_FORMAT) throw new AgentError("the index has a format that is not known here");
  const { packs, chunks } = header;
  const count = Number.isSafeInteger(chunks) ? Number(chunks) : -1;
  if (count < 0 || count > MAX_CHUNKS || !Array.isArray(packs) || !packs.every(isPack)) throw new AgentError(MALFORMED);
  requireSound(packs);
  return { packs, count };
}

/** @param {Pack[]} packs */
export function requireSound(packs) {
  const isOnce = new Set(packs.map(({ id }) => id)).size === packs.length;
  if (packs.length === 0 || packs.length > MAX_PACKS || !isOnce) throw new AgentError("the packs are malformed");
  if (sizeOf(packs) > MAX_ARCHIVE_BYTES) throw new AgentError("the packs are too large");
}

/** @param {{size: number}[]} packs */
export function sizeOf(packs) {
  return packs.reduce((sum, { size }) => sum + size, 0);
}

/**
 * @param {any} pack
 * @returns {pack is Pack}
 */
export function isPack(pack) {
  return (
    isPackId(pack?.id) && Number.isSafeInteger(pack.size) && pack.size > 0 && /^[0-9a-f]{64}$/.test(String(pack.sha256))
  );
}

/** @param {unknown} id */
export function isPackId(id) {
  return typeof id === "string" && /^[0-9a-f]{32}$/.test(id);
}

/** @param {Buffer} chunk */
export function hashOf(chunk) {
  return createHash("sha256").update(chunk).digest("binary");
}

/**
 * Column by column, as like bytes pack better together.
 * @param {number} start
 * @param {number} count
 */
function placesIn(start, count) {
  const packs = start + count * HASH;
  const offsets = packs + count;
  const lengths = offsets + count * 4;
  return (/** @type {number} */ number) => ({
    hash: start + number * HASH,
    pack: packs + number,
    offset: offsets + number * 4,
    length: lengths + number * 4,
  });
}
