// `snapshot`: quiesces the gateway and stages one archive of what makes the agent remember, without its secrets.
import { lstat, mkdir, rm } from "node:fs/promises";
import path from "node:path";

import { inspect, pack } from "./archive.mjs";
import { AgentError } from "./errors.mjs";
import { makePrivateDirectory, writePrivateFile } from "./files.mjs";
import { quiesceGateway, resumeGateway } from "./gateway.mjs";
import { FORMAT } from "./manifest.mjs";
import { openclawVersion } from "./paths.mjs";
import { takeLock } from "./processes.mjs";
import { valuesToFind } from "./secrets.mjs";
import { stageState } from "./stage.mjs";

const QUIESCE_MS = 20_000;
/** The answer is one line of bounded length: it names so many files, in so many characters each and together. */
const NAMED = 100;
const NAME_LENGTH = 200;
const NAMES_LENGTH = 16_384;

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths }) {
  await makePrivateDirectory(paths.scratch);
  // Two at once would stage into the same place.
  if (!(await takeLock(paths.stageLock))) throw new AgentError("a snapshot is under way");
  try {
    return await takeSnapshot(paths);
  } catch (error) {
    // Without an archive nobody will call `resume`.
    await rm(paths.stage, { recursive: true, force: true });
    await resumeGateway(paths).catch(() => {});
    throw error;
  } finally {
    await rm(paths.stageLock, { force: true });
  }
}

/** @param {import("./paths.mjs").Paths} paths */
async function takeSnapshot(paths) {
  await rm(paths.stage, { recursive: true, force: true });
  await makePrivateDirectory(paths.stage);
  const state = await lstat(paths.state).catch(() => undefined);
  if (!state?.isDirectory()) throw new AgentError("there is no state");
  const quiesced = await quiesceGateway(paths, QUIESCE_MS);
  const tree = path.join(paths.stage, "tree");
  await mkdir(path.join(tree, "state"), { recursive: true });
  const staged = await stageState(paths.state, path.join(tree, "state"), await valuesToFind(paths));
  const openclaw = openclawVersion(paths);
  const { files, bytes, links } = staged;
  const manifest = { format: FORMAT, openclaw, created: new Date().toISOString(), files, bytes, links };
  await writePrivateFile(path.join(tree, "manifest.json"), JSON.stringify(manifest));
  const { size, sha256 } = await pack(tree, paths.archive);
  await rm(tree, { recursive: true });
  // What could not be restored is no snapshot.
  await inspect(paths.archive);
  const facts = { size, sha256, files, openclaw, format: FORMAT, quiesced };
  await writePrivateFile(paths.archiveFacts, JSON.stringify(facts));
  const { leftOut, masked, typedKeys } = staged;
  const report = { leftOut: told(leftOut), leftOutCount: leftOut.length, masked: told(masked) };
  return { ...facts, ...report, typedKeys: told([...typedKeys].sort()) };
}

/** @param {string[]} names */
function told(names) {
  let left = NAMES_LENGTH;
  const shortened = names.slice(0, NAMED).map((name) => {
    const letters = [...name];
    return letters.length > NAME_LENGTH ? `${letters.slice(0, NAME_LENGTH - 1).join("")}…` : name;
  });
  return shortened.filter((name) => {
    left -= Buffer.byteLength(JSON.stringify(name));
    return left >= 0;
  });
}
