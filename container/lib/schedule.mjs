// When OpenClaw's own scheduler is due next. Its jobs lie in its global database; they run only while it is awake.
import { existsSync } from "node:fs";
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
    database = new DatabaseSync(databaseIn(state), { readOnly: true, timeout: TIMEOUT_MS });
    database.exec("PRAGMA trusted_schema = OFF");
    const due = database.prepare(NEXT).get(partitionOf(home))?.due;
    return typeof due === "number" ? due : null;
  } catch {
    return null;
  } finally {
    database?.close();
  }
}

/**
 * OpenClaw names the jobs' partition by where its state lies. In containers that is always the same place; a state that
 * was saved by a local process is another's.
 * @param {string} state restored, not yet in its place
 * @param {string} home its place
 */
export function adoptJobs(state, home) {
  if (!existsSync(databaseIn(state))) return;
  let database;
  try {
    database = new DatabaseSync(databaseIn(state), { timeout: TIMEOUT_MS });
    database.exec("PRAGMA trusted_schema = OFF");
    for (const table of ["cron_jobs", "cron_job_scratch", "cron_run_receipts"]) {
      const foreign = `FROM ${table} WHERE store_key <> ? AND store_key LIKE '%/cron/jobs.json'`;
      if (!database.prepare(`SELECT 1 ${foreign}`).get(partitionOf(home))) continue;
      database
        .prepare(`UPDATE OR IGNORE ${table} SET store_key = ? WHERE rowid IN (SELECT rowid ${foreign})`)
        .run(partitionOf(home), partitionOf(home));
    }
  } catch {
    // Without such a table, or not to be read: OpenClaw will say what is wrong with it.
  } finally {
    database?.close();
  }
}

/** @param {string} state */
function databaseIn(state) {
  return path.join(state, "state", "openclaw.sqlite");
}

/** @param {string} home */
function partitionOf(home) {
  return path.join(home, "cron", "jobs.json");
}
