// R2 fails, lies and dawdles: the agent goes on or comes back with the newest sound snapshot that counted, never starts empty
// over what exists, and no good one is dropped (C19).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe } from "node:test";
import type { Owned } from "../support/agent.ts";
import type { Answer } from "../support/http.ts";
import { killContainer, killGateway } from "../support/kill.ts";
import { faultStack, Stage } from "../support/stage.ts";
import { r2Keys } from "../support/storage.ts";
import { until } from "../support/wait.ts";
import { finished, GETS, HEADS, OTHER_BYTES, PUTS, strike } from "./strikes.ts";

const SIDE_BY_SIDE = 10;
const stack = await faultStack();
const { agent, faults } = stack;

const demand = ({ owned }: Stage): Promise<Answer> => owned.client.post(`${owned.path}/snapshots`);
const injections = (stage: Stage): number => agent.notesOf(stage.asset, "inject").length;

async function refused(stage: Stage, work: () => Promise<Answer>): Promise<void> {
  const before = await stage.owned.snapshots();
  const answer = await work();
  assert.ok(answer.status >= 400, `${answer.status} ${answer.text}`);
  assert.equal(answer.headers["content-type"], "application/problem+json");
  assert.deepEqual(await stage.owned.snapshots(), before, "nothing counts that was not stored, and the good one stays");
}

describe("saving", { concurrency: SIDE_BY_SIDE }, () => {
  const all = [
    ...Object.entries(PUTS).map(([kind, fault]) => ["r2.put", kind, fault] as const),
    ...Object.entries(HEADS).map(([kind, fault]) => ["r2.head", kind, fault] as const),
  ];
  for (const [operation, kind, fault] of all) {
    strike(fault, "a snapshot on demand, and then the container goes", async (struck) => {
      const stage = await Stage.running(stack, "demand");
      struck();
      faults.order(stage.asset, operation, { kind });
      await refused(stage, () => demand(stage));
      assert.equal((await stage.owned.status()).state, "running", "it goes on");
      assert.equal((await stage.visitor.get("/memory")).json().memory, stage.said);
      assert.equal(r2Keys(stack, `tenants/${stage.asset}/`).length, 1, "nothing is left of it");
      stage.release();
      stage.expected = [stage.saved];
      await killContainer(stack, stage.asset);
      return finished(stage);
    });

    strike(fault, "a stop, until well again", async (struck) => {
      const stage = await Stage.running(stack, "stop");
      struck();
      faults.order(stage.asset, operation, { kind });
      await stage.owned.ask("stop");
      const failed = await stage.owned.in("failed");
      assert.equal(failed.problem?.code, "snapshot_failed");
      assert.match(failed.problem?.detail ?? "", /container was kept/);
      stage.release();
      return finished(stage);
    });
  }

  for (const operation of ["r2.put", "r2.head"]) {
    strike(`${operation.slice(3)} fails once`, "a stop", async (struck) => {
      const stage = await Stage.running(stack, "stop-once");
      stage.asleep = true;
      struck();
      faults.order(stage.asset, operation, { kind: "throw", times: 1 });
      await stage.owned.ask("stop");
      return finished(stage);
    });
  }

  strike("put takes 5 s", "a stop", async (struck) => {
    const stage = await Stage.running(stack, "stop-slow");
    stage.asleep = true;
    struck();
    faults.order(stage.asset, "r2.put", { delayMs: 5000 });
    await stage.owned.ask("stop");
    return finished(stage);
  });

  // Nobody can notice it before the archive is read: then the one before is used, and its owner told.
  strike(OTHER_BYTES, "a stop", async (struck) => {
    const stage = await Stage.running(stack, "stop-other");
    struck();
    faults.order(stage.asset, "r2.put", { kind: "other" });
    await stage.owned.stop();
    stage.release();
    stage.expected = [stage.saved];
    assert.equal((await stage.owned.start()).problem?.code, "restored_older");
    return finished(stage, "restored_older");
  });

  for (const operation of ["r2.list", "r2.delete"]) {
    strike(`${operation.slice(3)} fails`, "a stop", async (struck) => {
      const stage = await Stage.running(stack, "stop-sweep");
      stage.asleep = true;
      struck();
      faults.order(stage.asset, operation, { kind: "throw" });
      await stage.owned.ask("stop");
      return finished(stage);
    });
  }

  strike("all of R2 is away", "the gateway ends", async (struck) => {
    const stage = await Stage.running(stack, "outage");
    struck();
    for (const operation of ["put", "get", "head", "list", "delete"])
      faults.order(stage.asset, `r2.${operation}`, { kind: "throw" });
    await killGateway(stack, stage.asset);
    assert.equal((await stage.owned.in("failed")).problem?.code, "snapshot_failed");
    stage.release();
    return finished(stage);
  });
});

describe("restoring", { concurrency: SIDE_BY_SIDE }, () => {
  for (const [kind, [fault, again]] of Object.entries(GETS)) {
    strike(fault, "a start, until well again", async (struck) => {
      const stage = await Stage.sleeping(stack, "start");
      const key = kind === "another" ? await anothers() : "";
      const before = [await stage.owned.snapshots(), injections(stage)];
      struck();
      faults.order(stage.asset, "r2.get", { kind, key });
      await stage.owned.ask("start");
      const failed = await stage.owned.in("failed");
      assert.equal(failed.problem?.code, again ? "start_failed" : "restore_failed");
      assert.deepEqual([await stage.owned.snapshots(), injections(stage)], before, "none was dropped, nothing let go");
      stage.release();
      return finished(stage);
    });

    strike(`${fault}, once`, "a start", async (struck) => {
      const stage = await Stage.sleeping(stack, "start-once");
      const key = kind === "another" ? await anothers() : "";
      const [newest] = await stage.owned.snapshots();
      struck();
      faults.order(stage.asset, "r2.get", { kind, key, times: 1 });
      await stage.owned.ask("start");
      if (again) return finished(stage);
      const running = await stage.owned.in("running");
      assert.equal(running.problem?.code, "restored_older");
      // The newest is still there, for whoever chooses it.
      await stage.owned.client.post(`${stage.owned.path}/snapshots/${newest?.id}/restore`);
      await until("the newest state", async () => {
        const answer = await stage.visitor.get("/memory");
        return answer.status === 200 && answer.json().memory === stage.said;
      });
      return finished(stage, "restored_older, the newest when chosen");
    });
  }

  strike("get takes 5 s", "a start", async (struck) => {
    const stage = await Stage.sleeping(stack, "start-slow");
    struck();
    faults.order(stage.asset, "r2.get", { delayMs: 5000 });
    await stage.owned.ask("start");
    return finished(stage);
  });

  for (const kind of ["throw", "null"]) {
    strike(`get ${kind === "null" ? "answers null" : "fails"}`, "a download", async (struck) => {
      const stage = await Stage.sleeping(stack, "download");
      stage.asleep = true;
      struck();
      faults.order(stage.asset, "r2.get", { kind });
      await refused(stage, () => stage.owned.client.get(`${stage.owned.path}/snapshots/${stage.oldest.id}`));
      stage.release();
      return finished(stage);
    });
  }
});

describe("an upload by the owner", { concurrency: SIDE_BY_SIDE }, () => {
  for (const [kind, fault] of Object.entries(PUTS)) {
    strike(fault, "an upload by the owner", async (struck) => {
      const stage = await Stage.running(stack, "upload");
      struck();
      faults.order(stage.asset, "r2.put", { kind });
      const body = JSON.stringify({ memory: `brought along by ${stage.asset}` });
      await refused(stage, () => upload(stage.owned, body));
      assert.equal(r2Keys(stack, `tenants/${stage.asset}/`).length, 1, "nothing is left of it");
      stage.release();
      assert.equal((await upload(stage.owned, body)).status, 201, "the next is taken");
      return finished(stage);
    });
  }
});

function upload({ client, path }: Owned, body: string): Promise<Answer> {
  const digest = createHash("sha256").update(body).digest("base64");
  const headers = { "content-type": "application/zstd", "repr-digest": `sha-256=:${digest}:` };
  return client.request("POST", `${path}/snapshots`, { body, headers });
}

/** The key of an archive that is somebody else's, and no shorter: one that is may have been cut on its way. */
async function anothers(): Promise<string> {
  const other = await Stage.running(stack, "another-with-more-to-say");
  return r2Keys(stack, `tenants/${other.asset}/`)[0] ?? assert.fail("no archive");
}
