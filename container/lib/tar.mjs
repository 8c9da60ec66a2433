// Makes the tar of an archive, entry by entry, of what was staged: what is small from memory or right from its file, the
// rest from files in parts.
import { closeSync, constants, openSync, readSync } from "node:fs";
import path from "node:path";

import { AgentError } from "./errors.mjs";
import { BLOCK, headersOf, paddingOf } from "./ustar.mjs";

const CHUNK = 1024 * 1024;
const SLAB = 512 * 1024;
const padding = Buffer.alloc(2 * BLOCK);
/** Whatever took a staged file's place is not waited for. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A file's bytes are `bytes`, or what `fill` writes, or what `parts` gives; one without any of them lies below the tree.
 * @typedef {object} Entry
 * @property {string} name @property {"File" | "Directory"} type
 * @property {boolean} executable
 * @property {number} size of a directory 0
 * @property {Date} [mtime] a directory has none
 * @property {Buffer} [bytes]
 * @property {(into: Buffer) => void} [fill] writes just so many bytes
 * @property {() => Iterable<Buffer>} [parts] just so many bytes together
 */

/**
 * @param {Iterable<Entry>} entries
 * @param {string} tree
 * @returns {Generator<Buffer>} each valid until the second one after it is asked for
 */
export function* tarOf(entries, tree) {
  // Many small ones go together: each part that is yielded costs its turn. Two in turns, so that one can be filled while
  // the other is worked on: new ones each time would keep the garbage collector busy.
  const slabs = [Buffer.allocUnsafeSlow(SLAB), Buffer.allocUnsafeSlow(SLAB)];
  let [slab = padding, other = padding] = slabs;
  let used = 0;
  for (const entry of entries) {
    let headers = headersOf({ ...entry, path: entry.name });
    const isWhole = entry.type === "Directory" || entry.bytes !== undefined || entry.fill !== undefined;
    const length = headers.length + (isWhole ? entry.size + paddingOf(entry.size) : 0);
    if (used + length > SLAB) {
      headers = Buffer.from(headers);
      if (used > 0) yield slab.subarray(0, used);
      [slab, other] = [other, slab];
      used = 0;
    }
    const into = length > SLAB ? Buffer.allocUnsafeSlow(length) : slab.subarray(used, used + length);
    headers.copy(into);
    if (isWhole) {
      fill(into.subarray(headers.length, headers.length + entry.size), entry);
      into.fill(0, headers.length + entry.size);
      if (length > SLAB) yield into;
      else used += length;
      continue;
    }
    yield slab.subarray(0, used + length);
    [slab, other] = [other, slab];
    used = 0;
    yield* entry.parts?.() ?? partsOf(path.join(tree, entry.name), entry.size);
    yield padding.subarray(0, paddingOf(entry.size));
  }
  if (used > 0) yield slab.subarray(0, used);
  yield padding;
}

/**
 * @param {Buffer} into
 * @param {Entry} entry
 */
function fill(into, { bytes, fill: write }) {
  if (bytes) bytes.copy(into);
  else write?.(into);
}

/**
 * @param {string} file
 * @param {number} size
 * @returns {Generator<Buffer>}
 */
function* partsOf(file, size) {
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
}
