// Reads an archive in one pass and refuses anything that `pack` would not have made. Each entry is checked before its
// first byte goes anywhere; whether the whole was right is known only at the end.
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import { Parser } from "tar";

import { AgentError } from "./errors.mjs";
import { MAX_DEPTH, MAX_MANIFEST_BYTES, MAX_STATE_BYTES, MAX_STATE_ENTRIES, MAX_UNPACKED } from "./limits.mjs";
import { MANIFEST, parseManifest } from "./manifest.mjs";

const CHUNK = 1024 * 1024;
/** With room before and behind it, so that it need not wait for the moment that others take. */
const DECOMPRESSOR = { chunkSize: CHUNK, highWaterMark: 4 * CHUNK };
const DAMAGED = "the archive is damaged";

/**
 * What becomes of the entries. Names are plain and below `state`; a directory is told before what is in it.
 * @typedef {object} Sink
 * @property {(name: string) => void} directory
 * @property {(name: string, facts: {executable: boolean, mtime: Date}) => void} open
 * @property {(bytes: Buffer) => void} write to the file that is open
 * @property {() => void} close it
 */

/** @type {Sink} */
const NOWHERE = { directory: () => {}, open: () => {}, write: () => {}, close: () => {} };

/**
 * @param {AsyncIterator<Buffer>} source
 * @param {Sink} [sink]
 * @returns {Promise<import("./manifest.mjs").Manifest>}
 */
export async function readArchive(source, sink = NOWHERE) {
  const reader = new TarReader(sink);
  const first = await firstOf(source);
  const decompressor = decompressorFor(first);
  try {
    await pipeline(wholeOf(first, source), decompressor, async (tar) => {
      for await (const chunk of tar) reader.take(chunk);
    });
    return reader.end();
  } catch (error) {
    throw error instanceof AgentError || isOfTheSystem(error) ? error : new AgentError(DAMAGED);
  }
}

/**
 * @param {unknown} error
 * @returns {boolean} whether it says nothing about the archive; but that a name is too long does
 */
export function isOfTheSystem(error) {
  return error instanceof Error && "syscall" in error && !("code" in error && error.code === "ENAMETOOLONG");
}

/** Takes the tar that is in an archive, part by part. */
export class TarReader {
  #sink;
  #parser;
  /** @type {unknown} */
  #problem;
  /** @type {Map<string, "file" | "directory" | "implied">} implied: only by what lies in it */
  #kinds = new Map();
  #unpacked = 0;
  #files = 0;
  #bytes = 0;
  #isOver = false;
  /** @type {Buffer[]} */
  #manifest = [];

  /** @param {Sink} [sink] */
  constructor(sink = NOWHERE) {
    this.#sink = sink;
    this.#parser = new Parser({ strict: true, onReadEntry: (entry) => this.#guard(() => this.#entry(entry)) });
    this.#parser.on("ignoredEntry", () => this.#fail("the archive holds something else than files and directories"));
    this.#parser.on("error", () => this.#fail(DAMAGED));
    this.#parser.on("eof", () => {
      this.#isOver = true;
    });
  }

  /** @param {Buffer} chunk */
  take(chunk) {
    // The parser would unpack it a second time.
    if (this.#unpacked === 0 && compressionOf(chunk)) throw new AgentError(DAMAGED);
    this.#unpacked += chunk.length;
    if (this.#unpacked > MAX_UNPACKED) throw new AgentError("the archive is too large when unpacked");
    // Behind its end there is nothing but padding, which the parser would collect.
    if (!this.#isOver) this.#parser.write(chunk);
    if (this.#problem) throw this.#problem;
  }

  /** @returns {import("./manifest.mjs").Manifest} */
  end() {
    this.#parser.end();
    if (this.#problem) throw this.#problem;
    const manifest = parseManifest(Buffer.concat(this.#manifest).toString("utf8"));
    if (manifest.files !== this.#files || manifest.bytes !== this.#bytes)
      throw new AgentError("the archive does not match its manifest");
    return manifest;
  }

  /** @param {import("tar").ReadEntry} entry */
  #entry(entry) {
    const name = entry.path.replace(/\/$/, "");
    this.#check(name, entry);
    if (name === MANIFEST) {
      entry.on("data", (chunk) => this.#guard(() => this.#manifest.push(Buffer.from(chunk))));
      return;
    }
    for (const parent of this.#newParents(name)) this.#directory(parent, "implied");
    if (entry.type === "Directory") {
      if (this.#kinds.get(name) === "implied") this.#kinds.set(name, "directory");
      else this.#directory(name, "directory");
      entry.resume();
      return;
    }
    this.#kinds.set(name, "file");
    const executable = ((entry.mode ?? 0) & 0o100) !== 0;
    this.#sink.open(name, { executable, mtime: entry.mtime ?? new Date() });
    entry.on("end", () => this.#guard(() => this.#sink.close()));
    entry.on("data", (chunk) => this.#guard(() => this.#sink.write(chunk)));
  }

  /**
   * @param {string} name
   * @param {import("tar").ReadEntry} entry
   */
  #check(name, { type, size }) {
    const known = this.#kinds.get(name);
    const problem =
      known === "file" || known === "directory" || (known === "implied" && type !== "Directory")
        ? "the archive holds a path twice"
        : entryProblem(name, type, this.#kinds.size === 0);
    if (problem) throw new AgentError(problem);
    if (name === MANIFEST) {
      if (size > MAX_MANIFEST_BYTES) throw new AgentError("the archive's manifest is too large");
      this.#kinds.set(name, "file");
    } else if (type !== "Directory") {
      this.#files += 1;
      this.#bytes += size;
    }
    if (this.#bytes > MAX_STATE_BYTES) throw new AgentError("the archive is too large when unpacked");
    if (this.#kinds.size >= MAX_STATE_ENTRIES) throw new AgentError("the archive holds too many files");
  }

  /**
   * @param {string} name
   * @returns {string[]} directories that were not told yet, outermost first
   */
  #newParents(name) {
    const parents = [];
    for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) {
      const parent = name.slice(0, end);
      const kind = this.#kinds.get(parent);
      if (kind === "file") throw new AgentError("the archive holds a path in a file");
      if (kind) break;
      parents.unshift(parent);
    }
    return parents;
  }

  /**
   * @param {string} name
   * @param {"directory" | "implied"} kind
   */
  #directory(name, kind) {
    this.#kinds.set(name, kind);
    this.#sink.directory(name);
  }

  /**
   * The first thing that goes wrong is what is told; after it nothing goes to the sink.
   * @param {() => void} act
   */
  #guard(act) {
    if (this.#problem) return;
    try {
      act();
    } catch (error) {
      this.#problem = error;
    }
  }

  /** @param {string} reason */
  #fail(reason) {
    this.#problem ??= new AgentError(reason);
  }
}

/**
 * @param {string} name
 * @param {string} type
 * @param {boolean} isFirst
 * @returns {string | undefined}
 */
function entryProblem(name, type, isFirst) {
  if (type !== "File" && type !== "OldFile" && type !== "Directory")
    return "the archive holds something else than files and directories";
  const parts = name.split("/");
  if (name.startsWith("/") || name.includes("\0") || parts.some((part) => ["", ".", ".."].includes(part))) {
    return "the archive holds a path that is not plain";
  }
  if (parts.length > MAX_DEPTH + 2) return "the archive is nested too deeply";
  if (isFirst)
    return name === MANIFEST && type !== "Directory" ? undefined : "the archive does not begin with its manifest";
  if (parts[0] !== "state") return "the archive holds a path outside of the state";
  if (parts.length === 1 && type !== "Directory") return "the archive's state is no directory";
  return undefined;
}

/** @param {Buffer} bytes */
function decompressorFor(bytes) {
  const compression = compressionOf(bytes);
  if (compression === "zstd") return zlib.createZstdDecompress(DECOMPRESSOR);
  if (compression === "gzip") return zlib.createGunzip(DECOMPRESSOR);
  throw new AgentError("the archive is neither zstd nor gzip");
}

/** @param {Buffer} bytes */
function compressionOf(bytes) {
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === 0x28b52ffd) return "zstd";
  return bytes.length >= 2 && bytes.readUInt16BE(0) === 0x1f8b ? "gzip" : undefined;
}

/**
 * @param {AsyncIterator<Buffer>} source
 * @returns {Promise<Buffer>} as many bytes as tell the compression, if there are as many
 */
async function firstOf(source) {
  let first = Buffer.alloc(0);
  while (first.length < 4) {
    const { done, value } = await source.next();
    if (done) break;
    first = Buffer.concat([first, value]);
  }
  return first;
}

/**
 * Leaves the source open where it is not read to the end: its owner may want the rest.
 * @param {Buffer} first
 * @param {AsyncIterator<Buffer>} source
 */
async function* wholeOf(first, source) {
  yield first;
  for (;;) {
    const { done, value } = await source.next();
    if (done) return;
    yield value;
  }
}
