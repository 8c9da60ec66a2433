// `logs`: the last lines of the agent's log, for its owner. They were masked when they were written; what has been
// injected since is masked here.
import { constants } from "node:fs";
import { open } from "node:fs/promises";

import { injectedValues, maskFor } from "./secrets.mjs";

const MAX_LINES = 200;
const MAX_LINE = 1_000;
const MAX_BYTES = 48 * 1024;
/** More than `init` ever keeps; the agent can write to the file too. */
const MAX_READ = 4 * 1024 * 1024;

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths }) {
  const mask = maskFor(await injectedValues(paths));
  const text = mask(await endOf(paths.log));
  const lines = text.split("\n").filter((line) => line !== "");
  return { lines: bounded(lines.slice(-MAX_LINES).map((line) => line.slice(0, MAX_LINE).toWellFormed())) };
}

/**
 * @param {string[]} lines
 * @returns {string[]} the newest of them, as many as one answer takes
 */
function bounded(lines) {
  let left = MAX_BYTES - Buffer.byteLength(JSON.stringify({ lines: [] }));
  const first = lines.findLastIndex((line) => {
    left -= Buffer.byteLength(JSON.stringify(line)) + 1;
    return left < 0;
  });
  return lines.slice(first + 1);
}

/**
 * @param {string} file
 * @returns {Promise<string>} empty where there is none
 */
async function endOf(file) {
  // Not through a link, and not waiting for a pipe's other end.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file, flags).catch(() => undefined);
  if (!handle) return "";
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) return "";
    const length = Math.min(stat.size, MAX_READ);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, stat.size - length);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await handle.close();
  }
}
