// Programs that Debian packages, for tests that need them: installed only as root on Debian, and said so.

import { existsSync } from "node:fs";
import { run } from "./run.mjs";

export const canInstall = () => existsSync("/etc/debian_version") && process.getuid?.() === 0;

/** @param {string[]} packages @param {(detail: string) => void} report */
export async function installPackages(packages, report) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const onLine = (/** @type {string} */ line) => report(line);
  await run("apt-get", ["update"], { log: "apt-update", env, onLine });
  const args = ["install", "-y", "--no-install-recommends", ...packages];
  await run("apt-get", args, { log: `apt-install-${packages[0]}`, env, onLine });
}
