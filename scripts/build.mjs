// Builds what is uploaded: the Worker (WebAssembly) into build/, the owner's console and the description of the API into
// dist/console. Also the build command of wrangler.toml. `--development` builds the console for local work (into .cache) in
// place of the production one; `--force` builds the Worker though nothing has changed.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { writeDescription } from "./lib/description.mjs";
import { hashInputs, isStamped, stamp } from "./lib/inputs.mjs";
import { Progress } from "./lib/progress.mjs";
import { BIN, CACHE, fromRoot, lockedCrate, ROOT, toolEnv, UserError, WORKER_BUILD_VERSION } from "./lib/project.mjs";
import { CARGO_PROGRESS, cargoProgress, run, runMain } from "./lib/run.mjs";
import { wasmTool } from "./lib/rust.mjs";
import { printSizes, uploadSizes } from "./lib/sizes.mjs";
import { ensure } from "./setup.mjs";

const WORKER_OUT = fromRoot("build");
const WORKER_FILES = ["index.js", "index_bg.wasm"];
const WORKER_INPUTS = [
  ...["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo", "src"],
  ...["core/Cargo.toml", "core/src", "durable_objects/Cargo.toml", "durable_objects/src"],
];
export const CONSOLE_OUT = { production: fromRoot("dist/console"), development: join(CACHE, "dev", "console") };

/** @typedef {(detail: string) => void} Report */

/** The programs worker-build would download; where one is not installed here it does as usual. */
export function workerTools() {
  const known = {
    WASM_BINDGEN_BIN: wasmTool("wasm-bindgen"),
    WASM_OPT_BIN: join(BIN, "wasm-opt"),
    ESBUILD_BIN: join(BIN, "esbuild"),
  };
  return Object.fromEntries(Object.entries(known).filter(([, path]) => existsSync(path)));
}

/** @param {Report} report @param {boolean} force */
async function buildWorker(report, force) {
  const hash = hashInputs(WORKER_INPUTS, [WORKER_BUILD_VERSION, lockedCrate("wasm-bindgen"), "release"]);
  const mark = join(WORKER_OUT, ".inputs");
  const made = WORKER_FILES.every((name) => existsSync(join(WORKER_OUT, name)));
  if (!force && made && isStamped(mark, hash)) return "up to date";
  rmSync(mark, { force: true });
  await run(wasmTool("worker-build"), ["--release"], {
    log: "worker-build",
    env: toolEnv({ ...CARGO_PROGRESS, ...workerTools() }),
    onLine: cargoProgress(report),
  });
  stamp(mark, hash);
  return "built";
}

/** The console's one page, with the cards that are files of their own. */
function consolePage() {
  const page = readFileSync(fromRoot("console/index.html"), "utf8");
  return page.replaceAll(/^ *<!-- card: (\w+) -->$/gm, (_, name) =>
    readFileSync(fromRoot(`console/cards/${name}.html`), "utf8").trimEnd(),
  );
}

/** @param {"production" | "development"} variant @param {string} outdir */
export async function buildConsole(variant, outdir = CONSOLE_OUT[variant]) {
  const development = variant === "development";
  const esbuild = await import("esbuild");
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const { metafile } = await esbuild
    .build({
      entryPoints: [fromRoot("console/src/main.ts")],
      absWorkingDir: ROOT,
      outdir,
      bundle: true,
      format: "esm",
      target: "es2023",
      minify: !development,
      sourcemap: development ? "inline" : false,
      define: { DEVELOPMENT: String(development) },
      legalComments: "none",
      metafile: true,
      logLevel: "silent",
    })
    .catch((error) => {
      throw new UserError(`The console does not build:\n${error.message}`);
    });
  // The development wallet and everything else under dev/ must not reach an owner's browser.
  const foreign = Object.keys(metafile.inputs).filter((path) => path.startsWith("dev/"));
  if (!development && foreign.length > 0) {
    rmSync(outdir, { recursive: true, force: true });
    throw new UserError(`The production console contains development code: ${foreign.join(", ")}`);
  }
  for (const entry of readdirSync(fromRoot("console"), { withFileTypes: true })) {
    if (entry.isFile() && !/\.(ts|json|md)$/.test(entry.name))
      cpSync(join(ROOT, "console", entry.name), join(outdir, entry.name));
  }
  writeFileSync(join(outdir, "index.html"), consolePage());
  await writeDescription(outdir);
  return "built";
}

/** @param {Progress} progress @param {{console: ("production" | "development")[], force?: boolean}} options */
export async function build(progress, { console: variants, force = false }) {
  await progress.step("Worker", (report) => buildWorker(report, force));
  for (const variant of variants) {
    await progress.step(variant === "production" ? "Console" : "Console (development)", () => buildConsole(variant));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await runMain(async () => {
    const development = process.argv.includes("--development");
    const progress = new Progress(5);
    await ensure(progress, "npm", "rust", "wasm-tools");
    await build(progress, {
      console: [development ? "development" : "production"],
      force: process.argv.includes("--force"),
    });
    if (!development) printSizes(uploadSizes());
  });
}
