// What runs the agents' containers in a local run: the embedded stand-in, or a Docker Engine under workerd's own
// container runtime. The Worker and its object are the same for both.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { LOCAL } from "../scripts/lib/images.mjs";
import { LABELS, runMark } from "../scripts/lib/leftovers.mjs";
import { COMPILED_AGENT } from "../scripts/lib/project.mjs";
import { startSandboxHost } from "./sandbox/host.ts";
import type { Secrets } from "./secrets.ts";

const execute = promisify(execFile);

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
  const host = await startSandboxHost({ dir, agentDir, token, compileCache: COMPILED_AGENT });
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
  const run = runMark();
  const agents = new Labelled(`${LABELS.agents}=${run}`);
  const sidecars = new Labelled(`${LABELS.sidecars}=${run}`);
  const dockerfile = await labelling(join(dir, "agent"), image, agents);
  await labelling(join(dir, "sidecar"), sidecar, sidecars);
  const ownSidecar = `${LOCAL}/sidecar:${run}`;
  await execute(docker, ["build", "--load", "--quiet", "--tag", ownSidecar, join(dir, "sidecar")]);
  return {
    entry: "build/index.js",
    dockerfile,
    hostAddress: gateway,
    vars: {},
    secrets: {},
    env: { WRANGLER_DOCKER_BIN: docker, MINIFLARE_CONTAINER_EGRESS_IMAGE: ownSidecar },
    list: () => agents.containers(),
    async close() {
      await Promise.all([agents.remove(), sidecars.remove()]);
    },
  };
}

/** What a run has on the engine, by a label of its own: nothing of anybody else's is ever touched. */
export class Labelled {
  readonly label: string;

  constructor(label: string) {
    this.label = label;
  }

  /** Running or not. */
  containers(): Promise<string[]> {
    return this.#ids("ps", "--all");
  }

  async remove(): Promise<void> {
    const containers = await this.containers();
    // They may be going already.
    if (containers.length > 0) await execute("docker", ["rm", "--force", ...containers]).catch(() => {});
    const images = [...new Set(await this.#ids("images"))];
    if (images.length > 0) await execute("docker", ["rmi", "--force", ...images]).catch(() => {});
  }

  async #ids(...command: string[]): Promise<string[]> {
    const args = [...command, "--quiet", "--no-trunc", "--filter", `label=${this.label}`];
    const { stdout } = await execute("docker", args);
    return stdout.split("\n").filter(Boolean);
  }
}

/** A folder to build this image with that label from; returns its Dockerfile. */
async function labelling(dir: string, image: string, { label }: Labelled): Promise<string> {
  await mkdir(dir, { recursive: true });
  const dockerfile = join(dir, "Dockerfile");
  await writeFile(dockerfile, `FROM ${image}\nLABEL ${label}\n`);
  return dockerfile;
}
