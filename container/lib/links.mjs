// Symbolic links in snapshots. An archive holds none: its manifest lists those that stay inside the state, and they are
// made again after everything else is written, so nothing is ever written through one.
import { lstat, realpath, rm, symlink } from "node:fs/promises";
import path from "node:path";

import { ArchiveError, hasCode } from "./errors.mjs";

/**
 * @param {string} relative where the link lies, below the state directory
 * @param {string} target as the link names it
 * @returns {boolean}
 */
export function staysInside(relative, target) {
  if (target === "" || target.includes("\0") || path.posix.isAbsolute(target)) return false;
  const end = path.posix.normalize(path.posix.join(path.posix.dirname(relative), target));
  return end !== ".." && !end.startsWith("../");
}

/**
 * @param {string} root the freshly extracted state
 * @param {[string, string][]} links checked by the archive's reader
 */
export async function makeLinks(root, links) {
  for (const [relative, target] of links) {
    await requireRealDirectories(root, path.posix.dirname(relative));
    await symlink(target, path.join(root, relative)).catch((error) => {
      throw hasCode(error, "EEXIST") ? new ArchiveError("the archive names a link where a file is") : error;
    });
  }
  // Links that lead over other links may still end outside, whatever their text says.
  const real = await realpath(root);
  for (const [relative] of links) {
    const file = path.join(root, relative);
    const end = await realpath(file).catch(() => undefined);
    if (end !== undefined && end !== real && !end.startsWith(`${real}/`)) await rm(file, { force: true });
  }
}

/**
 * @param {string} root
 * @param {string} relative
 */
async function requireRealDirectories(root, relative) {
  let directory = root;
  for (const part of relative === "." ? [] : relative.split("/")) {
    directory = path.join(directory, part);
    const stat = await lstat(directory).catch(() => undefined);
    if (!stat?.isDirectory()) throw new ArchiveError("the archive names a link in no directory");
  }
}
