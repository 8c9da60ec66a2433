// What a run of the container tests leaves when it is killed: processes, containers, and network namespaces that a mount
// keeps on Docker's bridge, where they refuse what is meant for the next engine's containers of the same addresses.

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "./project.mjs";

/** What containers and images of a run are labelled with; the value is the run's mark. */
export const LABELS = { agents: "multiclaw.agents", sidecars: "multiclaw.sidecars" };
const PREFIX = "multiclaw-engine-";
/** In the environment of the engine and of all that uses it: its folder. */
const VARIABLE = "MULTICLAW_ENGINE";
const PORTS = "/sys/class/net/docker0/brif";
/** Of the machine's own containerd, where it has one. */
const CONTAINERD = "/run/containerd/containerd.sock";
const GONE_WITHIN_MS = 20_000;

/** A process, told from a later one of the same number; null when it has ended. @param {number | string} pid */
export function processMark(pid) {
  try {
    // What comes before is the program's name, which may hold anything.
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return state === "Z" ? null : `${pid}-${fields[18]}`;
  } catch {
    return null;
  }
}

/** A new mark for what this process starts. */
export const runMark = () => `${processMark(process.pid) ?? "0-0"}-${randomBytes(8).toString("hex")}`;

/** Whether the process that a mark is of still runs. @param {string} mark */
export function lives(mark) {
  const [pid = "", since = ""] = mark.split("-");
  return processMark(pid) === `${pid}-${since}`;
}

/** A folder for what an engine needs as it runs; what this process starts from now on ends with it. */
export function engineFolder(parent = tmpdir()) {
  const folder = mkdtempSync(join(parent, PREFIX));
  writeFileSync(join(folder, "owner"), runMark());
  process.env[VARIABLE] = folder;
  return folder;
}

/** Ends what runs that were killed have left. Fails where one is of a run that goes on: both would hand out the same addresses. */
export async function endLeftEngines(parent = tmpdir()) {
  for (const name of readdirSync(parent).filter((one) => one.startsWith(PREFIX))) {
    const folder = join(parent, name);
    const about = lstatSync(folder, { throwIfNoEntry: false });
    if (!about?.isDirectory() || about.uid !== process.getuid?.()) continue;
    const owner = join(folder, "owner");
    const mark = existsSync(owner) ? readFileSync(owner, "utf8") : "";
    if (lives(mark)) {
      throw new UserError(
        `Process ${mark.split("-")[0]} tests with containers already, and two engines on one bridge get in each other's way: wait for it to end, or end it.`,
      );
    }
    await endEngine(folder);
  }
}

/** Ends the engine that has this folder, its containers and all that uses it, and deletes the folder. @param {string} folder */
export async function endEngine(folder) {
  // A container may share the machine's network, which the engine calls "default".
  const machine = readlinkSync("/proc/self/ns/net");
  const left = () => {
    const apart = mountsBelow(folder).filter((mount) => basename(mount) !== "default");
    const numbers = apart.map((mount) => statSync(mount, { throwIfNoEntry: false })?.ino);
    const networks = new Set(numbers.map((number) => `net:[${number}]`));
    networks.delete(machine);
    return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isOf(pid, folder, networks));
  };
  for (const until = Date.now() + GONE_WITHIN_MS; left().length > 0; await delay(50)) {
    if (Date.now() > until) throw new UserError(`Processes of an earlier run do not end: ${left().join(", ")}.`);
    for (const pid of left()) kill(Number(pid));
  }
  for (const mount of mountsBelow(folder)) spawnSync("umount", ["--lazy", mount]);
  rmSync(folder, { recursive: true, force: true });
}

/** Resolves when no container is on Docker's bridge: namespaces go some time after their last mount. */
export async function bridgeIsFree() {
  const ports = () => (existsSync(PORTS) ? readdirSync(PORTS).filter(isUp) : []);
  for (const until = Date.now() + GONE_WITHIN_MS; ports().length > 0; await delay(50)) {
    if (Date.now() < until) continue;
    throw new UserError(
      `Docker's bridge docker0 has containers of an engine that does not answer here: ${ports().join(", ")}. If it runs, name it with DOCKER_HOST; if none does, remove each with: ip link delete NAME`,
    );
  }
}

/** One that is not was never given to a container: the engine ended before. @param {string} port */
function isUp(port) {
  try {
    return readFileSync(`/sys/class/net/${port}/operstate`, "utf8").trim() === "up";
  } catch {
    // It went meanwhile.
    return false;
  }
}

/** dockerd uses the machine's containerd wherever there is a socket of it, and waits in vain for one that was killed. */
export async function forgetDeadContainerd(socket = CONTAINERD) {
  const isDead = await new Promise((resolve) => {
    const connection = connect(socket);
    connection.once("error", (error) => resolve(/** @type {NodeJS.ErrnoException} */ (error).code === "ECONNREFUSED"));
    connection.once("close", () => resolve(false));
    connection.once("connect", () => connection.destroy());
  });
  if (isDead) rmSync(socket, { force: true });
}

/** The places below the folder where something is mounted, deepest first. @param {string} folder */
function mountsBelow(folder) {
  const places = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "");
  return places.filter((place) => place.startsWith(`${folder}/`)).reverse();
}

/** Whether it is a container's, or was started with this engine. @param {string} pid @param {string} folder @param {Set<string>} networks */
function isOf(pid, folder, networks) {
  if (processMark(pid) === null) return false;
  try {
    if (networks.has(readlinkSync(`/proc/${pid}/ns/net`))) return true;
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`${VARIABLE}=${folder}`);
  } catch {
    // It ended meanwhile.
    return false;
  }
}

/** @param {number} pid */
function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended meanwhile.
  }
}
