// Whom OpenClaw has let in to a channel by their owner's word. They lie in its global database, where no method of its gateway
// tells of them.
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

const TIMEOUT_MS = 2_000;
const CHANNEL = "telegram";
/** The answer is one line of bounded length. */
const MAX_PEOPLE = 1000;
const PEOPLE = `
  SELECT DISTINCT entry FROM channel_pairing_allow_entries WHERE channel_key = ? AND typeof(entry) = 'text'
  AND octet_length(entry) BETWEEN 1 AND 20 AND entry NOT GLOB '*[^0-9]*'
  ORDER BY entry LIMIT ?`;

/**
 * A newer OpenClaw may keep them otherwise: what is not understood is not told.
 * @param {string} state the state directory, or a copy of it
 * @returns {string[] | undefined}
 */
export function letInAt(state) {
  let database;
  try {
    database = new DatabaseSync(path.join(state, "state", "openclaw.sqlite"), { readOnly: true, timeout: TIMEOUT_MS });
    database.exec("PRAGMA trusted_schema = OFF");
    return database
      .prepare(PEOPLE)
      .all(CHANNEL, MAX_PEOPLE)
      .map(({ entry }) => String(entry));
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}
