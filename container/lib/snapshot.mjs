// `snapshot`: quiesces the gateway and stages one archive of what makes the agent remember, without its secrets. With
// `--live` the gateway goes on meanwhile; with `--unless DIGEST` a state that has that digest is left alone.
import { lstat, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";

import { pack } from "./archive.mjs";
import { biggestIn } from "./biggest.mjs";
import { digestOf } from "./digest.mjs";
import { AgentError, TooLargeError } from "./errors.mjs";
import { makePrivateDirectory, writePrivateFile } from "./files.mjs";
import { quiesceGateway, resumeGateway } from "./gateway.mjs";
import { FORMAT } from "./manifest.mjs";
import { told } from "./names.mjs";
import { openclawVersion } from "./paths.mjs";
import { takeLock } from "./processes.mjs";
import { nextDueAt } from "./schedule.mjs";
import { valuesToFind } from "./secrets.mjs";
import { stageState } from "./stage.mjs";

const QUIESCE_MS = 20_000;

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths, argv }) {
  const options = parse(argv);
  await makePrivateDirectory(paths.scratch);
  // Two at once would stage into the same place.
  if (!(await takeLock(paths.stageLock))) throw new AgentError("a snapshot is under way");
  try {
    return await takeSnapshot(paths, options);
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
    options: { live: { type: "boolean" }, unless: { type: "string" } },
    strict: false,
  });
  return { live: values.live === true, unless: values.unless };
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {ReturnType<typeof parse>} options
 */
async function takeSnapshot(paths, { live, unless }) {
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
  const openclaw = openclawVersion(paths);
  const { entries, files, bytes, links } = staged;
  const manifest = { format: FORMAT, openclaw, created: new Date().toISOString(), files, bytes, links };
  const { size, sha256 } = await pack(manifest, entries, tree, paths.archive);
  await rm(tree, { recursive: true });
  const facts = { size, sha256, files, openclaw, format: FORMAT, quiesced, digest, nextDueAt: due };
  await writePrivateFile(paths.archiveFacts, JSON.stringify(facts));
  const { leftOut, masked, typedKeys } = staged;
  const report = { leftOut: told(leftOut), leftOutCount: leftOut.length, masked: told(masked) };
  return { ...facts, ...report, typedKeys: told([...typedKeys].sort()) };
}
