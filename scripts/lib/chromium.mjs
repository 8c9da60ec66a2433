// The browser for the browser tests: the one that CHROMIUM_PATH names, one of the machine, or Debian's package.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { canInstall, installPackages } from "./debian.mjs";
import { UserError } from "./project.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const BUNDLES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** @param {string} path */
function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @returns {string | null} */
export function findChromium() {
  const named = process.env.CHROMIUM_PATH;
  if (named) {
    if (!executable(named)) throw new UserError(`CHROMIUM_PATH names ${named}, which cannot be run.`);
    return named;
  }
  const onPath = (process.env.PATH ?? "").split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name)));
  return [...onPath, ...BUNDLES].find(executable) ?? null;
}

/** @param {(detail: string) => void} report */
export async function ensureChromium(report) {
  if (findChromium()) return "up to date";
  if (!canInstall()) {
    throw new UserError(
      "The browser tests need Chromium or Chrome: install one, or name it in CHROMIUM_PATH. " +
        "Without: npm test -- core container dev api",
    );
  }
  await installPackages(["chromium"], report);
  if (!findChromium()) throw new UserError("Debian's chromium is installed but was not found on the PATH.");
  return "installed";
}
