// `snapshot`: quiesces the gateway and stages one archive of what makes the agent remember, without its secrets. With
// `--live` the gateway goes on meanwhile; with `--unless DIGEST` a state that has that digest is left alone. With
// `--incremental PACK` it is staged as an index and a pack of what is new, as against the index with the hash `--base`.
import { lstat, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";

import { pack } from "./archive.mjs";
import { biggestIn } from "./biggest.mjs";
import { INCREMENTAL_FORMAT, isPackId } from "./chunk-index.mjs";
import { digestOf } from "./digest.mjs";
import { AgentError, TooLargeError } from "./errors.mjs";
import { makePrivateDirectory, writePrivateFile } from "./files.mjs";
import { quiesceGateway, resumeGateway } from "./gateway.mjs";
import { packIncrementally, readBase, TooManyBytesError } from "./incremental.mjs";
import { letInAt } from "./let-in.mjs";
import { FORMAT } from "./manifest.mjs";
import { told } from "./names.mjs";
import { openclawVersion } from "./paths.mjs";
import { takeLock } from "./processes.mjs";
import { nextDueAt } from "./schedule.mjs";
import { valuesToFind } from "./secrets.mjs";
import { stageState } from "./stage.mjs";

const QUIESCE_MS = 20_000;

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths, argv, stdin }) {
  const { base: sha256, ...options } = parse(argv);
  const base = sha256 === undefined ? undefined : await readBase(stdin, sha256);
  await makePrivateDirectory(paths.scratch);
  // Two at once would stage into the same place.
  if (!(await takeLock(paths.stageLock))) throw new AgentError("a snapshot is under way");
  try {
    return await takeSnapshot(paths, { ...options, base });
  } catch (error) {
    // Without an archive nobody will call `resume`.
    await rm(paths.stage, { recursive: true, force: true });
    await resumeGateway(paths).catch(() => {});
    if (error instanceof TooLargeError)
      return { tooLarge: { biggest: biggestIn(paths.state, await valuesToFind(paths)) } };
    throw error;
  } finally {
    await rm(paths.stageLock, { force: true });
  }
}

/** @param {string[]} argv */
function parse(argv) {
  // An option that this version does not know is a newer caller's, who must get by without it.
  const { values } = parseArgs({
    args: argv,
    options: {
      live: { type: "boolean" },
      unless: { type: "string" },
      incremental: { type: "string" },
      base: { type: "string" },
    },
    strict: false,
  });
  const { live, unless, incremental: id, base } = values;
  const isIncremental = id !== undefined;
  if (isIncremental && !isPackId(id)) throw new AgentError("usage: snapshot --incremental PACK [--base SHA256]");
  return {
    live: live === true,
    unless,
    id: isIncremental ? String(id) : undefined,
    base: isIncremental && base !== undefined ? String(base) : undefined,
  };
}

/**
 * @typedef {object} Options
 * @property {boolean} live @property {unknown} unless
 * @property {string | undefined} id of the pack to be written, where it is to be incremental
 * @property {import("./chunk-index.mjs").Index | undefined} base
 */

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {Options} options
 */
async function takeSnapshot(paths, { live, unless, ...incremental }) {
  await rm(paths.stage, { recursive: true, force: true });
  const state = await lstat(paths.state).catch(() => undefined);
  if (!state?.isDirectory()) throw new AgentError("there is no state");
  const values = await valuesToFind(paths);
  const quiesced = !live && (await quiesceGateway(paths, QUIESCE_MS));
  // Before anything is copied: what changes meanwhile is in the next digest.
  const digest = digestOf(paths.state);
  if (digest === unless) return { unchanged: true };
  await makePrivateDirectory(paths.stage);
  const tree = path.join(paths.stage, "tree");
  await mkdir(path.join(tree, "state"), { recursive: true });
  const staged = await stageState(paths.state, path.join(tree, "state"), values);
  const due = nextDueAt(path.join(tree, "state"), paths.state);
  const letIn = letInAt(path.join(tree, "state"));
  const openclaw = openclawVersion(paths);
  const { entries, files, bytes, links } = staged;
  const manifest = { format: FORMAT, openclaw, created: new Date().toISOString(), files, bytes, links };
  const packed = await packAs(paths, manifest, entries, tree, incremental);
  await rm(tree, { recursive: true });
  const facts = { ...packed, files, openclaw, quiesced, digest, nextDueAt: due, letIn };
  await writePrivateFile(paths.archiveFacts, JSON.stringify(facts));
  const { leftOut, masked, typedKeys } = staged;
  const report = { leftOut: told(leftOut), leftOutCount: leftOut.length, masked: told(masked) };
  return { ...facts, ...report, typedKeys: told([...typedKeys].sort()) };
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {import("./manifest.mjs").Manifest} manifest
 * @param {import("./tar.mjs").Entry[]} entries
 * @param {string} tree
 * @param {Pick<Options, "id" | "base">} incremental
 */
async function packAs(paths, manifest, entries, tree, { id, base }) {
  // With what is not used any more it may be too much where all of it anew is not; and as one archive it is smallest.
  for (const built of id === undefined ? [] : [...new Set([base, undefined])]) {
    try {
      const told = await packIncrementally(manifest, entries, tree, { id: String(id), base: built }, paths);
      return { ...told, format: INCREMENTAL_FORMAT };
    } catch (error) {
      if (!(error instanceof TooManyBytesError)) throw error;
      await rm(paths.pack, { force: true });
    }
  }
  return { ...(await pack(manifest, entries, tree, paths.archive)), format: FORMAT };
}
