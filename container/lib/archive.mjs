// The archive's format: `manifest.json`, then `state/...`, as tar of plain files and directories, zstd or gzip around it.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";

import { TooLargeError } from "./errors.mjs";
import { MAX_ARCHIVE_BYTES } from "./limits.mjs";
import { MANIFEST } from "./manifest.mjs";
import { readArchive } from "./reader.mjs";
import { tarOf } from "./tar.mjs";

const CHUNK = 1024 * 1024;
/** What waits between two of those that work side by side: none stands still for the moment that another takes. */
const highWaterMark = 4 * CHUNK;
const COMPRESSOR = { chunkSize: CHUNK, highWaterMark };

/**
 * What could not be restored is no snapshot: the very bytes that are written are read again as `restore` reads them.
 * @param {import("./manifest.mjs").Manifest} manifest
 * @param {import("./tar.mjs").Entry[]} entries
 * @param {string} tree what lies below it of them
 * @param {string} file
 * @returns {Promise<{size: number, sha256: string}>}
 */
export async function pack(manifest, entries, tree, file) {
  const hash = createHash("sha256");
  let size = 0;
  const copy = new PassThrough({ highWaterMark });
  const reading = readArchive(copy[Symbol.asyncIterator]());
  // It is awaited below, or has failed for what failed there.
  reading.catch(() => {});
  const compress =
    typeof zlib.createZstdCompress === "function" ? zlib.createZstdCompress(COMPRESSOR) : zlib.createGzip(COMPRESSOR);
  /** @param {AsyncIterable<Buffer>} source */
  async function* counted(source) {
    for await (const chunk of source) {
      hash.update(chunk);
      size += chunk.length;
      if (size > MAX_ARCHIVE_BYTES) throw new TooLargeError("the snapshot is too large");
      if (!copy.write(chunk)) await Promise.race([once(copy, "drain"), reading]);
      yield chunk;
    }
    copy.end();
    await reading;
  }
  try {
    const tar = tarOf([manifestEntry(manifest), ...entries], tree);
    await pipeline(tar, compress, counted, createWriteStream(file, { mode: 0o600, flags: "wx", highWaterMark }));
  } finally {
    copy.destroy();
  }
  return { size, sha256: hash.digest("hex") };
}

/**
 * @param {import("./manifest.mjs").Manifest} manifest
 * @returns {import("./tar.mjs").Entry}
 */
export function manifestEntry(manifest) {
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { name: MANIFEST, type: "File", executable: false, size: bytes.length, mtime: new Date(), bytes };
}
