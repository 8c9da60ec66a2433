// Looks for values inside what is compressed: gzip, zstd, zlib (git's objects) and zip, also one in another. Bounded in
// bytes, depth and entries: what can't be searched within the bounds counts as holding one.
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import zlib from "node:zlib";

import { hasCode } from "./errors.mjs";
import { StreamSearch } from "./matcher.mjs";

const MIB = 1024 * 1024;
/** All that is unpacked for one snapshot. */
const MAX_UNPACKED = 2048 * MIB;
/** What is unpacked of one file. */
const MAX_UNPACKED_OF_ONE = 1024 * MIB;
/** What is held in memory at once: files, entries and values up to this size, and every archive in another. */
const MAX_HELD = 64 * MIB;
const MAX_DEPTH = 4;
const MAX_ENTRIES = 65_536;
/** Bytes that deflate makes of one. */
const MAX_GROWTH = 1032;
const CHUNK = 256 * 1024;
/** The most bytes that `kindOf` looks at. */
const MAGIC = 4;

/**
 * @typedef {object} Compression
 * @property {() => import("node:stream").Transform & {bytesWritten: number}} stream
 * @property {(bytes: Uint8Array, options: object) => Buffer | {buffer: Buffer, engine: {bytesWritten: number}}} whole
 * @property {boolean} sure whether its first bytes mean nothing else: else what does not unpack is no archive
 * @typedef {Compression | "zip"} Kind
 */

/** @type {Compression} */
const GZIP = {
  stream: () => zlib.createGunzip({ chunkSize: CHUNK }),
  whole: (bytes, options) => zlib.gunzipSync(bytes, options),
  sure: true,
};
/** @type {Compression} */
const ZLIB = {
  stream: () => zlib.createInflate({ chunkSize: CHUNK }),
  whole: (bytes, options) => zlib.inflateSync(bytes, options),
  sure: false,
};
/** @type {Compression} */
const DEFLATE = {
  stream: () => zlib.createInflateRaw({ chunkSize: CHUNK }),
  whole: (bytes, options) => zlib.inflateRawSync(bytes, options),
  sure: false,
};
/** @type {Compression} */
const ZSTD = {
  stream: () => zlib.createZstdDecompress({ chunkSize: CHUNK }),
  whole: (bytes, options) => zlib.zstdDecompressSync(bytes, options),
  sure: true,
};

const ZIP_ENTRY = Buffer.from("PK\x03\x04", "latin1");
const ZIP_HEADER = 30;
/** Compressions of a zip's entries. Stored ones (0) lie there as they are. */
const ZIP_METHODS = new Map([
  [8, DEFLATE],
  [93, ZSTD],
]);

/**
 * @param {Uint8Array} bytes the first ones, `MAGIC` if there are as many
 * @returns {Kind | undefined}
 */
function kindOf(bytes) {
  if (bytes.length < MAGIC) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  if (a === 0x1f && b === 0x8b) return GZIP;
  // A frame, or one to be skipped, before which some tools put others.
  if (b === 0xb5 && c === 0x2f && d === 0xfd && a === 0x28) return ZSTD;
  if (a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18) return ZSTD;
  if (a === 0x50 && b === 0x4b && c === 0x03 && d === 0x04) return "zip";
  if (a === 0x78 && ((a << 8) | b) % 31 === 0) return ZLIB;
  return undefined;
}

/**
 * @param {Uint8Array} bytes the beginning of a file
 * @returns {boolean} whether `fileMayHold` would look into it
 */
export function looksCompressed(bytes) {
  return kindOf(bytes) !== undefined;
}

/** A value was found, or nobody can say that there is none. */
class LeaveOut extends Error {}

/** Too much to be held in memory: in parts it can be searched. */
class TooLarge extends LeaveOut {}

export class InsideSearch {
  #left = MAX_UNPACKED;
  #leftOfOne = MAX_UNPACKED_OF_ONE;
  #matcher;

  /** @param {import("./matcher.mjs").Matcher} matcher */
  constructor(matcher) {
    this.#matcher = matcher;
  }

  /**
   * @param {string} file whose own bytes were searched already
   * @returns {Promise<boolean>} whether it holds a value, or could not be searched for one
   */
  async fileMayHold(file) {
    if (this.#matcher.empty) return false;
    const handle = await open(file, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC), 0, MAGIC, 0);
      const kind = kindOf(buffer.subarray(0, bytesRead));
      if (!kind) return false;
      this.#leftOfOne = MAX_UNPACKED_OF_ONE;
      const { size } = await handle.stat();
      const from = (/** @type {number} */ start) => readFrom(handle, start);
      if (kind !== "zip") await this.#frames(kind, size, from);
      else if (size > MAX_HELD || !this.#smallZip(await handle.readFile())) await this.#largeZip(handle, from);
      return false;
    } catch (error) {
      if (error instanceof LeaveOut) return true;
      throw error;
    } finally {
      await handle.close();
    }
  }

  /**
   * @param {Uint8Array} bytes which were searched already as they are
   * @returns {boolean}
   */
  bytesMayHold(bytes) {
    this.#leftOfOne = MAX_UNPACKED_OF_ONE;
    try {
      this.#whole(bytes, 0);
      return false;
    } catch (error) {
      if (error instanceof LeaveOut) return true;
      throw error;
    }
  }

  /**
   * @param {Buffer} bytes
   * @returns {boolean} false where an entry is too large for it
   */
  #smallZip(bytes) {
    try {
      this.#whole(bytes, 0);
      return true;
    } catch (error) {
      if (error instanceof TooLarge) return false;
      throw error;
    }
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} depth
   */
  #whole(bytes, depth) {
    const kind = kindOf(bytes);
    if (!kind) return;
    if (depth >= MAX_DEPTH) throw new LeaveOut();
    if (kind === "zip") {
      for (const { start, method } of zipEntries(bytes)) {
        const data = bytes.subarray(start);
        const compression = ZIP_METHODS.get(method);
        if (compression) this.#unpacked(compression, data, depth);
        else if (method === 0 && kindOf(data) !== "zip") this.#whole(data, depth + 1);
      }
      return;
    }
    // Behind one frame there may be another.
    for (let at = 0; at < bytes.length && (at === 0 || kindOf(bytes.subarray(at)) === kind); ) {
      const used = this.#unpacked(kind, bytes.subarray(at), depth);
      if (used === 0) return;
      at += used;
    }
  }

  /**
   * @param {Compression} compression
   * @param {Uint8Array} bytes
   * @param {number} depth
   * @returns {number} how many bytes it took
   */
  #unpacked(compression, bytes, depth) {
    const bound = Math.min(MAX_HELD, this.#left, this.#leftOfOne);
    if (bound < 1) throw new LeaveOut();
    let result;
    try {
      result = compression.whole(bytes, { info: true, maxOutputLength: bound });
    } catch (error) {
      if (hasCode(error, "ERR_BUFFER_TOO_LARGE")) throw new TooLarge();
      if (compression.sure) throw new LeaveOut();
      // How much it unpacked before it broke is not told: many that do so late would take hours.
      this.#take(Math.min(bound, bytes.length * MAX_GROWTH));
      return 0;
    }
    const { buffer, engine } = /** @type {{buffer: Buffer, engine: {bytesWritten: number}}} */ (result);
    this.#take(buffer.length);
    if (this.#matcher.find(buffer)) throw new LeaveOut();
    this.#whole(buffer, depth + 1);
    return engine.bytesWritten;
  }

  /**
   * @param {Compression} compression
   * @param {number} size
   * @param {(start: number) => AsyncIterable<Buffer>} from
   */
  async #frames(compression, size, from) {
    for (let at = 0; at < size; ) {
      if (at > 0 && kindOf(await firstOf(from(at))) !== compression) return;
      const used = await this.#stream(compression, from(at));
      if (used === 0) return;
      at += used;
    }
  }

  /**
   * @param {Compression} compression
   * @param {AsyncIterable<Buffer>} source
   * @returns {Promise<number>} how many bytes it took
   */
  async #stream(compression, source) {
    const search = new StreamSearch(this.#matcher);
    const engine = compression.stream();
    const input = Readable.from(source);
    input.on("error", (error) => engine.destroy(error));
    input.pipe(engine);
    /** @type {Buffer[]} */
    const held = [];
    let heldBytes = 0;
    /** @type {boolean | undefined} */
    let nested;
    try {
      for await (const chunk of engine) {
        this.#take(chunk.length);
        if (search.holds(chunk)) throw new LeaveOut();
        if (nested === false) continue;
        held.push(chunk);
        heldBytes += chunk.length;
        if (heldBytes < MAGIC) continue;
        nested ??= kindOf(Buffer.concat(held)) !== undefined;
        if (!nested) held.length = 0;
        else if (heldBytes > MAX_HELD) throw new LeaveOut();
      }
    } catch (error) {
      // What breaks off was searched as far as anybody can read it.
      if (!isDamage(error)) throw error;
      if (compression.sure && !hasCode(error, "Z_BUF_ERROR")) throw new LeaveOut();
    } finally {
      input.destroy();
      engine.destroy();
    }
    if (nested) this.#whole(Buffer.concat(held), 1);
    return engine.bytesWritten;
  }

  /**
   * @param {import("node:fs/promises").FileHandle} handle
   * @param {(start: number) => AsyncIterable<Buffer>} from
   */
  async #largeZip(handle, from) {
    /** @type {number[]} */
    const places = [];
    let kept = Buffer.alloc(0);
    let offset = 0;
    for await (const chunk of from(0)) {
      const bytes = Buffer.concat([kept, chunk]);
      for (let at = bytes.indexOf(ZIP_ENTRY); at >= 0; at = bytes.indexOf(ZIP_ENTRY, at + 1)) places.push(offset + at);
      if (places.length > MAX_ENTRIES) throw new LeaveOut();
      kept = bytes.subarray(Math.max(0, bytes.length - ZIP_ENTRY.length + 1));
      offset += bytes.length - kept.length;
    }
    for (const place of places) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(ZIP_HEADER), 0, ZIP_HEADER, place);
      const entry = zipEntry(buffer.subarray(0, bytesRead));
      if (!entry) continue;
      const start = place + entry.length;
      const compression =
        ZIP_METHODS.get(entry.method) ?? (entry.method === 0 ? kindOf(await firstOf(from(start))) : "zip");
      // The entries of a stored zip were found among the others.
      if (compression && compression !== "zip") await this.#stream(compression, from(start));
    }
  }

  /** @param {number} bytes */
  #take(bytes) {
    this.#left -= bytes;
    this.#leftOfOne -= bytes;
    if (this.#left < 0 || this.#leftOfOne < 0) throw new LeaveOut();
  }
}

/**
 * @param {import("node:fs/promises").FileHandle} handle
 * @param {number} start
 */
async function* readFrom(handle, start) {
  for (let at = start; ; ) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** @param {unknown} error */
function isDamage(error) {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(Z|ZSTD)_/.test(code);
}

/** @param {AsyncIterable<Buffer>} source */
async function firstOf(source) {
  for await (const chunk of source) return chunk;
  return Buffer.alloc(0);
}

/**
 * The entries as they lie there one after the other, whatever the list at the end says: it may leave some out.
 * @param {Uint8Array} archive
 */
function* zipEntries(archive) {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  let count = 0;
  for (let at = bytes.indexOf(ZIP_ENTRY); at >= 0; at = bytes.indexOf(ZIP_ENTRY, at + 1)) {
    count += 1;
    if (count > MAX_ENTRIES) throw new LeaveOut();
    const entry = zipEntry(bytes.subarray(at, at + ZIP_HEADER));
    if (entry) yield { start: at + entry.length, method: entry.method };
  }
}

/**
 * @param {Buffer} header
 * @returns {{method: number, length: number} | undefined} `undefined` for one that is cut off or encrypted
 */
function zipEntry(header) {
  if (header.length < ZIP_HEADER || (header.readUInt16LE(6) & 1) === 1) return undefined;
  const length = ZIP_HEADER + header.readUInt16LE(26) + header.readUInt16LE(28);
  return { method: header.readUInt16LE(8), length };
}
