// How long an agent with much state takes to wake (C18), from its owner's click to `running`, against OpenClaw's bare boot
// on the same disk with the same state lying there already, turn by turn in the same run. The goal is 1.15 times.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ownPort } from "../dev/ports.ts";
import { COMPILED_AGENT } from "../scripts/lib/project.mjs";
import { testStack } from "../tests/support/stack.ts";
import { Bare } from "./support/bare.ts";
import { line, median, ROUNDS, seconds } from "./support/measure.ts";
import { agentWith, carryOut, download, SMALL_FILES, sandboxOf, sh, stopKept } from "./support/state.ts";

const PHASES = ["allocate", "restore", "inject", "boot"] as const;
const stack = await testStack({ vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });

test(`c18 waking with ${SMALL_FILES.title} against a bare boot`, async () => {
  const owned = await agentWith(stack, "wakes.molt", SMALL_FILES);
  const injected = join(await sandboxOf(stack), "run/agent");
  const read = (name: string) => JSON.parse(readFileSync(join(injected, name), "utf8"));
  const input = { config: read("openclaw.json"), secrets: read("secrets.json") };
  await stopKept(stack, owned);
  const archive = join(stack.dir, "archive");
  const facts = await download(owned, archive);
  const port = await ownPort();

  const times: Record<"woke" | "booted" | (typeof PHASES)[number], number[]> = {
    ...{ woke: [], booted: [] },
    ...{ allocate: [], restore: [], inject: [], boot: [] },
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    // What was written before is not to be written while this is measured.
    sh("sync");
    times.woke.push(await seconds(() => carryOut(owned, "start")));
    const { wakes } = (await owned.client.get(`${owned.path}/wakes`)).json();
    for (const phase of PHASES) times[phase].push(wakes[0].phases[phase] / 1000);
    await stopKept(stack, owned);

    const root = join(stack.dir, "bare", String(round));
    const bare = new Bare(root, { port, compileCache: COMPILED_AGENT });
    await bare.restore(archive, facts);
    sh("sync");
    let init: ChildProcess | undefined;
    times.booted.push(
      await seconds(async () => {
        init = await bare.boot(input);
      }),
    );
    init?.kill("SIGTERM");
    if (init?.exitCode === null) await once(init, "exit");
  }

  const shown = (values: number[]): string => `${median(values).toFixed(2)} s`;
  console.log(`\nWaking with ${SMALL_FILES.title}, median of ${ROUNDS}`);
  for (const phase of PHASES) console.log(line(`  ${phase}`, shown(times[phase])));
  console.log(line("from the click to running", shown(times.woke)));
  console.log(line("OpenClaw's bare boot", shown(times.booted)));
  console.log(line("ratio", (median(times.woke) / median(times.booted)).toFixed(2)));
});
