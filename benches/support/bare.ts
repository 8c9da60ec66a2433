// The agent's program without the service around it.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { ownerHeaders } from "../../container/lib/config.mjs";
import { ROOT } from "../../dev/stack.ts";

const POLL_MS = 25;

/** The agent's program in a folder of its own, as the stand-in of a container runs it. */
export class Bare {
  readonly #root: string;
  readonly #env: Record<string, string>;
  readonly #port: number;

  constructor(root: string, { port, compileCache }: { port: number; compileCache: string }) {
    mkdirSync(root, { recursive: true });
    this.#root = root;
    this.#port = port;
    this.#env = {
      PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
      AGENT_ROOT: root,
      AGENT_HOST: "127.0.0.1",
      AGENT_PORT: String(port),
      AGENT_COMPILE_CACHE: compileCache,
    };
  }

  async restore(archive: string, { sha256, size }: { sha256: string; size: number }): Promise<void> {
    const child = this.#spawn("restore", "--sha256", sha256, "--size", String(size));
    assert.ok(child.stdin);
    await Promise.all([pipeline(createReadStream(archive), child.stdin), succeeded(child)]);
  }

  /** Stages an archive of the state, searched for these, and sends it nowhere. */
  async snapshot(secrets: object): Promise<void> {
    const run = join(this.#root, "run/agent");
    mkdirSync(run, { recursive: true });
    writeFileSync(join(run, "secrets.json"), JSON.stringify(secrets));
    await succeeded(this.#spawn("snapshot"));
    await succeeded(this.#spawn("send"));
  }

  /** Until OpenClaw itself says that it has started. */
  async boot(input: { config: object; secrets: object }): Promise<ChildProcess> {
    const init = this.#spawn("init");
    const inject = this.#spawn("inject");
    inject.stdin?.end(JSON.stringify(input));
    await succeeded(inject);
    while (!(await this.#isStarted(ownerHeaders({ ...input.config })))) {
      assert.equal(init.exitCode, null, "OpenClaw ended");
      await delay(POLL_MS);
    }
    return init;
  }

  async #isStarted(headers: Record<string, string>): Promise<boolean> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#port}/startupz`, { headers });
      return ((await answer.json()) as { status: string }).status === "started";
    } catch {
      return false;
    }
  }

  #spawn(...args: string[]): ChildProcess {
    const program = join(ROOT, "container/agent");
    return spawn(program, args, { cwd: this.#root, env: this.#env, stdio: ["pipe", "ignore", "inherit"] });
  }
}

async function succeeded(child: ChildProcess): Promise<void> {
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
}
