// Looks for injected values in the raw bytes of a file. Values inside compressed or encoded data are not found.
import { open } from "node:fs/promises";

const CHUNK = 1024 * 1024;

/**
 * @param {string} file
 * @param {Buffer[]} needles
 * @returns {Promise<boolean>}
 */
export async function holdsAny(file, needles) {
  if (needles.length === 0) return false;
  const overlap = Math.max(...needles.map((needle) => needle.length)) - 1;
  const buffer = Buffer.allocUnsafe(CHUNK + overlap);
  const handle = await open(file, "r");
  try {
    // The end of each chunk is kept in front of the next, so that a value across the border is seen.
    let kept = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, kept, CHUNK);
      if (bytesRead === 0) return false;
      const filled = buffer.subarray(0, kept + bytesRead);
      if (needles.some((needle) => filled.includes(needle))) return true;
      kept = Math.min(overlap, filled.length);
      filled.copy(buffer, 0, filled.length - kept);
    }
  } finally {
    await handle.close();
  }
}
