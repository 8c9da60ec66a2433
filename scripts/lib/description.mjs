// The description of the API as it is served: docs/openapi.yaml made JSON, among the files that the Worker passes on.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fromRoot, UserError } from "./project.mjs";

export const DESCRIPTION = "docs/openapi.yaml";
/** Where it is served, and below the console's files. */
export const DESCRIPTION_PATH = "/v1/openapi.json";

/** @returns {Promise<Record<string, any>>} */
export async function readDescription(file = fromRoot(DESCRIPTION)) {
  // Imported late: this module is loaded before the packages are installed.
  const { parse } = await import("yaml");
  try {
    return parse(readFileSync(file, "utf8"), { strict: true, uniqueKeys: true });
  } catch (error) {
    throw new UserError(`${file} can't be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {string} dir the console's files */
export async function writeDescription(dir) {
  const file = join(dir, DESCRIPTION_PATH);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(await readDescription()));
}
