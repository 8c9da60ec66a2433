// Runs a program, keeps its output in .cache/logs, and turns what it prints into progress. On failure the end of the
// output becomes the error.

import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { CACHE, ROOT, toolEnv, UserError } from "./project.mjs";

const SHOWN_LINES = 150;
/** Cargo's own account of what went well: in the log, but not in the way of an error. */
const NOISE = /^\s*(Compiling|Checking|Downloading|Downloaded|Updating|Locking|Adding|Blocking) /;

/** What a terminal shows of a text: no escape sequences. @param {string} text */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
export const plain = (text) => text.replace(/\x1b\[[0-9;?]*[a-zA-Z]/g, "");

/**
 * @typedef {object} RunOptions
 * @property {string} log            name of the file in .cache/logs
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} [onLine]
 * @property {string} [hint]         what a person can do when it fails
 */

/**
 * Resolves to the whole output when the program ends with 0.
 * @param {string} command @param {string[]} args @param {RunOptions} options
 * @returns {Promise<string>}
 */
export function run(command, args, { log, cwd = ROOT, env = toolEnv(), onLine, hint }) {
  const logs = join(CACHE, "logs");
  mkdirSync(logs, { recursive: true });
  const file = join(logs, `${log}.log`);
  const sink = createWriteStream(file);
  /** @type {string[]} */
  const lines = [];
  const take = (/** @type {string} */ line, /** @type {boolean} */ whole) => {
    const text = plain(line).trimEnd();
    if (text === "") return;
    onLine?.(text);
    if (!whole) return;
    if (!NOISE.test(text)) lines.push(text);
    sink.write(`${text}\n`);
  };

  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) splitLines(stream, take);
    child.on("error", (error) => reject(new UserError(`${command} could not be started: ${error.message}`)));
    child.on("close", (code, signal) => {
      sink.end();
      if (code === 0) return resolve(lines.join("\n"));
      const how = signal ? `was ended by ${signal}` : `ended with code ${code}`;
      const parts = [`${command} ${args[0] ?? ""} ${how}:`, lines.slice(-SHOWN_LINES).join("\n")];
      if (lines.length > SHOWN_LINES) parts.push(`(all of it: ${relative(ROOT, file)})`);
      if (hint) parts.push(hint);
      reject(new UserError(parts.join("\n")));
    });
  });
}

/**
 * Calls back with each line; one that ends in a carriage return is passing progress, not part of the record.
 * @param {NodeJS.ReadableStream} stream @param {(line: string, whole: boolean) => void} take
 */
function splitLines(stream, take) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk) => {
    rest += chunk;
    for (let match = /\r\n|\n|\r/.exec(rest); match; match = /\r\n|\n|\r/.exec(rest)) {
      take(rest.slice(0, match.index), match[0] !== "\r");
      rest = rest.slice(match.index + match[0].length);
    }
  });
  stream.on("end", () => take(rest, true));
}

/** Cargo draws its bar only on terminals unless told. */
export const CARGO_PROGRESS = { CARGO_TERM_PROGRESS_WHEN: "always", CARGO_TERM_PROGRESS_WIDTH: "100" };

/** Progress out of what cargo and worker-build print. @param {(detail: string) => void} report */
export function cargoProgress(report) {
  return (/** @type {string} */ line) => {
    const bar = line.match(/Building \[.*\] (\d+)\/(\d+)(?:: (.*))?/);
    if (bar) return report(`${bar[1]} of ${bar[2]} crates  ${bar[3] ?? ""}`);
    const other = line.match(
      /^\s*(Updating|Downloading|Downloaded|Locking|Compiling|Checking|Installing|Finished) (.*)/,
    );
    if (other) return report(`${other[1]} ${other[2]}`);
    if (line.includes("waiting for file lock")) return report("waiting for another cargo to finish");
    const info = line.match(/^\[INFO\]:?\s*(.*)/);
    if (info) report((info[1] ?? "").replace(/^\W+/, ""));
  };
}

/** Runs `main` and turns a UserError into a message and exit code 1. @param {() => Promise<number | void>} main */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) || 0;
  } catch (error) {
    process.exitCode = 1;
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`\n${error.message}\n`);
  }
}
