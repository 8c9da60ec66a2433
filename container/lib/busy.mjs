// Whether the running gateway works on something: a turn, a task, a run of its scheduler. Only asks; what it asks is what
// OpenClaw itself looks at before it restarts.
import { isMarkedProcessAlive } from "./processes.mjs";
import { Socket } from "./socket.mjs";

const LIMIT_MS = 5_000;
/** Not what an agent leaves running beside its turns, such as a server: it would never sleep again. */
const WORK = new Set(["queue", "reply", "embedded-run", "cron-run", "task"]);

/**
 * @param {import("./paths.mjs").Paths} paths
 * @returns {Promise<boolean>} false too where it does not answer
 */
export async function isWorking(paths) {
  if (!(await isMarkedProcessAlive(paths.gatewayMark))) return false;
  const deadline = Date.now() + LIMIT_MS;
  const left = () => Math.max(1, deadline - Date.now());
  try {
    const socket = await Socket.open(paths, left());
    try {
      const { blockers } = await socket.call("gateway.restart.preflight", {}, left());
      return Array.isArray(blockers) && blockers.some((blocker) => WORK.has(blocker?.kind));
    } finally {
      socket.close();
    }
  } catch {
    return false;
  }
}
