// Takes a tar apart as it comes in. What an entry is and whether it may be there is for who is told of it; here only what
// is no tar is refused.
import { BLOCK, damaged, decodeHeader, decodeRecords, paddingOf } from "./ustar.mjs";

/** Longer than every path. */
const MAX_EXTENDED = 64 * 1024;

/**
 * @typedef {import("./ustar.mjs").Header} Header
 * @typedef {object} Told
 * @property {(header: Header) => void} entry before anything of it
 * @property {(bytes: Buffer) => void} data of it, valid until this returns
 * @property {() => void} end of it
 */

export class TarParser {
  #told;
  /** The block that is not yet whole. */
  #block = Buffer.alloc(BLOCK);
  #filled = 0;
  /** What is to come of an entry, and then behind it. */
  #left = 0;
  #padding = 0;
  #zeros = 0;
  #isOver = false;
  /** What says more about the entry after it: its type, and its bytes so far. @type {{type: string, parts: Buffer[]} | undefined} */
  #extended;
  /** @type {Partial<Header>} */
  #more = {};

  /** @param {Told} told */
  constructor(told) {
    this.#told = told;
  }

  /** @param {Buffer} bytes */
  take(bytes) {
    // Behind the end there is nothing but padding.
    for (let at = 0; at < bytes.length && !this.#isOver; ) {
      if (this.#left > 0) at += this.#body(bytes.subarray(at, at + this.#left));
      else if (this.#padding > 0) at += this.#skip(bytes.length - at);
      else at += this.#head(bytes, at);
    }
  }

  /** Nothing comes any more. */
  end() {
    const isBetween = this.#filled === 0 && this.#left === 0 && this.#padding === 0;
    if (!this.#isOver && !isBetween) throw damaged();
  }

  /** @param {Buffer} bytes */
  #body(bytes) {
    this.#left -= bytes.length;
    if (this.#extended) this.#extended.parts.push(Buffer.from(bytes));
    else this.#told.data(bytes);
    if (this.#left === 0) this.#end();
    return bytes.length;
  }

  /** @param {number} most */
  #skip(most) {
    const skipped = Math.min(this.#padding, most);
    this.#padding -= skipped;
    return skipped;
  }

  /**
   * @param {Buffer} bytes
   * @param {number} at
   */
  #head(bytes, at) {
    if (this.#filled === 0 && bytes.length - at >= BLOCK) {
      this.#header(bytes.subarray(at, at + BLOCK));
      return BLOCK;
    }
    const taken = bytes.copy(this.#block, this.#filled, at);
    this.#filled += taken;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#header(this.#block);
    }
    return taken;
  }

  /** @param {Buffer} block */
  #header(block) {
    const header = decodeHeader(block);
    if (!header) {
      this.#zeros += 1;
      this.#isOver = this.#zeros === 2;
      return;
    }
    this.#zeros = 0;
    // An extended header, or the way in which GNU tar writes a long path.
    if (header.type === "x" || header.type === "L") {
      if (header.size > MAX_EXTENDED) throw damaged();
      this.#extended = { type: header.type, parts: [] };
      this.#begin(header.size);
      return;
    }
    const entry = { ...header, ...this.#more };
    this.#more = {};
    // Some programs write a size for it, which has no bytes.
    if (entry.type === "5") entry.size = 0;
    this.#told.entry(entry);
    this.#begin(entry.size);
  }

  /** @param {number} size */
  #begin(size) {
    this.#left = size;
    this.#padding = paddingOf(size);
    if (size === 0) this.#end();
  }

  #end() {
    if (!this.#extended) return this.#told.end();
    const { type, parts } = this.#extended;
    this.#extended = undefined;
    const bytes = Buffer.concat(parts);
    const more = type === "x" ? decodeRecords(bytes) : { path: bytes.toString("utf8").replace(/\0.*$/s, "") };
    this.#more = { ...this.#more, ...more };
  }
}
