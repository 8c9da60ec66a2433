// Copies what a snapshot holds into a staging directory, where it is scrubbed, searched for secrets, and stands still.
import { constants } from "node:fs";
import { lstat, mkdir, open, opendir, readlink, rm, utimes } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";

import { isKept, isLeftAside, isOpenClawsOwn } from "./contents.mjs";
import { AgentError, hasCode } from "./errors.mjs";
import { MAX_DEPTH, MAX_LINKS, MAX_STATE_BYTES, MAX_STATE_ENTRIES } from "./limits.mjs";
import { staysInside } from "./links.mjs";
import { holdsAny } from "./scan.mjs";
import { writtenForms } from "./secrets.mjs";
import { copyDatabase, scrubDatabase } from "./sqlite.mjs";

const SQLITE_MAGIC = Buffer.from("SQLite format 3\0", "latin1");

/**
 * @typedef {object} Staged
 * @property {number} files @property {number} bytes
 * @property {[string, string][]} links relative path and target of each symbolic link
 * @property {string[]} leftOut files that held an injected value
 * @property {string[]} masked databases in which one was overwritten
 */

/**
 * @param {string} from the state directory
 * @param {string} to an empty directory
 * @param {string[]} values injected secrets
 * @returns {Promise<Staged>}
 */
export async function stageState(from, to, values) {
  const forms = writtenForms(values);
  const stager = new Stager(from, to, forms);
  await stager.directory("", 0);
  return stager.result;
}

class Stager {
  /** @type {Staged} */
  result = { files: 0, bytes: 0, links: [], leftOut: [], masked: [] };
  #entries = 0;
  #from;
  #to;
  #forms;
  #needles;

  /**
   * @param {string} from
   * @param {string} to
   * @param {string[]} forms
   */
  constructor(from, to, forms) {
    this.#from = from;
    this.#to = to;
    this.#forms = forms;
    this.#needles = forms.map((form) => Buffer.from(form, "utf8"));
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
    if (this.#forms.some((form) => relative.includes(form))) return void this.#leaveOut("(a name that holds a secret)");
    this.#entries += 1;
    if (this.#entries > MAX_STATE_ENTRIES - 2) throw new AgentError("the state holds too many files");
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
    if (target === undefined || !staysInside(relative, target) || this.#forms.some((form) => target.includes(form)))
      return;
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
    if (await isDatabase(from)) await this.#database(from, to, relative);
    else if (!(await copyFile(from, to, stat))) return;
    if (await holdsAny(to, this.#needles)) {
      await rm(to);
      this.#leaveOut(relative);
      return;
    }
    await utimes(to, stat.atime, stat.mtime);
    this.result.files += 1;
    this.result.bytes += (await lstat(to)).size;
    if (this.result.bytes > MAX_STATE_BYTES) throw new AgentError("the state is too large");
  }

  /**
   * @param {string} from
   * @param {string} to
   * @param {string} relative
   */
  async #database(from, to, relative) {
    if (!isOpenClawsOwn(relative)) {
      // The agent's own databases: copied whole where SQLite can read them, else as bytes.
      await copyDatabase(from, to).catch(async () => {
        await rm(to, { force: true });
        await copyFile(from, to, await lstat(from));
      });
      return;
    }
    await copyDatabase(from, to).catch(() => {
      throw new AgentError(`the database ${relative} could not be copied`);
    });
    if (scrubDatabase(to, this.#forms)) this.result.masked.push(relative);
  }

  /** @param {string} relative */
  #leaveOut(relative) {
    this.result.leftOut.push(relative);
  }
}

/**
 * @param {string} from
 * @param {string} to
 * @param {import("node:fs").Stats} stat
 * @returns {Promise<boolean>} false where the file went away meanwhile
 */
async function copyFile(from, to, stat) {
  // Not through a link that took the file's place, and not waiting for a pipe's other end.
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(gone);
  if (!source) return false;
  try {
    if (!(await source.stat()).isFile()) return false;
    const target = await open(to, "wx", stat.mode & 0o100 ? 0o700 : 0o600);
    // A file that grows while it is read must not be read for ever.
    const end = Math.max(0, stat.size - 1);
    if (stat.size === 0) await target.close();
    else await pipeline(source.createReadStream({ start: 0, end, autoClose: false }), target.createWriteStream());
    return true;
  } finally {
    await source.close();
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
