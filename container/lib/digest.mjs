// A digest of the state that stays the same while nothing happens in it: what it says unchanged needs no new snapshot.
// Of files it takes name, size and time. OpenClaw's own databases it reads: a running gateway notes in them every half
// minute that it lives, and moves what was written from one file to another.
import { createHash } from "node:crypto";
import { readlinkSync, statSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

import { isOpenClawsOwn } from "./contents.mjs";
import { MAX_STATE_ENTRIES } from "./limits.mjs";
import { quoted } from "./values.mjs";
import { keptEntries } from "./walk.mjs";

/** Of a larger database size and time must do. */
const MAX_READ = 32 * 1024 * 1024;
const TIMEOUT_MS = 2_000;
/** Who has the databases open, and since when. */
const LEASES = new Set(["state_leases", "agent_database_leases"]);

/**
 * @param {string} state the state directory
 * @returns {string} in hexadecimal digits
 */
export function digestOf(state) {
  const hash = createHash("sha256");
  /** Databases that were read, whose logs say no more. @type {Set<string>} */
  const read = new Set();
  for (const { relative, stat } of keptEntries(state, MAX_STATE_ENTRIES)) {
    const file = path.join(state, relative);
    const database = /^(.+)-(wal|shm|journal)$/.exec(relative)?.[1];
    // An empty log is none; the shared memory beside it changes with every reader.
    if (database !== undefined && (read.has(database) || relative.endsWith("-shm") || stat.size === 0n)) continue;
    const content = isOpenClawsOwn(relative) && relative.endsWith(".sqlite") ? contentOf(file) : undefined;
    if (content !== undefined) read.add(relative);
    hash.update(JSON.stringify([relative, content ?? factsOf(file, stat)]));
  }
  return hash.digest("hex");
}

/**
 * @param {string} file
 * @param {import("node:fs").BigIntStats} stat
 */
function factsOf(file, stat) {
  if (stat.isFile()) return ["file", String(stat.size), String(stat.mtimeNs), Number(stat.mode & 0o100n)];
  if (stat.isSymbolicLink()) return ["link", targetOf(file)];
  // What a directory's time tells, its entries tell too.
  return [stat.isDirectory() ? "directory" : "other"];
}

/** @param {string} file */
function targetOf(file) {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}

/**
 * @param {string} file
 * @returns {string | undefined} undefined where it is large, locked or no database
 */
function contentOf(file) {
  let database;
  try {
    const size = statSync(file).size + (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0);
    if (size > MAX_READ) return undefined;
    database = new DatabaseSync(file, { readOnly: true, timeout: TIMEOUT_MS });
    // One transaction: all tables as they were at one moment.
    database.exec("PRAGMA trusted_schema = OFF; BEGIN");
    const hash = createHash("sha256");
    for (const table of tablesOf(database)) {
      hash.update(`\0${table}\0`);
      const rows = database.prepare(`SELECT * FROM ${quoted(table)}`);
      rows.setReadBigInts(true);
      rows.setReturnArrays(true);
      for (const row of rows.iterate()) {
        for (const value of /** @type {import("node:sqlite").SQLOutputValue[]} */ (/** @type {unknown} */ (row)))
          addValue(hash, value);
      }
    }
    return hash.digest("hex");
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

/** @param {DatabaseSync} database */
function tablesOf(database) {
  const tables = database.prepare(
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') ORDER BY name",
  );
  return tables
    .all()
    .map(({ name }) => String(name))
    .filter((name) => !LEASES.has(name));
}

/**
 * Each value with its kind and length, so that no two rows read as the same bytes.
 * @param {import("node:crypto").Hash} hash
 * @param {import("node:sqlite").SQLOutputValue} value
 */
function addValue(hash, value) {
  const bytes = value instanceof Uint8Array ? value : Buffer.from(String(value));
  hash.update(`${typeof value} ${bytes.length}:`).update(bytes);
}
