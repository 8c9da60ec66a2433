// A state of a given size for a real agent, and what is done to it without the service.
import { execFileSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Owned } from "../../tests/support/agent.ts";
import type { TestStack } from "../../tests/support/stack.ts";

export interface Shape {
  title: string;
  files: number;
  bytes: number;
}
export const SMALL_FILES: Shape = { title: "100 MB in 10,000 files", files: 10_000, bytes: 100_000_000 };
export const LARGE_FILES: Shape = { title: "400 MB in 8 files", files: 8, bytes: 400_000_000 };

const FILES_PER_DIRECTORY = 100;
const WORDS =
  'the agent writes a note for you and reads it again tomorrow { } " , : \n 1 2 {"role":"user"} https://'.split(" ");

/** Each file is half text, half noise, as agents have both. */
function fill(workspace: string, { files, bytes }: Shape): void {
  const half = Math.floor(bytes / files / 2);
  const words = [...randomBytes(2_000_000)].map((byte) => WORDS[byte % WORDS.length]);
  const text = Buffer.from(words.join(" "));
  const someText = (length: number): Buffer => {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; left -= parts.at(-1)?.length ?? 0) {
      const from = randomInt(text.length);
      parts.push(text.subarray(from, from + left));
    }
    return Buffer.concat(parts);
  };
  for (let file = 0; file < files; file += 1) {
    const directory = join(workspace, "notes", String(Math.floor(file / FILES_PER_DIRECTORY)));
    if (file % FILES_PER_DIRECTORY === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `${file}.bin`), Buffer.concat([someText(half), randomBytes(half)]));
  }
}

/** The folder that stands for the one container that runs. */
export async function sandboxOf(stack: TestStack): Promise<string> {
  const [sandbox, ...more] = await stack.containers.list();
  if (sandbox === undefined || more.length > 0) throw new Error("not exactly one agent runs");
  return sandbox;
}

/** As its owner stops it, with its inodes kept. */
export async function stopKept(stack: TestStack, owned: Owned): Promise<void> {
  keepInodes(stack, join(await sandboxOf(stack), "data/state"));
  await carryOut(owned, "stop");
}

/** Carried out, however long it takes on a busy machine. */
export async function carryOut(owned: Owned, what: "start" | "stop"): Promise<void> {
  await owned.ask(what);
  const wanted = what === "start" ? "running" : "asleep";
  const { state, problem } = await owned.in([wanted, "failed"], { within: 600_000, every: 25 });
  if (state !== wanted || problem !== null) throw new Error(`${what}: ${JSON.stringify(problem)}`);
}

/** A new agent that runs and has that state. */
export async function agentWith(stack: TestStack, name: string, shape: Shape): Promise<Owned> {
  const owned = await Owned.ofNew(stack, name);
  await carryOut(owned, "start");
  fill(join(await sandboxOf(stack), "data/state/workspace"), shape);
  return owned;
}

/** The newest snapshot's archive, as its owner downloads it. */
export async function download(owned: Owned, file: string): Promise<{ sha256: string; size: number }> {
  const [newest] = await owned.snapshots();
  if (newest === undefined) throw new Error("there is no snapshot");
  await pipeline(await owned.client.open("GET", `${owned.path}/snapshots/${newest.id}`), createWriteStream(file));
  return newest;
}

/**
 * Later is to write as fast as a new disk does: ext4 takes its time to pass over inodes that were freed within the last
 * minutes, a millisecond for each file. So what one round wrote stays, under another name, until all are over. An agent that
 * runs may take some of it away meanwhile, which is not missed.
 */
export function keepInodes(stack: TestStack, directory: string): void {
  const kept = join(stack.dir, "kept");
  mkdirSync(kept, { recursive: true });
  sh(`cp -al '${directory}' "$(mktemp -d -p '${kept}')" 2>/dev/null || [ $? = 1 ]`);
}

export function sh(script: string): void {
  execFileSync("sh", ["-c", script], { stdio: ["ignore", "ignore", "inherit"] });
}

export function removeAll(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}
