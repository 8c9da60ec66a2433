// The images that the container tests run: a base, the sidecar, the agent. Each is pulled where a registry answers, and
// made here from Debian's, npm's and crates.io's packages where none does.

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { canInstall, installPackages } from "./debian.mjs";
import { bridgeAddress, docker, imageSize } from "./docker.mjs";
import { hashInputs } from "./inputs.mjs";
import { CACHE, fromRoot, projectNode, ROOT, toolEnv, UserError } from "./project.mjs";
import { CARGO_PROGRESS, cargoProgress, run } from "./run.mjs";
import { rustup } from "./rust.mjs";

const DEBIAN = "bookworm";
const NPM = "11.19.1";
/** Raised when the base is made in another way. */
const FORM = "3";
/** The label that says what an image was made of. */
const INPUTS = "multiclaw-edge.inputs";
/** A name that no registry answers for. */
export const LOCAL = "localhost/multiclaw-edge";
const AGENT_IMAGE = `${LOCAL}/agent`;
const BASE_IMAGE = `${LOCAL}/base`;
const SIDECAR_IMAGE = `${LOCAL}/sidecar`;
export const SIDECAR = fromRoot("tests/containers/egress");
/** Where a machine keeps the certificates it trusts, those of its own proxies among them. */
const TRUSTED = "/etc/ssl/certs/ca-certificates.crt";
/** Tells the tests what to run. */
const MANIFEST = join(CACHE, "containers", "images.json");

/** @typedef {{base: string, sidecar: string, agent: string, gateway: string}} Images */
/** @typedef {(detail: string) => void} Report */

/** @param {Partial<Images>} found */
function note(found) {
  mkdirSync(dirname(MANIFEST), { recursive: true });
  writeFileSync(MANIFEST, JSON.stringify({ ...read(), ...found }));
}

/** @returns {Partial<Images>} */
function read() {
  try {
    return JSON.parse(readFileSync(MANIFEST, "utf8"));
  } catch {
    return {};
  }
}

/** @returns {Images} */
export function images() {
  const { base, sidecar, agent, gateway } = read();
  if (!base || !sidecar || !agent || !gateway) {
    throw new UserError("The images are not made yet: run npm run test:containers.");
  }
  return { base, sidecar, agent, gateway };
}

const megabytes = (/** @type {string} */ image) => `${(imageSize(image) / 1e6).toFixed(0)} MB`;
/** @param {string} image @param {string} format @returns {string | null} null when it is not here */
const inspected = (image, format) => docker("image", "inspect", "--format", format, image);
const isLocal = (/** @type {string} */ image) => inspected(image, "{{.Id}}") !== null;

/** Whether the image is here, or could be pulled. @param {string} image @param {Report} report */
function pulled(image, report) {
  if (isLocal(image)) return true;
  report(`pulling ${image}`);
  return docker("pull", "--quiet", image) !== null;
}

/** @param {Report} report */
export async function ensureBase(report) {
  const wanted = readFileSync(fromRoot("container/Dockerfile"), "utf8").match(/^ARG BASE=(\S+)$/m)?.[1];
  if (!wanted) throw new UserError("container/Dockerfile has no line ARG BASE=...");
  note({ gateway: await bridgeAddress() });
  if (pulled(wanted, report)) {
    note({ base: wanted });
    return `${wanted}, ${megabytes(wanted)}`;
  }
  const base = await makeBase(report);
  note({ base });
  return `${base}, ${megabytes(base)}; made with debootstrap, as no registry has ${wanted}`;
}

/** To where debootstrap took the release from, its updates are added. @param {string} root */
function addUpdates(root) {
  const file = join(root, "etc/apt/sources.list");
  const mirror = readFileSync(file, "utf8").match(/^deb (?:\[.*\] )?(\S+)/m)?.[1];
  if (!mirror) throw new UserError("debootstrap left no apt source behind.");
  const security = mirror.replace(/\/debian\/?$/, "/debian-security");
  const sources = [
    [mirror, DEBIAN],
    [mirror, `${DEBIAN}-updates`],
    [security, `${DEBIAN}-security`],
  ];
  writeFileSync(file, sources.map(([from, suite]) => `deb ${from} ${suite} main\n`).join(""));
}

/** Debian with the project's Node, and with npm, which trust what this machine trusts. @param {Report} report */
async function makeBase(report) {
  const node = projectNode();
  const said = await run("npm", ["config", "get", "registry"], { log: "npm-registry" });
  // Warnings may stand before it.
  const registry = said.match(/^https?:\S+$/m)?.[0];
  if (!registry) throw new UserError("`npm config get registry` names no registry.");
  const trusted = readFileSync(TRUSTED);
  const inputs = [FORM, DEBIAN, NPM, process.arch, registry, readFileSync(node), trusted];
  const hash = inputs.reduce((sum, input) => sum.update(input).update("\0"), createHash("sha256")).digest("hex");
  const image = `${BASE_IMAGE}:${hash.slice(0, 12)}`;
  if (isLocal(image)) return image;
  if (!canInstall()) throw new UserError("No registry gives the base image, and only root on Debian can make one.");
  await installPackages(["debootstrap"], report);
  mkdirSync(join(CACHE, "containers"), { recursive: true });
  const dir = mkdtempSync(join(CACHE, "containers", "base-"));
  try {
    const onLine = (/** @type {string} */ line) => report(line);
    await run("debootstrap", ["--variant=minbase", "--include=ca-certificates", DEBIAN, dir], {
      log: "debootstrap",
      onLine,
    });
    addUpdates(dir);
    for (const cache of ["var/cache/apt/archives", "var/lib/apt/lists"]) rmSync(join(dir, cache), { recursive: true });
    cpSync(node, join(dir, "usr/local/bin/node"));
    cpSync(TRUSTED, join(dir, TRUSTED));
    await run("npm", ["install", "--global", "--prefix", join(dir, "usr/local"), "--ignore-scripts", `npm@${NPM}`], {
      log: "npm-into-base",
      onLine,
    });
    const npmrc = `registry=${registry}\ncafile=${TRUSTED}\n`;
    mkdirSync(join(dir, "usr/local/etc"), { recursive: true });
    writeFileSync(join(dir, "usr/local/etc/npmrc"), npmrc);
    report("docker import");
    await run(
      "sh",
      [
        "-c",
        'tar -C "$1" -c . | docker import --change "ENV NODE_EXTRA_CA_CERTS=$3" - "$2"',
        "sh",
        dir,
        image,
        TRUSTED,
      ],
      {
        log: "docker-import",
      },
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return image;
}

/** @param {Report} report */
export async function ensureSidecar(report) {
  // Named by workerd, and so by the version of it that is installed.
  const wanted = readFileSync(fromRoot("node_modules/miniflare/dist/src/index.js"), "utf8").match(
    /"(cloudflare\/proxy-everything:[^"]+)"/,
  )?.[1];
  if (wanted && pulled(wanted, report)) {
    note({ sidecar: wanted });
    return wanted;
  }
  const target = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-unknown-linux-musl`;
  await rustup(["target", "add", target], `The Rust target ${target} is not installed.`, report);
  await run("cargo", ["build", "--release", "--locked", "--target", target], {
    log: "sidecar",
    cwd: SIDECAR,
    env: toolEnv(CARGO_PROGRESS),
    onLine: cargoProgress(report),
  });
  const image = `${SIDECAR_IMAGE}:latest`;
  const context = mkdtempSync(join(CACHE, "containers", "sidecar-"));
  try {
    // Copied: Docker's older builder takes a hard link, as cargo leaves one, for what it was at the last build.
    cpSync(join(SIDECAR, "Dockerfile"), join(context, "Dockerfile"));
    cpSync(join(SIDECAR, "target", target, "release", "proxy-everything"), join(context, "proxy-everything"));
    await build(image, [context], report);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
  note({ sidecar: image });
  return `${image}, ${megabytes(image)}; the stand-in, as no registry has the real one`;
}

/** @param {Report} report */
export async function ensureAgentImage(report) {
  const { base = "" } = read();
  const image = `${AGENT_IMAGE}:latest`;
  // An older builder reads all that it copies between stages, though nothing changed.
  const inputs = hashInputs(["container"], [inspected(base, "{{.Id}}") ?? ""]);
  if (inspected(image, `{{index .Config.Labels "${INPUTS}"}}`) !== inputs) {
    const how = ["--build-arg", `BASE=${base}`, "--label", `${INPUTS}=${inputs}`];
    await build(image, [...how, fromRoot("container")], report);
  }
  note({ agent: image });
  return `${image}, ${megabytes(image)}`;
}

/** @param {string} image @param {string[]} args @param {Report} report */
async function build(image, args, report) {
  await run(WRANGLERS_DOCKER, ["build", "--load", "--tag", image, ...args], {
    log: `docker-build-${image.replace(/[/:]/g, "-")}`,
    cwd: ROOT,
    onLine: report,
  });
}

/** The docker that wrangler is given: see the file. */
export const WRANGLERS_DOCKER = fromRoot("tests/containers/docker");
