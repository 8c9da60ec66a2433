// npm packages: installed as the lock file says, and only when they are not so already.

import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { projectNode, ROOT, toolEnv, UserError } from "./project.mjs";
import { run } from "./run.mjs";

/** @typedef {{version?: string, integrity?: string, optional?: boolean, os?: string[], cpu?: string[], libc?: string[]}} Locked */

/** Which C library native packages must fit. */
const { header } = /** @type {{header: {glibcVersionRuntime?: string}}} */ (process.report.getReport());
const LIBC = header.glibcVersionRuntime ? "glibc" : "musl";

/** @param {string} file @returns {Record<string, Locked> | null} */
function readLock(file) {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages ?? null;
  } catch {
    return null;
  }
}

/** Whether a package of the lock file belongs on this machine. @param {Locked} entry */
function wanted({ optional, os, cpu, libc }) {
  if (!optional) return true;
  const here = (/** @type {string[] | undefined} */ list, /** @type {string} */ value) => !list || list.includes(value);
  return here(os, process.platform) && here(cpu, process.arch) && here(libc, LIBC) && Boolean(os ?? cpu);
}

/** npm leaves in node_modules a lock file of what it put there: compare that with ours. @param {string} dir */
export function packagesAreCurrent(dir) {
  const lock = readLock(join(dir, "package-lock.json"));
  const installed = readLock(join(dir, "node_modules", ".package-lock.json"));
  if (!lock || !installed) return false;
  const same = (/** @type {string} */ path) => {
    const [ours, theirs] = [lock[path], installed[path]];
    return ours?.version === theirs?.version && (!ours?.integrity || ours.integrity === theirs?.integrity);
  };
  return (
    Object.keys(installed).every(same) &&
    Object.entries(lock).every(([path, entry]) => path === "" || !wanted(entry) || path in installed)
  );
}

/**
 * The agent's packages, by the project's Node: npm under an older one silently leaves out a native package that it holds
 * unfit. Of all their install scripts only OpenClaw's own is needed: left undone, OpenClaw runs it at its first start.
 * @param {(detail: string) => void} report
 */
export async function installAgent(report) {
  const dir = join(ROOT, "container");
  const openclaw = join(dir, "node_modules", "openclaw");
  const outcome = await installPackages(dir, report, toolEnv());
  if (!existsSync(join(openclaw, ".openclaw-lifecycle-pending"))) return outcome;
  report("OpenClaw's install script");
  await run(projectNode(), [join(openclaw, "scripts", "postinstall-bundled-plugins.mjs")], {
    log: "openclaw-postinstall",
    cwd: openclaw,
  });
  return outcome;
}

/**
 * By default with the machine's own npm and Node: the project's Node is among the packages that are being replaced.
 * @param {string} dir @param {(detail: string) => void} report @param {NodeJS.ProcessEnv} [env] @returns {Promise<string>}
 */
export async function installPackages(dir, report, env = { ...process.env }) {
  if (packagesAreCurrent(dir)) return "up to date";
  if (process.env.WRANGLER_COMMAND) {
    throw new UserError("The installed packages are not those of package-lock.json: run npm ci, then wrangler again.");
  }
  const lock = readLock(join(dir, "package-lock.json"));
  if (!lock) throw new UserError(`${relative(ROOT, dir) || "."}/package-lock.json is missing or unreadable.`);
  const total = Object.entries(lock).filter(([path, entry]) => path !== "" && wanted(entry)).length;
  let asked = 0;
  let fetched = 0;
  report("asking the registry");
  await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=http"], {
    log: `npm-ci-${relative(ROOT, dir).replaceAll("/", "-") || "root"}`,
    cwd: dir,
    env,
    hint: "npm could not install the packages: is the registry reachable? `npm config get registry` names it.",
    onLine: (line) => {
      if (!line.includes("http fetch GET 200")) return;
      if (line.includes(".tgz")) fetched += 1;
      else asked += 1;
      report(fetched < total ? `${asked} looked up, ${fetched} of ${total} fetched` : "unpacking");
    },
  });
  if (!packagesAreCurrent(dir)) throw new UserError("npm ci ended well but left packages out: see .cache/logs.");
  return `${total} packages installed`;
}
