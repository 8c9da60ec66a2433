// What an operator of the machine sees of containers: by the engine, from inside as root, and byte for byte.
import { execFile, execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { parseEnv, promisify } from "node:util";
import { createGunzip } from "node:zlib";
import type { TestStack } from "../support/stack.ts";

const MAX_OUTPUT = 256 * 1024 * 1024;

export function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", maxBuffer: MAX_OUTPUT, stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs a shell script in a container: as root, who reads every file, or as the agent, whose processes only it may see into. */
export function inside(container: string, user: "root" | "agent", script: string, input = ""): string {
  const args = ["exec", "--interactive", "--user", user, container, "sh", "-c", script];
  return execFileSync("docker", args, { encoding: "utf8", maxBuffer: MAX_OUTPUT, input, stdio: "pipe" });
}

/** The same while this process goes on: what runs there may ask something that is served here. */
export async function insideMeanwhile(container: string, user: "root" | "agent", script: string): Promise<string> {
  const args = ["exec", "--user", user, container, "sh", "-c", script];
  return (await promisify(execFile)("docker", args, { encoding: "utf8", maxBuffer: MAX_OUTPUT })).stdout;
}

/** The container whose network the agent's container shares. */
export function sidecarOf(container: string): string {
  const mode = docker("inspect", "--format", "{{.HostConfig.NetworkMode}}", container).trim();
  return mode.replace(/^container:/, "");
}

/** Every secret that this service was set up with, by name. */
export function secretsOf(stack: TestStack): Record<string, string> {
  const secrets = parseEnv(readFileSync(join(stack.dir, ".dev.vars"), "utf8"));
  return Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, value ?? ""]));
}

/** The names of those whose value is in the text. */
export function found(values: Record<string, string>, text: string): string[] {
  return Object.keys(values).filter((name) => values[name] === "" || text.includes(values[name] ?? ""));
}

/** The same for what a command of Docker's puts out, however much it is. */
export async function foundInOutput(values: Record<string, string>, ...args: string[]): Promise<string[]> {
  const child = spawn("docker", args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const names = await foundInStream(values, child.stdout);
  if ((await ended) !== 0) throw new Error(`docker ${args[0]} failed`);
  return names;
}

/** The same for the layers of an image, as they are kept: what a later layer hides or deletes is seen. */
export async function foundInImage(values: Record<string, string>, image: string): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), "multiclaw-layers-"));
  try {
    execFileSync("sh", ["-c", 'docker save "$1" | tar -x -C "$2"', "sh", image, dir]);
    const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const names = new Set<string>();
    for (const { parentPath, name } of files) {
      const file = createReadStream(join(parentPath, name));
      const content = isCompressed(join(parentPath, name)) ? file.pipe(createGunzip()) : file;
      for (const one of await foundInStream(values, content)) names.add(one);
    }
    return [...names];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Newer engines keep layers so. */
function isCompressed(file: string): boolean {
  const start = Buffer.alloc(2);
  const opened = openSync(file, "r");
  readSync(opened, start);
  closeSync(opened);
  return start.equals(Buffer.from([0x1f, 0x8b]));
}

async function foundInStream(values: Record<string, string>, stream: Readable): Promise<string[]> {
  const sought = Object.entries(values).map(([name, value]) => ({ name, bytes: Buffer.from(value) }));
  const overlap = Math.max(...sought.map(({ bytes }) => bytes.length)) - 1;
  const names = new Set<string>();
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    const piece = Buffer.concat([rest, chunk as Buffer]);
    for (const { name, bytes } of sought) if (piece.includes(bytes)) names.add(name);
    rest = piece.subarray(Math.max(0, piece.length - overlap));
  }
  return [...names];
}
