// What comes from others, held against what may: crates and npm packages, their licences, sources and known weaknesses. What
// can't be asked without a network says so and fails nothing; what is found does.

import { execFile } from "node:child_process";
import { join, relative } from "node:path";
import { hashInputs, isStamped, stamp } from "./inputs.mjs";
import { projectFiles } from "./leaked.mjs";
import { CACHE, CARGO_DENY_VERSION, fromRoot, projectNode, ROOT, toolEnv, UserError } from "./project.mjs";
import { run } from "./run.mjs";
import { faultFinder } from "./rust.mjs";

/** A registry or a repository that does not answer must not hold up the check. */
const PATIENCE_MS = 30_000;

/** @typedef {(report: (detail: string) => void) => Promise<string>} Check */

/** Does the work only where what it depends on has changed. @param {string} name @param {string} hash @param {() => Promise<string>} work */
async function unlessStamped(name, hash, work) {
  const mark = join(CACHE, "checked", name);
  if (isStamped(mark, hash)) return "up to date";
  const outcome = await work();
  stamp(mark, hash);
  return outcome;
}

/** Weaknesses become known by themselves: what was found good is asked again on another day. */
const today = () => new Date().toISOString().slice(0, 10);

/** @param {string} program @param {string[]} args @param {{cwd?: string}} options @returns {Promise<{code: number, stdout: string, stderr: string}>} */
function ask(program, args, { cwd = ROOT } = {}) {
  return new Promise((resolve) => {
    const options = { cwd, env: toolEnv(), timeout: PATIENCE_MS, maxBuffer: 64 * 1024 * 1024 };
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ code: error ? 1 : 0, stdout, stderr });
    });
  });
}

/** Workspaces of their own, by their folders. @param {string[]} folders */
export function crates(folders) {
  const locks = folders.flatMap((folder) => ["Cargo.toml", "Cargo.lock"].map((name) => join(folder, name)));
  const manifests = folders.map((folder) => fromRoot(join(folder, "Cargo.toml")));
  const hash = () => [
    hashInputs(["deny.toml", ...locks, "core/Cargo.toml", "durable_objects/Cargo.toml"], [CARGO_DENY_VERSION]),
  ];
  /** @param {string} manifest @param {string[]} what */
  const deny = (manifest, ...what) => [
    ...["--manifest-path", manifest, "--config", fromRoot("deny.toml"), "--locked", "--color=never"],
    ...["check", "--hide-inclusion-graph", ...what],
  ];
  const log = (/** @type {string} */ manifest) => `cargo-deny-${relative(ROOT, manifest).replaceAll("/", "-")}`;

  /** @type {Check} */
  const rules = () =>
    unlessStamped("crates", hash().join(), async () => {
      for (const manifest of manifests)
        await run(faultFinder("deny"), deny(manifest, "bans", "licenses", "sources"), { log: log(manifest) });
      return "done";
    });

  /** @type {Check} */
  const advisories = (report) =>
    unlessStamped("advisories", [...hash(), today()].join(), async () => {
      report("fetching the advisory database");
      const fetched = await ask(faultFinder("deny"), ["--manifest-path", manifests[0] ?? "", "fetch", "db"]);
      if (fetched.code !== 0) throw new Unreachable("the advisory database can't be fetched");
      for (const manifest of manifests)
        await run(faultFinder("deny"), deny(manifest, "--disable-fetch", "advisories"), { log: log(manifest) });
      return "none applies";
    }).catch(notAsked);

  return { rules, advisories };
}

class Unreachable extends Error {}

/** Not stamped: it is tried again the next time. @param {unknown} error */
function notAsked(error) {
  if (!(error instanceof Unreachable)) throw error;
  return `WARNING, not asked: ${error.message}`;
}

/** @typedef {{name: string, severity: string, via: (string | {title?: string, url?: string})[]}} Weakness */

/** What npm said, as findings; `null` when it is no report. @param {string} text @returns {string[] | null} */
export function findingsOf(text) {
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof report?.vulnerabilities !== "object" || report.vulnerabilities === null) return null;
  return Object.values(/** @type {Record<string, Weakness>} */ (report.vulnerabilities)).map(
    ({ name, severity, via }) => {
      const why = via.map((one) =>
        typeof one === "string" ? `by way of ${one}` : `${one.title} ${one.url ?? ""}`.trim(),
      );
      return `${name} (${severity}): ${why.join("; ")}`;
    },
  );
}

/** @param {string} folder @returns {Check} */
export function npmAudit(folder) {
  const lock = join(folder, "package-lock.json");
  return () =>
    unlessStamped(`npm-audit-${folder.replaceAll(/\W/g, "_")}`, hashInputs([lock], [today()]), async () => {
      const args = ["audit", "--json", "--package-lock-only", "--fetch-retries=0", `--fetch-timeout=${PATIENCE_MS}`];
      const findings = findingsOf((await ask("npm", args, { cwd: fromRoot(folder) })).stdout);
      if (findings === null) throw new Unreachable("the package registry gives no audit");
      if (findings.length > 0) throw new UserError(findings.join("\n"));
      return "none is known";
    }).catch(notAsked);
}

/** @type {Check} */
export async function leakedSecrets() {
  const program = "scripts/lib/leaked.mjs";
  return unlessStamped("leaked", hashInputs([...projectFiles(), "package-lock.json"]), async () => {
    const output = await run(projectNode(), [fromRoot(program)], { log: "leaked" });
    return output.split("\n").at(-1) ?? "";
  });
}
