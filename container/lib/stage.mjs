// Copies what a snapshot holds into a staging directory, where it is scrubbed, searched for secrets, and stands still.
import { constants } from "node:fs";
import { lstat, mkdir, open, opendir, readlink, rm, utimes } from "node:fs/promises";
import path from "node:path";

import { isKept, isLeftAside, isOpenClawsOwn } from "./contents.mjs";
import { AgentError, hasCode, TooLargeError } from "./errors.mjs";
import { InsideSearch } from "./inside.mjs";
import { MAX_DEPTH, MAX_LINKS, MAX_STATE_BYTES, MAX_STATE_ENTRIES } from "./limits.mjs";
import { staysInside } from "./links.mjs";
import { Matcher } from "./matcher.mjs";
import { SECRET_NAME } from "./names.mjs";
import { copySearched } from "./scan.mjs";
import { copyDatabase, databaseMayHold, scrubDatabase } from "./sqlite.mjs";

const SQLITE_MAGIC = Buffer.from("SQLite format 3\0", "latin1");

/**
 * @typedef {object} Staged
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
  result = { files: 0, bytes: 0, links: [], leftOut: [], masked: [], typedKeys: new Set() };
  #entries = 0;
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
    const names = [];
    for await (const entry of await opendir(path.join(this.#from, relative))) names.push(entry.name);
    for (const name of names.sort()) {
      if (depth === 0 && !isKept(name)) continue;
      await this.#entry(relative === "" ? name : `${relative}/${name}`, depth);
    }
  }

  /**
   * @param {string} relative
   * @param {number} depth
   */
  async #entry(relative, depth) {
    const stat = await lstat(path.join(this.#from, relative)).catch(gone);
    if (!stat || isLeftAside(relative)) return;
    if (this.#matcher.isIn(relative)) return void this.#leaveOut(SECRET_NAME);
    this.#entries += 1;
    if (this.#entries > MAX_STATE_ENTRIES - 2) throw new TooLargeError("the state holds too many files");
    if (stat.isDirectory()) {
      await mkdir(path.join(this.#to, relative), { mode: 0o700 });
      await this.directory(relative, depth + 1).catch(gone);
    } else if (stat.isSymbolicLink()) {
      await this.#link(relative);
    } else if (stat.isFile()) {
      await this.#file(relative, stat);
    }
    // Sockets, pipes and devices are no state.
  }

  /** @param {string} relative */
  async #link(relative) {
    const target = await readlink(path.join(this.#from, relative)).catch(gone);
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
    const to = path.join(this.#to, relative);
    // Beside a database these hold its latest changes, and the copy holds them already.
    const database = /^(.+)-(wal|shm|journal)$/.exec(from)?.[1];
    if (database !== undefined && (await isDatabase(database))) return;
    const copied = (await isDatabase(from))
      ? await this.#database(from, to, relative)
      : await this.#plain(from, to, stat);
    if (copied === "gone") return;
    if (copied === "holds") {
      await rm(to, { force: true });
      this.#leaveOut(relative);
      return;
    }
    await utimes(to, stat.atime, stat.mtime);
    this.result.files += 1;
    this.result.bytes += (await lstat(to)).size;
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

/** @param {string} file */
async function isDatabase(file) {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (!handle) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SQLITE_MAGIC.length), 0, SQLITE_MAGIC.length, 0);
    return bytesRead === SQLITE_MAGIC.length && buffer.equals(SQLITE_MAGIC);
  } catch {
    return false;
  } finally {
    await handle.close();
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
