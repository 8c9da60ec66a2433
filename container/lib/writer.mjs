// Writes the entries of an archive below a fresh directory. Synchronously: for ten thousand small files the way through
// Node's thread pool takes many times as long as the work itself.
import { closeSync, constants, futimesSync, mkdirSync, openSync, writeSync } from "node:fs";
import path from "node:path";

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** For the agent's user alone, whatever the archive says; set-user-id and the like do not come back. */
export class TreeWriter {
  #root;
  /** @type {{fd: number, mtime: Date} | undefined} */
  #open;

  /** @param {string} root an empty directory */
  constructor(root) {
    this.#root = root;
  }

  /** @param {string} name */
  directory(name) {
    mkdirSync(path.join(this.#root, name), 0o700);
  }

  /**
   * @param {string} name
   * @param {{executable: boolean, mtime: Date}} facts
   */
  open(name, { executable, mtime }) {
    this.#open = { fd: openSync(path.join(this.#root, name), FLAGS, executable ? 0o700 : 0o600), mtime };
  }

  /** @param {Buffer} bytes */
  write(bytes) {
    if (this.#open) for (let at = 0; at < bytes.length; ) at += writeSync(this.#open.fd, bytes, at);
  }

  close() {
    if (!this.#open) return;
    const { fd, mtime } = this.#open;
    this.#open = undefined;
    try {
      futimesSync(fd, mtime, mtime);
    } finally {
      closeSync(fd);
    }
  }
}
