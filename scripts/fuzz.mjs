// `npm run fuzz`: throws inputs at what reads bytes from strangers, a minute for each target. `--seconds N` is another
// time, names after it are the targets to run. What it learns stays in fuzz/corpus; inputs that failed, in fuzz/artifacts,
// are tried first the next time.

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { Progress } from "./lib/progress.mjs";
import { fromRoot, ROOT, toolEnv, UserError } from "./lib/project.mjs";
import { CARGO_PROGRESS, cargoProgress, run, runMain } from "./lib/run.mjs";
import { faultFinder } from "./lib/rust.mjs";
import { writeSeeds } from "./lib/seeds.mjs";
import { ensure } from "./setup.mjs";

const FUZZ = fromRoot("fuzz");
const TARGETS = readdirSync(join(FUZZ, "targets"))
  .filter((file) => file.endsWith(".rs"))
  .map((file) => file.replace(/\.rs$/, ""));
/** Of one input. Nothing here needs more than milliseconds. */
const TIMEOUT_SECONDS = 10;
const MEMORY_MIB = 2048;

/** Sanitizers and coverage are unstable options of a compiler; this makes the project's own take them. */
const env = () => toolEnv({ ...CARGO_PROGRESS, RUSTC_BOOTSTRAP: "1", RUST_LIB_BACKTRACE: "0" });

/** @returns {{seconds: number, chosen: string[]}} */
function wishes() {
  const { values, positionals } = parseArgs({ options: { seconds: { type: "string" } }, allowPositionals: true });
  const seconds = Number(values.seconds ?? 60);
  if (!Number.isSafeInteger(seconds) || seconds < 1)
    throw new UserError(`--seconds must be a whole number from 1, not ${values.seconds}.`);
  const unknown = positionals.filter((name) => !TARGETS.includes(name));
  if (unknown.length > 0)
    throw new UserError(`No such target: ${unknown.join(", ")}. There are: ${TARGETS.join(", ")}`);
  return { seconds, chosen: positionals.length > 0 ? positionals : TARGETS };
}

/** @param {string[]} targets */
async function buildTargets(targets, /** @type {(detail: string) => void} */ report) {
  for (const target of targets) {
    await run(faultFinder("fuzz"), ["build", "--fuzz-dir", FUZZ, target], {
      log: "fuzz-build",
      env: env(),
      onLine: cargoProgress(report),
      hint: "It needs a C++ compiler: `apt-get install g++` on Debian, Xcode's command line tools on a Mac.",
    });
  }
}

/** @param {string} target @param {number} seconds @param {(detail: string) => void} report */
async function fuzz(target, seconds, report) {
  const [corpus, artifacts] = ["corpus", "artifacts"].map((name) => join(FUZZ, name, target));
  if (!corpus || !artifacts) return;
  writeSeeds(target, corpus);
  mkdirSync(artifacts, { recursive: true });
  let [last, failing] = ["", ""];
  const limits = [`-max_total_time=${seconds}`, `-timeout=${TIMEOUT_SECONDS}`, `-rss_limit_mb=${MEMORY_MIB}`];
  await run(faultFinder("fuzz"), ["run", "--fuzz-dir", FUZZ, target, corpus, artifacts, "--", ...limits], {
    log: `fuzz-${target}`,
    env: env(),
    onLine: (line) => {
      const seen = line.match(/^#(\d+)\s.*\bcov: (\d+) ft: \d+ corp: (\d+)/);
      if (seen) last = `${Number(seen[1]).toLocaleString("en")} inputs, ${seen[2]} edges covered, ${seen[3]} kept`;
      if (seen) report(last);
      failing = line.match(/Test unit written to (\S+)/)?.[1] ?? failing;
    },
  }).catch((error) => {
    if (!(error instanceof UserError)) throw error;
    const file = failing || readdirSync(artifacts).map((name) => join(artifacts, name))[0];
    const input = file && existsSync(file) ? `\nThe input is in ${relative(ROOT, file)}.` : "";
    throw new UserError(`${error.message}${input}`);
  });
  return last;
}

await runMain(async () => {
  const { seconds, chosen } = wishes();
  const progress = new Progress(3 + chosen.length);
  await ensure(progress, "rust", "fuzz");
  await progress.step("Targets", (report) => buildTargets(chosen, report));
  /** @type {string[]} */
  const failures = [];
  for (const target of chosen) {
    await progress
      .step(target, (report) => fuzz(target, seconds, report))
      .catch((error) => {
        if (!(error instanceof UserError)) throw error;
        failures.push(`--- ${target}\n${error.message}`);
      });
  }
  if (failures.length > 0) throw new UserError(failures.join("\n\n"));
});
