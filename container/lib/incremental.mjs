// Packs a state incrementally: its tar in chunks, of which those are written that no earlier pack holds.
import { createHash } from "node:crypto";
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import zlib from "node:zlib";

import { manifestEntry } from "./archive.mjs";
import { decodeIndex, encodeIndex, hashOf, MAX_INDEX_BYTES, requireSound, sizeOf } from "./chunk-index.mjs";
import { chunksOf } from "./chunks.mjs";
import { AgentError } from "./errors.mjs";
import { MAX_ARCHIVE_BYTES, MAX_PACKS } from "./limits.mjs";
import { TarReader } from "./reader.mjs";
import { tarOf } from "./tar.mjs";

/** The state goes into no packs, but may into an archive. */
export class TooManyBytesError extends AgentError {}

/**
 * @typedef {import("./chunk-index.mjs").Chunk} Chunk
 * @typedef {import("./chunk-index.mjs").Index} Index
 * @typedef {{size: number, sha256: string}} Told
 */

/**
 * The index that a new one may build on. It only saves work, so one that is not what was announced is none.
 * @param {AsyncIterable<Buffer>} stdin
 * @param {string} sha256
 * @returns {Promise<Index | undefined>}
 */
export async function readBase(stdin, sha256) {
  const hash = createHash("sha256");
  /** @type {Buffer[]} */
  const parts = [];
  let size = 0;
  for await (const part of stdin) {
    size += part.length;
    hash.update(part);
    // Read to its end all the same, as who sends it waits for that.
    if (size <= MAX_INDEX_BYTES) parts.push(part);
  }
  if (size > MAX_INDEX_BYTES || hash.digest("hex") !== sha256) return undefined;
  try {
    return decodeIndex(Buffer.concat(parts));
  } catch {
    return undefined;
  }
}

/**
 * @param {import("./manifest.mjs").Manifest} manifest
 * @param {import("./tar.mjs").Entry[]} entries
 * @param {string} tree what lies below it of them
 * @param {{id: string, base: Index | undefined}} into the pack to be written, and what there is
 * @param {{index: string, pack: string}} files
 * @returns {Promise<Told & {pack: Told, packs: string[]}>}
 */
export async function packIncrementally(manifest, entries, tree, { id, base }, files) {
  const kept = base ? worthKeeping(base) : { packs: [], known: new Map() };
  const { known } = kept;
  const writer = new PackWriter(files.pack);
  const reader = new TarReader();
  /** @type {Chunk[]} */
  const chunks = [];
  const room = MAX_ARCHIVE_BYTES - MAX_INDEX_BYTES - sizeOf(kept.packs);
  try {
    for await (const chunk of chunksOf(tarOf([manifestEntry(manifest), ...entries], tree))) {
      // What could not be restored is no snapshot.
      reader.take(chunk);
      const hash = hashOf(chunk);
      // The first one tells the time, so it is new; and so there always is a pack.
      const found = chunks.length === 0 ? undefined : known.get(hash);
      const place = found ?? { hash, pack: kept.packs.length, ...writer.write(chunk) };
      if (writer.size > room) throw new TooManyBytesError("the snapshot is too large");
      if (!found) known.set(hash, place);
      chunks.push(place);
    }
    reader.end();
  } finally {
    writer.close();
  }
  const pack = writer.told();
  const index = encodeIndex(renumbered({ packs: [...kept.packs, { id, ...pack }], chunks }));
  const { packs } = decodeIndex(index);
  writeFileSync(files.index, index, { mode: 0o600, flag: "wx" });
  const sha256 = createHash("sha256").update(index).digest("hex");
  return { size: index.length, sha256, pack, packs: packs.map((one) => one.id) };
}

/**
 * What is left of a pack is written anew where less than half of it is still used: that costs less than what is freed. And
 * where there are as many as may be, the smaller half of them: the large ones, which cost most, stay.
 * @param {Index} base
 * @returns {{packs: import("./chunk-index.mjs").Pack[], known: Map<string, Chunk>}}
 */
function worthKeeping({ packs, chunks }) {
  const used = packs.map(() => 0);
  /** @type {Map<string, Chunk>} */
  const all = new Map();
  for (const chunk of chunks) {
    if (all.has(chunk.hash)) continue;
    all.set(chunk.hash, chunk);
    used[chunk.pack] = (used[chunk.pack] ?? 0) + chunk.length;
  }
  const numbers = packs.map((_, number) => number);
  const size = (/** @type {number} */ number) => packs[number]?.size ?? 0;
  const bySize = numbers.sort((a, b) => size(b) - size(a));
  const most = packs.length < MAX_PACKS ? MAX_PACKS : MAX_PACKS / 2;
  const stay = bySize.slice(0, most).filter((number) => 2 * (used[number] ?? 0) >= size(number));
  const known = [...all].flatMap(([hash, chunk]) => {
    const pack = stay.indexOf(chunk.pack);
    return pack < 0 ? [] : [/** @type {[string, Chunk]} */ ([hash, { ...chunk, pack }])];
  });
  return { packs: stay.flatMap((number) => packs[number] ?? []), known: new Map(known) };
}

/**
 * Without the packs that nothing is taken from any more.
 * @param {Index} index
 * @returns {Index}
 */
function renumbered({ packs, chunks }) {
  const used = new Set(chunks.map(({ pack }) => pack));
  const numbers = packs.map((_, number) => number).filter((number) => used.has(number));
  const left = numbers.flatMap((number) => packs[number] ?? []);
  requireSound(left);
  return { packs: left, chunks: chunks.map((chunk) => ({ ...chunk, pack: numbers.indexOf(chunk.pack) })) };
}

/** Each chunk is compressed on its own: of a pack some are needed, at any place. */
class PackWriter {
  size = 0;
  #fd;
  #hash = createHash("sha256");

  /** @param {string} file */
  constructor(file) {
    this.#fd = openSync(file, "wx", 0o600);
  }

  /**
   * @param {Buffer} chunk
   * @returns {{offset: number, length: number}}
   */
  write(chunk) {
    const bytes = zlib.zstdCompressSync(chunk);
    const offset = this.size;
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    this.#hash.update(bytes);
    this.size += bytes.length;
    return { offset, length: bytes.length };
  }

  close() {
    closeSync(this.#fd);
  }

  /** @returns {Told} */
  told() {
    return { size: this.size, sha256: this.#hash.digest("hex") };
  }
}
