// `npm run mutants`: changes the code that decides who gets in, one place at a time, and expects a test to fail for each
// change. `.cargo/mutants.toml` names the files, and the changes that change nothing. Files named after it are the only ones.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { Progress } from "./lib/progress.mjs";
import { CACHE, fromRoot, ROOT, toolEnv, UserError } from "./lib/project.mjs";
import { run, runMain } from "./lib/run.mjs";
import { faultFinder } from "./lib/rust.mjs";
import { ensure } from "./setup.mjs";

/**
 * For each mutant the tests are built anew. Half of that time would go into what debuggers read. What random lives find at
 * all they find in some hundred.
 */
const env = () => toolEnv({ CARGO_PROFILE_DEV_DEBUG: "0", PROPTEST_CASES: "400" });
const OUT = join(CACHE, "mutants.out");

/**
 * Most are caught by the unit tests, which take a fraction of the time that all tests do: those that are not meet all of them.
 * @param {string[]} files @param {(detail: string) => void} report
 */
async function mutate(files, report) {
  rmSync(OUT, { recursive: true, force: true });
  const first = await pass(files, ["--lib"], report).catch((error) => {
    if (!(error instanceof UserError) || !survivors()) throw error;
    return undefined;
  });
  if (first !== undefined) return first;
  return pass(files, ["--lib", "--tests"], report, "--iterate").catch((error) => {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(survivors() || error.message);
  });
}

/**
 * @param {string[]} files @param {string[]} tests as cargo takes them @param {(detail: string) => void} report
 * @param {string[]} more options
 */
async function pass(files, tests, report, ...more) {
  const options = ["--package", "multiclaw-core", "--output", CACHE, "--jobs", "1", "--colors", "never"];
  const chosen = files.flatMap((file) => ["--re", `^${file.replaceAll(".", "\\.")}:`]);
  let [found, tested, summary] = ["?", 0, ""];
  await run(
    faultFinder("mutants"),
    // Without what is installed and built: gigabytes, which it would copy.
    ["mutants", ...options, "--caught", "--unviable", "--gitignore", "true", ...chosen, ...more, "--", ...tests],
    {
      log: "mutants",
      env: env(),
      onLine: (line) => {
        found = line.match(/^Found (\d+) mutants/)?.[1] ?? found;
        if (/^(ok|caught|MISSED|TIMEOUT|unviable)\b/i.test(line)) report(`${tested++} of ${found} mutants`);
        summary = line.match(/mutants? tested in .*?: (.*)/)?.[1] ?? summary;
      },
    },
  );
  return summary;
}

/** What no test noticed. */
function survivors() {
  const lists = ["missed.txt", "timeout.txt"].map((name) => join(OUT, name)).filter((file) => existsSync(file));
  const lines = lists.flatMap((file) => readFileSync(file, "utf8").trim().split("\n")).filter(Boolean);
  if (lines.length === 0) return "";
  return [
    "No test fails when the code is changed so:",
    ...lines.map((line) => `  ${line}`),
    `Write a test that does (what was changed, and the tests' output: ${relative(ROOT, OUT)}).`,
  ].join("\n");
}

await runMain(async () => {
  const files = process.argv.slice(2);
  const missing = files.filter((file) => !existsSync(fromRoot(file)));
  if (missing.length > 0) throw new UserError(`No such file: ${missing.join(", ")}`);
  const progress = new Progress(3);
  await ensure(progress, "rust", "mutants");
  await progress.step("Mutants", (report) => mutate(files, report));
});
