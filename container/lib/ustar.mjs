// The blocks of a tar that say what follows them (POSIX.1-2017, the pax interchange format), written and read. A state has
// thousands of files, so each takes a few microseconds.
import { AgentError } from "./errors.mjs";

export const BLOCK = 512;
const NAME_LENGTH = 100;
const MODE = 100;
const SIZE = 124;
const MTIME = 136;
const CHECKSUM = 148;
const CHECKSUM_END = 156;
const TYPE = 156;
const LINK = 157;
const MAGIC = 257;
const DEVICE = 329;
const PREFIX = 345;
const PREFIX_LENGTH = 155;
/** The most seconds that eleven octal digits hold. */
const MAX_TIME = 0o77777777777;
const ZERO = 0x30;
const SEVEN = 0x37;
const SPACE = 0x20;
const NEWLINE = 0x0a;

/**
 * @typedef {object} Facts
 * @property {string} path
 * @property {"File" | "Directory"} type
 * @property {boolean} executable
 * @property {number} size of a directory 0
 * @property {Date} [mtime]
 */

const scratch = Buffer.alloc(BLOCK);

/**
 * Neither says who owned the file, nor on what machine.
 * @param {Facts} facts
 * @returns {Buffer} one block, or with what does not fit into it several; valid until the next are made
 */
export function headersOf({ path, type, executable, size, mtime }) {
  const full = type === "Directory" ? `${path}/` : path;
  const seconds = mtime ? mtime.getTime() / 1000 : 0;
  const place = placeOf(full);
  const fits = seconds >= 0 && seconds <= MAX_TIME;
  const facts = {
    ...(place ?? { name: full, prefix: "" }),
    ...{ mode: type === "Directory" || executable ? 0o700 : 0o600, size },
    ...{ seconds: fits ? seconds : 0, type: type === "Directory" ? "5" : "0" },
  };
  if (place && fits) {
    write(scratch, facts);
    return scratch;
  }
  const body = Buffer.from(recordOf("path", full) + (mtime ? recordOf("mtime", String(seconds)) : ""));
  const about = { name: "PaxHeader", prefix: "", mode: 0o644, size: body.length, seconds: 0, type: "x" };
  const whole = Buffer.alloc(BLOCK + body.length + paddingOf(body.length) + BLOCK);
  write(whole.subarray(0, BLOCK), about);
  body.copy(whole, BLOCK);
  write(whole.subarray(whole.length - BLOCK), facts);
  return whole;
}

/** @param {number} size */
export function paddingOf(size) {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/**
 * @param {string} path
 * @returns {{name: string, prefix: string} | undefined} undefined where it does not fit, or not without a doubt
 */
function placeOf(path) {
  if (Buffer.byteLength(path) !== path.length) return undefined;
  if (path.length < NAME_LENGTH) return { name: path, prefix: "" };
  // Not at the end of a directory's.
  const cut = path.lastIndexOf("/", Math.min(PREFIX_LENGTH, path.length - 2));
  const name = path.slice(cut + 1);
  return cut > 0 && name.length <= NAME_LENGTH ? { name, prefix: path.slice(0, cut) } : undefined;
}

/** What is the same in all of them: of no device. */
const TEMPLATE = Buffer.alloc(BLOCK);
TEMPLATE.write("ustar\x0000", MAGIC, "latin1");
TEMPLATE.write("000000 \x00000000 \0", DEVICE, "latin1");

/**
 * @param {Buffer} block
 * @param {{name: string, prefix: string, mode: number, size: number, seconds: number, type: string}} facts
 */
function write(block, { name, prefix, mode, size, seconds, type }) {
  TEMPLATE.copy(block);
  block.write(name, 0, NAME_LENGTH);
  writeOctal(block, MODE, 8, mode);
  writeOctal(block, SIZE, 12, size);
  writeOctal(block, MTIME, 12, Math.floor(seconds));
  block[TYPE] = type.charCodeAt(0);
  if (prefix !== "") block.write(prefix, PREFIX, PREFIX_LENGTH);
  writeOctal(block, CHECKSUM, 8, sumOf(block));
}

/**
 * Digits, a blank where there is room, and a zero.
 * @param {Uint8Array} block
 * @param {number} at
 * @param {number} width
 * @param {number} value
 */
function writeOctal(block, at, width, value) {
  const isLong = value >= 8 ** (width - 2);
  const last = at + width - (isLong ? 2 : 3);
  let left = value;
  for (let place = last; place >= at; place -= 1) {
    block[place] = ZERO + (left % 8);
    left = Math.floor(left / 8);
  }
  if (!isLong) block[last + 1] = SPACE;
  block[at + width - 1] = 0;
}

/**
 * With its own length before it, which counts itself.
 * @param {string} key
 * @param {string} value
 */
function recordOf(key, value) {
  const rest = ` ${key}=${value}\n`;
  const length = Buffer.byteLength(rest);
  const whole = length + String(length).length;
  return `${length + String(whole).length}${rest}`;
}

/** As if its own field were blank. @param {Uint8Array} block */
function sumOf(block) {
  let sum = (CHECKSUM_END - CHECKSUM) * SPACE;
  for (let at = 0; at < CHECKSUM; at += 1) sum += /** @type {number} */ (block[at]);
  for (let at = CHECKSUM_END; at < BLOCK; at += 1) sum += /** @type {number} */ (block[at]);
  return sum;
}

/**
 * @typedef {object} Header
 * @property {string} path @property {string} type one character
 * @property {boolean} executable
 * @property {number} size @property {Date | undefined} mtime
 */

/**
 * @param {Buffer} block
 * @returns {Header | undefined} undefined where it is all zeros
 */
export function decodeHeader(block) {
  const stored = numberAt(block, CHECKSUM, 8);
  if (sumOf(block) !== stored) {
    if (stored === undefined && block.every((byte) => byte === 0)) return undefined;
    throw damaged();
  }
  const isPosix = block.toString("latin1", MAGIC, MAGIC + 6) === "ustar\0";
  const prefix = isPosix ? textAt(block, PREFIX, PREFIX_LENGTH) : "";
  const name = textAt(block, 0, NAME_LENGTH);
  const size = numberAt(block, SIZE, 12);
  // 0 is how the oldest programs wrote a file.
  const type = block[TYPE] === 0 ? "0" : block.toString("latin1", TYPE, TYPE + 1);
  // What is no link leads nowhere.
  if (size === undefined || ("05".includes(type) && block[LINK] !== 0)) throw damaged();
  const seconds = numberAt(block, MTIME, 12);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    type: type === "0" && name.endsWith("/") ? "5" : type,
    executable: ((numberAt(block, MODE, 8) ?? 0) & 0o100) !== 0,
    size,
    mtime: seconds === undefined ? undefined : new Date(seconds * 1000),
  };
}

/**
 * @param {Buffer} bytes records of an extended header
 * @returns {{path?: string, size?: number, mtime?: Date}} of those that matter here
 */
export function decodeRecords(bytes) {
  /** @type {{path?: string, size?: number, mtime?: Date}} */
  const fields = {};
  for (let at = 0; at < bytes.length; ) {
    const [, digits = ""] = /^(\d{1,7}) /.exec(bytes.toString("latin1", at, at + 8)) ?? [];
    const end = at + Number(digits);
    if (digits === "" || end > bytes.length || bytes[end - 1] !== NEWLINE) throw damaged();
    const record = bytes.toString("utf8", at + digits.length + 1, end - 1);
    const equals = record.indexOf("=");
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (equals < 1) throw damaged();
    if (key === "path") fields.path = value;
    if (key === "size") fields.size = wholeNumber(value);
    if (key === "mtime") fields.mtime = new Date(Number(value) * 1000);
    at = end;
  }
  if (fields.mtime && Number.isNaN(fields.mtime.getTime())) throw damaged();
  return fields;
}

/** @param {string} text */
function wholeNumber(text) {
  if (!/^\d{1,15}$/.test(text)) throw damaged();
  return Number(text);
}

/**
 * @param {Buffer} block
 * @param {number} at
 * @param {number} length
 */
function textAt(block, at, length) {
  const end = block.indexOf(0, at);
  return block.toString("utf8", at, end < 0 ? at + length : Math.min(end, at + length));
}

/**
 * @param {Uint8Array} block
 * @param {number} start
 * @param {number} length
 * @returns {number | undefined} undefined where there is no octal number
 */
function numberAt(block, start, length) {
  const end = start + length;
  let at = start;
  while (at < end && block[at] === SPACE) at += 1;
  let value = 0;
  const first = at;
  for (let byte = block[at] ?? 0; at < end && byte >= ZERO && byte <= SEVEN; byte = block[at] ?? 0) {
    value = value * 8 + byte - ZERO;
    at += 1;
  }
  const isOver = at === end || block[at] === 0 || block[at] === SPACE;
  return at > first && isOver ? value : undefined;
}

export function damaged() {
  return new AgentError("the archive is damaged");
}
