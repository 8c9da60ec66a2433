// SQLite databases in snapshots: a consistent copy of a live one, and in the copy of OpenClaw's own no secret rows.
import { rm } from "node:fs/promises";
import { backup, DatabaseSync } from "node:sqlite";

import { AgentError } from "./errors.mjs";

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
 * Deletes credentials from a copy, and rewrites the file so that no deleted byte stays in a free page.
 * @param {string} file
 * @param {string[]} values masked wherever a text column holds them
 * @returns {boolean} whether a value was found and masked
 */
export function scrubDatabase(file, values) {
  const database = new DatabaseSync(file, { timeout: 10_000 });
  try {
    // One file, no log beside it. Triggers and views in the copy may use nothing but SQLite's own functions.
    database.exec("PRAGMA journal_mode = DELETE; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = OFF;");
    const tables = tablesOf(database, "table").map(({ name }) => name);
    for (const table of SECRET_TABLES) if (tables.includes(table)) database.exec(`DELETE FROM ${quoted(table)}`);
    if (tables.includes("config_machine_state")) {
      const statement = database.prepare("DELETE FROM config_machine_state WHERE substr(state_key, 1, length(?)) = ?");
      for (const prefix of SECRET_STATE_KEYS) statement.run(prefix, prefix);
    }
    const masked = maskValues(database, tables, values);
    database.exec("VACUUM");
    const check = database.prepare("PRAGMA quick_check(1)").get();
    if (check?.quick_check !== "ok") throw new AgentError("a database is damaged");
    return masked;
  } finally {
    database.close();
  }
}

/**
 * @param {DatabaseSync} database
 * @param {"table" | "virtual"} type
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
 * Leaving the whole file out would cost the owner all their sessions for one key that once stood in an answer.
 * @param {DatabaseSync} database
 * @param {string[]} tables
 * @param {string[]} values
 * @returns {boolean}
 */
function maskValues(database, tables, values) {
  if (values.length === 0) return false;
  const indexes = tablesOf(database, "virtual").filter(({ sql }) => /\busing\s+fts5\b/i.test(sql));
  const ownText = indexes.filter(({ sql }) => !/\bcontent\s*=/i.test(sql)).map(({ name }) => name);
  let found = false;
  // A full-text index that holds its text itself follows an update; its inner tables must not be touched.
  for (const table of [...tables, ...ownText]) {
    for (const value of values) if (maskValue(database, table, value)) found = true;
  }
  if (!found) return false;
  // The others index another table's text, and would count as damaged where that changed under them.
  for (const { name } of indexes) {
    if (!ownText.includes(name)) database.exec(`INSERT INTO ${quoted(name)} (${quoted(name)}) VALUES ('rebuild')`);
  }
  return true;
}

/**
 * @param {DatabaseSync} database
 * @param {string} table
 * @param {string} value
 * @returns {boolean}
 */
function maskValue(database, table, value) {
  let found = false;
  for (const column of database.prepare(`PRAGMA table_xinfo(${quoted(table)})`).all()) {
    // Generated columns follow the ones that they are made of.
    if (column.hidden !== 0) continue;
    const name = quoted(String(column.name));
    const { changes } = database
      .prepare(
        `UPDATE ${quoted(table)} SET ${name} = replace(${name}, ?, ?) WHERE typeof(${name}) = 'text' AND instr(${name}, ?) > 0`,
      )
      .run(value, "*".repeat(value.length), value);
    if (changes > 0) found = true;
  }
  return found;
}

/** @param {string} name */
function quoted(name) {
  return `"${name.replaceAll('"', '""')}"`;
}
