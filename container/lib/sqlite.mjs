// SQLite databases in snapshots: a consistent copy of a live one, and in the copy of OpenClaw's own no secret rows.
import { rm } from "node:fs/promises";
import { backup, DatabaseSync } from "node:sqlite";

import { AgentError } from "./errors.mjs";
import { fileHolds } from "./scan.mjs";
import { typedKeysIn } from "./typed.mjs";
import { quoted, Values } from "./values.mjs";

/** @typedef {import("./matcher.mjs").Matcher} Matcher @typedef {import("./inside.mjs").InsideSearch} InsideSearch */
/** @typedef {import("./typed.mjs").TypedKey} TypedKey */

/**
 * Tables whose rows are credentials, after OpenClaw's own list for backups without secrets (`cli/backup` in its docs).
 * One of that list stays: `channel_ingress_events` holds messages that channels have been told are accepted and that are
 * not yet worked on. Dropping them would lose messages; they are the owner's data like any transcript, not credentials.
 */
const SECRET_TABLES = [
  "audit_identity_keys",
  "apns_registrations",
  "channel_pairing_requests",
  "clawhub_promotion_claims",
  "config_revision_keys",
  "device_auth_tokens",
  "device_bootstrap_tokens",
  "device_identities",
  "device_pairing_join_codes",
  "device_pairing_paired",
  "gateway_origin_device_tokens",
  "mcp_oauth_pending_authorizations",
  "mcp_oauth_stores",
  "native_hook_relay_bridges",
  "secret_store_entries",
  "web_push_subscriptions",
  "worker_environment_credentials",
  // Of each agent's database:
  "auth_profile_state",
  "auth_profile_store",
  "session_suggestions",
];
const SECRET_STATE_KEYS = ["authProfiles.", "nodeHost.", "webPush.vapidKeys"];

/**
 * @param {string} from
 * @param {string} to a file that does not exist
 */
export async function copyDatabase(from, to) {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 10_000 });
  try {
    // All pages in one step: a writer between two steps would make SQLite start over.
    await backup(source, to, { rate: 2 ** 31 - 1 });
  } finally {
    source.close();
  }
  for (const suffix of ["-wal", "-shm", "-journal"]) await rm(to + suffix, { force: true });
}

/**
 * Deletes credentials from a copy, overwrites what else holds a value, and rewrites the file so that no deleted byte stays
 * in a free page. Leaving the whole file out would cost the owner all their sessions for one key that once stood in an
 * answer.
 * @param {string} file
 * @param {Matcher} matcher
 * @param {InsideSearch} inside
 * @returns {Promise<{masked: boolean, holds: boolean, typed: TypedKey[]}>} `holds`: a value lies where it could not be
 *   overwritten
 */
export async function scrubDatabase(file, matcher, inside) {
  const database = new DatabaseSync(file, { timeout: 10_000 });
  try {
    oneFile(database);
    const typed = typedKeysIn(database);
    const tables = tablesOf(database, "table").map(({ name }) => name);
    for (const table of SECRET_TABLES) if (tables.includes(table)) database.exec(`DELETE FROM ${quoted(table)}`);
    if (tables.includes("config_machine_state")) {
      const statement = database.prepare("DELETE FROM config_machine_state WHERE substr(state_key, 1, length(?)) = ?");
      for (const prefix of SECRET_STATE_KEYS) statement.run(prefix, prefix);
    }
    const values = new Values(database, matcher, inside);
    const holds = async () => (await fileHolds(file, matcher)) || values.anyOutOfSight();
    // The words of deleted text stay in an index until its parts are merged.
    for (const name of fullTextIndexes(database).keeping) command(database, name, "optimize");
    rewrite(database);
    if (!(await holds())) return { masked: false, holds: false, typed };
    mask(database, tables, values);
    rewrite(database);
    return { masked: true, holds: await holds(), typed };
  } finally {
    database.close();
  }
}

/**
 * Searches a copy of one of the agent's own databases, after free pages were removed from it.
 * @param {string} file
 * @param {Matcher} matcher
 * @param {InsideSearch} inside
 * @returns {Promise<boolean>} whether it holds a value, or could not be searched for one
 */
export async function databaseMayHold(file, matcher, inside) {
  const database = new DatabaseSync(file, { timeout: 10_000 });
  try {
    const mode = oneFile(database);
    vacuumIfPossible(database);
    const holds = (await fileHolds(file, matcher)) || new Values(database, matcher, inside).anyOutOfSight();
    // Its program may have chosen this once and for all.
    if (mode === "wal") database.exec("PRAGMA journal_mode = WAL");
    return holds;
  } catch {
    return !matcher.empty;
  } finally {
    database.close();
  }
}

/**
 * No log beside the file. Triggers and views in the copy may use nothing but SQLite's own functions.
 * @param {DatabaseSync} database
 * @returns {unknown} how it kept its log
 */
function oneFile(database) {
  const mode = database.prepare("PRAGMA journal_mode").get()?.journal_mode;
  database.exec("PRAGMA journal_mode = DELETE; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = OFF;");
  return mode;
}

/** @param {DatabaseSync} database */
function rewrite(database) {
  database.exec("VACUUM");
  const check = database.prepare("PRAGMA quick_check(1)").get();
  if (check?.quick_check !== "ok") throw new AgentError("a database is damaged");
}

/** @param {DatabaseSync} database */
function vacuumIfPossible(database) {
  try {
    database.exec("VACUUM");
  } catch {
    // It needs functions that only its own program has. Its free pages are searched as bytes.
  }
}

/**
 * @param {DatabaseSync} database
 * @param {"table" | "virtual" | "shadow"} type
 * @returns {{name: string, sql: string}[]}
 */
function tablesOf(database, type) {
  const rows = database
    .prepare(
      "SELECT l.name, s.sql FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name WHERE l.schema = 'main' AND l.type = ?",
    )
    .all(type);
  return rows
    .map((row) => ({ name: String(row.name), sql: String(row.sql) }))
    .filter(({ name }) => !name.startsWith("sqlite_"));
}

/**
 * Full-text indexes by where their text is: in themselves, or in another table. One without text can't be made anew.
 * @param {DatabaseSync} database
 */
function fullTextIndexes(database) {
  const indexes = tablesOf(database, "virtual").filter(({ sql }) => /\busing\s+fts5\b/i.test(sql));
  const names = (/** @type {typeof indexes} */ some) => some.map(({ name }) => name);
  const keeping = indexes.filter(({ sql }) => !/\bcontent\s*=\s*(''|"")/i.test(sql));
  return { keeping: names(keeping), ownText: names(keeping.filter(({ sql }) => !/\bcontent\s*=/i.test(sql))) };
}

/**
 * @param {DatabaseSync} database
 * @param {string} index
 * @param {"optimize" | "rebuild"} what
 */
function command(database, index, what) {
  database.prepare(`INSERT INTO ${quoted(index)} (${quoted(index)}) VALUES (?)`).run(what);
}

/**
 * @param {DatabaseSync} database
 * @param {string[]} tables
 * @param {Values} values
 */
function mask(database, tables, values) {
  const { keeping, ownText } = fullTextIndexes(database);
  // A full-text index that holds its text itself follows an update; its inner tables must not be touched.
  for (const table of [...tables, ...ownText]) values.overwriteIn(table);
  // Made anew: an index keeps the words of what was overwritten, and one of another table's text would count as damaged.
  for (const name of keeping) command(database, name, "rebuild");
}
