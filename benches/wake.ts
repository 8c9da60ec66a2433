// How long an agent with much state takes to wake (C18), from its owner's click to `running`, against OpenClaw's bare boot
// on the same disk with the same state lying there already, turn by turn in the same run. The goal is 1.15 times.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ownerHeaders } from "../container/lib/config.mjs";
import { freePort } from "../container/tests/support.mjs";
import { ROOT } from "../dev/stack.ts";
import { testStack } from "../tests/support/stack.ts";
import { line, median, ROUNDS, seconds } from "./support/measure.ts";
import { agentWith, download, removeAll, SMALL_FILES, sandboxOf } from "./support/state.ts";

const POLL_MS = 25;
const PHASES = ["allocate", "restore", "inject", "boot"] as const;
const stack = await testStack({ vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });

/** The agent's program in a folder of its own, as the stand-in of a container runs it. */
class Bare {
  readonly #root: string;
  readonly #env: Record<string, string>;
  readonly #port: number;

  constructor(root: string, port: number) {
    mkdirSync(root, { recursive: true });
    this.#root = root;
    this.#port = port;
    this.#env = {
      PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
      AGENT_ROOT: root,
      AGENT_HOST: "127.0.0.1",
      AGENT_PORT: String(port),
      AGENT_COMPILE_CACHE: join(stack.dir, "node-compile-cache"),
    };
  }

  async restore(archive: string, { sha256, size }: { sha256: string; size: number }): Promise<void> {
    const child = this.#spawn("restore", "--sha256", sha256, "--size", String(size));
    assert.ok(child.stdin);
    await Promise.all([pipeline(createReadStream(archive), child.stdin), succeeded(child)]);
    // What was just written is not to be written while the boot is measured.
    execFileSync("sync");
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

test(`c18 waking with ${SMALL_FILES.title} against a bare boot`, async () => {
  const owned = await agentWith(stack, "wakes.molt", SMALL_FILES);
  const injected = join(await sandboxOf(stack), "run/agent");
  const read = (name: string) => JSON.parse(readFileSync(join(injected, name), "utf8"));
  const input = { config: read("openclaw.json"), secrets: read("secrets.json") };
  await owned.stop();
  const archive = join(stack.dir, "archive");
  const facts = await download(owned, archive);
  const port = await freePort();

  const times: Record<"woke" | "booted" | (typeof PHASES)[number], number[]> = {
    ...{ woke: [], booted: [] },
    ...{ allocate: [], restore: [], inject: [], boot: [] },
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const woke = await seconds(async () => {
      await owned.ask("start");
      await owned.in("running", { every: POLL_MS });
    });
    times.woke.push(woke);
    const { wakes } = (await owned.client.get(`${owned.path}/wakes`)).json();
    for (const phase of PHASES) times[phase].push(wakes[0].phases[phase] / 1000);
    await owned.stop();

    const root = join(stack.dir, "bare");
    const bare = new Bare(root, port);
    await bare.restore(archive, facts);
    let init: ChildProcess | undefined;
    times.booted.push(
      await seconds(async () => {
        init = await bare.boot(input);
      }),
    );
    init?.kill("SIGTERM");
    if (init?.exitCode === null) await once(init, "exit");
    removeAll(root);
  }

  const shown = (values: number[]): string => `${median(values).toFixed(2)} s`;
  console.log(`\nWaking with ${SMALL_FILES.title}, median of ${ROUNDS}`);
  for (const phase of PHASES) console.log(line(`  ${phase}`, shown(times[phase])));
  console.log(line("from the click to running", shown(times.woke)));
  console.log(line("OpenClaw's bare boot", shown(times.booted)));
  console.log(line("ratio", (median(times.woke) / median(times.booted)).toFixed(2)));
});
