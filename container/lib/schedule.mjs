// When OpenClaw's own scheduler is due next. Its jobs lie in its global database; they run only while it is awake.
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

const TIMEOUT_MS = 2_000;
/**
 * Jobs of OpenClaw's own, which nobody waits for: the heartbeat, what was moved from it, the nightly look through the
 * memory and the weekly one through the skills.
 */
const HOUSEKEEPING = ["heartbeat:", "heartbeat-task:", "memory-core:", "skill-collection-review:"];
const isHousekeeping = HOUSEKEEPING.map((prefix) => `declaration_key LIKE '${prefix}%'`).join(" OR ");
/** `CASE` keeps the order: of what is no JSON nothing is extracted. */
const NEXT = `
  SELECT min(due) AS due FROM (
    SELECT CASE WHEN json_valid(state_json) THEN
      CASE json_type(state_json, '$.nextRunAtMs') WHEN 'integer' THEN json_extract(state_json, '$.nextRunAtMs') END
    END AS due
    FROM cron_jobs WHERE enabled = 1 AND store_key = ? AND (declaration_key IS NULL OR NOT (${isHousekeeping}))
  ) WHERE due > 0`;

/**
 * A newer OpenClaw may keep its jobs otherwise, and the agent can write what it likes: what is not understood is no job.
 * @param {string} state the state directory, or a copy of it
 * @param {string} [home] where the state lies when it runs: the jobs of another place are not run there
 * @returns {number | null} epoch milliseconds of the next run; of one that is overdue too
 */
export function nextDueAt(state, home = state) {
  let database;
  try {
    database = new DatabaseSync(path.join(state, "state", "openclaw.sqlite"), { readOnly: true, timeout: TIMEOUT_MS });
    database.exec("PRAGMA trusted_schema = OFF");
    const due = database.prepare(NEXT).get(path.join(home, "cron", "jobs.json"))?.due;
    return typeof due === "number" ? due : null;
  } catch {
    return null;
  } finally {
    database?.close();
  }
}
