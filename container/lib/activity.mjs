// `activity`: how long ago anything happened in the agent's conversations, whether it works now, and when its schedule is
// due next. Messages within an open WebSocket do not pass the edge one by one, so before an agent falls asleep the object
// asks here.
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";

import { isWorking } from "./busy.mjs";
import { AgentError, hasCode } from "./errors.mjs";
import { isMarkedProcessAlive } from "./processes.mjs";
import { nextDueAt } from "./schedule.mjs";

/** A year: nothing ever happened. */
const NEVER_SECONDS = 31_536_000;
/** A running gateway begins at once what is due; what is overdue for longer it does not understand. */
const MAX_OVERDUE_MS = 5 * 60_000;

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths, argv }) {
  const due = nextDueAt(paths.state);
  const busy = (await isSoon(paths, due, withinFrom(argv))) || (await isWorking(paths));
  return { idleSeconds: await idleSeconds(paths), busy, nextDueAt: due };
}

/** @param {string[]} argv */
function withinFrom(argv) {
  // An option that this version does not know is a newer caller's, who must get by without it.
  const { values } = parseArgs({ args: argv, options: { within: { type: "string" } }, strict: false });
  const text = String(values.within ?? "0");
  if (!/^\d{1,6}$/.test(text)) throw new AgentError("usage: activity [--within SECONDS]");
  return Number(text) * 1000;
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {number | null} due
 * @param {number} within
 */
async function isSoon(paths, due, within) {
  if (due === null || !(await isMarkedProcessAlive(paths.gatewayMark))) return false;
  const left = due - Date.now();
  return left <= within && left > -MAX_OVERDUE_MS;
}

/** @param {import("./paths.mjs").Paths} paths */
async function idleSeconds(paths) {
  let newest = 0;
  const agents = path.join(paths.state, "agents");
  for (const agent of await names(agents)) {
    const directory = path.join(agents, agent, "agent");
    for (const file of (await names(directory)).filter((name) => /\.sqlite(-wal)?$/.test(name))) {
      newest = Math.max(newest, await changedAt(path.join(directory, file)));
    }
  }
  const seconds = Math.floor((Date.now() - newest) / 1000);
  return Math.min(Math.max(seconds, 0), NEVER_SECONDS);
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
