// The Docker Engine for the container tests: the one that answers, else Debian's, installed and started here and ended
// with the tests.

import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { canInstall, installPackages } from "./debian.mjs";
import { CACHE, UserError } from "./project.mjs";

/** The bridge's own address and network. Without it the bridge names no gateway, and workerd can't be reached from it. */
const BRIDGE = "172.17.0.1/16";
/** Containers reach the host and what lies behind it, and not each other, as where agents run. */
const APART = "--icc=false";
const START_WITHIN_MS = 60_000;
const LOG = join(CACHE, "logs", "dockerd.log");

/** What `docker` prints, or null where it fails. @param {string[]} args @returns {string | null} */
export function docker(...args) {
  const { status, stdout } = spawnSync("docker", args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return status === 0 ? stdout.trim() : null;
}

const engineVersion = () => docker("version", "--format", "{{.Server.Version}}");
const has = (/** @type {string} */ program) => spawnSync("which", [program]).status === 0;

/** @param {(detail: string) => void} report */
export async function ensureEngine(report) {
  const there = engineVersion();
  if (there) return `Docker ${there}, which runs here`;
  if (!canInstall()) {
    throw new UserError(
      "The container tests need a Docker Engine. Start one (`docker info` must answer), or run them as root on Debian, where they install and start one.",
    );
  }
  const installs = !has("dockerd");
  if (installs) await installPackages(["docker.io"], report);
  report("starting dockerd");
  await startEngine();
  return `Docker ${engineVersion()}, ${installs ? "installed (docker.io) and " : ""}started until the tests end`;
}

async function startEngine() {
  mkdirSync(join(CACHE, "logs"), { recursive: true });
  const log = createWriteStream(LOG);
  const engine = spawn("dockerd", ["--bip", BRIDGE, APART], { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [engine.stdout, engine.stderr]) stream.pipe(log, { end: false });
  // Ended with this process, whatever ends that.
  process.once("exit", () => engine.kill("SIGTERM"));
  let ended = "";
  engine.once("error", (error) => {
    ended = error.message;
  });
  engine.once("exit", (code, signal) => {
    ended = `it ended with ${signal ?? code}`;
  });
  const deadline = Date.now() + START_WITHIN_MS;
  while (!engineVersion()) {
    if (ended !== "" || Date.now() > deadline) {
      engine.kill("SIGTERM");
      throw new UserError(`dockerd did not start: ${ended || "no answer in time"}. Its log: .cache/logs/dockerd.log`);
    }
    await delay(200);
  }
  // What is left to run must not be held up by it.
  engine.unref();
  for (const stream of [engine.stdout, engine.stderr]) /** @type {import("node:net").Socket} */ (stream).unref();
}

/** The host's address as containers see it. */
export function bridgeAddress() {
  const address = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}");
  if (!address) {
    throw new UserError(`Docker's network "bridge" names no gateway: start the engine with --bip, such as ${BRIDGE}.`);
  }
  return address;
}

/** Size of a local image in bytes. @param {string} image */
export function imageSize(image) {
  const size = Number(docker("image", "inspect", "--format", "{{.Size}}", image));
  if (!(size > 0)) throw new UserError(`There is no local image ${image}.`);
  return size;
}
