// `npm test`: builds what the tests run against, then every suite. `npm test -- core dev` runs only those named.

import { spawn } from "node:child_process";
import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { build } from "./build.mjs";
import { ATTACKS_TABLE, clearAttacks, printAttacks } from "./lib/attacks.mjs";
import { findChromium } from "./lib/chromium.mjs";
import { stopEngine } from "./lib/docker.mjs";
import { clearFaults, FAULTS_TABLE, printFaults } from "./lib/faults.mjs";
import { SIDECAR } from "./lib/images.mjs";
import { filesUnder } from "./lib/inputs.mjs";
import { duration, Progress } from "./lib/progress.mjs";
import { COMPILED_TOOLS, fromRoot, projectNode, ROOT, toolEnv, UserError } from "./lib/project.mjs";
import { schemathesis } from "./lib/python.mjs";
import { plain, runMain } from "./lib/run.mjs";
import { ensure } from "./setup.mjs";

/** No suite may hang the run, not one whose tests are over but whose process never ends. */
const SUITE_TIMEOUT_MS = 20 * 60_000;
/** For test files to end what they started. */
const GRACE_MS = 30_000;

/** @typedef {import("./setup.mjs").Need} Need */
/**
 * @typedef {object} Suite
 * @property {string} title @property {Need[]} needs @property {boolean} built
 * @property {() => string[]} command
 * @property {Record<string, string>} [env]
 * @property {() => void} [before] @property {() => void} [after] of its run
 * @property {number} [limit] milliseconds
 */

/** @param {string} dir @param {RegExp} name */
const testsUnder = (dir, name) => filesUnder(fromRoot(dir)).filter((file) => name.test(file));

/** Some files at a time: they wait more than they compute. @param {number} atOnce @param {string[]} files */
function nodeTest(atOnce, files) {
  if (files.length === 0) throw new UserError("This suite has no test files: that is a mistake, not a success.");
  const names = files.map((file) => relative(ROOT, file));
  const runner = fromRoot("scripts/run-tests.mjs");
  return [projectNode(), "--disable-warning=ExperimentalWarning", runner, String(atOnce), ...names];
}

/** The black-box tests whose subject is the container, or what is in it. The others may start some on their way. */
const OF_CONTAINERS = ["agent", "proxy", "runtime"].map((name) => fromRoot(`tests/${name}.test.ts`));

/** The black-box tests, the same for both kinds of container. */
const blackBox = () =>
  filesUnder(fromRoot("tests")).filter((file) => /^tests\/[^/]+\.test\.ts$/.test(relative(ROOT, file)));

/** @type {Need[]} */
const DOCKER = ["rust", "wasm-tools", "engine", "base", "sidecar", "image"];
/** Suites that only a command of their own runs, or who names them. */
const NAMED_ONLY = ["docker", "containers", "sidecar", "faults", "openapi"];

/** @type {Record<string, Suite>} */
const SUITES = {
  core: {
    title: "Domain logic (native)",
    needs: ["rust"],
    built: false,
    command: () => ["cargo", "test", "--workspace", "--color=never"],
  },
  container: {
    title: "What runs in the container",
    needs: ["agent"],
    built: false,
    command: () => nodeTest(4, testsUnder("container/tests", /\.test\.mjs$/)),
  },
  dev: {
    title: "Development stand-ins, console and scripts",
    needs: ["agent"],
    built: false,
    command: () =>
      nodeTest(
        2,
        ["dev", "console", "scripts"].flatMap((dir) => testsUnder(dir, /\.test\.m?[jt]s$/)),
      ),
  },
  api: {
    title: "Black box, against workerd",
    needs: ["agent", "rust", "wasm-tools"],
    built: true,
    command: () => nodeTest(5, blackBox()),
  },
  attacks: {
    title: "What a hostile caller can send",
    needs: ["agent", "rust", "wasm-tools"],
    built: true,
    command: () => nodeTest(5, testsUnder("tests/attacks", /\.test\.ts$/)),
    env: { ATTACKS_TABLE },
    before: clearAttacks,
    after: printAttacks,
  },
  browser: {
    title: "In a browser",
    needs: ["agent", "rust", "wasm-tools", "chromium"],
    built: true,
    command: () => nodeTest(3, testsUnder("tests/browser", /\.test\.ts$/)),
  },
  docker: {
    title: "Black box, all of it with real containers",
    needs: DOCKER,
    built: true,
    command: () => nodeTest(3, blackBox()),
    env: { TEST_CONTAINERS: "docker" },
  },
  containers: {
    title: "What is about containers, with real ones, and the real agent in its image",
    needs: DOCKER,
    built: true,
    command: () => nodeTest(3, [...OF_CONTAINERS, ...testsUnder("tests/containers", /\.test\.ts$/)]),
    env: { TEST_CONTAINERS: "docker" },
  },
  faults: {
    title: "Kills, failing storage, hostile archives, full disks",
    needs: ["agent", "rust", "wasm-tools"],
    built: true,
    // One file after the other: each has dozens of agents at a time.
    command: () => nodeTest(1, testsUnder("tests/faults", /\.test\.ts$/)),
    env: { FAULTS_TABLE },
    limit: 3 * SUITE_TIMEOUT_MS,
    before: clearFaults,
    after: printFaults,
  },
  openapi: {
    title: "The running service against its description",
    needs: ["rust", "wasm-tools", "schemathesis"],
    built: true,
    command: () => nodeTest(1, testsUnder("tests/openapi", /\.test\.ts$/)),
    env: { SCHEMATHESIS: schemathesis() },
  },
  sidecar: {
    title: "The stand-in for workerd's network sidecar",
    needs: ["rust"],
    built: false,
    command: () => ["cargo", "test", "--locked", "--color=never", "--manifest-path", join(SIDECAR, "Cargo.toml")],
  },
};

/** @typedef {{passed: number, failed: number, skipped: number}} Counts */

/** What the two test runners say of themselves at the end. @param {string} line @param {Counts} counts */
function count(line, counts) {
  const cargo = line.match(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/);
  if (cargo) {
    counts.passed += Number(cargo[1]);
    counts.failed += Number(cargo[2]);
    counts.skipped += Number(cargo[3]);
  }
  const node = line.match(/^ℹ (pass|fail|cancelled|skipped|todo) (\d+)/);
  const key = { pass: "passed", fail: "failed", cancelled: "failed", skipped: "skipped", todo: "skipped" }[
    node?.[1] ?? ""
  ];
  if (key) counts[/** @type {keyof Counts} */ (key)] += Number(node?.[2]);
}

/**
 * @param {string[]} command @param {NodeJS.ProcessEnv} env @param {number} [limit]
 * @returns {Promise<Counts & {ok: boolean, interrupted: boolean}>}
 */
function runSuite([program = "", ...args], env, limit = SUITE_TIMEOUT_MS) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  return new Promise((resolve, reject) => {
    // A group of its own: what the tests start ends with them.
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"], detached: true });
    const end = (/** @type {NodeJS.Signals | 0} */ signal) => {
      try {
        return child.pid !== undefined && process.kill(-child.pid, signal);
      } catch {
        // The group is gone already.
        return false;
      }
    };
    let interrupted = false;
    onInterrupt = (signal) => {
      end(interrupted ? "SIGKILL" : signal);
      interrupted = true;
    };
    const deadline = setTimeout(() => {
      console.log(`\nThe suite did not end within ${duration(limit)}: it is ended here.`);
      end("SIGTERM");
      setTimeout(() => end("SIGKILL"), GRACE_MS).unref();
    }, limit);
    let rest = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (chunk) => {
      process.stdout.write(chunk);
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) count(plain(line), counts);
    });
    child.on("error", reject);
    child.on("close", async (code) => {
      clearTimeout(deadline);
      // The runner ends at once when it is told to; the test files clean up first.
      for (const until = Date.now() + GRACE_MS; end(0) && Date.now() < until; ) await delay(100);
      end("SIGKILL");
      onInterrupt = leave;
      resolve({ ...counts, interrupted, ok: code === 0 && counts.failed === 0 && counts.passed > 0 });
    });
  });
}

const leave = () => process.exit(130);
/** @type {(signal: NodeJS.Signals) => void} */
let onInterrupt = leave;
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]))
  process.on(signal, () => onInterrupt(signal));

/** @returns {Promise<number>} the exit code */
async function main() {
  const named = process.argv.slice(2);
  const unknown = named.filter((name) => !(name in SUITES));
  if (unknown.length > 0)
    throw new UserError(`No such suite: ${unknown.join(", ")}. There are: ${Object.keys(SUITES).join(", ")}`);
  const chosen = Object.entries(SUITES).filter(([name]) =>
    named.length === 0 ? !NAMED_ONLY.includes(name) : named.includes(name),
  );

  const needs = /** @type {Need[]} */ ([
    "npm",
    "rust",
    "wasm-tools",
    "agent",
    "chromium",
    "schemathesis",
    "engine",
    "base",
    "sidecar",
    "image",
  ]).filter((need) => need === "npm" || chosen.some(([, suite]) => suite.needs.includes(need)));
  const built = chosen.some(([, suite]) => suite.built);
  const progress = new Progress(needs.length + (built ? 3 : 0));
  await ensure(progress, ...needs);
  if (built) await build(progress, { console: ["production", "development"] });

  const chromium = needs.includes("chromium") ? findChromium() : null;
  const env = toolEnv({
    FORCE_COLOR: process.stdout.isTTY ? "1" : "0",
    NODE_COMPILE_CACHE: COMPILED_TOOLS,
    ...(chromium ? { CHROMIUM_PATH: chromium } : {}),
  });
  /** @type {(Counts & {name: string, ok: boolean, interrupted: boolean, took: string})[]} */
  const rows = [];
  for (const [name, suite] of chosen) {
    console.log(`\n=== ${name}: ${suite.title}`);
    const started = Date.now();
    suite.before?.();
    const result = await runSuite(suite.command(), { ...env, ...suite.env }, suite.limit);
    suite.after?.();
    rows.push({ name, ...result, took: duration(Date.now() - started) });
    if (result.interrupted) break;
  }

  console.log("\n=== Summary");
  for (const { name, passed, failed, skipped, ok, took } of rows) {
    const skips = skipped > 0 ? `, ${skipped} skipped` : "";
    console.log(`${ok ? "ok    " : "FAILED"} ${name.padEnd(10)} ${passed} passed, ${failed} failed${skips} (${took})`);
  }
  const sum = (/** @type {"passed" | "failed" | "skipped"} */ key) => rows.reduce((total, row) => total + row[key], 0);
  const skips = sum("skipped") > 0 ? `, ${sum("skipped")} skipped` : "";
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed${skips}`);
  return rows.every(({ ok }) => ok) ? 0 : 1;
}

await runMain(() => main().finally(stopEngine));
