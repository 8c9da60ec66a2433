// `restore`: takes an archive from stdin, checks size and hash and every entry, and only then makes it the state.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { access, mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";

import { inspect, unpack } from "./archive.mjs";
import { AgentError, ArchiveError, hasCode, reasonOf } from "./errors.mjs";
import { makePrivateDirectory } from "./files.mjs";
import { MAX_ARCHIVE_BYTES } from "./limits.mjs";
import { makeLinks } from "./links.mjs";

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths, argv, stdin }) {
  const expected = parse(argv);
  const work = path.join(paths.scratch, "restore");
  const fresh = `${paths.state}.new`;
  await makePrivateDirectory(paths.scratch);
  await makePrivateDirectory(paths.data);
  await requireUnused(paths);
  for (const directory of [work, fresh]) {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { mode: 0o700 });
  }
  try {
    const archive = path.join(work, "archive");
    await receive(stdin, archive, expected);
    const manifest = await opened(archive, fresh);
    await mkdir(path.join(fresh, "state"), { recursive: true, mode: 0o700 });
    await makeLinks(path.join(fresh, "state"), manifest.links);
    await requireUnused(paths);
    // One step: replaces an empty directory, and fails on one that is not.
    await rename(path.join(fresh, "state"), paths.state);
    return { files: manifest.files };
  } finally {
    await rm(work, { recursive: true, force: true });
    await rm(fresh, { recursive: true, force: true });
  }
}

/**
 * Its hash was right, so an archive that does not open never will; a disk that fails says nothing about it.
 * @param {string} archive
 * @param {string} fresh
 */
async function opened(archive, fresh) {
  try {
    const manifest = await inspect(archive);
    await unpack(archive, fresh);
    return manifest;
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw error;
    throw new ArchiveError(reasonOf(error));
  }
}

/** @param {string[]} argv */
function parse(argv) {
  // An option that this version does not know is a newer caller's, who must get by without it.
  const { values } = parseArgs({
    args: argv,
    options: { sha256: { type: "string" }, size: { type: "string" } },
    strict: false,
  });
  const [sha256, size] = [String(values.sha256), String(values.size)];
  if (!/^[0-9a-f]{64}$/.test(sha256) || !/^[1-9]\d{0,14}$/.test(size))
    throw new AgentError("usage: restore --sha256 HEX --size BYTES");
  if (Number(size) > MAX_ARCHIVE_BYTES) throw new AgentError("the archive is too large");
  return { sha256, size: Number(size) };
}

/** @param {import("./paths.mjs").Paths} paths */
async function requireUnused(paths) {
  const started = await access(paths.go).then(
    () => true,
    () => false,
  );
  if (started) throw new AgentError("the agent has been started already");
  const present = await readdir(paths.state).catch((error) => {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  });
  if (present.length > 0) throw new AgentError("there is a state already");
}

/**
 * @param {NodeJS.ReadableStream} input
 * @param {string} file
 * @param {{size: number, sha256: string}} expected
 */
async function receive(input, file, expected) {
  const hash = createHash("sha256");
  let size = 0;
  const check = new Transform({
    transform(chunk, _encoding, done) {
      size += chunk.length;
      if (size > expected.size) return done(new ArchiveError("the archive is longer than announced"));
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(input, check, createWriteStream(file, { mode: 0o600, flags: "wx" }));
  if (size !== expected.size) throw new AgentError("the archive is shorter than announced");
  if (hash.digest("hex") !== expected.sha256) throw new ArchiveError("the archive's hash does not match");
}
