// `send`: writes the staged archive to stdout as it is, or of an incremental one the index or the pack (`--part`).
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";

import { AgentError } from "./errors.mjs";
import { readJsonIfAny } from "./files.mjs";

const CHUNK = 1024 * 1024;

/**
 * @param {import("../agent.mjs").Context} context
 * @returns {Promise<undefined>}
 */
export async function run({ paths, argv, stdout }) {
  const facts = await readJsonIfAny(paths.archiveFacts);
  const { file, expected } = partOf(paths, facts, argv);
  const size = await stat(file).then(
    (found) => found.size,
    () => -1,
  );
  if (size !== expected) throw new AgentError("no snapshot is staged");
  try {
    await pipeline(createReadStream(file, { highWaterMark: CHUNK }), stdout, { end: false });
    // The process ends right after: wait until the last bytes have left it.
    await new Promise((resolve, reject) => stdout.write("", (error) => (error ? reject(error) : resolve(undefined))));
  } catch {
    throw new AgentError("the archive could not be sent whole");
  }
  return undefined;
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {any} facts of what is staged
 * @param {string[]} argv
 * @returns {{file: string, expected: number | undefined}}
 */
function partOf(paths, facts, argv) {
  // An option that this version does not know is a newer caller's, who must get by without it.
  const { part } = parseArgs({ args: argv, options: { part: { type: "string" } }, strict: false }).values;
  if (part === undefined) return { file: paths.archive, expected: facts?.size };
  if (part === "index") return { file: paths.index, expected: facts?.size };
  if (part === "pack") return { file: paths.pack, expected: facts?.pack?.size };
  throw new AgentError("usage: send [--part index|pack]");
}
