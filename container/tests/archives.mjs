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

/**
 * @param {Record<string, string | Buffer | {stored: Buffer}>} entries
 * @returns {Buffer}
 */
export function zipOf(entries) {
  /** @type {Buffer[]} */
  const parts = [];
  /** @type {Buffer[]} */
  const list = [];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const stored = typeof content === "object" && "stored" in content;
    const plain = stored ? content.stored : Buffer.from(content);
    const data = stored ? plain : zlib.deflateRawSync(plain);
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt16LE(stored ? 0 : 8, 4);
    facts.writeUInt32LE(zlib.crc32(plain), 10);
    facts.writeUInt32LE(data.length, 14);
    facts.writeUInt32LE(plain.length, 18);
    facts.writeUInt16LE(Buffer.byteLength(name), 22);
    const entry = [Buffer.from("PK\x03\x04", "latin1"), facts, Buffer.from(name), data];
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    list.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), facts, place, Buffer.from(name));
    parts.push(...entry);
    offset += entry.reduce((sum, part) => sum + part.length, 0);
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  const count = Object.keys(entries).length;
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(
    list.reduce((sum, part) => sum + part.length, 0),
    12,
  );
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...list, end]);
}
