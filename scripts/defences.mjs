// `npm run test:defences`: takes the defences of lib/defences.mjs away, one at a time, in a copy of the project, and expects an
// attack to succeed for each. Names after it are the only ones; `--list` says which there are.

import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { buildConsole, workerTools } from "./build.mjs";
import { DEFENCES } from "./lib/defences.mjs";
import { filesUnder } from "./lib/inputs.mjs";
import { duration, Progress } from "./lib/progress.mjs";
import { CACHE, fromRoot, projectNode, ROOT, toolEnv, UserError } from "./lib/project.mjs";
import { CARGO_PROGRESS, cargoProgress, run, runMain } from "./lib/run.mjs";
import { wasmTool } from "./lib/rust.mjs";
import { cargoVerdicts, nodeVerdicts } from "./lib/verdicts.mjs";
import { ensure } from "./setup.mjs";

/** @typedef {import("./lib/defences.mjs").Defence & {name: string}} Defence */
/** @typedef {import("./lib/verdicts.mjs").Verdict} Verdict */
/** @typedef {(detail: string) => void} Report */

const COPY = join(CACHE, "defences", "project");
/** Where packages are installed that the tests use. */
const PACKAGES = ["node_modules", "container/node_modules"];
/** Of one test, and of all in its file. */
const TEST_TIMEOUT_MS = 300_000;
/** Of a file, whatever became of what it started. */
const FILE_TIMEOUT_MS = 10 * 60_000;
/** What is uploaded is small; this is soon built. */
const QUICK = {
  CARGO_PROFILE_RELEASE_OPT_LEVEL: "1",
  CARGO_PROFILE_RELEASE_LTO: "off",
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16",
  CARGO_PROFILE_RELEASE_INCREMENTAL: "true",
  CARGO_PROFILE_DEV_DEBUG: "0",
  PROPTEST_CASES: "400",
};

/** @returns {{chosen: Defence[], list: boolean}} */
function wishes() {
  const { values, positionals } = parseArgs({ options: { list: { type: "boolean" } }, allowPositionals: true });
  const unknown = positionals.filter((name) => !(name in DEFENCES));
  if (unknown.length > 0) throw new UserError(`No such defence: ${unknown.join(", ")}. --list says which there are.`);
  const all = Object.entries(DEFENCES).map(([name, defence]) => ({ name, ...defence }));
  const chosen = positionals.length > 0 ? all.filter(({ name }) => positionals.includes(name)) : all;
  return { chosen, list: values.list === true };
}

/** The copy becomes what the project is, whatever an earlier run left there. What has not changed keeps its time: of that nothing is built anew. */
async function copyProject() {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  const names = new Set(listed.toString().split("\0").filter(Boolean));
  for (const file of filesUnder(COPY)) if (!names.has(file.slice(COPY.length + 1))) rmSync(file);
  let copied = 0;
  for (const name of names) {
    const [from, to] = [fromRoot(name), join(COPY, name)];
    if (!existsSync(from)) rmSync(to, { force: true });
    else if (!existsSync(to) || !readFileSync(from).equals(readFileSync(to)) || modeOf(from) !== modeOf(to)) {
      mkdirSync(dirname(to), { recursive: true });
      cpSync(from, to);
      copied += 1;
    }
  }
  for (const name of PACKAGES) {
    rmSync(join(COPY, name), { force: true });
    symlinkSync(fromRoot(name), join(COPY, name));
  }
  await buildConsole("development", join(COPY, ".cache", "dev", "console"));
  return `${copied} of ${names.size} files were new`;
}

const modeOf = (/** @type {string} */ file) => statSync(file).mode;

/** @param {Report} report */
async function build(report) {
  await run(wasmTool("worker-build"), ["--release", "--no-opt"], {
    log: "defences-build",
    cwd: COPY,
    env: toolEnv({ ...CARGO_PROGRESS, ...workerTools(), ...QUICK }),
    onLine: cargoProgress(report),
  });
}

const isNative = (/** @type {{test: string}} */ { test }) => test.endsWith(".rs");

/** @param {string} test @param {string[]} cases @returns {string[]} */
function command(test, cases) {
  if (!isNative({ test })) {
    const names = cases.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
    const flags = [
      "--disable-warning=ExperimentalWarning",
      "--test",
      `--test-reporter=${fromRoot("scripts/lib/verdicts.mjs")}`,
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      `--test-name-pattern=${names.join("|")}`,
    ];
    return [projectNode(), ...flags, test];
  }
  const [, target] = test.match(/^core\/tests\/(\w+)\.rs$/) ?? [];
  const part = target ? ["--test", target] : ["--lib"];
  return ["cargo", "test", "--package", "multiclaw-core", "--color=never", ...part, "--", ...cases];
}

/**
 * Runs these cases of a file in the copy. A run that ends in another way than by its tests has none.
 * @param {string} test @param {string[]} cases @returns {Promise<{verdicts: Verdict[], output: string}>}
 */
function runCases(test, cases) {
  const [program = "", ...args] = command(test, cases);
  return new Promise((resolve, reject) => {
    // A group of its own: what the tests start ends with them.
    const child = spawn(program, args, { cwd: COPY, env: toolEnv(QUICK), detached: true });
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group is gone already.
      }
    };
    const leave = () => {
      end();
      process.exit(130);
    };
    const deadline = setTimeout(end, FILE_TIMEOUT_MS);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, leave);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        output += chunk;
      });
    }
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(deadline);
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeListener(signal, leave);
      end();
      resolve({ verdicts: isNative({ test }) ? cargoVerdicts(output) : nodeVerdicts(output), output });
    });
  });
}

/** With all defences in place each case is a test, and passes: otherwise a failure would say nothing. @param {Defence[]} chosen @param {Report} report */
async function standing(chosen, report) {
  const files = [...new Set(chosen.map(({ test }) => test))];
  for (const [at, test] of files.entries()) {
    report(`${at} of ${files.length} files: ${test}`);
    const cases = [...new Set(chosen.filter((defence) => defence.test === test).flatMap(({ cases }) => cases))];
    const { verdicts, output } = await runCases(test, cases);
    const failed = verdicts.filter(({ ok }) => !ok);
    if (verdicts.length === 0 || failed.length > 0) {
      const names = failed.map(({ name }) => name).join(", ");
      throw new UserError(
        `${test} fails with all defences in place: ${names || "no test ran"}.\n${output.slice(-4000)}`,
      );
    }
    const stale = cases.filter((part) => !verdicts.some(({ name }) => name.includes(part)));
    if (stale.length > 0) throw new UserError(`${test} has no test named "${stale.join('", "')}": the list is stale.`);
  }
  return `${files.length} files pass`;
}

/**
 * Takes a defence away, and puts it back.
 * @param {Defence} defence @param {Report} report @returns {Promise<{red: string | undefined, outcome: string}>}
 */
async function without({ file, old, gone, test, cases }, report) {
  const path = join(COPY, file);
  const source = readFileSync(path, "utf8");
  const [before = "", after, ...more] = source.split(old);
  if (after === undefined || more.length > 0) {
    const count = after === undefined ? "not" : `${more.length + 1} times`;
    throw new UserError(`${file} has the text "${old}" ${count}, and not once: the list is stale.`);
  }
  const started = Date.now();
  writeFileSync(path, before + gone + after);
  try {
    if (!isNative({ test })) await build(report);
    const built = Date.now();
    report(test);
    const { verdicts, output } = await runCases(test, cases);
    const failed = verdicts.find(({ ok, asserted }) => !ok && asserted);
    const times = `built in ${duration(built - started)}, tested in ${duration(Date.now() - built)}`;
    if (failed) return { red: failed.name, outcome: `seen (${times})` };
    const stray = verdicts.find(({ ok }) => !ok)?.name;
    const why = stray ? `"${stray}" failed, but by no assertion` : `${verdicts.length} tests passed`;
    const shown = verdicts.length > 0 ? "" : `\n${output.slice(-4000)}`;
    return { red: undefined, outcome: `NOT SEEN: ${why} (${times})${shown}` };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { red: undefined, outcome: `DOES NOT BUILD\n${error.message}` };
  } finally {
    writeFileSync(path, source);
  }
}

/** @param {string[][]} rows */
function printTable(rows) {
  const widths = [0, 1].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of rows) console.log(row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  "));
}

await runMain(async () => {
  const { chosen, list } = wishes();
  if (list) {
    printTable(chosen.map(({ name, promise, title }) => [name, promise, title]));
    return 0;
  }
  const progress = new Progress(7 + chosen.length);
  await ensure(progress, "npm", "rust", "wasm-tools", "agent");
  await progress.step("Copy", copyProject);
  await progress.step("Worker", async (report) => {
    if (chosen.every(isNative)) return "not needed";
    await build(report);
    return "built";
  });
  await progress.step("All in place", (report) => standing(chosen, report));
  const rows = [];
  let missed = 0;
  for (const defence of chosen) {
    /** @type {{test?: string | undefined}} */
    const red = {};
    await progress.step(defence.name, async (report) => {
      const seen = await without(defence, report);
      red.test = seen.red;
      return seen.outcome;
    });
    if (red.test === undefined) missed += 1;
    rows.push([defence.promise, defence.title, red.test ?? "NOTHING FAILED"]);
  }
  console.log("\nWithout it, this test fails:");
  printTable(rows);
  console.log(`\n${chosen.length} defences taken away, ${chosen.length - missed} noticed by a test, ${missed} by none`);
  return missed === 0 ? 0 : 1;
});
