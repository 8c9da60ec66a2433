// `npm run check`: formatting, lints, types, file lengths, what comes from others, and secrets where none belong. `--fix`
// (npm run format) writes the formatting instead.

import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { SIDECAR } from "./lib/images.mjs";
import { filesUnder } from "./lib/inputs.mjs";
import { Progress } from "./lib/progress.mjs";
import { BIN, fromRoot, ROOT, toolEnv, UserError, WASM_TARGET } from "./lib/project.mjs";
import { CARGO_PROGRESS, cargoProgress, run, runMain } from "./lib/run.mjs";
import { crates, leakedSecrets, npmAudit } from "./lib/supply.mjs";
import { ensure } from "./setup.mjs";

const MAX_LINES = 500;
const SOURCES = /\.(rs|ts|mjs|js|css|html|sh|toml)$|Dockerfile$|\.ci\/run$/;
const TYPE_PROJECTS = ["tsconfig.json", "tsconfig.browser.json", "tsconfig.browser-tests.json", "tsconfig.worker.json"];

/** @typedef {(report: (detail: string) => void) => Promise<string | void>} Check */

/** @param {string} log @param {string[]} args @returns {Check} */
const cargo =
  (log, ...args) =>
  async (report) => {
    const env = toolEnv({ ...CARGO_PROGRESS });
    await run("cargo", args, { log, env, onLine: cargoProgress(report) });
  };

/** Workspaces of their own. */
const SIDECAR_MANIFEST = ["--manifest-path", join(SIDECAR, "Cargo.toml")];
const FUZZ_MANIFEST = ["--manifest-path", fromRoot("fuzz/Cargo.toml")];

/** @param {string} log @param {string} program @param {string[]} args @returns {Check} */
const tool =
  (log, program, ...args) =>
  async () => {
    await run(join(BIN, program), args, { log });
  };

/** A file that long holds more than one idea. */
async function fileLengths() {
  const tooLong = filesUnder(ROOT)
    .filter((file) => SOURCES.test(file))
    .map((file) => ({ file, lines: readFileSync(file, "utf8").split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES);
  if (tooLong.length === 0) return;
  throw new UserError(
    tooLong.map(({ file, lines }) => `${relative(ROOT, file)}: ${lines} lines, at most ${MAX_LINES}`).join("\n"),
  );
}

const CRATES = crates([".", "fuzz", relative(ROOT, SIDECAR)]);

/** @type {[string, Check][]} */
const CHECKS = [
  ["rustfmt", cargo("rustfmt", "fmt", "--all", "--check")],
  ["rustfmt (sidecar)", cargo("rustfmt-sidecar", "fmt", ...SIDECAR_MANIFEST, "--check")],
  ["rustfmt (fuzzing)", cargo("rustfmt-fuzz", "fmt", ...FUZZ_MANIFEST, "--check")],
  ["clippy", cargo("clippy", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings")],
  [
    "clippy (WebAssembly)",
    cargo("clippy-wasm", "clippy", "--workspace", "--target", WASM_TARGET, "--locked", "--", "-D", "warnings"),
  ],
  [
    "clippy (sidecar)",
    cargo("clippy-sidecar", "clippy", ...SIDECAR_MANIFEST, "--all-targets", "--locked", "--", "-D", "warnings"),
  ],
  [
    "clippy (fuzzing)",
    cargo("clippy-fuzz", "clippy", ...FUZZ_MANIFEST, "--no-default-features", "--locked", "--", "-D", "warnings"),
  ],
  ...TYPE_PROJECTS.map(
    (file) => /** @type {[string, Check]} */ ([`types (${file})`, tool(file, "tsc", "--project", fromRoot(file))]),
  ),
  ["biome", tool("biome", "biome", "ci", "--colors=off", "--error-on-warnings", ".")],
  ["file lengths", fileLengths],
  ["crates", CRATES.rules],
  ["crates' advisories", CRATES.advisories],
  ["npm audit", npmAudit(".")],
  ["npm audit (agent)", npmAudit("container")],
  ["secrets in files", leakedSecrets],
];

/** @type {[string, Check][]} */
const FIXES = [
  ["rustfmt", cargo("rustfmt", "fmt", "--all")],
  ["rustfmt (sidecar)", cargo("rustfmt-sidecar", "fmt", ...SIDECAR_MANIFEST)],
  ["rustfmt (fuzzing)", cargo("rustfmt-fuzz", "fmt", ...FUZZ_MANIFEST)],
  ["biome", tool("biome", "biome", "check", "--write", ".")],
];

await runMain(async () => {
  const chosen = process.argv.includes("--fix") ? FIXES : CHECKS;
  // The agent's packages have the types of what the container's scripts import.
  /** @type {import("./setup.mjs").Need[]} */
  const needs = ["npm", "rust", "lints", ...(chosen === CHECKS ? /** @type {const} */ (["deny"]) : []), "agent"];
  const progress = new Progress(needs.length + chosen.length);
  await ensure(progress, ...needs);
  /** @type {string[]} */
  const failures = [];
  for (const [title, check] of chosen) {
    await progress.step(title, check).catch((error) => {
      if (!(error instanceof UserError)) throw error;
      failures.push(`--- ${title}\n${error.message}`);
    });
  }
  if (failures.length > 0) throw new UserError(failures.join("\n\n"));
});
