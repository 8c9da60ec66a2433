// The container's disk is full: what was acknowledged is kept, the owner is told, and with room all goes on (C19). The
// stand-in's sandboxes lie on a small file system of their own here, which takes root.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { placeIn } from "../support/kill.ts";
import { WITH_REAL_SCRIPTS } from "../support/scripts.ts";
import { faultStack, point, Stage } from "../support/stage.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 16 * MIB;
/** Cannot be compressed, so that its archive is as large. */
const LARGE = randomBytes(MIB).toString("hex");
const CHUNK = Buffer.alloc(16 * 1024);

const stack = await faultStack({}, WITH_REAL_SCRIPTS);
const disk = dirname(await placeIn(stack, ""));
const ballast = join(disk, "ballast");
afterEach(empty);

/** Mounts the disk; else tells why there is none. */
function unmountable(): string | false {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    return "a small disk can be mounted as root on Linux only";
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES},mode=0700`, "tmpfs", disk], { stdio: "pipe" });
  } catch (error) {
    return `no disk can be mounted here: ${String(error).slice(0, 200)}`;
  }
  return false;
}

/** Leaves so much room. */
function fill(left: number): void {
  const file = openSync(ballast, "w");
  try {
    for (;;) writeSync(file, CHUNK);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
  } finally {
    closeSync(file);
  }
  const size = execFileSync("stat", ["--format=%s", ballast]).toString();
  execFileSync("truncate", [`--size=${Math.max(0, Number(size) - left)}`, ballast]);
}

function empty(): void {
  rmSync(ballast, { force: true });
}

/** An agent that remembers more than a full disk has room for. */
async function large(at: string): Promise<Stage> {
  const stage = await Stage.running(stack, at);
  await stage.says(`${stage.said} ${LARGE}`);
  return stage;
}

describe("a full disk", () => {
  let lacking: string | false = false;
  before(() => {
    lacking = unmountable();
  });
  // Before the service removes its folders. Its sandboxes, which have it open, end with it.
  after(() => {
    if (!lacking) execFileSync("umount", ["--lazy", disk]);
  });
  const struckBy = (name: string, at: string, work: (struck: () => void) => Promise<string>): void => {
    test(name, async (t) => {
      if (lacking) return t.skip(lacking);
      await point("disk full", at, work);
    });
  };

  struckBy(
    "c19 a disk that is full while a snapshot is staged: it does not count, and the agent goes on",
    "snapshot: staging",
    async (struck) => {
      const stage = await large("staging");
      const counted = await stage.owned.snapshots();
      struck();
      fill(256 * 1024);
      const answer = await stage.owned.client.post(`${stage.owned.path}/snapshots`);
      assert.ok(answer.status >= 400, answer.text);
      assert.equal(answer.headers["content-type"], "application/problem+json");
      assert.deepEqual(await stage.owned.snapshots(), counted);
      assert.equal((await stage.owned.status()).state, "running");
      empty();
      const how = await stage.back();
      await stage.sound();
      return how;
    },
  );

  struckBy(
    "c19 a disk that is full while a stop stages: the container is kept, and told",
    "stop: staging",
    async (struck) => {
      const stage = await large("stop");
      struck();
      fill(256 * 1024);
      await stage.owned.ask("stop");
      const failed = await stage.owned.in("failed");
      assert.equal(failed.problem?.code, "snapshot_failed");
      assert.match(failed.problem?.detail ?? "", /container was kept/);
      empty();
      const how = await stage.back();
      await stage.sound();
      return how;
    },
  );

  struckBy("c19 a disk that is full while a staged snapshot is sent hurts nothing", "stop: sending", async (struck) => {
    const stage = await large("sending");
    stage.asleep = true;
    await stage.stuckAt("container.send", () => stage.owned.ask("stop"));
    struck();
    fill(0);
    stage.release();
    await stage.owned.in("asleep");
    empty();
    const how = await stage.back();
    await stage.sound();
    return how;
  });

  struckBy(
    "c19 a disk that is full while a state is restored: it does not start with less, and says so",
    "start: restore",
    async (struck) => {
      const stage = await large("restore");
      await stage.owned.stop();
      const counted = await stage.owned.snapshots();
      struck();
      fill(512 * 1024);
      await stage.owned.ask("start");
      const failed = await stage.owned.in("failed");
      assert.equal(failed.problem?.code, "start_failed");
      assert.deepEqual(await stage.owned.snapshots(), counted);
      empty();
      const how = await stage.back();
      await stage.sound();
      return how;
    },
  );
});
