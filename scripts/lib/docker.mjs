// The Docker Engine for the container tests: the one that answers, else one of the project's own, which keeps apart from
// whatever else the machine has of Docker and ends with the tests.

import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { canInstall, installPackages } from "./debian.mjs";
import {
  bridgeIsFree,
  endEngine,
  endLeftEngines,
  engineFolder,
  forgetDeadContainerd,
  LABELS,
  lives,
} from "./leftovers.mjs";
import { CACHE, UserError } from "./project.mjs";

/** The bridge's own address and network. Without it the bridge names no gateway, and workerd can't be reached from it. */
const BRIDGE = "172.17.0.1/16";
const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;
const LOG = join(CACHE, "logs", "dockerd.log");
const DATA = join(CACHE, "containers", "engine");
/** Debian asks it whether a package that is installed may start its service. */
const POLICY = "/usr/sbin/policy-rc.d";

/** What `docker` prints, or null where it fails. @param {string[]} args @returns {string | null} */
export function docker(...args) {
  const { status, stdout } = spawnSync("docker", args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return status === 0 ? stdout.trim() : null;
}

const engineVersion = () => docker("version", "--format", "{{.Server.Version}}");
/** The engine and what it calls lie where not everybody's PATH leads. */
const withSystemTools = () => ({
  ...process.env,
  PATH: [process.env.PATH ?? "", "/usr/sbin", "/sbin"].join(delimiter),
});
const has = (/** @type {string} */ program) => spawnSync("which", [program], { env: withSystemTools() }).status === 0;

/** @param {(detail: string) => void} report */
export async function ensureEngine(report) {
  const there = engineVersion();
  if (there) {
    removeAbandoned();
    return `Docker ${there}, which runs here`;
  }
  if (!canInstall()) {
    throw new UserError(
      "The container tests need a Docker Engine. Start one (`docker info` must answer), or run them as root on Debian, where they install and start one.",
    );
  }
  const installs = !has("dockerd");
  if (installs) await withoutServices(() => installPackages(["docker.io"], report));
  report("ending what an earlier run left");
  await endLeftEngines();
  await bridgeIsFree();
  await forgetDeadContainerd();
  report("starting dockerd");
  await startEngine();
  return `Docker ${engineVersion()}, ${installs ? "installed (docker.io) and " : ""}started until the tests end`;
}

/** A machine that gets the engine for these tests is not to run one for good. @param {() => Promise<void>} install */
async function withoutServices(install) {
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await install();
  } finally {
    if (ours) rmSync(POLICY);
  }
  if (existsSync("/run/systemd/system")) spawnSync("systemctl", ["disable", "docker.service", "docker.socket"]);
}

/** On an engine that others use too: what runs that were killed have left of their own. */
function removeAbandoned() {
  const kinds = [
    { list: ["ps", "--all"], remove: "rm" },
    { list: ["images"], remove: "rmi" },
  ];
  for (const { list, remove } of kinds) {
    for (const label of Object.values(LABELS)) {
      const ids = lines(docker(...list, "--quiet", "--no-trunc", "--filter", `label=${label}`));
      const format = `{{.Id}} {{index .Config.Labels "${label}"}}`;
      const marked = ids.map((id) => docker("inspect", "--format", format, id)?.split(" ") ?? []);
      const left = marked.flatMap(([id, mark]) => (id && mark && !lives(mark) ? [id] : []));
      if (left.length > 0) docker(remove, "--force", ...new Set(left));
    }
  }
}

const lines = (/** @type {string | null} */ text) => text?.split("\n").filter(Boolean) ?? [];

/** @type {() => Promise<void>} */
let stop = async () => {};

/** Ends the engine that was started here, if one was. */
export const stopEngine = () => stop();

async function startEngine() {
  mkdirSync(join(CACHE, "logs"), { recursive: true });
  mkdirSync(DATA, { recursive: true });
  // A socket's path must be short.
  const run = engineFolder();
  const host = `unix://${join(run, "docker.sock")}`;
  const places = ["--data-root", DATA, "--exec-root", join(run, "exec"), "--pidfile", join(run, "pid"), "--host", host];
  // Where the machine's own containerd is used, nothing of ours is to be seen beside what others keep there.
  const names = ["--containerd-namespace", "multiclaw", "--containerd-plugins-namespace", "multiclaw-plugins"];
  // Containers reach the host and what lies behind it, and not each other, as where agents run.
  const network = ["--bip", BRIDGE, "--icc=false"];
  // To the file itself: through a pipe it would stand still while whoever started it is busy and does not read.
  const log = openSync(LOG, "w");
  // A group of its own: a terminal's Ctrl-C is for the tests, which still need it to clean up.
  const engine = spawn("dockerd", [...places, ...names, ...network], {
    env: withSystemTools(),
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  let ended = "";
  const end = new Promise((resolve) => {
    engine.once("error", (error) => resolve(error.message));
    engine.once("exit", (code, signal) => resolve(`it ended with ${signal ?? code}`));
  });
  end.then((how) => {
    ended = how;
  });
  const last = () => engine.kill("SIGTERM");
  process.once("exit", last);
  stop = async () => {
    engine.ref();
    engine.kill("SIGTERM");
    await Promise.race([end, delay(STOP_WITHIN_MS, undefined, { ref: false })]);
    process.removeListener("exit", last);
    await endEngine(run);
  };
  process.env.DOCKER_HOST = host;
  const deadline = Date.now() + START_WITHIN_MS;
  while (!engineVersion()) {
    if (ended !== "" || Date.now() > deadline) {
      await stop();
      const said = lines(readFileSync(LOG, "utf8")).at(-1) ?? "";
      throw new UserError(
        `dockerd did not start: ${ended || "no answer in time"}. Its last word: ${said}\nIts log: .cache/logs/dockerd.log. If it can't read what an earlier one left in .cache/containers/engine, delete that.`,
      );
    }
    await delay(200);
  }
  // What an earlier run left that was ended in the middle: on this engine all of it is ours.
  const left = () => lines(docker("ps", "--all", "--quiet"));
  if (left().length > 0) docker("rm", "--force", ...left());
  if (left().length > 0) {
    await stop();
    throw new UserError(
      "Containers of an earlier run can't be removed: delete .cache/containers/engine, with all in it.",
    );
  }
  removeAbandoned();
  // What is left to run must not be held up by it.
  engine.unref();
}

/** The host's address as containers see it. */
export async function bridgeAddress() {
  const address = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}");
  if (!address) {
    throw new UserError(`Docker's network "bridge" names no gateway: start the engine with --bip, such as ${BRIDGE}.`);
  }
  if (!(await canListen(address))) {
    throw new UserError(
      `Containers see this machine as ${address}, which is no address of it (Docker Desktop, or a rootless engine): what the tests serve to agents could not be reached. Use an engine that runs on this machine as root.`,
    );
  }
  return address;
}

/** @param {string} address @returns {Promise<boolean>} */
const canListen = (address) =>
  new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false));
    server.listen(0, address, () => server.close(() => resolve(true)));
  });

/** Whether the engine keeps containers from reaching each other. */
export const keepsContainersApart = () =>
  docker("network", "inspect", "bridge", "--format", '{{index .Options "com.docker.network.bridge.enable_icc"}}') ===
  "false";

/** Size of a local image in bytes. @param {string} image */
export function imageSize(image) {
  const size = Number(docker("image", "inspect", "--format", "{{.Size}}", image));
  if (!(size > 0)) throw new UserError(`There is no local image ${image}.`);
  return size;
}
