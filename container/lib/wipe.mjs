// `wipe`: takes the injected secrets and the configuration away again.
import { readdir, rm } from "node:fs/promises";
import path from "node:path";

import { hasCode } from "./errors.mjs";

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths }) {
  await clear(paths);
  return { ok: true };
}

/** @param {import("./paths.mjs").Paths} paths */
export async function clear(paths) {
  for (const file of [paths.secrets, paths.former, paths.config]) await rm(file, { force: true });
  // An interrupted inject may have left a draft of either.
  const names = await readdir(paths.run).catch((error) => {
    if (hasCode(error, "ENOENT")) return [];
    throw error;
  });
  for (const name of names) if (name.endsWith(".new")) await rm(path.join(paths.run, name), { force: true });
}
