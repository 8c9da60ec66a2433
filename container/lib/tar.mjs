// Makes the tar of an archive, entry by entry, of what was staged: what is small from memory, the rest from files.
import { closeSync, constants, openSync, readSync } from "node:fs";
import path from "node:path";
import { Header, Pax } from "tar";

import { AgentError } from "./errors.mjs";

const BLOCK = 512;
const CHUNK = 1024 * 1024;
const padding = Buffer.alloc(2 * BLOCK);
/** Whatever took a staged file's place is not waited for. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * @typedef {object} Entry
 * @property {string} name @property {"File" | "Directory"} type
 * @property {boolean} executable
 * @property {number} size of a directory 0
 * @property {Date} [mtime] a directory has none
 * @property {Buffer} [bytes] a file without them lies below the tree
 */

/**
 * @param {Iterable<Entry>} entries
 * @param {string} tree
 * @returns {AsyncGenerator<Buffer>}
 */
export async function* tarOf(entries, tree) {
  /** @type {Buffer[]} */
  let parts = [];
  let length = 0;
  const together = () => {
    const [first = padding] = parts;
    const whole = parts.length === 1 ? first : Buffer.concat(parts);
    parts = [];
    length = 0;
    return whole;
  };
  for (const entry of entries) {
    for (const part of partsOf(entry, tree)) {
      // What is large by itself is not copied once more.
      if (length > 0 && length + part.length > CHUNK) yield together();
      parts.push(part);
      length += part.length;
    }
  }
  parts.push(padding);
  yield together();
}

/**
 * @param {Entry} entry
 * @param {string} tree
 * @returns {Iterable<Buffer>}
 */
function partsOf(entry, tree) {
  const { type, bytes, size } = entry;
  const rest = padding.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);
  if (type === "Directory") return headersOf(entry);
  if (bytes) return [...headersOf(entry), bytes, rest];
  return withFile(headersOf(entry), path.join(tree, entry.name), size, rest);
}

/**
 * @param {Buffer[]} headers
 * @param {string} file
 * @param {number} size
 * @param {Buffer} rest
 */
function* withFile(headers, file, size, rest) {
  yield* headers;
  let left = size;
  const source = openSync(file, READ);
  try {
    for (let count = -1; count !== 0 && left >= 0; left -= count) {
      // One byte more than there is to be: whether it has grown is seen.
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, left + 1));
      count = readSync(source, chunk);
      yield chunk.subarray(0, count);
    }
  } finally {
    closeSync(source);
  }
  if (left !== 0) throw new AgentError("a staged file changed");
  yield rest;
}

/**
 * Neither says who owned the files, nor on what machine.
 * @param {Entry} entry
 * @returns {Buffer[]}
 */
function headersOf({ name, type, executable, size, mtime }) {
  const facts = {
    path: type === "Directory" ? `${name}/` : name,
    type,
    mode: type === "Directory" || executable ? 0o700 : 0o600,
    size,
    ...(mtime && { mtime }),
  };
  const header = new Header(facts);
  const needsMore = header.encode();
  const block = /** @type {Buffer} */ (header.block);
  if (!needsMore) return [block];
  const { path: long, size: large, mtime: exact } = { mtime: undefined, ...facts };
  return [new Pax(/** @type {any} */ ({ path: long, size: large, mtime: exact })).encode(), block];
}
