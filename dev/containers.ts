// What runs the agents' containers in a local run: the embedded stand-in, or a Docker Engine under workerd's own
// container runtime. The Worker and its object are the same for both.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { startSandboxHost } from "./sandbox/host.ts";
import type { Secrets } from "./secrets.ts";

const run = promisify(execFile);

/** A Docker Engine and what to run on it. */
export interface Engine {
  /** A local image of the agent. */
  image: string;
  /** The program that wrangler runs as `docker`. */
  docker: string;
  /** Image of the container that workerd starts beside each agent. */
  sidecar: string;
  /** This machine's address as containers see it. */
  gateway: string;
}

export interface Containers {
  /** The Worker's entry, from the root. */
  readonly entry: string;
  /** The containers' Dockerfile; none for the stand-in. */
  readonly dockerfile?: string;
  /** Where the agents reach what runs on this machine. */
  readonly hostAddress: string;
  readonly vars: Readonly<Record<string, string>>;
  readonly secrets: Secrets;
  /** For wrangler's process. */
  readonly env: Readonly<Record<string, string>>;
  /** The agents' containers, running or not: their names, or the folders that stand for them. */
  list(): Promise<string[]>;
  close(): Promise<void>;
}

/** Local processes in place of containers: see dev/sandbox/. */
export async function standIn(dir: string, agentDir: string): Promise<Containers> {
  const token = randomBytes(32).toString("base64url");
  const host = await startSandboxHost({ dir, agentDir, token });
  return {
    entry: "dev/entry.ts",
    hostAddress: "127.0.0.1",
    vars: { SANDBOX_HOST_URL: host.url },
    secrets: { SANDBOX_HOST_TOKEN: token },
    env: {},
    async list() {
      const runs = (await readdir(dir)).map((run) => join(dir, run));
      const sandboxes = runs.map(async (run) => (await readdir(run)).map((sandbox) => join(run, sandbox)));
      return (await Promise.all(sandboxes)).flat();
    },
    close: () => host.close(),
  };
}

/** Real containers; the bundle is the production one. */
export async function onEngine(dir: string, { image, docker, sidecar, gateway }: Engine): Promise<Containers> {
  await mkdir(dir, { recursive: true });
  const label = `multiclaw.run=${randomBytes(8).toString("hex")}`;
  const dockerfile = join(dir, "Dockerfile");
  await writeFile(dockerfile, `FROM ${image}\nLABEL ${label}\n`);
  const list = async (): Promise<string[]> => {
    const { stdout } = await run("docker", ["ps", "--all", "--quiet", "--no-trunc", "--filter", `label=${label}`]);
    return stdout.split("\n").filter(Boolean);
  };
  return {
    entry: "build/index.js",
    dockerfile,
    hostAddress: gateway,
    vars: {},
    secrets: {},
    env: { WRANGLER_DOCKER_BIN: docker, MINIFLARE_CONTAINER_EGRESS_IMAGE: sidecar },
    list,
    async close() {
      for (const id of await list()) await removeWithSidecar(id);
      const { stdout } = await run("docker", ["images", "--quiet", "--filter", `label=${label}`]);
      const built = [...new Set(stdout.split("\n").filter(Boolean))];
      if (built.length > 0) await run("docker", ["rmi", "--force", ...built]).catch(() => {});
    },
  };
}

/** Its network is that of its sidecar, which workerd leaves behind when it is killed. */
async function removeWithSidecar(id: string): Promise<void> {
  const mode = ["inspect", "--format", "{{.HostConfig.NetworkMode}}", id];
  // Both may be going already.
  const { stdout } = await run("docker", mode).catch(() => ({ stdout: "" }));
  const sidecar = /^container:(\S+)/.exec(stdout)?.[1];
  await run("docker", ["rm", "--force", ...(sidecar ? [sidecar] : []), id]).catch(() => {});
}
