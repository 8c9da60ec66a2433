// Makes the tar of an archive, entry by entry, of what was staged: what is small from memory, the rest from files.
import { createReadStream } from "node:fs";
import path from "node:path";
import { Header, Pax } from "tar";

import { AgentError } from "./errors.mjs";

const BLOCK = 512;
const CHUNK = 256 * 1024;
const padding = Buffer.alloc(2 * BLOCK);

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
  for (const entry of entries) {
    for await (const part of partsOf(entry, tree)) {
      parts.push(part);
      length += part.length;
      if (length < CHUNK) continue;
      yield Buffer.concat(parts);
      parts = [];
      length = 0;
    }
  }
  yield Buffer.concat([...parts, padding]);
}

/**
 * @param {Entry} entry
 * @param {string} tree
 * @returns {Iterable<Buffer> | AsyncIterable<Buffer>}
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
async function* withFile(headers, file, size, rest) {
  yield* headers;
  let read = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK })) {
    read += chunk.length;
    yield chunk;
  }
  if (read !== size) throw new AgentError("a staged file changed");
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
