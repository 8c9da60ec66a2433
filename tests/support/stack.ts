// One whole local service per test file: ports, state and secrets of its own, all gone after the last test.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Engine } from "../../dev/containers.ts";
import { type Stack, type StackOptions, startStack } from "../../dev/stack.ts";
import { images, LOCAL, WRANGLERS_DOCKER } from "../../scripts/lib/images.mjs";
import { Client } from "./client.ts";

/** The switch: the same tests with real containers in place of the stand-in. */
export const onDocker = process.env.TEST_CONTAINERS === "docker";

export function engine(image: string): Engine {
  const { sidecar, gateway } = images();
  return { image, sidecar, gateway, docker: WRANGLERS_DOCKER };
}

/** An image of this folder, on the base of the agent's own, until the tests end. */
export function buildImage(dir: string): string {
  const image = `${LOCAL}/test:${randomBytes(6).toString("hex")}`;
  const args = ["build", "--quiet", "--tag", image, "--build-arg", `BASE=${images().base}`, dir];
  execFileSync(WRANGLERS_DOCKER, args, { stdio: "pipe" });
  after(() => void execFileSync("docker", ["rmi", "--force", image], { stdio: "pipe" }));
  return image;
}

export interface TestStack extends Stack {
  readonly dir: string;
  /** Those that tests use themselves. */
  readonly secrets: { readonly JWT_SECRET: string; readonly OPENAI_API_KEY: string };
  /** A new caller of the app origin. */
  client(): Client;
  /** A new caller of an agent's origin, by the agent's URL or its host label. */
  visitor(agent: string): Client;
  /** The files of KV, R2 and the objects' databases that hold this text. */
  filesWith(text: string): string[];
}

export async function testStack(
  options: Omit<StackOptions, "stateDir" | "engine"> = {},
  image?: string,
): Promise<TestStack> {
  const dir = mkdtempSync(join(tmpdir(), "multiclaw-test-"));
  const secrets = {
    JWT_SECRET: randomBytes(48).toString("base64url"),
    OPENAI_API_KEY: `sk-platform-${randomBytes(24).toString("base64url")}`,
  };
  const removeDir = (): void => rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  const stack = await startStack({
    ...options,
    stateDir: dir,
    secrets: { ...secrets, ...options.secrets },
    engine: onDocker ? engine(image ?? images().agent) : undefined,
  }).catch((error: unknown) => {
    removeDir();
    throw error;
  });
  after(async () => {
    await stack.stop().finally(removeDir);
  });
  return {
    ...stack,
    dir,
    secrets,
    client: () => new Client(stack.appOrigin),
    visitor: (agent) => new Client(agent.includes("://") ? agent : `http://${agent}.${stack.agentDomain}`),
    filesWith: (text) => filesBelow(join(dir, "storage")).filter((file) => holds(file, text)),
  };
}

function holds(file: string, text: string): boolean {
  try {
    return readFileSync(file).includes(text);
  } catch (error) {
    // SQLite's own files beside a database come and go.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
