// Schemathesis, which holds the running service against its description: a Python program, in an environment of its own
// below .cache. Every package of it is pinned, by version and hash.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { canInstall, installPackages } from "./debian.mjs";
import { hashInputs, isStamped, stamp } from "./inputs.mjs";
import { fromRoot, ROOT, toolDir, UserError } from "./project.mjs";
import { run } from "./run.mjs";

const REQUIREMENTS = "tests/openapi/requirements.txt";
/** The oldest that they are for. */
const OLDEST = [3, 11];

function directory() {
  const version = readFileSync(fromRoot(REQUIREMENTS), "utf8").match(/^schemathesis==(\S+)/m)?.[1];
  if (!version) throw new UserError(`${REQUIREMENTS} names no schemathesis.`);
  return toolDir("schemathesis", version);
}

export const schemathesis = () => join(directory(), "bin", "schemathesis");

/** A Python that is new enough and can make environments. */
function hasPython() {
  const asked = `import sys, venv, ensurepip; sys.exit(sys.version_info < (${OLDEST.join(", ")}))`;
  return spawnSync("python3", ["-c", asked], { cwd: ROOT }).status === 0;
}

/** @param {(detail: string) => void} report */
export async function ensureSchemathesis(report) {
  const dir = directory();
  const mark = join(dir, ".inputs");
  const hash = hashInputs([REQUIREMENTS]);
  if (existsSync(schemathesis()) && isStamped(mark, hash)) return "up to date";
  if (!hasPython() && canInstall()) await installPackages(["python3", "python3-venv"], report);
  if (!hasPython())
    throw new UserError(`Python ${OLDEST.join(".")} or newer, with venv, is needed for schemathesis: install it.`);
  rmSync(dir, { recursive: true, force: true });
  report("making its environment");
  // Its programs name the directory they were made in: it is made in its place, and counts once it is marked.
  await run("python3", ["-m", "venv", dir], { log: "python-venv", env: { ...process.env } });
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"];
  await run(join(dir, "bin", "python"), [...pip, "--require-hashes", "--requirement", fromRoot(REQUIREMENTS)], {
    log: "pip-install-schemathesis",
    env: { ...process.env },
    onLine: (line) => report(line.trim()),
    hint: "schemathesis could not be installed: is the Python package registry reachable?",
  });
  stamp(mark, hash);
  return "installed";
}
