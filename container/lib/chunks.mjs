// Cuts a stream into chunks where its content says so: what is inserted or taken away changes the chunks around it, and no
// others. FastCDC with normalized chunking (Xia et al., USENIX ATC 2016, section 3), with a hash of 32 bits.
import { createHash } from "node:crypto";

const KIB = 1024;
/** Small enough that changes in many places stay cheap; each costs some forty bytes of the index. */
const NORMAL = 32 * KIB;
export const MIN_CHUNK = 8 * KIB;
export const MAX_CHUNK = 128 * KIB;
/** Below the normal size a cut is four times as rare as it would be without one, beyond it four times as frequent. */
const RARE = -1 << (32 - 17);
const FREQUENT = -1 << (32 - 13);

/** Another table cuts elsewhere, and nothing that was saved before would be found again. */
const GEAR = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash("sha256").update(`gear ${byte}`).digest().readInt32LE(),
);

/**
 * @param {AsyncIterable<Buffer>} source
 * @returns {AsyncGenerator<Buffer>} valid until the next is asked for
 */
export async function* chunksOf(source) {
  /** @type {Buffer} */
  let rest = Buffer.alloc(0);
  for await (const bytes of source) {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    // Where it ends must not depend on how much has come so far.
    while (rest.length - at >= MAX_CHUNK) {
      const end = endOf(rest, at);
      yield rest.subarray(at, end);
      at = end;
    }
    rest = rest.subarray(at);
  }
  while (rest.length > 0) {
    const end = endOf(rest, 0);
    yield rest.subarray(0, end);
    rest = rest.subarray(end);
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number} from
 * @returns {number} where the chunk ends that begins there
 */
function endOf(bytes, from) {
  const last = Math.min(from + MAX_CHUNK, bytes.length);
  const normal = Math.min(from + NORMAL, last);
  let hash = 0;
  let at = from + MIN_CHUNK;
  for (; at < normal; at += 1) {
    hash = ((hash << 1) + /** @type {number} */ (GEAR[/** @type {number} */ (bytes[at])])) | 0;
    if ((hash & RARE) === 0) return at + 1;
  }
  for (; at < last; at += 1) {
    hash = ((hash << 1) + /** @type {number} */ (GEAR[/** @type {number} */ (bytes[at])])) | 0;
    if ((hash & FREQUENT) === 0) return at + 1;
  }
  return last;
}
