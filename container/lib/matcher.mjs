// Finds many strings of bytes at once, in less than one look per byte: each look is at two bytes, and a table says how far
// it is from them to the nearest place where a string could end (Wu and Manber's way).
import { formsOf } from "./forms.mjs";

const MASK = 0x2a;
/** Distances are kept in bytes. */
const MAX_WINDOW = 256;

export class Matcher {
  /** No value to look for: nothing is found. */
  empty = true;
  /** Length of the longest form. */
  longest = 0;
  /** By two bytes: how far the search may go on from where they are the last it has seen; 0 where a form may end. */
  #distance = new Uint8Array(65_536);
  /** @type {Map<number, Buffer[]>} the forms that end with those two bytes, longest first */
  #ending = new Map();
  #window = 0;

  /** @param {string[]} values */
  constructor(values) {
    const forms = values.flatMap(formsOf).sort((a, b) => b.length - a.length);
    if (forms.length === 0) return;
    this.empty = false;
    this.longest = Math.max(...forms.map((form) => form.length));
    // The end of a key is random, its beginning is its maker's mark.
    this.#window = Math.min(MAX_WINDOW, ...forms.map((form) => form.length));
    this.#distance.fill(this.#window - 1);
    for (const form of forms) {
      const window = form.subarray(form.length - this.#window);
      for (let last = 1; last < window.length; last += 1) {
        const pair = window.readUInt16LE(last - 1);
        const distance = window.length - 1 - last;
        if (distance < (this.#distance[pair] ?? 0)) this.#distance[pair] = distance;
      }
      const pair = window.readUInt16LE(window.length - 2);
      this.#ending.set(pair, [...(this.#ending.get(pair) ?? []), form]);
    }
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} [end] index of the first byte that may be the last of a find
   * @returns {{start: number, end: number} | undefined} the first find, the longest that ends there; `end` is its last byte
   */
  find(bytes, end = 0) {
    if (this.empty) return undefined;
    const distances = this.#distance;
    const length = bytes.length;
    let last = Math.max(end, this.#window - 1);
    while (last < length) {
      const before = /** @type {number} */ (bytes[last - 1]);
      const after = /** @type {number} */ (bytes[last]);
      const pair = before | (after << 8);
      const distance = /** @type {number} */ (distances[pair]);
      if (distance === 0) {
        const form = formEndingAt(bytes, last, this.#ending.get(pair) ?? []);
        if (form) return { start: last - form.length + 1, end: last };
        last += 1;
      } else {
        last += distance;
      }
    }
    return undefined;
  }

  /** @param {string} text */
  isIn(text) {
    return this.find(Buffer.from(text, "utf8")) !== undefined;
  }

  /**
   * Overwrites every find, also where they overlap.
   * @param {Uint8Array} bytes
   */
  mask(bytes) {
    const finds = [];
    for (let find = this.find(bytes); find; find = this.find(bytes, find.end + 1)) finds.push(find);
    for (const { start, end } of finds) bytes.fill(MASK, start, end + 1);
  }
}

/** The same search over bytes that come in parts: a find may lie across their borders. */
export class StreamSearch {
  #matcher;
  /** The end of what went before, in which the beginning of a find may lie. */
  #kept = Buffer.alloc(0);

  /** @param {Matcher} matcher */
  constructor(matcher) {
    this.#matcher = matcher;
  }

  /**
   * @param {Buffer} part which the caller may use again afterwards
   * @returns {boolean} whether a find ends in it
   */
  holds(part) {
    if (this.#matcher.empty) return false;
    const border = this.#matcher.longest - 1;
    if (this.#matcher.find(part)) return true;
    const across = Buffer.concat([this.#kept, part.subarray(0, border)]);
    if (this.#matcher.find(across, this.#kept.length)) return true;
    const seen = part.length >= border ? part : across;
    this.#kept = Buffer.from(seen.subarray(Math.max(0, seen.length - border)));
    return false;
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number} last
 * @param {Buffer[]} forms
 */
function formEndingAt(bytes, last, forms) {
  for (const form of forms) if (endsAt(bytes, last, form)) return form;
  return undefined;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} last
 * @param {Uint8Array} form
 */
function endsAt(bytes, last, form) {
  const start = last - form.length + 1;
  if (start < 0) return false;
  for (let index = form.length - 1; index >= 0; index -= 1) if (bytes[start + index] !== form[index]) return false;
  return true;
}
