// Where things are and which versions of the tools the project uses. Plain JavaScript: it runs before anything is
// installed, on the Node that the machine happens to have.

import { existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const CACHE = join(ROOT, ".cache");
/** Code of the agent as V8 compiled it, for every gateway that runs here without an image: each starts in half the time. */
export const COMPILED_AGENT = join(CACHE, "compiled-agent");
/** Likewise that of what the tests themselves run in. */
export const COMPILED_TOOLS = join(CACHE, "compiled-tools");
export const BIN = join(ROOT, "node_modules", ".bin");

/** Must be the release of the `worker` crate in Cargo.toml. */
export const WORKER_BUILD_VERSION = "0.8.7";
export const CARGO_DENY_VERSION = "0.20.2";
export const CARGO_FUZZ_VERSION = "0.13.2";
export const CARGO_MUTANTS_VERSION = "27.1.0";
export const WASM_TARGET = "wasm32-unknown-unknown";
const NODE_WANTED = [24, 16];

/** An error whose message is all that a person needs: it is shown without a stack. */
export class UserError extends Error {}

/** @param {string} path */
export const fromRoot = (path) => join(ROOT, path);

/** @param {string} text */
function nodeSuffices(text) {
  const [major = 0, minor = 0] = text.replace(/^v/, "").split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = NODE_WANTED;
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** The Node that runs wrangler, TypeScript and the agent: the one from npm, else the machine's where it is new enough. */
export function projectNode() {
  const installed = join(ROOT, "node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");
  if (existsSync(installed)) return installed;
  if (nodeSuffices(process.version)) return process.execPath;
  throw new UserError(
    `Node ${NODE_WANTED.join(".")} or newer is needed, this is ${process.version}, and npm's packages hold none for ` +
      `${process.platform}-${process.arch}. Install one from https://nodejs.org and run the command again.`,
  );
}

/** npm 10 leaves out the link when two platforms' packages offer the same program: npm scripts and npx go by it. */
export function linkProjectNode() {
  const node = projectNode();
  const link = join(BIN, "node");
  if (node === process.execPath || existsSync(link)) return;
  rmSync(link, { force: true });
  symlinkSync(relative(BIN, node), link);
}

/** The version of a crate in Cargo.lock. @param {string} name */
export function lockedCrate(name) {
  const lock = fromRoot("Cargo.lock");
  if (!existsSync(lock)) throw new UserError("Cargo.lock is missing: it belongs to the project. Restore it from git.");
  const match = readFileSync(lock, "utf8").match(new RegExp(`\\nname = "${name}"\\nversion = "([^"]+)"`));
  if (!match?.[1]) throw new UserError(`Cargo.lock names no crate ${name}.`);
  return match[1];
}

/** @param {string} name @param {string} version */
export const toolDir = (name, version) => join(CACHE, "tools", `${name}-${version}`);

/** The environment for child processes: the project's own tools first on the PATH. @param {Record<string, string>} extra */
export function toolEnv(extra = {}) {
  const path = [BIN, dirname(projectNode()), process.env.PATH ?? ""].join(delimiter);
  return { ...process.env, WRANGLER_SEND_METRICS: "false", PATH: path, ...extra };
}
