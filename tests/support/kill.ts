// Ends processes of a local run as nothing else does: from outside, at once, with no farewell. Linux alone.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { placeOf } from "./agent.ts";
import { onDocker, type TestStack } from "./stack.ts";
import { until } from "./wait.ts";

/** The folder that stands for the container of a domain, while there is one. */
export async function sandboxOf(stack: TestStack, asset: string): Promise<string | undefined> {
  const place = await placeIn(stack, asset);
  return (await stack.containers.list()).find((path) => path === place);
}

/** Where that folder is, or would be. */
export async function placeIn(stack: TestStack, asset: string): Promise<string> {
  const [run = fail("no container host")] = await readdir(join(stack.dir, "sandboxes"));
  return join(stack.dir, "sandboxes", run, placeOf(asset));
}

/** The processes whose environment names something in this folder. */
export function processesIn(folder: string): number[] {
  const names = (pid: string): boolean => {
    const values = read(pid, "environ").map((variable) => variable.split(/=(.*)/s)[1] ?? "");
    return values.some((value) => value === folder || value.startsWith(`${folder}/`));
  };
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && names(entry))
    .map(Number);
}

/** All processes of a domain's container, its first one among them; of one that is about to start, once they are there. */
export async function killContainer(stack: TestStack, asset: string): Promise<void> {
  const place = await placeIn(stack, asset);
  const processes = await until("a process in the container", () => {
    const found = processesIn(place);
    return found.length > 0 && found;
  });
  for (const pid of processes) kill(pid, "SIGKILL");
}

/** The container of a domain that has the only one, and all that runs there: also a real one. */
export async function killOnly(stack: TestStack): Promise<void> {
  const [container, ...others] = await stack.containers.list();
  if (container === undefined || others.length > 0)
    fail(`${others.length + Number(container !== undefined)} containers`);
  if (onDocker) execFileSync("docker", ["kill", container], { stdio: "pipe" });
  else for (const pid of processesIn(container)) kill(pid, "SIGKILL");
}

/** The fake agent's gateway, as if it had been killed: its container stays (tests/agents/fake/server.mjs). */
export async function killGateway(stack: TestStack, asset: string): Promise<void> {
  const folder = (await sandboxOf(stack, asset)) ?? fail(`${asset} has no container`);
  const [gateway] = processesIn(folder).filter((pid) => read(String(pid), "cmdline").includes("init"));
  kill(gateway ?? fail("no main process in the container"), "SIGUSR2");
}

/** The process that the Worker and all objects run in. */
export async function killWorkerd(stack: TestStack): Promise<void> {
  const ofStack = processesIn(stack.dir).filter((pid) => basenameOf(pid) === "workerd");
  if (ofStack.length === 0) fail("no workerd runs");
  for (const pid of ofStack) kill(pid, "SIGKILL");
  await until("workerd to be gone", () => ofStack.every((pid) => !existsSync(join("/proc", String(pid), "exe"))));
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // One of several may have ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function basenameOf(pid: number): string {
  return read(String(pid), "cmdline")[0]?.split("/").at(-1) ?? "";
}

function read(pid: string, file: "environ" | "cmdline"): string[] {
  try {
    return readFileSync(join("/proc", pid, file), "utf8").split("\0");
  } catch {
    return []; // Ended meanwhile, or another user's.
  }
}

function fail(what: string): never {
  throw new Error(what);
}
