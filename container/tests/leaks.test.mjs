// No injected value gets into a snapshot, in none of the forms and places that the check claims to search; and what holds
// none is not touched. Mostly against the staging itself, without processes.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import zlib from "node:zlib";

import { formsOf } from "../lib/forms.mjs";
import { Matcher } from "../lib/matcher.mjs";
import { stageState } from "../lib/stage.mjs";
import { zipOf } from "./archives.mjs";
import { makeSandbox, run } from "./support.mjs";

const KEY = "sk-or-v1-8f2a/Kq+ZbY=7Tn0pWc4";
const OTHER = "7712345678:AAH-x_0123456789abcdefghijklmnopq";
/** Its JSON has escapes, its base64 the two characters that differ in base64url. */
const ODD = 'pa"ss\\wo~~~???>>>rd/+==x';
const MIB = 1024 * 1024;
const AGENT_DB = "agents/main/agent/openclaw-agent.sqlite";

/** Every form, made by other means than those of the code that looks for it. @type {Record<string, (key: string) => Buffer>} */
const FORMS = {
  plain: (key) => Buffer.from(key),
  "in JSON": (key) => Buffer.from(JSON.stringify({ key }).replaceAll("/", "\\/")),
  "in a URL": (key) => Buffer.from(`https://x.example/?${new URLSearchParams({ key })}`),
  "in a URL, lower case": (key) => Buffer.from(encodeURIComponent(key).replace(/%../g, (code) => code.toLowerCase())),
  "in a path": (key) => Buffer.from(encodeURIComponent(key).replaceAll("%2F", "/")),
  "in an address": (key) => Buffer.from(encodeURI(key)),
  hexadecimal: (key) => Buffer.from(Buffer.from(key).toString("hex")),
  "hexadecimal, upper case": (key) => Buffer.from(Buffer.from(key).toString("hex").toUpperCase()),
  "UTF-16, little end first": (key) => Buffer.from(key, "utf16le"),
  "UTF-16, big end first": (key) => Buffer.from(key, "utf16le").swap16(),
  ...Object.fromEntries(
    ["", "a", "ab", "abc"].flatMap((before) =>
      /** @type {const} */ (["base64", "base64url"]).map((encoding) => [
        `${encoding} ${before.length} bytes behind`,
        (/** @type {string} */ key) => Buffer.from(Buffer.from(`${before}${key}, and more`).toString(encoding)),
      ]),
    ),
  ),
};

/**
 * Stages files below `workspace` (or where their names say) and tells what became of them.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, Buffer | string>} files
 * @param {string[]} [values]
 */
async function staged(t, files, values = [KEY, OTHER, ODD]) {
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
    return { leftOut: leftOut.map((name) => name.replace(/^workspace\//, "")), masked };
  };
  return { state, copy, stage };
}

/**
 * Small files are staged in memory: puts them beside the others.
 * @param {import("../lib/tar.mjs").Entry[]} entries
 * @param {string} copy
 */
async function layOut(entries, copy) {
  for (const { name, bytes } of entries)
    if (bytes) await writeFile(path.join(copy, "..", name.replace("state", "copy")), bytes);
}

/** @param {import("node:test").TestContext} t @param {string} file @param {string} [sql] */
async function database(t, file, sql = "") {
  await mkdir(path.dirname(file), { recursive: true });
  const opened = new DatabaseSync(file);
  t.after(() => opened.close());
  opened.exec(sql);
  return opened;
}

/** @param {string} file */
function rowsOf(file) {
  const opened = new DatabaseSync(file, { readOnly: true });
  try {
    return opened.prepare("SELECT * FROM t ORDER BY rowid").all();
  } finally {
    opened.close();
  }
}

test("c14 a value is found in every form", async (t) => {
  const files = Object.fromEntries(
    Object.entries(FORMS).flatMap(([form, write]) => [
      [`${form} 1`, Buffer.concat([Buffer.from("before "), write(KEY), Buffer.from(" behind")])],
      [`${form} 2`, write(OTHER)],
      [`${form} 3`, write(ODD)],
    ]),
  );
  const { stage } = await staged(t, files);
  assert.deepEqual((await stage()).leftOut, Object.keys(files).sort());
});

test("c14 a value is found wherever it lies across the parts in which a file is read", async (t) => {
  const files = Object.fromEntries(
    Object.entries(FORMS).map(([form, write]) => {
      const found = write(KEY);
      const cut = 1 + Math.floor(Math.random() * (found.length - 1));
      return [`${form} cut at ${cut}`, Buffer.concat([Buffer.alloc(MIB - cut, "."), found, Buffer.from("...")])];
    }),
  );
  const { stage } = await staged(t, files);
  assert.deepEqual((await stage()).leftOut, Object.keys(files).sort());
});

test("c14 the search finds what a search for each form alone finds, and all of it is overwritten", () => {
  const values = ["aaaaaaaa", "aaaaaaab", "abababab-abababab", "xyzaaaaaaaabxyz", "0123456789abcdef0123456789abcdef"];
  const matcher = new Matcher(values);
  const forms = values.flatMap(formsOf);
  const pieces = [
    ...forms,
    ...forms.map((form) => form.subarray(1)),
    ...forms.map((form) => form.subarray(0, -1)),
    Buffer.from("a"),
  ];
  for (let round = 0; round < 3_000; round += 1) {
    const some = Array.from(
      { length: 1 + (round % 4) },
      () => pieces[Math.floor(Math.random() * pieces.length)] ?? Buffer.alloc(0),
    );
    const bytes = Buffer.concat(some);
    const text = bytes.toString("latin1");
    assert.equal(
      matcher.find(bytes) !== undefined,
      forms.some((form) => bytes.includes(form)),
      text,
    );
    matcher.mask(bytes);
    assert.ok(!forms.some((form) => bytes.includes(form)), text);
    if (forms.some((form) => form.toString("latin1") === text)) assert.match(bytes.toString("latin1"), /^\*+$/);
  }
});

test("c14 what holds no value is kept byte for byte, also what looks like one or like an archive", async (t) => {
  const files = {
    "half a key": KEY.slice(0, -1),
    "other half": KEY.slice(1),
    "of another": KEY.replace("8f2a", "8f2b"),
    noise: randomBytes(3 * MIB),
    "text like zlib": "x^2 + y^2",
    "text like zip": "PK\x03\x04 is how they begin",
    "cut.gz": zlib.gzipSync("fine").subarray(0, -3),
    "fine.gz": zlib.gzipSync("fine"),
    "two.zst": Buffer.concat([zlib.zstdCompressSync("one"), zlib.zstdCompressSync("two")]),
    "fine.zip": zipOf({ "a/b.txt": "fine", "c.gz": zlib.gzipSync("fine") }),
    "x/.git/objects/ab/cd": zlib.deflateSync("blob 4\0fine"),
    empty: "",
    "agents/main/sessions/cold/1.jsonl.zst": zlib.zstdCompressSync("{}\n".repeat(100_000)),
  };
  const { stage, state, copy } = await staged(t, files);
  assert.deepEqual(await stage(), { leftOut: [], masked: [] });
  for (const name of Object.keys(files)) {
    const relative = name.includes("/") ? name : `workspace/${name}`;
    if (!relative.startsWith("x/"))
      assert.deepEqual(await readFile(path.join(copy, relative)), await readFile(path.join(state, relative)));
  }
});

test("c14 a value is found inside what is compressed, also one in another", async (t) => {
  const text = `${randomBytes(5_000).toString("base64")}${KEY}${"line\n".repeat(1_000)}`;
  const zip = zipOf({ "fine.txt": "fine", "deep/key.txt": text });
  const files = {
    "1.gz": zlib.gzipSync(text),
    "1.zst": zlib.zstdCompressSync(text),
    "1.zip": zip,
    "1.docx": zipOf({ "stored.gz": { stored: zlib.gzipSync(text) } }),
    "second member.gz": Buffer.concat([zlib.gzipSync("fine"), zlib.gzipSync(text)]),
    "second frame.zst": Buffer.concat([zlib.zstdCompressSync("fine"), zlib.zstdCompressSync(text)]),
    "skipped frame.zst": Buffer.concat([
      Buffer.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9]),
      zlib.zstdCompressSync(text),
    ]),
    "cut.gz": zlib.gzipSync(text + randomBytes(MIB).toString("hex")).subarray(0, -9),
    "unlisted.zip": zip.subarray(0, zip.lastIndexOf("PK\x01\x02")),
    "behind something.zip": Buffer.concat([Buffer.from("PK\x03\x04"), zip]),
    "zip.gz": zlib.gzipSync(zip),
    "second frame in.gz": zlib.gzipSync(Buffer.concat([zlib.zstdCompressSync("fine"), zlib.zstdCompressSync(text)])),
    "gz.zst": zlib.zstdCompressSync(zlib.gzipSync(text)),
    "zip.zip": zipOf({ "inner.zip": zip }),
    "zip stored.zip": zipOf({ "inner.zip": { stored: zip } }),
    "zst in zip": zipOf({ "inner.zst": zlib.zstdCompressSync(text) }),
    "base64 in.gz": zlib.gzipSync(Buffer.from(text).toString("base64")),
    "object of git": zlib.deflateSync(`blob 1\0${text}`),
    "long.gz": zlib.gzipSync(Buffer.concat([Buffer.alloc(80 * MIB, "long "), Buffer.from(KEY)])),
    "long.zip": zipOf({ "long.txt": Buffer.concat([Buffer.alloc(80 * MIB, "long "), Buffer.from(KEY)]) }),
    "agents/main/sessions/cold/1.jsonl.zst": zlib.zstdCompressSync(text),
  };
  for (const [name, content] of Object.entries(files)) assert.ok(!content.includes(KEY), name);
  const { stage } = await staged(t, files);
  assert.deepEqual((await stage()).leftOut.sort(), Object.keys(files).sort());
});

test("c14 an archive that can't be searched within the bounds is left out, and in time", async (t) => {
  let nested = zlib.gzipSync("fine");
  for (let depth = 0; depth < 8; depth += 1) nested = zlib.gzipSync(nested);
  const zeros = Buffer.alloc(64 * MIB);
  const frame = zlib.zstdCompressSync(zeros);
  const files = {
    "deep.gz": nested,
    "bomb.zst": Buffer.concat(Array.from({ length: 20 }, () => frame)),
    "bomb in.gz": zlib.gzipSync(zlib.gzipSync(Buffer.concat([zeros, zeros]))),
    "many.zip": Buffer.from("PK\x03\x04".repeat(70_000)),
    "damaged.gz": Buffer.concat([zlib.gzipSync("fine").subarray(0, 10), Buffer.alloc(50, 7)]),
  };
  const { stage } = await staged(t, { ...files, "fine.gz": zlib.gzipSync("fine") });
  assert.deepEqual((await stage()).leftOut, Object.keys(files).sort());
});

test("c14 entries that unpack for long before they prove damaged count against the bounds", async (t) => {
  const sound = zlib.deflateRawSync(Buffer.alloc(60 * MIB), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  // Behind them a block of a type that there is not.
  const damaged = zipOf({ "zeros.bin": { stored: Buffer.concat([sound, Buffer.from([0x07])]) } });
  damaged.writeUInt16LE(8, 8);
  const few = Buffer.concat(Array.from({ length: 4 }, () => damaged));
  const many = Buffer.concat(Array.from({ length: 20 }, () => damaged));
  const { stage } = await staged(t, { "few.zip": few, "many.zip": many });
  assert.deepEqual((await stage()).leftOut, ["many.zip"]);
});

test("c14 the agent's own database is left out for a value anywhere in its rows, not for one that was deleted", async (t) => {
  const { state, copy, stage } = await staged(t, {});
  const workspace = path.join(state, "workspace");
  const long = `${"y".repeat(9_000)}${KEY}${"z".repeat(9_000)}`;
  const create = "PRAGMA page_size = 4096; CREATE TABLE t (v);";
  /** @type {Record<string, (into: DatabaseSync) => unknown>} */
  const holding = {
    "across pages": (into) => {
      // Of many places in a row some lie across a page's end.
      for (let shift = 0; shift < 200; shift += 1) into.prepare("INSERT INTO t VALUES (?)").run(long.slice(shift * 20));
      into.exec("DELETE FROM t WHERE rowid % 2 = 0");
    },
    blob: (into) => into.prepare("INSERT INTO t VALUES (?)").run(Buffer.from(long)),
    compressed: (into) => into.prepare("INSERT INTO t VALUES (?)").run(zlib.gzipSync(long)),
    "wide text": (into) => into.prepare("INSERT INTO t VALUES (?)").run(Buffer.from(KEY, "utf16le")),
    base64: (into) => into.prepare("INSERT INTO t VALUES (?)").run(Buffer.from(` ${long}`).toString("base64")),
    schema: (into) => into.exec(`CREATE TABLE u (v DEFAULT '${KEY}')`),
    "full text": (into) => into.exec(`CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('${long}')`),
  };
  for (const [name, fill] of Object.entries(holding)) fill(await database(t, path.join(workspace, name), create));
  const deleted = await database(t, path.join(workspace, "deleted"), `PRAGMA journal_mode = WAL; ${create}`);
  deleted.prepare("INSERT INTO t VALUES (?), ('kept'), (?)").run(long, KEY);
  deleted.exec("DELETE FROM t WHERE v <> 'kept'");
  assert.deepEqual((await stage()).leftOut, Object.keys(holding).sort());
  assert.ok(!(await readFile(path.join(copy, "workspace/deleted"))).includes(KEY));
  assert.deepEqual(
    rowsOf(path.join(copy, "workspace/deleted")).map(({ v }) => v),
    ["kept"],
  );
  const again = new DatabaseSync(path.join(copy, "workspace/deleted"));
  t.after(() => again.close());
  assert.equal(again.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
});

test("c14 a value found only across the pages of a database is one that its bytes do not show", async (t) => {
  const { state, stage } = await staged(t, {});
  const file = path.join(state, "workspace/split.db");
  const into = await database(
    t,
    file,
    "PRAGMA page_size = 4096; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON; CREATE TABLE t (v);",
  );
  // Pages are filled from a row's end: somewhere within one page's length from it a value lies across two.
  for (let shift = 0; shift === 0 || (await readFile(file)).includes(KEY); shift += 20) {
    assert.ok(shift < 5_000);
    into.exec("DELETE FROM t");
    into.prepare("INSERT INTO t VALUES (?)").run("y".repeat(12_000) + KEY + "z".repeat(5_000 + shift));
  }
  assert.deepEqual((await stage()).leftOut, ["split.db"]);
});

test("c14 in OpenClaw's databases a value is overwritten in every form, and the rest of the row stays", async (t) => {
  const { state, copy, stage } = await staged(t, {});
  const live = await database(t, path.join(state, AGENT_DB), "CREATE TABLE t (v ANY, at INTEGER) STRICT;");
  const put = (/** @type {string | Buffer} */ v) => live.prepare("INSERT INTO t VALUES (?, 1)").run(v);
  const forms = Object.values(FORMS);
  for (const write of forms) put(Buffer.concat([Buffer.from("before "), write(KEY), Buffer.from(" behind")]));
  for (const write of forms.slice(0, 6)) put(`before ${write(KEY)} behind`);
  put(`${"y".repeat(20_000)}${KEY} behind`);
  put(`nul\0${KEY}`);
  put(zlib.gzipSync(`before ${KEY} behind`));
  put("untouched");
  assert.deepEqual(await stage(), { leftOut: [], masked: [AGENT_DB] });
  const rows = rowsOf(path.join(copy, AGENT_DB)).map(({ v }) => Buffer.from(/** @type {string | Buffer} */ (v)));
  assert.equal(rows.length, forms.length + 6 + 4);
  for (const row of rows.slice(0, forms.length + 6))
    assert.match(row.toString("latin1"), /^before .*\*{15}.* behind$/s);
  assert.match(String(rows.at(-4)), /^y{20000}\*{29} behind$/);
  assert.equal(String(rows.at(-3)), `nul\0${"*".repeat(29)}`);
  assert.equal(rows.at(-2)?.length, 0);
  assert.equal(String(rows.at(-1)), "untouched");
  const bytes = await readFile(path.join(copy, AGENT_DB));
  for (const form of formsOf(KEY)) assert.ok(!bytes.includes(form));
});

test("c14 a table that does not take an overwritten value loses the row, and no other", async (t) => {
  const { state, copy, stage } = await staged(t, {}, [KEY, KEY.replace("8f2a", "8f2b")]);
  await database(
    t,
    path.join(state, "state/openclaw.sqlite"),
    `CREATE TABLE t (v TEXT PRIMARY KEY CHECK (v NOT LIKE '%*%')) WITHOUT ROWID; INSERT INTO t VALUES ('${KEY}'), ('kept');
     CREATE TABLE u (v TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO u VALUES ('${KEY}'), ('${KEY.replace("8f2a", "8f2b")}');`,
  );
  assert.deepEqual((await stage()).masked, ["state/openclaw.sqlite"]);
  const opened = new DatabaseSync(path.join(copy, "state/openclaw.sqlite"), { readOnly: true });
  t.after(() => opened.close());
  assert.deepEqual(
    opened
      .prepare("SELECT v FROM t")
      .all()
      .map(({ v }) => v),
    ["kept"],
  );
  assert.deepEqual(
    opened
      .prepare("SELECT v FROM u")
      .all()
      .map(({ v }) => v),
    ["*".repeat(29)],
  );
});

test("c14 the words of a deleted text leave the full-text index, and so do those of an overwritten one", async (t) => {
  const { state, copy, stage } = await staged(t, {}, ["sk-or-v1-0123456789abcdef0123456789abcdef"]);
  const other = AGENT_DB.replace("main", "other");
  for (const name of [AGENT_DB, other]) {
    const live = await database(t, path.join(state, name), "CREATE VIRTUAL TABLE f USING fts5(x);");
    const put = (/** @type {string} */ word) =>
      live.prepare("INSERT INTO f VALUES (?)").run(`my key is sk-or-v1-${word} indeed`);
    put("fedcba9876543210fedcba9876543210");
    if (name === AGENT_DB) put("0123456789abcdef0123456789abcdef");
    live.exec("DELETE FROM f WHERE rowid = 1");
  }
  assert.deepEqual((await stage()).masked, [AGENT_DB]);
  for (const name of [AGENT_DB, other]) {
    const bytes = await readFile(path.join(copy, name));
    for (const word of ["123456789abcdef0123456789abcdef", "edcba9876543210fedcba9876543210"]) {
      assert.ok(!bytes.includes(word), `${word} in ${name}`);
    }
  }
});

test("c14 a value in the schema of one of OpenClaw's databases leaves the file out", async (t) => {
  const { state, stage } = await staged(t, {});
  await database(t, path.join(state, "state/openclaw.sqlite"), `CREATE TABLE t (v DEFAULT '${KEY}')`);
  assert.deepEqual(await stage(), { leftOut: ["state/openclaw.sqlite"], masked: [] });
});

test("c14 names and link targets are searched too", async (t) => {
  const { state, copy } = await staged(t, {
    [Buffer.from(` ${KEY}`).toString("base64url")]: "name",
    [`dir/${OTHER}/x`.replaceAll("/", "_")]: "name",
  });
  await symlink(`notes/${OTHER}`, path.join(state, "workspace/link"));
  await symlink("notes", path.join(state, "workspace/fine"));
  const { entries, leftOut, links, files } = await stageState(state, copy, [KEY, OTHER]);
  await layOut(entries, copy);
  const name = "(a name that holds a secret)";
  assert.deepEqual([leftOut, links, files], [[name, name, "workspace/link"].sort(), [["workspace/fine", "notes"]], 0]);
  assert.deepEqual(await readdir(path.join(copy, "workspace")), []);
});

test("c14 however many and long the names of what is left out, the answer is a short line that counts them all", async (t) => {
  const sandbox = await makeSandbox(t);
  const workspace = path.join(sandbox.paths.state, "workspace");
  await mkdir(workspace, { recursive: true });
  await mkdir(sandbox.paths.run, { recursive: true });
  await writeFile(sandbox.paths.secrets, JSON.stringify({ openrouter: KEY }));
  for (let file = 100; file < 300; file += 1)
    await writeFile(path.join(workspace, `${"\u0001".repeat(240)}${file}`), KEY);
  const { json, stdout } = await run(sandbox, ["snapshot"]);
  assert.equal(json.leftOutCount, 200);
  assert.ok(json.leftOut.length > 5 && stdout.length < 40_000);
  for (const name of json.leftOut) assert.equal([...name].length, 200);
});
