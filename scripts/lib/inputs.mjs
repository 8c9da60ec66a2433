// Content hashes: a build is repeated when what goes into it has changed, whatever the files' times say.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { ROOT } from "./project.mjs";

const SKIPPED = new Set(["node_modules", "target", "build", "dist", ".cache", ".git", ".wrangler"]);

/** All files below a path (or the file itself), sorted; what is installed or built is left out. @param {string} path @returns {string[]} */
export function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !SKIPPED.has(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name);
      if (entry.isDirectory()) return filesUnder(child);
      return entry.isFile() ? [child] : [];
    });
}

/** One hash over names and contents. @param {string[]} paths relative to the root @param {string[]} also other inputs, e.g. versions */
export function hashInputs(paths, also = []) {
  const hash = createHash("sha256").update(JSON.stringify(also));
  for (const file of paths.flatMap((path) => filesUnder(join(ROOT, path)))) {
    const content = readFileSync(file);
    hash.update(`\0${relative(ROOT, file).split(sep).join("/")}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/** @param {string} file @param {string} hash */
export const isStamped = (file, hash) => existsSync(file) && readFileSync(file, "utf8") === hash;

/** @param {string} file @param {string} hash */
export function stamp(file, hash) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, hash);
}
