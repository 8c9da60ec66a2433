// R2 fails and lies while what changed of a running agent is saved, and while that is restored: the agent goes on, is saved when
// R2 is well again, and comes back with the newest sound snapshot (C19).
import assert from "node:assert/strict";
import { describe } from "node:test";
import { killContainer } from "../support/kill.ts";
import { faultStack, Stage } from "../support/stage.ts";
import { until } from "../support/wait.ts";
import { finished, GETS, HEADS, PUTS, strike } from "./strikes.ts";

const SIDE_BY_SIDE = 10;
const stack = await faultStack({ SNAPSHOT_PERIOD: "5" });
const { faults } = stack;

/** The two objects of an incremental snapshot: what is new, and which chunks make up the state. */
const PARTS = { chunks: "the pack", snapshots: "the index" } as const;

async function saved(stage: Stage): Promise<void> {
  const since = Date.now();
  await until("what was said is saved while it runs", async () => {
    const [newest] = await stage.owned.snapshots();
    return newest?.cause === "period" && Date.parse(newest.createdAt) >= since;
  });
}

describe("saving while it runs", { concurrency: SIDE_BY_SIDE }, () => {
  const all = [
    ...Object.entries(PUTS).map(([kind, fault]) => ["r2.put", kind, fault] as const),
    ...Object.entries(HEADS).map(([kind, fault]) => ["r2.head", kind, fault] as const),
  ];
  for (const [operation, kind, fault] of all) {
    for (const [only, part] of Object.entries(PARTS)) {
      strike(`${fault}: ${part}`, "what changed, until well again; then the container goes", async (struck) => {
        const stage = await Stage.running(stack, "period");
        struck();
        faults.order(stage.asset, operation, { kind, only });
        await stage.says(`said while ${part} could not be stored`);
        const failed = await until("it is told", async () => {
          const status = await stage.owned.status();
          return status.problem !== null && status;
        });
        assert.deepEqual([failed.problem?.code, failed.state], ["snapshot_failed", "running"]);
        assert.equal((await stage.visitor.get("/memory")).json().memory, stage.said, "it goes on");
        stage.release();
        await until("it is saved", async () => (await stage.owned.status()).problem === null, { within: 120_000 });
        await killContainer(stack, stage.asset);
        return finished(stage);
      });
    }
  }
});

describe("restoring what was saved while it ran", { concurrency: SIDE_BY_SIDE }, () => {
  for (const [kind, [fault, again]] of Object.entries(GETS).filter(([name]) => name !== "another")) {
    for (const [only, part] of Object.entries(PARTS)) {
      strike(`${fault}, once: ${part}`, "the container goes", async (struck) => {
        const stage = await Stage.running(stack, "restore");
        await stage.says(`said last, and kept with ${part}`);
        await saved(stage);
        struck();
        faults.order(stage.asset, "r2.get", { kind, only, times: 1 });
        await killContainer(stack, stage.asset);
        if (again) return finished(stage);
        // What lies there is taken for damaged: its owner is told, and it stays for whoever chooses it.
        stage.expected = [stage.saved, ...stage.sayings.slice(0, -1)];
        await until("it is told", async () => (await stage.owned.status()).problem?.code === "restored_older");
        return finished(stage, "restored_older");
      });
    }
  }
});
