// Builds archives for tests entry by entry, sound ones and such as nobody should send.
import { createHash } from "node:crypto";
import zlib from "node:zlib";
import { Header } from "tar";

/**
 * @typedef {{path: string, type?: string, body?: string, size?: number, linkpath?: string, mode?: number}} Entry
 * @param {Entry[]} entries
 * @returns {Buffer}
 */
export function tarOf(entries) {
  const parts = entries.flatMap(
    ({ path, type = "File", body = "", size = Buffer.byteLength(body), linkpath, mode = 0o644 }) => {
      const block = Buffer.alloc(512);
      const header = new Header(
        /** @type {any} */ ({ path, type, size, linkpath, mode, uid: 0, gid: 0, mtime: new Date(0) }),
      );
      header.encode(block, 0);
      const content = Buffer.alloc(Math.ceil(Buffer.byteLength(body) / 512) * 512);
      content.write(body);
      return [block, content];
    },
  );
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/**
 * @param {Entry[]} entries below the manifest, which is made to match
 * @param {object} [manifest] what to say otherwise
 */
export function archiveOf(entries, manifest = {}) {
  const files = entries.filter(({ type = "File" }) => type !== "Directory");
  const bytes = files.reduce((sum, { body = "", size }) => sum + (size ?? Buffer.byteLength(body)), 0);
  const facts = {
    format: 1,
    openclaw: "2026.9.6",
    created: "2026-01-15T12:00:00.000Z",
    files: files.length,
    bytes,
    links: [],
    ...manifest,
  };
  return compressed(
    tarOf([
      { path: "manifest.json", body: JSON.stringify(facts) },
      { path: "state/", type: "Directory", mode: 0o755 },
      ...entries,
    ]),
  );
}

/** @param {Buffer} tar */
export function compressed(tar) {
  return zlib.zstdCompressSync(tar);
}

/** @param {Buffer} archive */
export function argumentsFor(archive) {
  return ["restore", "--sha256", createHash("sha256").update(archive).digest("hex"), "--size", String(archive.length)];
}
