// A snapshot's file before it is uploaded: whether it can be, and its hash, with which the service sees that all of it
// arrived.
import type { Upload } from "./api.ts";
import { base64 } from "./base64.ts";

/** What the service takes. */
export const MAX_UPLOAD_BYTES = 256 * 1024 * 1024;
const ARCHIVE_TYPE = "application/zstd";

/** Why a file is not sent at all; `null` when it can be. */
export function refusal({ name, size }: Pick<File, "name" | "size">): string | null {
  if (size === 0) return `${name} is empty.`;
  if (size > MAX_UPLOAD_BYTES) return `${name} is too large: at most 256 MiB can be uploaded.`;
  return null;
}

/** Reads the file once: what is sent is what the hash is of, also when the file changes meanwhile. */
export async function readUpload(file: Pick<File, "arrayBuffer">): Promise<Upload> {
  const bytes = await file.arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return { bytes, type: ARCHIVE_TYPE, digest: `sha-256=:${base64(hash)}:` };
}
