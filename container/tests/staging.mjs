// Stages states for tests, both ways, and holds one against the other.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

import { UnexpectedFileError } from "../lib/scan.mjs";
import { stageState } from "../lib/stage.mjs";
import { tarOf } from "../lib/tar.mjs";

export const KEY = "sk-or-v1-8f2a/Kq+ZbY=7Tn0pWc4";
export const OTHER = "7712345678:AAH-x_0123456789abcdefghijklmnopq";
/** Its JSON has escapes, its base64 the two characters that differ in base64url. */
export const ODD = 'pa"ss\\wo~~~???>>>rd/+==x';
export const MIB = 1024 * 1024;

/**
 * Stages files below `workspace` (or where their names say) and tells what became of them.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, Buffer | string>} files
 * @param {string[]} [values]
 */
export async function staged(t, files, values = [KEY, OTHER, ODD]) {
  const root = await mkdtemp(path.join(os.tmpdir(), "agent-leaks-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const state = path.join(root, "state");
  const copy = path.join(root, "copy");
  await mkdir(copy);
  await mkdir(state);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(state, name.includes("/") ? name : `workspace/${name}`);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  const stage = async () => {
    await rm(copy, { recursive: true });
    await mkdir(copy);
    const { entries, leftOut, masked } = await stageState(state, copy, values);
    await layOut(entries, copy);
    await assertSameInPassing(state, values, { entries, leftOut, masked }, copy);
    return { leftOut: leftOut.map((name) => name.replace(/^workspace\//, "")), masked };
  };
  return { state, copy, stage };
}

/**
 * Whatever is read only as it is packed is searched no less: it is the same, or there is no archive.
 * @param {string} state
 * @param {string[]} values
 * @param {Pick<import("../lib/stage.mjs").Staged, "entries" | "leftOut" | "masked">} expected
 * @param {string} copy where what is expected lies
 */
async function assertSameInPassing(state, values, expected, copy) {
  const tree = path.join(path.dirname(copy), "passing");
  await rm(tree, { recursive: true, force: true });
  await mkdir(path.join(tree, "state"), { recursive: true });
  const { entries, leftOut, masked } = await stageState(state, path.join(tree, "state"), values, true);
  const tarred = () => Buffer.concat([...tarOf(entries, tree)]);
  if (expected.leftOut.length > leftOut.length) assert.throws(tarred, UnexpectedFileError);
  const names = (/** @type {import("../lib/tar.mjs").Entry[]} */ some) => some.map(({ name }) => name);
  const found = names(entries).filter((name) => !names(expected.entries).includes(name));
  const missed = expected.leftOut.filter((name) => !leftOut.includes(name)).map((name) => `state/${name}`);
  assert.deepEqual([found.sort(), masked], [missed.sort(), expected.masked]);
}

/**
 * Small files are staged in memory: puts them beside the others.
 * @param {import("../lib/tar.mjs").Entry[]} entries
 * @param {string} copy
 */
export async function layOut(entries, copy) {
  for (const { name, type, bytes } of entries) {
    const place = path.join(copy, "..", name.replace("state", "copy"));
    if (type === "Directory") await mkdir(place, { recursive: true });
    if (bytes) await writeFile(place, bytes);
  }
}

/** @param {import("node:test").TestContext} t @param {string} file @param {string} [sql] */
export async function database(t, file, sql = "") {
  await mkdir(path.dirname(file), { recursive: true });
  const opened = new DatabaseSync(file);
  t.after(() => opened.close());
  opened.exec(sql);
  return opened;
}
