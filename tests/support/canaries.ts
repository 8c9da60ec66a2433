// Searches for secrets as an attacker would: every form that a value is likely to be kept or printed in, in plain bytes, in
// compressed ones and in archives.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";

export interface Canary {
  readonly name: string;
  readonly value: string;
}

/** The value as it is, hexadecimal, base64 at each alignment, and as URLs and JSON have it. */
function forms(value: string): Buffer[] {
  const bytes = Buffer.from(value);
  const hex = bytes.toString("hex");
  const base64 = [0, 1, 2].flatMap((skipped) => {
    const own = bytes.subarray(skipped, bytes.length - ((bytes.length - skipped) % 3));
    return [own.toString("base64"), own.toString("base64url")];
  });
  const json = JSON.stringify(value).slice(1, -1);
  const texts = [value, hex, hex.toUpperCase(), encodeURIComponent(value), json, ...base64];
  return [...new Set(texts)].map((text) => Buffer.from(text));
}

/** The names of the canaries that the bytes hold, also within what is compressed in them as a whole. */
export function canariesIn(bytes: Buffer, canaries: readonly Canary[]): string[] {
  const names = canaries
    .filter(({ value }) => forms(value).some((form) => bytes.includes(form)))
    .map(({ name }) => name);
  const unpacked = decompressed(bytes);
  return unpacked ? [...new Set([...names, ...canariesIn(unpacked, canaries)])] : names;
}

function decompressed(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 4) return undefined;
  try {
    if (bytes.readUInt32BE(0) === 0x28b52ffd) return zstdDecompressSync(bytes);
    if (bytes.readUInt16BE(0) === 0x1f8b) return gunzipSync(bytes);
  } catch {
    // Not what it looked like.
  }
  return undefined;
}

/** `canary in file` for each that a file below the directory holds. */
export function canariesBelow(dir: string, canaries: readonly Canary[]): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .flatMap((file) =>
      canariesIn(readIfThere(file), canaries).map((name) => `${name} in ${file.slice(dir.length + 1)}`),
    );
}

/** What runs may remove files while they are read. */
function readIfThere(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
