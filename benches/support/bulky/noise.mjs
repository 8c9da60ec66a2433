// Bytes that nothing compresses, the same each time, made as they are read.
import { createCipheriv } from "node:crypto";

const MIB = 1024 * 1024;

/** @param {number} size */
export function* noise(size) {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  const zeros = Buffer.alloc(MIB);
  for (let left = size; left > 0; left -= MIB) yield cipher.update(left < MIB ? zeros.subarray(0, left) : zeros);
}
