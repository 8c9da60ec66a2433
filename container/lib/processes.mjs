// Marks that name a running process by id and start time, so that a reused id is not taken for the process.
import { readFileSync } from "node:fs";
import { link, rm } from "node:fs/promises";
import process from "node:process";

import { hasCode } from "./errors.mjs";
import { readJsonIfAny, writePrivateFile } from "./files.mjs";

/**
 * @param {number} pid
 * @returns {string | undefined} undefined = no such process; "" where the system does not tell the time
 */
function startTimeOf(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return undefined;
  }
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the name in brackets and may hold spaces; state is the first after it, start time the 20th.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : (fields[19] ?? "");
  } catch {
    return "";
  }
}

/**
 * @param {string} file
 * @param {number} pid
 */
export async function markProcess(file, pid) {
  await writePrivateFile(file, JSON.stringify({ pid, started: startTimeOf(pid) ?? "" }));
}

/**
 * @param {string} file
 * @returns {Promise<boolean>}
 */
export async function isMarkedProcessAlive(file) {
  const mark = await readJsonIfAny(file);
  if (!mark || !Number.isSafeInteger(mark.pid) || mark.pid < 1) return false;
  return startTimeOf(mark.pid) === mark.started;
}

/**
 * Takes a lock for this process; a dead process's lock is taken over.
 * @param {string} file
 * @returns {Promise<boolean>} false while another process holds it
 */
export async function takeLock(file) {
  const draft = `${file}.${process.pid}`;
  await markProcess(draft, process.pid);
  try {
    for (const lastTry of [false, true]) {
      try {
        // Fails where the file is, and has its content from the start.
        await link(draft, file);
        return true;
      } catch (error) {
        if (!hasCode(error, "EEXIST")) throw error;
        if (lastTry || (await isMarkedProcessAlive(file))) return false;
        await rm(file, { force: true });
      }
    }
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}
