// Private files and directories: modes set explicitly, writes atomic, one hard link, never through a symbolic link.
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, lstat, mkdir, open, readFile, rename, rm } from "node:fs/promises";

import { AgentError, hasCode } from "./errors.mjs";

/** @param {string} directory */
export async function makePrivateDirectory(directory) {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const stat = await lstat(directory);
  if (!stat.isDirectory()) throw new AgentError("a directory of the agent is something else");
  if ((stat.mode & 0o777) !== 0o700) await chmod(directory, 0o700);
}

/**
 * @param {string} file
 * @param {string} text
 */
export async function writePrivateFile(file, text) {
  const draft = `${file}.${randomBytes(6).toString("hex")}.new`;
  const handle = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    await rename(draft, file);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(draft, { force: true });
    throw error;
  }
}

/**
 * @param {string} file
 * @returns {Promise<any>} undefined where there is no such file or it is not JSON
 */
export async function readJsonIfAny(file) {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    if (hasCode(error, "ENOENT") || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
