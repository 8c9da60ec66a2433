// The mask of a log that is written for as long as the gateway runs: it learns what is injected meanwhile.
import { readFileSync, statSync } from "node:fs";

import { asObject } from "./config.mjs";
import { MIN_SECRET_LENGTH } from "./limits.mjs";
import { maskFor } from "./secrets.mjs";

/**
 * @param {import("./paths.mjs").Paths} paths
 * @returns {(text: string) => string}
 */
export function growingMask(paths) {
  /** @type {Set<string>} */
  const known = new Set();
  let read = "";
  let mask = maskFor([]);
  return (text) => {
    try {
      // A file written anew is another file.
      const { ino, mtimeMs } = statSync(paths.secrets);
      if (read !== `${ino} ${mtimeMs}`) {
        const secrets = asObject(JSON.parse(readFileSync(paths.secrets, "utf8"))) ?? {};
        for (const value of Object.values(secrets)) {
          if (typeof value === "string" && value.length >= MIN_SECRET_LENGTH) known.add(value);
        }
        mask = maskFor([...known].sort((a, b) => b.length - a.length));
        read = `${ino} ${mtimeMs}`;
      }
    } catch {
      // Wiped: what was known is masked all the same.
    }
    return mask(text);
  };
}
