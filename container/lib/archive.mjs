// The archive's format: `manifest.json`, then `state/...`, as tar of plain files and directories, zstd or gzip around it.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import { create } from "tar";

import { TooLargeError } from "./errors.mjs";
import { MAX_ARCHIVE_BYTES } from "./limits.mjs";
import { MANIFEST } from "./manifest.mjs";
import { readArchive } from "./reader.mjs";

/**
 * @param {string} directory holds `manifest.json` and `state/`
 * @param {string} file
 * @returns {Promise<{size: number, sha256: string}>}
 */
export async function pack(directory, file) {
  const hash = createHash("sha256");
  let size = 0;
  const count = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(size > MAX_ARCHIVE_BYTES ? new TooLargeError("the snapshot is too large") : null, chunk);
    },
  });
  // `portable` leaves out who owned the files and on what machine.
  const tar = create({ cwd: directory, portable: true, strict: true }, [MANIFEST, "state"]);
  const compress = typeof zlib.createZstdCompress === "function" ? zlib.createZstdCompress() : zlib.createGzip();
  await pipeline(tar, compress, count, createWriteStream(file, { mode: 0o600, flags: "wx" }));
  return { size, sha256: hash.digest("hex") };
}

/**
 * Reads the whole archive once without writing, and refuses anything that `pack` would not have made.
 * @param {string} file
 */
export async function inspect(file) {
  return readArchive(createReadStream(file)[Symbol.asyncIterator]());
}
