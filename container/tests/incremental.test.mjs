// Incremental snapshots: what is uploaded follows what changed, what comes back is the same, and what is no such snapshot
// is refused as any other archive is (C19).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";

import { decodeIndex, encodeIndex, hashOf } from "../lib/chunk-index.mjs";
import { chunksOf, MAX_CHUNK, MIN_CHUNK } from "../lib/chunks.mjs";
import { packIncrementally } from "../lib/incremental.mjs";
import { archiveOf } from "./archives.mjs";
import { argumentsFor, Keeper, sha256 } from "./keeper.mjs";
import { makeSandbox, run } from "./support.mjs";

const MIB = 1024 * 1024;
/** So much of it is large beside what changes, and small beside a test's patience. */
const STATE = 48 * MIB;

/** @param {Buffer} bytes @param {number} [step] how they come in */
async function cut(bytes, step = 100_000) {
  async function* source() {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  }
  const chunks = [];
  for await (const chunk of chunksOf(source())) chunks.push(Buffer.from(chunk));
  return chunks;
}

/**
 * A sandbox with a state, and a keeper that has a snapshot of it.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string | Buffer>} files
 */
async function kept(t, files) {
  const sandbox = await makeSandbox(t);
  const keeper = new Keeper();
  const put = async (/** @type {string} */ name, /** @type {string | Buffer} */ content) => {
    const file = path.join(sandbox.paths.state, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  };
  const read = (/** @type {string} */ name) => readFile(path.join(sandbox.paths.state, name));
  for (const [name, content] of Object.entries(files)) await put(name, content);
  await mkdir(sandbox.paths.run, { recursive: true });
  await writeFile(sandbox.paths.secrets, "{}");
  const first = await keeper.take(sandbox);
  return { sandbox, keeper, put, read, first };
}

/**
 * @param {import("node:test").TestContext} t
 * @param {Keeper} keeper
 * @param {import("./keeper.mjs").Row} row
 * @param {Record<string, string | Buffer>} files
 */
async function assertRestores(t, keeper, row, files) {
  const other = await makeSandbox(t);
  const outcome = await keeper.restore(other, row);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.deepEqual(outcome.json, { files: Object.keys(files).length });
  for (const [name, content] of Object.entries(files)) {
    const found = await readFile(path.join(other.paths.state, name));
    assert.ok(found.equals(Buffer.from(content)), name);
  }
  assert.deepEqual(
    (await readdir(other.paths.scratch)).filter((name) => name === "received"),
    [],
  );
}

test("c19 chunks are cut by what they hold, within their bounds, however it comes in", async () => {
  const bytes = randomBytes(8 * MIB);
  const chunks = await cut(bytes);
  assert.ok(Buffer.concat(chunks).equals(bytes));
  for (const chunk of chunks.slice(0, -1)) assert.ok(chunk.length > MIN_CHUNK && chunk.length <= MAX_CHUNK);
  const average = bytes.length / chunks.length;
  assert.ok(average > 24 * 1024 && average < 48 * 1024, `${average}`);
  assert.deepEqual(await cut(bytes, 7_777), chunks);

  const known = new Set(chunks.map(hashOf));
  const shifted = await cut(Buffer.concat([bytes.subarray(0, 3 * MIB), Buffer.from("x"), bytes.subarray(3 * MIB)]));
  const fresh = shifted.filter((chunk) => !known.has(hashOf(chunk)));
  assert.ok(fresh.length <= 3, `${fresh.length} of ${shifted.length} are new`);
  // Nothing to see in it: the bound cuts.
  assert.deepEqual(new Set((await cut(Buffer.alloc(MIB))).map(({ length }) => length)), new Set([MAX_CHUNK]));
});

test("c19 what is uploaded follows what changed, and not how much there is", async (t) => {
  const big = randomBytes(STATE);
  const small = Object.fromEntries(
    Array.from({ length: 500 }, (_, n) => [`workspace/notes/${n}.md`, `note ${n}\n`.repeat(50)]),
  );
  /** @type {Record<string, string | Buffer>} */
  const files = { "media/big.bin": big, ...small };
  const { sandbox, keeper, put, first } = await kept(t, files);
  assert.ok(first.uploaded > STATE, "the first is all of it");
  /** @param {string} what @param {number} limit */
  const uploads = async (what, limit) => {
    for (const [name, content] of Object.entries(files)) await put(name, content);
    const row = await keeper.take(sandbox);
    assert.ok(row.uploaded < limit, `${what}: ${row.uploaded}`);
    return row;
  };
  await uploads("nothing", 0.3 * MIB);

  randomBytes(MIB).copy(big, 20 * MIB);
  await uploads("1 MiB overwritten", 1.5 * MIB);

  files["media/big.bin"] = Buffer.concat([big.subarray(0, 9 * MIB), randomBytes(MIB), big.subarray(9 * MIB)]);
  await uploads("1 MiB inserted in the middle", 1.5 * MIB);

  files["media/big.bin"] = Buffer.concat([big.subarray(0, 9 * MIB), big.subarray(11 * MIB)]);
  // The index, and the chunks on both sides of the cut.
  await uploads("2 MiB deleted from the middle", 0.3 * MIB + 4 * MAX_CHUNK);

  files["agents/main/sessions/1.jsonl"] = randomBytes(MIB);
  await uploads("a file of 1 MiB before all others", 1.5 * MIB);

  for (let n = 0; n < 50; n += 1) files[`workspace/notes/${n * 10}.md`] = `another ${n}\n`.repeat(40);
  const last = await uploads("fifty small files", 0.6 * MIB);
  await assertRestores(t, keeper, last, files);
});

test("c19 each snapshot comes back as it was, also after others were built on it", async (t) => {
  /** @type {Record<string, string | Buffer>[]} */
  const states = [{ "workspace/a.md": "first", "media/x.bin": randomBytes(300_000) }];
  const { sandbox, keeper, put, first } = await kept(t, states[0] ?? {});
  const rows = [first];
  for (let n = 0; n < 4; n += 1) {
    const next = { ...states.at(-1), "workspace/a.md": `then ${n}`, [`media/${n}.bin`]: randomBytes(50_000) };
    for (const [name, content] of Object.entries(next)) await put(name, content);
    states.push(next);
    rows.push(await keeper.take(sandbox));
  }
  for (const [n, row] of rows.entries()) await assertRestores(t, keeper, row, states[n] ?? {});
});

test("c19 there are never more packs than a restore may have to read, and the large one stays", async (t) => {
  const { root } = await makeSandbox(t);
  const file = (/** @type {string} */ name, /** @type {number} */ size) =>
    /** @type {import("../lib/tar.mjs").Entry} */ ({
      ...{ name: `state/media/${name}`, type: "File", executable: false, size, mtime: new Date(0) },
      bytes: randomBytes(size),
    });
  const entries = [file("large", 8 * MIB)];
  const facts = { format: 1, openclaw: "1", created: "", links: [] };
  let [base, most, uploaded, large] = [/** @type {any} */ (undefined), 0, 0, ""];
  for (let n = 0; n < 60; n += 1) {
    const bytes = entries.reduce((sum, { size }) => sum + size, 0);
    const manifest = { ...facts, files: entries.length, bytes };
    const files = { index: path.join(root, `index-${n}`), pack: path.join(root, `pack-${n}`) };
    const id = String(n).padStart(32, "0");
    const { pack, packs } = await packIncrementally(manifest, entries, root, { id, base }, files);
    base = decodeIndex(await readFile(files.index));
    if (n === 0) large = id;
    else uploaded += pack.size;
    most = Math.max(most, packs.length);
    assert.ok(packs.includes(large), "what did not change is not written anew");
    entries.push(file(`${n}`, 200_000));
  }
  assert.ok(most > 12 && most <= 24, `${most} packs`);
  // Twelve MB were added; what the small ones are gathered into is written again.
  assert.ok(uploaded > 12e6 && uploaded < 40e6, `${uploaded}`);
});

test("c19 a pack that is mostly unused is written anew, and then is not referred to any more", async (t) => {
  const { sandbox, keeper, put, first } = await kept(t, {
    "media/a.bin": randomBytes(MIB),
    "media/b.bin": randomBytes(2 * MIB),
  });
  await put("media/b.bin", randomBytes(1000));
  await keeper.take(sandbox);
  await put("media/c.bin", "c");
  const row = await keeper.take(sandbox);
  assert.ok(!row.packs.some(({ id }) => id === first.packs[0]?.id));
  assert.ok(row.uploaded < 1.5 * MIB);
});

test("c19 an index that is damaged, of another snapshot or no index is nothing to build on", async (t) => {
  const { sandbox, keeper, first } = await kept(t, { "media/x.bin": randomBytes(MIB) });
  for (const index of [
    Buffer.from("nonsense"),
    Buffer.alloc(0),
    first.index.subarray(1),
    zlib.zstdCompressSync(Buffer.alloc(64 * MIB)),
  ]) {
    const row = await keeper.take(sandbox, { ...first, index, packs: [] });
    assert.equal(row.packs.length, 1);
    assert.ok(row.uploaded > MIB);
  }
  const id = "ab".repeat(16);
  const other = await run(sandbox, ["snapshot", `--incremental=${id}`, `--base=${"0".repeat(64)}`], first.index);
  assert.deepEqual(other.json.packs, [id]);
  const unchanged = await keeper.take(sandbox);
  const again = [`--unless=${unchanged.told.digest}`, `--incremental=${id}`, `--base=${sha256(unchanged.index)}`];
  assert.deepEqual((await run(sandbox, ["snapshot", "--live", ...again], unchanged.index)).json, { unchanged: true });
  assert.match((await run(sandbox, ["snapshot", "--incremental=../x"])).stderr, /^usage/);
  assert.equal((await run(sandbox, ["send", "--part=pack"])).code, 1, "nothing is staged");
  assert.match((await run(sandbox, ["send", "--part=other"])).stderr, /^usage/);
});

test("c14 an incremental snapshot holds no secret, also where an earlier one did before it was known", async (t) => {
  const key = "sk-live-0123456789abcdef";
  const { sandbox, keeper, first } = await kept(t, { "workspace/a.md": "fine", "workspace/key.md": `it is ${key}` });
  await writeFile(sandbox.paths.secrets, JSON.stringify({ openai: key }));
  const row = await keeper.take(sandbox);
  assert.deepEqual(row.told.leftOut, ["workspace/key.md"]);
  const { chunks, packs } = decodeIndex(row.index);
  const plain = chunks.map(({ pack, offset, length }) => {
    const bytes = keeper.packs.get(packs[pack]?.id ?? "") ?? Buffer.alloc(0);
    return zlib.zstdDecompressSync(bytes.subarray(offset, offset + length));
  });
  assert.ok(!Buffer.concat(plain).includes(key));
  assert.ok(first.packs.length === 1);
});

test("c19 bytes that came short fail the container, others the snapshot", async (t) => {
  const { keeper, sandbox, put, first } = await kept(t, { "media/x.bin": randomBytes(400_000) });
  await put("workspace/a.md", "more");
  const row = await keeper.take(sandbox);
  const bytes = keeper.bytes(row);
  const flipped = (/** @type {number} */ at) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const [one, two] = row.packs.map(({ id }) => keeper.packs.get(id) ?? Buffer.alloc(0));
  const swapped = Buffer.concat([row.index, two ?? Buffer.alloc(0), one ?? Buffer.alloc(0)]);
  /** @type {[string, Buffer, number, RegExp][]} */
  const cases = [
    ["a byte of the index", flipped(10), 3, /hash/],
    ["a byte of the first pack", flipped(row.index.length + 5), 3, /hash/],
    ["the last byte", flipped(bytes.length - 1), 3, /hash/],
    ["packs in another order", swapped, 3, /hash/],
    ["one byte more", Buffer.concat([bytes, Buffer.from("x")]), 3, /longer/],
    ["another snapshot's bytes", keeper.bytes(first), 1, /shorter/],
    ["a pack less", bytes.subarray(0, bytes.length - (two?.length ?? 0)), 1, /shorter/],
    ["nothing", Buffer.alloc(0), 1, /shorter/],
  ];
  for (const [what, input, code, reason] of cases) {
    const other = await makeSandbox(t);
    const outcome = await keeper.restore(other, row, input);
    assert.equal(outcome.code, code, `${what}: ${outcome.stderr}`);
    assert.match(outcome.stderr, reason, what);
    assert.deepEqual(await readdir(other.paths.data), [], what);
    assert.deepEqual(await readdir(other.paths.scratch), [], what);
    assert.equal((await keeper.restore(other, row)).code, 0, "the next, sound one is taken");
  }
});

test("c19 an image that knows no packs refuses an incremental snapshot as damaged", async (t) => {
  const { keeper, first } = await kept(t, { "workspace/a.md": "hello" });
  const [name = "", ...known] = argumentsFor(first).slice(0, -1);
  for (const bytes of [keeper.bytes(first), first.index]) {
    const other = await makeSandbox(t);
    const outcome = await run(other, [name, ...known], bytes);
    assert.equal(outcome.code, 3, outcome.stderr);
    await assert.rejects(stat(other.paths.state), { code: "ENOENT" });
  }
});

/** What a tar is in a snapshot: as it should be, but for what a case changes. @param {Buffer} tar @param {any} [change] */
function forged(tar, change = {}) {
  const chunks = [];
  const parts = [];
  let offset = 0;
  for (let at = 0; at < tar.length; at += 4096) {
    const plain = tar.subarray(at, at + 4096);
    const packed = zlib.zstdCompressSync(plain);
    chunks.push({ hash: hashOf(plain), pack: 0, offset, length: packed.length });
    offset += packed.length;
    parts.push(packed);
  }
  const pack = change.pack ?? Buffer.concat(parts);
  const packs = [{ id: "ab".repeat(16), size: pack.length, sha256: sha256(pack) }];
  const index = change.raw ?? encodeIndex({ packs: change.packs ?? packs, chunks: change.chunks?.(chunks) ?? chunks });
  return { row: { index, packs }, bytes: Buffer.concat([index, pack]) };
}

const NOTE = { path: "state/workspace/note.md", body: "hello ".repeat(2000) };
const tar = zlib.zstdDecompressSync(archiveOf([NOTE]));
const bomb = zlib.zstdCompressSync(Buffer.alloc(64 * MIB));

/** An index with any header. @param {unknown} header @param {Buffer} [rest] */
function raw(header, rest = Buffer.alloc(0)) {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return zlib.zstdCompressSync(Buffer.concat([length, text, rest]));
}
const PACK = { id: "ab".repeat(16), size: 5, sha256: "0".repeat(64) };

/** @typedef {import("../lib/chunk-index.mjs").Chunk} Chunk @type {Record<string, [ReturnType<typeof forged>, RegExp]>} */
const REFUSED = {
  "a path upwards": [forged(zlib.zstdDecompressSync(archiveOf([{ path: "state/../../x", body: "x" }]))), /not plain/],
  "half of a tar": [forged(tar.subarray(0, 4096)), /damaged|match/],
  "a tar that is compressed once more": [forged(archiveOf([NOTE])), /damaged/],
  "a chunk beyond its pack": [
    forged(tar, {
      chunks: (/** @type {Chunk[]} */ all) => all.map((one) => ({ ...one, length: one.length + 1_000_000 })),
    }),
    /outside of its pack/,
  ],
  "a chunk at a place that is none": [
    forged(tar, { chunks: (/** @type {Chunk[]} */ all) => all.map((one) => ({ ...one, offset: 2 ** 32 - 8 })) }),
    /outside of its pack/,
  ],
  "a chunk in a pack that is none": [
    forged(tar, { chunks: (/** @type {Chunk[]} */ all) => all.map((one) => ({ ...one, pack: 9 })) }),
    /outside of its pack/,
  ],
  "an empty chunk": [
    forged(tar, { chunks: (/** @type {Chunk[]} */ all) => all.map((one) => ({ ...one, length: 0 })) }),
    /outside of its pack/,
  ],
  "chunks in another order": [forged(tar, { chunks: (/** @type {Chunk[]} */ all) => [...all].reverse() }), /./],
  "a chunk that is another": [
    forged(tar, { chunks: (/** @type {Chunk[]} */ all) => all.map((one) => ({ ...one, hash: "x".repeat(32) })) }),
    /chunk's hash/,
  ],
  "no chunk": [forged(tar, { chunks: () => [] }), /damaged/],
  "a chunk that unpacks to more than one may have": [
    forged(tar, { pack: bomb, chunks: () => [{ hash: "x".repeat(32), pack: 0, offset: 0, length: bomb.length }] }),
    /can't be unpacked/,
  ],
  "a pack of noise": [forged(tar, { pack: Buffer.alloc(20_000, 7) }), /can't be unpacked/],
  "other packs than were announced": [forged(tar, { packs: [{ ...PACK, size: 1_000_000 }] }), /not those of the index/],
  "an index that unpacks to more than one may have": [
    forged(tar, { raw: zlib.zstdCompressSync(Buffer.alloc(64 * MIB)) }),
    /index can't be unpacked|malformed/,
  ],
  "an index of noise": [forged(tar, { raw: randomBytes(500) }), /index can't be unpacked/],
  "an empty index": [forged(tar, { raw: zlib.zstdCompressSync(Buffer.alloc(0)) }), /malformed/],
  "another format": [forged(tar, { raw: raw({ format: 3, packs: [PACK], chunks: 0 }) }), /not known/],
  "more chunks than there are": [forged(tar, { raw: raw({ format: 2, packs: [PACK], chunks: 100 }) }), /malformed/],
  "a count that is none": [forged(tar, { raw: raw({ format: 2, packs: [PACK], chunks: -1 }) }), /malformed/],
  "a huge count": [forged(tar, { raw: raw({ format: 2, packs: [PACK], chunks: 2 ** 52 }) }), /malformed/],
  "a pack twice": [forged(tar, { raw: raw({ format: 2, packs: [PACK, PACK], chunks: 0 }) }), /packs are malformed/],
  "no pack": [forged(tar, { raw: raw({ format: 2, packs: [], chunks: 0 }) }), /packs are malformed/],
  "a pack with a path for a name": [
    forged(tar, { raw: raw({ format: 2, packs: [{ ...PACK, id: "../../x" }], chunks: 0 }) }),
    /malformed/,
  ],
};

for (const [name, [{ row, bytes }, reason]] of Object.entries(REFUSED)) {
  test(`c19 an incremental snapshot with ${name} is refused and leaves nothing`, async (t) => {
    const sandbox = await makeSandbox(t);
    const outcome = await run(sandbox, argumentsFor(row), bytes);
    assert.equal(outcome.code, 3, outcome.stderr);
    assert.match(outcome.stderr, reason);
    assert.equal(outcome.stderr.trim().split("\n").length, 1);
    assert.deepEqual(await readdir(sandbox.paths.data), []);
    assert.deepEqual(await readdir(sandbox.paths.scratch), []);
    // The next, sound one is taken.
    const good = forged(tar);
    assert.equal((await run(sandbox, argumentsFor(good.row), good.bytes)).code, 0);
    await rm(sandbox.paths.state, { recursive: true });
  });
}

test("c19 packs that are announced as no packs may be are refused unread", async (t) => {
  const sandbox = await makeSandbox(t);
  const { row, bytes } = forged(tar);
  const [pack = PACK] = row.packs;
  const many = Array.from({ length: 25 }, (_, n) => ({ ...pack, id: String(n).padStart(32, "0") }));
  const cases = [
    [pack, pack],
    many,
    [{ ...pack, size: 3 * 1024 ** 3 }],
    [{ ...pack, id: "../x" }],
    [{ ...pack, sha256: "x" }],
  ];
  for (const packs of cases) {
    const outcome = await run(sandbox, argumentsFor({ ...row, packs }), bytes);
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, /^(usage|the packs are)/);
  }
});
