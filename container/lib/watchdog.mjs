// Ends a command that takes too long, from a thread of its own: SQLite works synchronously and would hold off a timer.
import { Worker } from "node:worker_threads";

const SOURCE = `
  const { workerData } = require("node:worker_threads");
  const { writeSync } = require("node:fs");
  setTimeout(() => {
    try { writeSync(2, workerData.name + " took longer than " + workerData.seconds + " s\\n"); } catch {}
    process.kill(process.pid, "SIGKILL");
  }, workerData.seconds * 1000);
`;

/**
 * @param {string} name
 * @param {number} seconds 0 = no limit
 */
export function startWatchdog(name, seconds) {
  if (seconds === 0) return;
  new Worker(SOURCE, { eval: true, workerData: { name, seconds }, env: {}, execArgv: [] }).unref();
}
