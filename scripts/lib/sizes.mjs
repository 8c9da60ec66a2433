// What is uploaded, how large it is, and how large it may be: each request to a cold place waits for it.

import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { gzipSync } from "node:zlib";
import { filesUnder } from "./inputs.mjs";
import { fromRoot, ROOT } from "./project.mjs";

const KIB = 1024;
const WASM = "build/index_bg.wasm";
const UPLOADED = ["build/index.js", WASM, "dist/console"];
/** Compressed, in KiB. @type {Record<string, number>} */
export const BUDGETS = { [WASM]: 590, together: 655 };

/** @typedef {{name: string, raw: number, gzip: number}} Size */

/** @returns {Size[]} the last one is the sum */
export function uploadSizes() {
  const files = UPLOADED.flatMap((path) => filesUnder(fromRoot(path)));
  const sizes = files.map((file) => {
    const content = readFileSync(file);
    return { name: relative(ROOT, file), raw: content.length, gzip: gzipSync(content, { level: 9 }).length };
  });
  const sum = (/** @type {"raw" | "gzip"} */ key) => sizes.reduce((total, size) => total + size[key], 0);
  return [...sizes, { name: "together", raw: sum("raw"), gzip: sum("gzip") }];
}

/** @param {Size[]} sizes */
export function printSizes(sizes) {
  const kib = (/** @type {number} */ bytes) => `${(bytes / KIB).toFixed(1).padStart(9)} KiB`;
  console.log("\nTo upload:");
  for (const { name, raw, gzip } of sizes) {
    const budget = BUDGETS[name];
    const most = budget === undefined ? "" : `  (at most ${budget})`;
    console.log(`  ${name.padEnd(32)} ${kib(raw)} ${kib(gzip)} gzip${most}`);
  }
}

/** @param {Size[]} sizes @returns {import("./lint.mjs").Finding[]} */
export function lintSizes(sizes) {
  return Object.entries(BUDGETS).flatMap(([name, budget]) => {
    const size = sizes.find((one) => one.name === name);
    if (!size) return [{ field: name, text: "was not built" }];
    const kib = size.gzip / KIB;
    return kib > budget
      ? [{ field: name, text: `has ${kib.toFixed(1)} KiB compressed, at most ${budget} are allowed` }]
      : [];
  });
}
