// Rust: the WebAssembly target, the components for checks, and the two programs that make a Worker of the crate.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  CACHE,
  CARGO_DENY_VERSION,
  CARGO_FUZZ_VERSION,
  CARGO_MUTANTS_VERSION,
  lockedCrate,
  ROOT,
  toolDir,
  toolEnv,
  UserError,
  WASM_TARGET,
  WORKER_BUILD_VERSION,
} from "./project.mjs";
import { CARGO_PROGRESS, cargoProgress, run } from "./run.mjs";

const INSTALL_RUST = "Install Rust with rustup (https://rustup.rs), open a new shell and run the command again.";

/** @param {string} command @param {string[]} args */
function ask(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

/** @param {string[]} args @param {string} hint @param {(detail: string) => void} report */
export async function rustup(args, hint, report) {
  if (ask("rustup", ["--version"]) === null)
    throw new UserError(`${hint}\nrustup, which adds it, was not found. ${INSTALL_RUST}`);
  report(`rustup ${args.join(" ")}`);
  await run("rustup", args, { log: "rustup", env: { ...process.env }, onLine: report, hint });
}

/** @param {(detail: string) => void} report */
export async function ensureTarget(report) {
  if (ask("cargo", ["--version"]) === null) {
    // rustup stands in for cargo: it fails when the toolchain that rust-toolchain.toml names is not installed.
    await rustup(["toolchain", "install"], "There is no Rust toolchain here.", report);
  }
  const libraries = ask("rustc", ["--print", "target-libdir", "--target", WASM_TARGET]);
  if (libraries === null) throw new UserError(`rustc does not run, or does not know ${WASM_TARGET}. ${INSTALL_RUST}`);
  if (!existsSync(libraries)) {
    await rustup(["target", "add", WASM_TARGET], `The Rust target ${WASM_TARGET} is not installed.`, report);
  }
  return ask("rustc", ["--version"])?.replace(/ \(.*/, "") ?? "";
}

/** @param {(detail: string) => void} report */
export async function ensureLints(report) {
  const missing = ["clippy", "rustfmt"].filter(
    (name) => ask("cargo", [name === "clippy" ? "clippy" : "fmt", "--version"]) === null,
  );
  if (missing.length > 0) {
    await rustup(["component", "add", ...missing], `Rust's ${missing.join(" and ")} are not installed.`, report);
    return "installed";
  }
  return "up to date";
}

/**
 * Not optimised: that takes a third off the first build, and costs the two programs a second at each use.
 * @param {{name: string, version: string, binary: string, locked: boolean}} tool @param {(detail: string) => void} report
 */
async function cargoInstall({ name, version, binary, locked }, report) {
  const dir = toolDir(binary, version);
  if (existsSync(join(dir, "bin", binary))) return false;
  const unfinished = `${dir}.part`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const say = cargoProgress((detail) => report(`${name}: ${detail}`));
  await run(
    "cargo",
    ["install", name, "--version", version, "--root", unfinished, "--force", ...(locked ? ["--locked"] : [])],
    {
      log: `cargo-install-${name}`,
      env: toolEnv({
        ...CARGO_PROGRESS,
        CARGO_TARGET_DIR: join(CACHE, "build"),
        CARGO_PROFILE_RELEASE_OPT_LEVEL: "0",
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "256",
        CARGO_PROFILE_RELEASE_LTO: "off",
      }),
      onLine: say,
      hint: `${name} could not be built: is the crates registry reachable?`,
    },
  );
  rmSync(dir, { recursive: true, force: true });
  renameSync(unfinished, dir);
  return true;
}

/** What only who looks for faults needs, in the code or in what it is made of. @type {Record<"deny" | "fuzz" | "mutants", {name: string, version: string, binary: string, locked: boolean}>} */
const FAULT_FINDERS = {
  deny: { name: "cargo-deny", version: CARGO_DENY_VERSION, binary: "cargo-deny", locked: true },
  fuzz: { name: "cargo-fuzz", version: CARGO_FUZZ_VERSION, binary: "cargo-fuzz", locked: true },
  mutants: { name: "cargo-mutants", version: CARGO_MUTANTS_VERSION, binary: "cargo-mutants", locked: true },
};

/** @param {keyof typeof FAULT_FINDERS} finder @returns {(report: (detail: string) => void) => Promise<string>} */
export const ensureFaultFinder = (finder) => async (report) =>
  (await cargoInstall(FAULT_FINDERS[finder], report)) ? "built" : "up to date";

/** @param {keyof typeof FAULT_FINDERS} finder */
export function faultFinder(finder) {
  const { binary, version } = FAULT_FINDERS[finder];
  return join(toolDir(binary, version), "bin", binary);
}

/** wasm-bindgen must have exactly the version of the crate in Cargo.lock. @returns {{name: string, version: string, binary: string, locked: boolean}[]} */
function wasmTools() {
  return [
    // Its published lock file names a crate that was withdrawn, hence not --locked.
    { name: "wasm-bindgen-cli", version: lockedCrate("wasm-bindgen"), binary: "wasm-bindgen", locked: false },
    { name: "worker-build", version: WORKER_BUILD_VERSION, binary: "worker-build", locked: true },
  ];
}

/** @param {(detail: string) => void} report */
export async function ensureWasmTools(report) {
  let built = 0;
  for (const tool of wasmTools()) if (await cargoInstall(tool, report)) built += 1;
  return built > 0 ? "built" : "up to date";
}

/** @param {string} binary */
export function wasmTool(binary) {
  const tool = wasmTools().find((entry) => entry.binary === binary);
  if (!tool) throw new Error(`no such tool: ${binary}`);
  return join(toolDir(tool.binary, tool.version), "bin", binary);
}
