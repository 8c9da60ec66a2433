// `send`: writes the staged archive to stdout as it is.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

import { AgentError } from "./errors.mjs";
import { readJsonIfAny } from "./files.mjs";

const CHUNK = 1024 * 1024;

/**
 * @param {import("../agent.mjs").Context} context
 * @returns {Promise<undefined>}
 */
export async function run({ paths, stdout }) {
  const facts = await readJsonIfAny(paths.archiveFacts);
  const size = await stat(paths.archive).then(
    (found) => found.size,
    () => -1,
  );
  if (!facts || size !== facts.size) throw new AgentError("no snapshot is staged");
  try {
    await pipeline(createReadStream(paths.archive, { highWaterMark: CHUNK }), stdout, { end: false });
    // The process ends right after: wait until the last bytes have left it.
    await new Promise((resolve, reject) => stdout.write("", (error) => (error ? reject(error) : resolve(undefined))));
  } catch {
    throw new AgentError("the archive could not be sent whole");
  }
  return undefined;
}
