// Runs test files of Node's own runner, the longest first, as the last run on this machine has shown: so none of them is
// left to the end, when nothing else keeps the processors busy. Arguments: how many at a time, and the files.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { CACHE, ROOT } from "./lib/project.mjs";

/** No single test may hang the run. */
const TEST_TIMEOUT_MS = 300_000;
const KNOWN = join(CACHE, "test-durations.json");

/** By file, milliseconds. @returns {Record<string, number>} */
function known() {
  try {
    return JSON.parse(readFileSync(KNOWN, "utf8"));
  } catch {
    return {};
  }
}

const [concurrency = "1", ...files] = process.argv.slice(2);
const lasted = known();
const length = (/** @type {string} */ file) => lasted[file] ?? Number.POSITIVE_INFINITY;
const ordered = [...files].sort((a, b) => (length(a) === length(b) ? 0 : length(b) - length(a)));

/** @type {Record<string, number>} */
const durations = {};
let passed = false;
const events = run({
  files: ordered.map((file) => join(ROOT, file)),
  concurrency: Number(concurrency),
  timeout: TEST_TIMEOUT_MS,
  execArgv: ["--disable-warning=ExperimentalWarning"],
});
events.on("test:summary", ({ file, duration_ms, success }) => {
  if (file === undefined) passed = success;
  else durations[file.slice(ROOT.length + 1)] = Math.round(duration_ms);
});
events.on("end", () => {
  if (!passed) process.exitCode = 1;
  // What others added meanwhile stays.
  mkdirSync(dirname(KNOWN), { recursive: true });
  writeFileSync(`${KNOWN}.${process.pid}`, JSON.stringify({ ...known(), ...durations }, null, 1));
  renameSync(`${KNOWN}.${process.pid}`, KNOWN);
});
events.compose(new spec()).pipe(process.stdout);
