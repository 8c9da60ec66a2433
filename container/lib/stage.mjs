// Copies what a snapshot holds into a staging directory, where it is scrubbed, searched for secrets, and stands still.
// Small files are kept in memory instead, and worked on synchronously: most states are made of thousands of them.
import { lstatSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { lstat, rm } from "node:fs/promises";
import path from "node:path";

import { isKept, isLeftAside, isOpenClawsOwn } from "./contents.mjs";
import { AgentError, hasCode, TooLargeError } from "./errors.mjs";
import { InsideSearch, looksCompressed } from "./inside.mjs";
import { MAX_DEPTH, MAX_LINKS, MAX_STATE_BYTES, MAX_STATE_ENTRIES } from "./limits.mjs";
import { staysInside } from "./links.mjs";
import { Matcher } from "./matcher.mjs";
import { SECRET_NAME } from "./names.mjs";
import { copySearched, readSmall } from "./scan.mjs";
import { copyDatabase, databaseMayHold, scrubDatabase } from "./sqlite.mjs";

const SQLITE_MAGIC = Buffer.from("SQLite format 3\0", "latin1");
/** A file up to this size is small. */
const SMALL = 1024 * 1024;
/** What of them is kept in memory; the rest is copied. */
const MAX_HELD = 128 * 1024 * 1024;

/**
 * @typedef {object} Staged
 * @property {import("./tar.mjs").Entry[]} entries
 * @property {number} files @property {number} bytes
 * @property {[string, string][]} links relative path and target of each symbolic link
 * @property {string[]} leftOut files that held an injected value, or could not be searched for one
 * @property {string[]} masked databases in which one was overwritten
 * @property {Set<string>} typedKeys providers whose keys were typed into OpenClaw's own pages
 */

/**
 * @param {string} from the state directory
 * @param {string} to an empty directory
 * @param {string[]} values injected secrets
 * @returns {Promise<Staged>}
 */
export async function stageState(from, to, values) {
  const stager = new Stager(from, to, values);
  await stager.directory("", 0);
  return stager.result;
}

class Stager {
  /** @type {Staged} */
  result = { entries: [], files: 0, bytes: 0, links: [], leftOut: [], masked: [], typedKeys: new Set() };
  #entries = 0;
  #held = 0;
  #from;
  #to;
  #values;
  #matcher;
  #inside;

  /**
   * @param {string} from
   * @param {string} to
   * @param {string[]} values
   */
  constructor(from, to, values) {
    this.#from = from;
    this.#to = to;
    this.#values = new Set(values);
    this.#matcher = new Matcher(values);
    this.#inside = new InsideSearch(this.#matcher);
  }

  /**
   * @param {string} relative "" for the state directory itself
   * @param {number} depth
   */
  async directory(relative, depth) {
    if (depth > MAX_DEPTH) throw new AgentError("the state is nested too deeply");
    this.result.entries.push({ name: nameOf(relative), type: "Directory", executable: false, size: 0 });
    for (const name of readdirSync(path.join(this.#from, relative)).sort()) {
      if (depth === 0 && !isKept(name)) continue;
      await this.#entry(relative === "" ? name : `${relative}/${name}`, depth);
    }
  }

  /**
   * @param {string} relative
   * @param {number} depth
   */
  async #entry(relative, depth) {
    const stat = unlessGone(() => lstatSync(path.join(this.#from, relative)));
    if (!stat || isLeftAside(relative)) return;
    if (this.#matcher.isIn(relative)) return void this.#leaveOut(SECRET_NAME);
    this.#entries += 1;
    if (this.#entries > MAX_STATE_ENTRIES - 2) throw new TooLargeError("the state holds too many files");
    if (stat.isDirectory()) {
      mkdirSync(path.join(this.#to, relative), { mode: 0o700 });
      await this.directory(relative, depth + 1).catch(gone);
    } else if (stat.isSymbolicLink()) {
      this.#link(relative);
    } else if (stat.isFile()) {
      await this.#file(relative, stat);
    }
    // Sockets, pipes and devices are no state.
  }

  /** @param {string} relative */
  #link(relative) {
    const target = unlessGone(() => readlinkSync(path.join(this.#from, relative)));
    if (target === undefined || !staysInside(relative, target)) return;
    if (this.#matcher.isIn(target)) return this.#leaveOut(relative);
    this.result.links.push([relative, target]);
    if (this.result.links.length > MAX_LINKS) throw new AgentError("the state holds too many links");
  }

  /**
   * @param {string} relative
   * @param {import("node:fs").Stats} stat
   */
  async #file(relative, stat) {
    const from = path.join(this.#from, relative);
    // Beside a database these hold its latest changes, and the copy holds them already.
    const database = /^(.+)-(wal|shm|journal)$/.exec(from)?.[1];
    if (database !== undefined && isDatabaseAt(database)) return;
    const head = readSmall(from, stat.size <= SMALL ? stat.size : SQLITE_MAGIC.length);
    if (!head) return;
    if (stat.size <= SMALL && !isDatabase(head) && !looksCompressed(head)) return this.#small(relative, stat, head);
    const to = path.join(this.#to, relative);
    const copied = isDatabase(head) ? await this.#database(from, to, relative) : await this.#plain(from, to, stat);
    if (copied === "gone") return;
    if (copied === "holds") {
      await rm(to, { force: true });
      this.#leaveOut(relative);
      return;
    }
    this.#add(relative, stat, lstatSync(to).size);
  }

  /**
   * @param {string} relative
   * @param {import("node:fs").Stats} stat
   * @param {Buffer} bytes
   */
  #small(relative, stat, bytes) {
    if (this.#matcher.find(bytes)) return this.#leaveOut(relative);
    this.#held += bytes.length;
    if (this.#held <= MAX_HELD) return this.#add(relative, stat, bytes.length, bytes);
    writeFileSync(path.join(this.#to, relative), bytes, { mode: 0o600, flag: "wx" });
    this.#add(relative, stat, bytes.length);
  }

  /**
   * @param {string} relative
   * @param {import("node:fs").Stats} stat
   * @param {number} size
   * @param {Buffer} [bytes]
   */
  #add(relative, { mode, mtime }, size, bytes) {
    const facts = { executable: (mode & 0o100) !== 0, mtime, size };
    this.result.entries.push({ name: nameOf(relative), type: "File", ...facts, ...(bytes && { bytes }) });
    this.result.files += 1;
    this.result.bytes += size;
    this.#requireRoom(0);
  }

  /**
   * @param {string} from
   * @param {string} to
   * @param {import("node:fs").Stats} stat
   */
  async #plain(from, to, stat) {
    // Sooner than the disk is full of it.
    this.#requireRoom(stat.size);
    const copied = await copySearched(from, to, stat, this.#matcher);
    return copied === "clean" && (await this.#inside.fileMayHold(to)) ? "holds" : copied;
  }

  /**
   * @param {string} from
   * @param {string} to
   * @param {string} relative
   * @returns {Promise<"clean" | "holds" | "gone">}
   */
  async #database(from, to, relative) {
    const own = isOpenClawsOwn(relative);
    try {
      await copyDatabase(from, to);
    } catch {
      if (own) throw new AgentError(`the database ${relative} could not be copied`);
      // One of the agent's own that SQLite can't read, or that is locked: copied as bytes.
      await rm(to, { force: true });
      return this.#plain(from, to, await lstat(from));
    }
    if (!own) return (await databaseMayHold(to, this.#matcher, this.#inside)) ? "holds" : "clean";
    const { masked, holds, typed } = await scrubDatabase(to, this.#matcher, this.#inside);
    for (const { provider, key = "" } of typed) if (!this.#values.has(key)) this.result.typedKeys.add(provider);
    if (masked && !holds) this.result.masked.push(relative);
    return holds ? "holds" : "clean";
  }

  /** @param {number} bytes */
  #requireRoom(bytes) {
    if (this.result.bytes + bytes > MAX_STATE_BYTES) throw new TooLargeError("the state is too large");
  }

  /** @param {string} relative */
  #leaveOut(relative) {
    this.result.leftOut.push(relative);
  }
}

/** @param {string} relative */
function nameOf(relative) {
  return relative === "" ? "state" : `state/${relative}`;
}

/** @param {Buffer} bytes of a file's beginning */
function isDatabase(bytes) {
  return bytes.subarray(0, SQLITE_MAGIC.length).equals(SQLITE_MAGIC);
}

/** @param {string} file */
function isDatabaseAt(file) {
  try {
    return isDatabase(readSmall(file, SQLITE_MAGIC.length) ?? Buffer.alloc(0));
  } catch {
    return false;
  }
}

/**
 * A running agent may remove things while they are read.
 * @param {unknown} error
 * @returns {undefined}
 */
function gone(error) {
  if (hasCode(error, "ENOENT") || hasCode(error, "ELOOP")) return undefined;
  throw error;
}

/**
 * @template T
 * @param {() => T} look
 */
function unlessGone(look) {
  try {
    return look();
  } catch (error) {
    return gone(error);
  }
}
