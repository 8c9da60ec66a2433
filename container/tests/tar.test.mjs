// Tars as `snapshot` makes them and as `restore` reads them, against the system's own program and against what is no tar.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import { tarOf } from "../lib/tar.mjs";
import { TarParser } from "../lib/untar.mjs";
import { tarOf as handmade, summed } from "./archives.mjs";

const LONG = `state/${"directory/".repeat(12)}${"n".repeat(90)}`;
const LONGER = `state/${"é".repeat(60)}/${"long".repeat(50)}`;

/**
 * @param {Buffer} tar
 * @param {number} [step] how many bytes come at once
 */
function parsed(tar, step = tar.length) {
  /** @type {(import("../lib/untar.mjs").Header & {body: string})[]} */
  const entries = [];
  let ends = 0;
  const parser = new TarParser({
    entry: (header) => void entries.push({ ...header, body: "" }),
    data: (bytes) => {
      const last = entries.at(-1);
      if (last) last.body += bytes.toString("latin1");
    },
    end: () => {
      ends += 1;
    },
  });
  for (let at = 0; at < tar.length; at += step) parser.take(tar.subarray(at, at + step));
  parser.end();
  assert.equal(ends, entries.length);
  return entries;
}

/** @param {import("node:test").TestContext} t */
async function directory(t) {
  const made = await mkdtemp(path.join(os.tmpdir(), "agent-tar-"));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

test("what is packed is unpacked by the system's program, and read here, however it comes in", async (t) => {
  const root = await directory(t);
  const times = [0, 1, 1_700_000_000.5, 2 ** 33 - 1, 2 ** 33 + 5, -5];
  const names = ["state/a", "state/odd \\ na\nme\"@'", LONG, LONGER, "state/new\nline é", "state/empty"];
  const entries = names.map((name, index) => {
    const bytes = Buffer.from(name.endsWith("empty") ? "" : `body of ${index} `.repeat(index * 30));
    const mtime = new Date((times[index] ?? 0) * 1000);
    const executable = index % 2 === 1;
    return /** @type {import("../lib/tar.mjs").Entry} */ ({
      name,
      type: "File",
      executable,
      size: bytes.length,
      mtime,
      bytes,
    });
  });
  const directories = [...new Set(names.map((name) => path.posix.dirname(name)))].map((name) => {
    return /** @type {import("../lib/tar.mjs").Entry} */ ({ name, type: "Directory", executable: false, size: 0 });
  });
  const tar = Buffer.concat([...tarOf([...directories, ...entries], root)]);
  execFileSync("tar", ["-x", "-C", root], { input: tar });
  for (const { name, bytes, mtime, executable } of entries) {
    assert.ok((await readFile(path.join(root, name))).equals(bytes ?? Buffer.alloc(0)), name);
    const found = await stat(path.join(root, name));
    assert.equal(found.mode & 0o777, executable ? 0o700 : 0o600, name);
    assert.ok(Math.abs(found.mtimeMs - (mtime?.getTime() ?? 0)) < 1000, name);
  }
  for (const step of [1, 511, 512, 513, 10_000, tar.length]) {
    const found = parsed(tar, step).filter(({ type }) => type === "0");
    assert.deepEqual(
      found.map(({ path, size, executable, body }) => [path, size, executable, body]),
      entries.map(({ name, size, executable, bytes }) => [name, size, executable, bytes?.toString("latin1")]),
    );
    for (const [index, { mtime }] of found.entries())
      assert.ok(Math.abs((mtime?.getTime() ?? 0) / 1000 - (times[index] ?? 0)) < 1);
  }
  assert.deepEqual(
    parsed(tar)
      .filter(({ type }) => type === "5")
      .map(({ path }) => path),
    directories.map(({ name }) => `${name}/`),
  );
});

for (const format of ["ustar", "pax"]) {
  test(`what the system's program packs as ${format} is read here`, async (t) => {
    const root = await directory(t);
    const names = ["state/a", LONG, ...(format === "pax" ? [LONGER] : [])];
    for (const name of names) {
      await mkdir(path.dirname(path.join(root, name)), { recursive: true });
      await writeFile(path.join(root, name), name);
      await chmod(path.join(root, name), 0o755);
      await utimes(path.join(root, name), 5, 1_600_000_000);
    }
    const tar = execFileSync("tar", ["-c", `--format=${format}`, "-C", root, ...(await readdir(root))]);
    const files = parsed(tar).filter(({ type }) => type === "0");
    assert.deepEqual(
      files.map(({ path, body, executable, mtime }) => [path, body, executable, mtime?.getTime()]).sort(),
      names.map((name) => [name, Buffer.from(name).toString("latin1"), true, 1_600_000_000_000]).sort(),
    );
  });
}

test("a long path as GNU tar writes it, a directory as the oldest programs do, and a path of two headers", () => {
  const tar = handmade([
    { path: "././@LongLink", type: "LongName", body: `${LONGER}\0` },
    { path: "state/cut", body: "x" },
    { path: "state/old/", type: "\0", size: 0 },
    { path: "pax", type: "Extended", body: "15 path=state/\n" },
    { path: "pax", type: "Extended", body: "18 path=state/abc\n" },
    { path: "cut", body: "y" },
    { path: "state/next", body: "z" },
  ]);
  assert.deepEqual(
    parsed(tar).map(({ path, type }) => [path, type]),
    [
      [LONGER, "0"],
      ["state/old/", "5"],
      ["state/abc", "0"],
      ["state/next", "0"],
    ],
  );
});

const sound = handmade([{ path: "state/a", body: "hello" }]);

/** @param {(block: Buffer) => void} change @param {boolean} [isSummed] */
function changed(change, isSummed = true) {
  const tar = Buffer.from(sound);
  change(tar);
  if (isSummed) summed(tar.subarray(0, 512));
  return tar;
}

const extended = (/** @type {string} */ body) =>
  handmade([
    { path: "pax", type: "Extended", body },
    { path: "state/a", body: "hello" },
  ]);

/** @type {Record<string, Buffer>} */
const DAMAGED = {
  "a wrong checksum": changed((tar) => tar.write("b", 6), false),
  "no checksum": changed((tar) => tar.fill(0, 148, 156), false),
  "no size": changed((tar) => tar.fill(0, 124, 136)),
  "a size that is no number": changed((tar) => tar.write("0000000000z", 124)),
  "a size below zero": changed((tar) => tar.write("-0000000005", 124)),
  "a binary size": changed((tar) => tar.write("\x80\0\0\0\0\0\0\0\0\0\0\x05", 124, "latin1")),
  "a link's target": changed((tar) => tar.write("/etc/passwd", 157)),
  "an end within a header": sound.subarray(0, 100),
  "an end within a body": sound.subarray(0, 514),
  "an end within the padding": sound.subarray(0, 600),
  "records without a length": extended("path=state/b\n"),
  "records that are longer than there is": extended("99 path=state/b\n"),
  "records without an end of line": extended("15 path=state/bc"),
  "records without a key": extended("9 =state\n"),
  "records of no length": extended("0 path=state/b\n"),
  "records with a size that is none": extended("11 size=-1\n"),
  "records with a time that is none": extended("11 mtime=x\n"),
  "too many records": extended(`${70_000 + 12} comment=${"x".repeat(70_000)}\n`),
};

for (const [name, tar] of Object.entries(DAMAGED)) {
  test(`a tar with ${name} is refused`, () => {
    for (const step of [1, 512, tar.length]) assert.throws(() => parsed(tar, step), /^Error: the archive is damaged$/);
  });
}

test("behind the end of a tar nothing is read, and a block of zeros alone is no end", () => {
  assert.equal(parsed(Buffer.concat([sound, Buffer.alloc(5_000, "x")])).length, 1);
  assert.equal(parsed(Buffer.concat([sound.subarray(0, 1024), Buffer.alloc(512), sound])).length, 2);
  assert.equal(parsed(sound.subarray(0, 1024)).length, 1);
});
