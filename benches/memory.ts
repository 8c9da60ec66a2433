// What memory the Worker takes while archives go up to R2 and come back (C19): they pass through as streams, so what it
// takes must not grow with them. All workerd processes of the run are counted, with R2's stand-in, which is in them too.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ROOT } from "../dev/stack.ts";
import { Owned } from "../tests/support/agent.ts";
import { testStack } from "../tests/support/stack.ts";
import { line } from "./support/measure.ts";
import { removeAll } from "./support/state.ts";

const MIB = 1024 * 1024;
const SIZES = [10e6, 100e6, 500e6, 2000e6];
const SAMPLE_MS = 20;
const PATIENCE = { within: 600_000 };
/** What a garbage collector may take more at one time than at another. */
const SLACK = 64 * MIB;

const agentDir = mkdtempSync(join(tmpdir(), "multiclaw-bulky-"));
after(() => removeAll(agentDir));
cpSync(join(ROOT, "benches/support/bulky"), agentDir, { recursive: true });
const stack = await testStack({ agentDir, vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });

/** The parent of each process, and its name. */
function processes(): Map<number, { parent: number; name: string }> {
  const found = new Map<number, { parent: number; name: string }>();
  for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name = "", parent] = /\((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${id}/stat`, "utf8")) ?? [];
      found.set(Number(id), { parent: Number(parent), name });
    } catch {
      // It has ended.
    }
  }
  return found;
}

function workerds(): number[] {
  const all = processes();
  const isOurs = (id: number): boolean => id === process.pid || (id > 1 && isOurs(all.get(id)?.parent ?? 0));
  return [...all].filter(([id, { name }]) => name === "workerd" && isOurs(id)).map(([id]) => id);
}

/** Bytes. */
function resident(ids: number[]): number {
  const pages = ids.map((id) => /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1]);
  return pages.reduce((sum, kilobytes) => sum + Number(kilobytes) * 1024, 0);
}

/** The most above what there was at the beginning. */
async function peak(ids: number[], work: () => Promise<unknown>): Promise<number> {
  const before = resident(ids);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, resident(ids));
  }, SAMPLE_MS);
  await work().finally(() => clearInterval(timer));
  return most - before;
}

test("c19 the Worker's memory does not grow with what it saves and restores", async () => {
  const owned = await Owned.ofNew(stack, "bulky.molt");
  const announce = (size: number): void => writeFileSync(join(agentDir, "size"), String(size));
  const start = async () => {
    await owned.ask("start");
    await owned.in(["running", "failed"], PATIENCE);
    assert.equal((await owned.status()).state, "running");
  };
  const stop = async () => {
    await owned.ask("stop");
    await owned.in("asleep", PATIENCE);
    assert.equal((await owned.status()).problem, null);
  };
  // Once for what is made only once.
  announce(1e6);
  for (const act of [start, stop, start]) await act();

  const ids = workerds();
  assert.ok(ids.length > 0);
  console.log(
    `\n${ids.length} processes, ${(resident(ids) / MIB).toFixed(0)} MiB at rest; peaks above what there was before`,
  );
  console.log(line("archive", "to R2", "from R2"));
  const peaks: number[] = [];
  for (const size of SIZES) {
    announce(size);
    const up = await peak(ids, stop);
    assert.equal((await owned.snapshots())[0]?.size, size);
    const back = await peak(ids, start);
    peaks.push(Math.max(up, back));
    const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
    console.log(line(`${size / 1e6} MB`, mib(up), mib(back)));
  }
  const [smallest = 0, largest = 0] = [peaks[0], Math.max(...peaks)];
  console.log(line("largest peak to largest archive", (largest / Math.max(...SIZES)).toFixed(3)));
  assert.ok(largest <= smallest + SLACK, "flat");
});
