// The archive's format: `manifest.json`, then `state/...`, as tar of plain files and directories, zstd or gzip around it.
// Reading checks every entry before the first byte is written anywhere.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import { create, Parser, Unpack } from "tar";

import { asObject } from "./config.mjs";
import { AgentError } from "./errors.mjs";
import {
  MAX_ARCHIVE_BYTES,
  MAX_DEPTH,
  MAX_LINKS,
  MAX_MANIFEST_BYTES,
  MAX_STATE_BYTES,
  MAX_STATE_ENTRIES,
} from "./limits.mjs";
import { staysInside } from "./links.mjs";

export const FORMAT = 1;
const MANIFEST = "manifest.json";
/** Headers, padding and directories come on top of the files' own bytes. */
const TAR_OVERHEAD = 1.25;

/**
 * @typedef {object} Manifest
 * @property {number} format @property {string} openclaw @property {string} created
 * @property {number} files @property {number} bytes
 * @property {[string, string][]} links
 */

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
      done(size > MAX_ARCHIVE_BYTES ? new AgentError("the snapshot is too large") : null, chunk);
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
 * @returns {Promise<Manifest>}
 */
export async function inspect(file) {
  const seen = new Set();
  let files = 0;
  let bytes = 0;
  /** @type {Buffer[]} */
  const manifestParts = [];
  /** @type {AgentError | undefined} */
  let refusal;
  const refuse = (/** @type {string} */ reason) => {
    refusal ??= new AgentError(reason);
    parser.abort(refusal);
  };
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      const name = entry.path.replace(/\/$/, "");
      const problem = entryProblem(name, entry.type, seen);
      seen.add(name);
      if (problem) refuse(problem);
      if (entry.type !== "Directory" && name !== MANIFEST) {
        files += 1;
        bytes += entry.size;
      }
      if (name === MANIFEST && entry.size > MAX_MANIFEST_BYTES) refuse("the archive's manifest is too large");
      if (seen.size > MAX_STATE_ENTRIES) refuse("the archive holds too many files");
      if (bytes > MAX_STATE_BYTES) refuse("the archive is too large when unpacked");
      if (name === MANIFEST && !refusal) entry.on("data", (chunk) => manifestParts.push(Buffer.from(chunk)));
      else entry.resume();
    },
  });
  parser.on("ignoredEntry", () => refuse("the archive holds something else than files and directories"));
  await readThrough(file, parser, () => refusal);
  const manifest = parseManifest(Buffer.concat(manifestParts).toString("utf8"));
  if (manifest.files !== files || manifest.bytes !== bytes)
    throw new AgentError("the archive does not match its manifest");
  return manifest;
}

/**
 * @param {string} file passed by `inspect`
 * @param {string} directory
 */
export async function unpack(file, directory) {
  const writer = new Unpack({
    cwd: directory,
    strict: true,
    preserveOwner: false,
    maxDepth: MAX_DEPTH + 2,
    onReadEntry: (entry) => {
      // For the agent's user alone, whatever the archive says; set-user-id and the like do not come back.
      entry.mode = entry.type === "Directory" || (entry.mode ?? 0) & 0o100 ? 0o700 : 0o600;
    },
  });
  await readThrough(file, writer, () => undefined);
}

/**
 * @param {string} name
 * @param {string} type
 * @param {Set<string>} seen
 * @returns {string | undefined}
 */
function entryProblem(name, type, seen) {
  if (type !== "File" && type !== "OldFile" && type !== "Directory")
    return "the archive holds something else than files and directories";
  const parts = name.split("/");
  if (name.startsWith("/") || name.includes("\0") || parts.some((part) => ["", ".", ".."].includes(part))) {
    return "the archive holds a path that is not plain";
  }
  if (parts.length > MAX_DEPTH + 2) return "the archive is nested too deeply";
  if (seen.has(name)) return "the archive holds a path twice";
  if (seen.size === 0)
    return name === MANIFEST && type !== "Directory" ? undefined : "the archive does not begin with its manifest";
  if (parts[0] !== "state") return "the archive holds a path outside of the state";
  if (parts.length === 1 && type !== "Directory") return "the archive's state is no directory";
  return undefined;
}

/**
 * @param {string} text
 * @returns {Manifest}
 */
function parseManifest(text) {
  let manifest;
  try {
    manifest = asObject(JSON.parse(text));
  } catch {
    throw new AgentError("the archive's manifest is not JSON");
  }
  if (manifest?.format !== FORMAT) throw new AgentError("the archive has a format that is not known here");
  const { openclaw, created, files, bytes, links } = manifest;
  const sound =
    typeof openclaw === "string" &&
    typeof created === "string" &&
    Number.isSafeInteger(files) &&
    Number.isSafeInteger(bytes) &&
    Array.isArray(links) &&
    links.length <= MAX_LINKS &&
    links.every(isPlainLink);
  if (!sound) throw new AgentError("the archive's manifest is malformed");
  return /** @type {any} */ (manifest);
}

/** @param {unknown} link */
function isPlainLink(link) {
  if (!Array.isArray(link) || link.length !== 2) return false;
  const [relative, target] = link;
  if (typeof relative !== "string" || typeof target !== "string") return false;
  return (
    relative.split("/").every((part) => !["", ".", ".."].includes(part)) &&
    !relative.includes("\0") &&
    staysInside(relative, target)
  );
}

/**
 * @param {string} file
 * @param {NodeJS.WritableStream} reader
 * @param {() => AgentError | undefined} refusal
 */
async function readThrough(file, reader, refusal) {
  let unpacked = 0;
  const limit = MAX_STATE_BYTES * TAR_OVERHEAD + MAX_STATE_ENTRIES * 2048;
  const bound = new Transform({
    transform(chunk, _encoding, done) {
      unpacked += chunk.length;
      done(unpacked > limit ? new AgentError("the archive is too large when unpacked") : null, chunk);
    },
  });
  try {
    await pipeline(createReadStream(file), await decompressorFor(file), bound, reader);
  } catch (error) {
    throw refusal() ?? (error instanceof AgentError ? error : new AgentError("the archive is damaged"));
  }
  const reason = refusal();
  if (reason) throw reason;
}

/** @param {string} file */
async function decompressorFor(file) {
  const handle = await open(file, "r");
  const magic = Buffer.alloc(4);
  await handle.read(magic, 0, 4, 0).finally(() => handle.close());
  if (magic.readUInt32BE(0) === 0x28b52ffd) return zlib.createZstdDecompress();
  if (magic.readUInt16BE(0) === 0x1f8b) return zlib.createGunzip();
  throw new AgentError("the archive is neither zstd nor gzip");
}
