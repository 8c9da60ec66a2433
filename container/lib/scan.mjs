// Copies a file and looks for injected values in its bytes on the way, so that none is read twice.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";

import { hasCode } from "./errors.mjs";
import { StreamSearch } from "./matcher.mjs";

const CHUNK = 1024 * 1024;
/** Two for all: a process copies one file at a time, and one part is written while the next is read. */
const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)];
/** Small files lie side by side: thousands of buffers of their own keep the garbage collector busy. */
const SLAB = 4 * CHUNK;
let slab = Buffer.alloc(0);

/** Not through a link that took the file's place, and not waiting for a pipe's other end. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * @param {string} file
 * @param {number} length
 * @returns {Buffer | undefined} so many bytes at most; undefined where there is no such file, or not any more
 */
export function readSmall(file, length) {
  let source;
  try {
    source = openSync(file, READ);
  } catch (error) {
    // A running agent may remove things while they are read.
    if (hasCode(error, "ENOENT") || hasCode(error, "ELOOP")) return undefined;
    throw error;
  }
  try {
    if (!fstatSync(source).isFile()) return undefined;
    if (slab.length < length) slab = Buffer.allocUnsafeSlow(Math.max(SLAB, length));
    let read = 0;
    for (let count = -1; count !== 0 && read < length; read += count)
      count = readSync(source, slab, read, length - read, null);
    const bytes = slab.subarray(0, read);
    slab = slab.subarray(read);
    return bytes;
  } finally {
    closeSync(source);
  }
}

/**
 * @param {string} from
 * @param {string} to a file that does not exist; what was copied lies there also where a value was found
 * @param {import("node:fs").Stats} stat
 * @param {import("./matcher.mjs").Matcher} matcher
 * @returns {Promise<"clean" | "holds" | "gone">} "gone" where the file went away meanwhile
 */
export async function copySearched(from, to, stat, matcher) {
  const source = await open(from, READ).catch((error) => {
    // A running agent may remove things while they are read.
    if (hasCode(error, "ENOENT") || hasCode(error, "ELOOP")) return undefined;
    throw error;
  });
  if (!source) return "gone";
  try {
    if (!(await source.stat()).isFile()) return "gone";
    const target = await open(to, "wx", stat.mode & 0o100 ? 0o700 : 0o600);
    try {
      // A file that grows while it is read must not be read for ever.
      return (await holdsAny(source, stat.size, matcher, target)) ? "holds" : "clean";
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/**
 * @param {string} file
 * @param {import("./matcher.mjs").Matcher} matcher
 * @returns {Promise<boolean>}
 */
export async function fileHolds(file, matcher) {
  if (matcher.empty) return false;
  const source = await open(file, "r");
  try {
    return await holdsAny(source, Number.POSITIVE_INFINITY, matcher);
  } finally {
    await source.close();
  }
}

/**
 * @param {import("node:fs/promises").FileHandle} source
 * @param {number} length
 * @param {import("./matcher.mjs").Matcher} matcher
 * @param {import("node:fs/promises").FileHandle} [target] where to copy what was read
 */
async function holdsAny(source, length, matcher, target) {
  const search = new StreamSearch(matcher);
  let writing = Promise.resolve();
  try {
    for (let left = length, turn = 0; left > 0; turn = 1 - turn) {
      const { bytesRead } = await source.read(/** @type {Buffer} */ (buffers[turn]), 0, Math.min(CHUNK, left));
      const part = /** @type {Buffer} */ (buffers[turn]).subarray(0, bytesRead);
      if (bytesRead === 0) break;
      if (search.holds(part)) return true;
      await writing;
      if (target) writing = writeWhole(target, part);
      // It is awaited, in the next turn or below.
      writing.catch(() => {});
      left -= bytesRead;
    }
  } finally {
    await writing;
  }
  return false;
}

/**
 * @param {import("node:fs/promises").FileHandle} target
 * @param {Buffer} bytes
 */
async function writeWhole(target, bytes) {
  for (let at = 0; at < bytes.length; ) at += (await target.write(bytes, at)).bytesWritten;
}
