// `activity`: how long ago anything happened in the agent's conversations. Messages within an open WebSocket do not pass
// the edge one by one, so before an agent falls asleep the object asks here.
import { readdir, stat } from "node:fs/promises";
import path from "node:path";

import { hasCode } from "./errors.mjs";

/** A year: nothing ever happened. */
const NEVER_SECONDS = 31_536_000;

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths }) {
  let newest = 0;
  const agents = path.join(paths.state, "agents");
  for (const agent of await names(agents)) {
    const directory = path.join(agents, agent, "agent");
    for (const file of (await names(directory)).filter((name) => /\.sqlite(-wal)?$/.test(name))) {
      newest = Math.max(newest, await changedAt(path.join(directory, file)));
    }
  }
  const seconds = Math.floor((Date.now() - newest) / 1000);
  return { idleSeconds: Math.min(Math.max(seconds, 0), NEVER_SECONDS) };
}

/** @param {string} directory */
async function names(directory) {
  return readdir(directory).catch((error) => {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return [];
    throw error;
  });
}

/** @param {string} file */
async function changedAt(file) {
  const info = await stat(file).catch(() => undefined);
  return info?.mtimeMs ?? 0;
}
