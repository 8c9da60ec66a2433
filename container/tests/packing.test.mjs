// Files that are read only as they are packed: searched no less for it, and packed as they were seen or not at all.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, copyFile, readFile, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";

import { UnexpectedFileError } from "../lib/scan.mjs";
import { stageState } from "../lib/stage.mjs";
import { tarOf } from "../lib/tar.mjs";
import { zipOf } from "./archives.mjs";
import { database, KEY, MIB, staged } from "./staging.mjs";

test("c14 of what is read as it is packed each file with a value ends the packing by itself", async (t) => {
  const text = `${randomBytes(5_000).toString("base64")}${KEY}`;
  const holding = {
    plain: text,
    large: Buffer.concat([randomBytes(5 * MIB), Buffer.from(KEY), randomBytes(MIB)]),
    "across parts": Buffer.concat([Buffer.alloc(3 * MIB - 5, "."), Buffer.from(KEY)]),
    "1.gz": zlib.gzipSync(text),
    "workspace/.git/objects/ab/cd": zlib.deflateSync(`blob 1\0${text}`),
    "cut object of git": zlib.deflateSync(`blob 1\0${text}${randomBytes(5_000)}`).subarray(0, -50),
    "1.zip": zipOf({ "deep/key.txt": text }),
  };
  for (const [name, content] of Object.entries(holding)) {
    const { stage } = await staged(t, { [name]: content, fine: "fine" });
    assert.deepEqual((await stage()).leftOut, [name.replace("workspace/", "")]);
  }
});

test("c19 a file that is not any more what it was ends the packing, and is never packed as something else", async (t) => {
  const fine = () => ({ small: "fine", large: Buffer.alloc(3 * MIB, "fine ") });
  /** @type {Record<string, (file: string) => Promise<unknown>>} */
  const changes = {
    "has grown": (file) => appendFile(file, "more"),
    "has shrunk": (file) => truncate(file, 2),
    "is another": async (file) => {
      await copyFile(file, `${file}.new`);
      await rename(`${file}.new`, file);
    },
    "is another of that time": async (file) => {
      await copyFile(file, `${file}.new`);
      await utimes(`${file}.new`, 1, 1);
      await rename(`${file}.new`, file);
    },
    "has grown within that time": async (file) => {
      await appendFile(file, "more");
      await utimes(file, 1, 1);
    },
    "has become an archive within that time": async (file) => {
      await writeFile(file, Buffer.concat([Buffer.from("1f8b0800", "hex"), (await readFile(file)).subarray(4)]));
      await utimes(file, 1, 1);
    },
    "was written again": async (file) => writeFile(file, (await readFile(file)).fill("x")),
    "is gone": (file) => rm(file),
    "is a link": async (file) => {
      await rename(file, `${file}.old`);
      await symlink(`${file}.old`, file);
    },
    "is a pipe": async (file) => {
      await rm(file);
      execFileSync("mkfifo", [file]);
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    for (const name of Object.keys(fine())) {
      const { state, copy } = await staged(t, fine());
      const file = path.join(state, "workspace", name);
      // Or a clock that ticks rarely could tell nothing.
      await utimes(file, 1, 1);
      const { entries } = await stageState(state, copy, [KEY], true);
      await change(file);
      assert.throws(() => [...tarOf(entries, path.dirname(copy))], UnexpectedFileError, `${name} ${what}`);
    }
  }
});

test("c14 a database is never packed as it lies there, whatever its name", async (t) => {
  const { state, copy, stage } = await staged(t, {});
  await database(t, path.join(state, "workspace/notes"), "CREATE TABLE t (v); INSERT INTO t VALUES ('fine')");
  assert.deepEqual(await stage(), { leftOut: [], masked: [] });
  const { entries } = await stageState(state, copy, [KEY], true);
  assert.throws(() => [...tarOf(entries, path.dirname(copy))], UnexpectedFileError);
});

test("c19 the objects of git and other small archives need no second look", async (t) => {
  const { state, copy } = await staged(t, {
    "workspace/.git/objects/ab/cd": zlib.deflateSync("blob 4\0fine"),
    "fine.gz": zlib.gzipSync("fine"),
    "fine.zip": zipOf({ "a/b.txt": "fine" }),
    empty: "",
  });
  const { entries } = await stageState(state, copy, [KEY], true);
  assert.ok([...tarOf(entries, path.dirname(copy))].length > 0);
});
