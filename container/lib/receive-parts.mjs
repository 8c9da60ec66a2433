// Takes an incremental snapshot from stdin: its index, then each of its packs, whole. Each is checked by size and hash
// before anything of it is used, each chunk by its hash, and the tar that they make like any other archive's.
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import zlib from "node:zlib";

import { decodeIndex, hashOf, isPack, MAX_INDEX_BYTES, requireSound, sizeOf } from "./chunk-index.mjs";
import { MAX_CHUNK } from "./chunks.mjs";
import { AgentError, ArchiveError, reasonOf } from "./errors.mjs";
import { isOfTheSystem, TarReader } from "./reader.mjs";

/** @typedef {import("./chunk-index.mjs").Pack} Pack */

/**
 * @param {unknown} text packs as `ID:SIZE:SHA256`, with commas between them
 * @returns {Pack[]}
 */
export function parsePacks(text) {
  const packs = String(text)
    .split(",")
    .map((pack) => {
      const [, id, size, sha256] = /^(\w+):([1-9]\d{0,14}):(\w+)$/.exec(pack) ?? [];
      return { id, size: Number(size), sha256 };
    });
  if (!packs.every(isPack)) throw new AgentError("usage: restore --packs ID:SIZE:SHA256,...");
  requireSound(packs);
  return packs;
}

/**
 * @param {AsyncIterable<Buffer>} stdin
 * @param {{size: number, sha256: string, packs: Pack[]}} expected
 * @param {string} scratch a directory that is made and removed
 * @param {import("./reader.mjs").Sink} sink
 * @returns {Promise<import("./manifest.mjs").Manifest>}
 */
export async function receiveParts(stdin, expected, scratch, sink) {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { mode: 0o700 });
  const files = expected.packs.map(({ id }) => path.join(scratch, id));
  try {
    const index = await receive(stdin, expected, files);
    return read(index, expected.packs, files, sink);
  } catch (error) {
    // What came is what was announced, so it never will be good; a disk that fails says nothing about it.
    throw isOfTheSystem(error) || isExpected(error) ? error : new ArchiveError(reasonOf(error));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A connection that broke says nothing about the archive either. */
class ShortError extends AgentError {}

/** @param {unknown} error */
const isExpected = (error) => error instanceof ShortError || error instanceof ArchiveError;

/**
 * @param {AsyncIterable<Buffer>} stdin
 * @param {{size: number, sha256: string, packs: Pack[]}} expected
 * @param {string[]} files where the packs go
 * @returns {Promise<Buffer>} the index
 */
async function receive(stdin, { size, sha256, packs }, files) {
  if (size > MAX_INDEX_BYTES) throw new AgentError("the index is too large");
  const index = Buffer.alloc(size);
  let filled = 0;
  const takeIndex = (/** @type {Buffer} */ bytes) => {
    filled += bytes.copy(index, filled);
  };
  let left = size + sizeOf(packs);
  const parts = [new Part({ size, sha256 }, takeIndex), ...packs.map((pack, n) => Part.inFile(pack, String(files[n])))];
  let at = 0;
  try {
    for await (const bytes of stdin) {
      left -= bytes.length;
      if (left < 0) throw new ArchiveError("the snapshot is longer than announced");
      for (let rest = bytes; rest.length > 0; ) {
        const part = /** @type {Part} */ (parts[at]);
        rest = rest.subarray(part.take(rest));
        if (part.isWhole) at += 1;
      }
    }
  } finally {
    for (const part of parts) part.close();
  }
  if (left > 0) throw new ShortError("the snapshot is shorter than announced");
  if (parts.some((part) => !part.isRight())) throw new ArchiveError("a hash of the snapshot does not match");
  return index;
}

/** One of what comes one after the other. */
class Part {
  #left;
  #sha256;
  #write;
  #hash = createHash("sha256");
  /** Of one that goes into a file. */
  #close;

  /**
   * @param {{size: number, sha256: string}} expected
   * @param {(bytes: Buffer) => void} write
   * @param {() => void} [close]
   */
  constructor({ size, sha256 }, write, close = () => {}) {
    this.#left = size;
    this.#sha256 = sha256;
    this.#write = write;
    this.#close = close;
  }

  /**
   * @param {Pack} pack
   * @param {string} file
   */
  static inFile(pack, file) {
    const fd = openSync(file, "wx", 0o600);
    const write = (/** @type {Buffer} */ bytes) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    };
    return new Part(pack, write, () => closeSync(fd));
  }

  get isWhole() {
    return this.#left === 0;
  }

  /**
   * @param {Buffer} bytes
   * @returns {number} how many of them are its own
   */
  take(bytes) {
    const own = bytes.subarray(0, this.#left);
    this.#left -= own.length;
    this.#hash.update(own);
    this.#write(own);
    return own.length;
  }

  close() {
    this.#close();
  }

  isRight() {
    return this.#hash.digest("hex") === this.#sha256;
  }
}

/**
 * @param {Buffer} encoded
 * @param {Pack[]} packs
 * @param {string[]} files
 * @param {import("./reader.mjs").Sink} sink
 * @returns {import("./manifest.mjs").Manifest}
 */
function read(encoded, packs, files, sink) {
  const index = decodeIndex(encoded);
  if (JSON.stringify(index.packs.map(plain)) !== JSON.stringify(packs.map(plain)))
    throw new AgentError("the packs are not those of the index");
  const reader = new TarReader(sink);
  const opened = files.map((file) => openSync(file, "r"));
  try {
    for (const { hash, pack, offset, length } of index.chunks) {
      const bytes = Buffer.alloc(length);
      if (readSync(opened[pack] ?? -1, bytes, 0, length, offset) !== length) throw new AgentError("a pack is cut off");
      const chunk = unpacked(bytes);
      if (hashOf(chunk) !== hash) throw new AgentError("a chunk's hash does not match");
      reader.take(chunk);
    }
    return reader.end();
  } catch (error) {
    sink.close();
    throw error;
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** @param {Pack} pack */
const plain = ({ id, size, sha256 }) => [id, size, sha256];

/** @param {Buffer} bytes */
function unpacked(bytes) {
  try {
    return zlib.zstdDecompressSync(bytes, { maxOutputLength: MAX_CHUNK });
  } catch {
    throw new AgentError("a chunk can't be unpacked");
  }
}
