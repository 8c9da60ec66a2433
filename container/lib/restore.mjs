// `restore`: takes an archive from stdin and writes it beside the state as it comes in, or an incremental snapshot in its
// parts (`--packs`). Only when its size, its hash and every entry were right, that becomes the state.
import { createHash } from "node:crypto";
import { access, mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";

import { AgentError, ArchiveError, hasCode, reasonOf } from "./errors.mjs";
import { makePrivateDirectory } from "./files.mjs";
import { MAX_ARCHIVE_BYTES } from "./limits.mjs";
import { makeLinks } from "./links.mjs";
import { isOfTheSystem, readArchive } from "./reader.mjs";
import { parsePacks, receiveParts } from "./receive-parts.mjs";
import { adoptJobs } from "./schedule.mjs";
import { TreeWriter } from "./writer.mjs";

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths, argv, stdin }) {
  const expected = parse(argv);
  const fresh = `${paths.state}.new`;
  await makePrivateDirectory(paths.data);
  if (expected.packs) await makePrivateDirectory(paths.scratch);
  await requireUnused(paths);
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  try {
    const { packs } = expected;
    const manifest = packs
      ? await receiveParts(bytesOf(stdin), { ...expected, packs }, paths.received, new TreeWriter(fresh))
      : await receive(new Intake(stdin, expected), fresh);
    await mkdir(path.join(fresh, "state"), { recursive: true, mode: 0o700 });
    await makeLinks(path.join(fresh, "state"), manifest.links);
    adoptJobs(path.join(fresh, "state"), paths.state);
    await requireUnused(paths);
    // One step: replaces an empty directory, and fails on one that is not.
    await rename(path.join(fresh, "state"), paths.state);
    return { files: manifest.files };
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/**
 * @param {Intake} intake
 * @param {string} fresh
 */
async function receive(intake, fresh) {
  const writer = new TreeWriter(fresh);
  let manifest;
  let problem;
  try {
    manifest = await readArchive(intake, writer);
  } catch (error) {
    problem = error;
    writer.close();
  }
  // Whatever is wrong with the bytes: where they are not the ones that were announced, that is what is wrong.
  await intake.finish();
  if (manifest) return manifest;
  // They are, so an archive that does not open never will; a disk that fails says nothing about it.
  throw isOfTheSystem(problem) ? problem : new ArchiveError(reasonOf(problem));
}

/** @param {string[]} argv */
function parse(argv) {
  // An option that this version does not know is a newer caller's, who must get by without it.
  const { values } = parseArgs({
    args: argv,
    options: { sha256: { type: "string" }, size: { type: "string" }, packs: { type: "string" } },
    strict: false,
  });
  const [sha256, size] = [String(values.sha256), String(values.size)];
  if (!/^[0-9a-f]{64}$/.test(sha256) || !/^[1-9]\d{0,14}$/.test(size))
    throw new AgentError("usage: restore --sha256 HEX --size BYTES [--packs ID:SIZE:SHA256,...]");
  if (Number(size) > MAX_ARCHIVE_BYTES) throw new AgentError("the archive is too large");
  return { sha256, size: Number(size), packs: values.packs === undefined ? undefined : parsePacks(values.packs) };
}

/** @param {NodeJS.ReadableStream} stdin */
const bytesOf = (stdin) => /** @type {AsyncIterable<Buffer>} */ (/** @type {unknown} */ (stdin));

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

/** The bytes as they come in, counted and hashed. @implements {AsyncIterator<Buffer>} */
class Intake {
  #bytes;
  #expected;
  #hash = createHash("sha256");
  #size = 0;

  /**
   * @param {NodeJS.ReadableStream} input
   * @param {{size: number, sha256: string}} expected
   */
  constructor(input, expected) {
    this.#bytes = /** @type {AsyncIterator<Buffer>} */ (input[Symbol.asyncIterator]());
    this.#expected = expected;
  }

  async next() {
    const result = await this.#bytes.next();
    if (result.done) return result;
    this.#size += result.value.length;
    this.#hash.update(result.value);
    this.#requireNoMore();
    return result;
  }

  /** Reads what is left, and fails where the whole is not what was announced. */
  async finish() {
    this.#requireNoMore();
    while (!(await this.next()).done);
    if (this.#size !== this.#expected.size) throw new AgentError("the archive is shorter than announced");
    if (this.#hash.digest("hex") !== this.#expected.sha256) throw new ArchiveError("the archive's hash does not match");
  }

  #requireNoMore() {
    if (this.#size > this.#expected.size) throw new ArchiveError("the archive is longer than announced");
  }
}
