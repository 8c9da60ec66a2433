// What the whole way of a snapshot costs (C19): staged, searched for secrets, packed, sent and put into R2, and back from R2
// to a state, against tar and zstd, turn by turn in the same run. Of throughput without any of this 0.8 is the goal.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { testStack } from "../tests/support/stack.ts";
import { line, median, ROUNDS, seconds } from "./support/measure.ts";
import { agentWith, download, LARGE_FILES, removeAll, SMALL_FILES, sh } from "./support/state.ts";

const stack = await testStack({ vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });

try {
  execFileSync("zstd", ["--version"], { stdio: "ignore" });
} catch {
  throw new Error("The peer needs the program zstd: install it with `apt-get install zstd`.");
}

for (const shape of [SMALL_FILES, LARGE_FILES]) {
  test(`c19 snapshots of ${shape.title} against tar and zstd`, async () => {
    const owned = await agentWith(stack, `snapshots-${shape.files}.molt`, shape);
    const take = async () => assert.equal((await owned.client.post(`${owned.path}/snapshots`)).status, 201);
    const restored = async (): Promise<number> => {
      await owned.stop();
      await owned.start();
      const { wakes } = (await owned.client.get(`${owned.path}/wakes`)).json();
      return wakes[0].phases.restore / 1000;
    };

    await take();
    const peer = join(stack.dir, `peer-${shape.files}`);
    const copy = join(peer, "copy");
    const unpacked = join(peer, "unpacked");
    mkdirSync(unpacked, { recursive: true });
    await download(owned, join(peer, "archive"));
    sh(`zstd -dc '${peer}/archive' | tar -C '${unpacked}' -x`);
    const times: Record<"took" | "tookPeer" | "gave" | "gavePeer", number[]> = {
      took: [],
      tookPeer: [],
      gave: [],
      gavePeer: [],
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      times.took.push(await seconds(take));
      times.tookPeer.push(await seconds(() => sh(`tar -C '${unpacked}/state' -c . | zstd -3 -q > '${peer}/peer.zst'`)));
      times.gave.push(await restored());
      mkdirSync(copy);
      times.gavePeer.push(await seconds(() => sh(`zstd -dc '${peer}/peer.zst' | tar -C '${copy}' -x`)));
      removeAll(copy);
    }
    await owned.stop();
    removeAll(peer);

    console.log(`\n${line(shape.title, "service", "tar and zstd", "throughput")}`);
    const row = (title: string, own: number[], other: number[]): void => {
      const speed = (time: number): string => `${(shape.bytes / 1e6 / time).toFixed(0)} MB/s`;
      const [mine, theirs] = [median(own), median(other)];
      console.log(line(title, speed(mine), speed(theirs), (theirs / mine).toFixed(2)));
      console.log(line("", `${mine.toFixed(2)} s`, `${theirs.toFixed(2)} s`));
    };
    row("snapshot: state to R2", times.took, times.tookPeer);
    row("restore: R2 to state", times.gave, times.gavePeer);
  });
}
