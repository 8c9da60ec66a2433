// What `restore` takes, and everything that it must not.
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import zlib from "node:zlib";

import { MAX_STATE_BYTES } from "../lib/limits.mjs";
import { archiveOf, argumentsFor, compressed, tarOf } from "./archives.mjs";
import { makeSandbox, run } from "./support.mjs";

const NOTE = { path: "state/workspace/note.md", body: "hello" };

test("a sound archive becomes the state, for the agent's user alone", async (t) => {
  const sandbox = await makeSandbox(t);
  await mkdir(sandbox.paths.state, { recursive: true });
  const many = Array.from({ length: 2_000 }, (_, index) => ({ path: `state/media/${index}`, body: `file ${index}` }));
  const archive = archiveOf([NOTE, { path: "state/workspace/run.sh", body: "#!", mode: 0o6755 }, ...many]);
  const outcome = await run(sandbox, argumentsFor(archive), archive);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.deepEqual(outcome.json, { files: 2_002 });
  assert.equal(await readFile(path.join(sandbox.paths.state, "workspace/note.md"), "utf8"), "hello");
  assert.equal((await readdir(path.join(sandbox.paths.state, "media"))).length, 2_000);
  assert.equal(await modeOf(path.join(sandbox.paths.state, "workspace/note.md")), 0o600);
  assert.equal(await modeOf(path.join(sandbox.paths.state, "workspace/run.sh")), 0o700);
  assert.equal(await modeOf(path.join(sandbox.paths.state, "workspace")), 0o700);
  assert.equal(await modeOf(sandbox.paths.state), 0o700);
  assert.equal((await stat(path.join(sandbox.paths.state, "media/7"))).mtimeMs, 0);
  assert.deepEqual(await readdir(sandbox.paths.data), ["state"]);
});

test("an archive packed with gzip is taken too", async (t) => {
  const sandbox = await makeSandbox(t);
  const archive = zlib.gzipSync(zlib.zstdDecompressSync(archiveOf([NOTE])));
  assert.deepEqual((await run(sandbox, argumentsFor(archive), archive)).json, { files: 1 });
});

test("links inside the state come back; one that leads outside over another does not", async (t) => {
  const sandbox = await makeSandbox(t);
  const archive = archiveOf([NOTE, { path: "state/agents/", type: "Directory" }], {
    links: [
      ["workspace/same.md", "note.md"],
      ["workspace/up", "../agents"],
      ["workspace/out", "up/../.."],
    ],
  });
  const outcome = await run(sandbox, argumentsFor(archive), archive);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.equal(await readlink(path.join(sandbox.paths.state, "workspace/same.md")), "note.md");
  assert.equal(await readlink(path.join(sandbox.paths.state, "workspace/up")), "../agents");
  assert.ok(!(await readdir(path.join(sandbox.paths.state, "workspace"))).includes("out"));
});

const sound = zlib.zstdDecompressSync(archiveOf([NOTE]));

/** @type {Record<string, [Buffer, RegExp]>} */
const REFUSED = {
  "an absolute path": [archiveOf([{ path: "/etc/passwd", body: "x" }]), /not plain|outside/],
  "a path upwards": [archiveOf([{ path: "state/../../evil", body: "x" }]), /not plain/],
  "a path beside the state": [archiveOf([{ path: "run/agent/openclaw.json", body: "{}" }]), /outside of the state/],
  "a symbolic link": [archiveOf([{ path: "state/link", type: "SymbolicLink", linkpath: "/etc" }]), /something else/],
  "a hard link": [
    archiveOf([NOTE, { path: "state/link", type: "Link", linkpath: "state/workspace/note.md" }]),
    /something else/,
  ],
  "a character device": [archiveOf([{ path: "state/null", type: "CharacterDevice" }]), /something else/],
  "a block device": [archiveOf([{ path: "state/disk", type: "BlockDevice" }]), /something else/],
  "a pipe": [archiveOf([{ path: "state/pipe", type: "FIFO" }]), /something else/],
  "the same path twice": [archiveOf([NOTE, NOTE]), /twice/],
  "a state that is a file": [
    compressed(
      tarOf([
        { path: "manifest.json", body: "{}" },
        { path: "state", body: "x" },
      ]),
    ),
    /no directory/,
  ],
  "no manifest": [compressed(tarOf([NOTE])), /begin with its manifest/],
  "a manifest of another format": [archiveOf([NOTE], { format: 2 }), /not known/],
  "a manifest that counts otherwise": [archiveOf([NOTE], { files: 2 }), /does not match its manifest/],
  "a link to outside": [archiveOf([NOTE], { links: [["workspace/x", "../../secrets"]] }), /manifest is malformed/],
  "a link to an absolute path": [archiveOf([NOTE], { links: [["workspace/x", "/etc"]] }), /manifest is malformed/],
  "a link that lies outside": [archiveOf([NOTE], { links: [["../x", "state"]] }), /manifest is malformed/],
  "a link in a link": [
    archiveOf([NOTE], {
      links: [
        ["a", "workspace"],
        ["a/b", "note.md"],
      ],
    }),
    /link in no directory/,
  ],
  "a link in place of a file": [archiveOf([NOTE], { links: [["workspace/note.md", "x"]] }), /link where a file is/],
  "more bytes than a state may have": [
    archiveOf([{ path: "state/big", size: MAX_STATE_BYTES + 1 }]),
    /too large when unpacked/,
  ],
  "a manifest too large": [
    compressed(tarOf([{ path: "manifest.json", size: 5 * 1024 * 1024 }])),
    /manifest is too large/,
  ],
  "a path too deep": [archiveOf([{ path: `state/${"d/".repeat(80)}x`, body: "x" }]), /nested too deeply/],
  "no compression": [sound, /neither zstd nor gzip/],
  "half of an archive": [compressed(sound.subarray(0, 1_700)), /damaged|match/],
  "a broken compression": [Buffer.concat([compressed(sound).subarray(0, 40), Buffer.alloc(60)]), /damaged/],
  "a file in a file": [archiveOf([NOTE, { path: "state/workspace/note.md/x", body: "x" }]), /path in a file/],
  "a file in place of a directory": [
    archiveOf([
      { path: "state/workspace/a/x", body: "x" },
      { path: "state/workspace/a", body: "x" },
    ]),
    /twice/,
  ],
  "a compression in another": [compressed(archiveOf([NOTE])), /damaged/],
  nothing: [Buffer.from("\0\0\0\0"), /neither zstd nor gzip/],
};

for (const [name, [archive, reason]] of Object.entries(REFUSED)) {
  test(`an archive with ${name} is refused and leaves nothing`, async (t) => {
    const sandbox = await makeSandbox(t);
    const outcome = await run(sandbox, argumentsFor(archive), archive);
    // Another archive may do; this one never will.
    assert.equal(outcome.code, 3);
    assert.match(outcome.stderr, reason);
    assert.equal(outcome.stderr.trim().split("\n").length, 1);
    assert.deepEqual(await readdir(sandbox.paths.data), []);
    assert.deepEqual(await readdir(sandbox.root), ["data"]);
    // The next, sound one is taken.
    const good = archiveOf([NOTE]);
    assert.equal((await run(sandbox, argumentsFor(good), good)).code, 0);
  });
}

test("size and hash must be those announced", async (t) => {
  const sandbox = await makeSandbox(t);
  const archive = archiveOf([NOTE]);
  const [, , sha256 = "", , size = ""] = argumentsFor(archive);
  const longer = Buffer.concat([archive, Buffer.from("x")]);
  const flipped = Buffer.from(archive);
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
  const cases = /** @type {[string[], Buffer, RegExp][]} */ ([
    [["--sha256", sha256, "--size", size], longer, /longer/],
    [["--sha256", sha256, "--size", size], archive.subarray(1), /shorter/],
    [["--sha256", sha256, "--size", size], flipped, /hash/],
    [["--sha256", "0".repeat(64), "--size", size], archive, /hash/],
    [["--sha256", sha256, "--size", "99999999999999"], archive, /too large/],
    [["--sha256", sha256], archive, /usage/],
    [["--sha256", "../x", "--size", size], archive, /usage/],
    [["--sha256", sha256, "--size", "-1"], archive, /usage/],
  ]);
  for (const [args, input, reason] of cases) {
    const outcome = await run(sandbox, ["restore", ...args], input);
    // Too few bytes may have been lost on the way.
    assert.equal(outcome.code, /longer|hash/.test(outcome.stderr) ? 3 : 1);
    assert.match(outcome.stderr, reason);
    await assert.rejects(stat(sandbox.paths.state), { code: "ENOENT" });
  }
});

test("what came in otherwise than it was announced is told first, however it is damaged", async (t) => {
  const sandbox = await makeSandbox(t);
  const archive = compressed(sound.subarray(0, 1_700));
  const [, , , , size = ""] = argumentsFor(archive);
  const announced = (/** @type {string} */ bytes) => ["restore", "--sha256", "0".repeat(64), "--size", bytes];
  const changed = await run(sandbox, announced(size), archive);
  assert.deepEqual([changed.code, changed.stderr], [3, "the archive's hash does not match\n"]);
  const lost = await run(sandbox, announced(String(Number(size) + 1)), archive);
  assert.deepEqual([lost.code, lost.stderr], [1, "the archive is shorter than announced\n"]);
  assert.deepEqual(await readdir(sandbox.root), ["data"]);
});

test("a disk that fails says nothing about the archive", async (t) => {
  const sandbox = await makeSandbox(t);
  const limited = archiveOf([NOTE, { path: "state/media/large", body: "x".repeat(300_000) }]);
  const command = `ulimit -f 100; exec "$0" "$@"`;
  const { code, stderr } = await run(sandbox, argumentsFor(limited), limited, ["/bin/sh", "-c", command]);
  assert.equal(code, 1);
  assert.match(stderr, /^unexpected failure \(EFBIG in write\)\n$/);
  assert.deepEqual(await readdir(sandbox.paths.data), []);
});

test("a state that is there, or an agent that was started, is not overwritten", async (t) => {
  const sandbox = await makeSandbox(t);
  const archive = archiveOf([NOTE]);
  await mkdir(sandbox.paths.run, { recursive: true });
  await writeFile(sandbox.paths.go, "");
  assert.match((await run(sandbox, argumentsFor(archive), archive)).stderr, /started already/);
  const other = await makeSandbox(t);
  assert.equal((await run(other, argumentsFor(archive), archive)).code, 0);
  await writeFile(path.join(other.paths.state, "workspace/note.md"), "newer");
  assert.match((await run(other, argumentsFor(archive), archive)).stderr, /a state already/);
  assert.equal(await readFile(path.join(other.paths.state, "workspace/note.md"), "utf8"), "newer");
});

/** @param {string} file */
async function modeOf(file) {
  return (await stat(file)).mode & 0o7777;
}
