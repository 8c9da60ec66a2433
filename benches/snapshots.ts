// What the whole way of a snapshot costs (C19): staged, searched for secrets, packed, sent and put into R2, and back from R2
// to a state, against tar and zstd, turn by turn in the same run. Of throughput without any of this 0.8 is the goal.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COMPILED_AGENT } from "../scripts/lib/project.mjs";
import { testStack } from "../tests/support/stack.ts";
import { Bare } from "./support/bare.ts";
import { line, median, ROUNDS, seconds } from "./support/measure.ts";
import {
  agentWith,
  carryOut,
  download,
  LARGE_FILES,
  removeAll,
  type Shape,
  SMALL_FILES,
  sandboxOf,
  sh,
  stopKept,
} from "./support/state.ts";

const stack = await testStack({ vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });

try {
  execFileSync("zstd", ["--version"], { stdio: "ignore" });
} catch {
  throw new Error("The peer needs the program zstd: install it with `apt-get install zstd`.");
}

/** Seconds. Between the service and the container's commands alone lie the stand-ins of R2 and of the container. */
type Round = Record<(typeof WAYS)[number], number>;
/** Nothing listens there. */
const NO_GATEWAY = 9;
const WAYS = ["service", "commands", "peer"] as const;

function report({ bytes }: Shape, title: string, rounds: Round[]): void {
  const medians = WAYS.map((way) => median(rounds.map((round) => round[way])));
  const [, , peer = Number.NaN] = medians;
  console.log(line(title, ...medians.map((time) => `${(bytes / 1e6 / time).toFixed(0)} MB/s`)));
  console.log(line("  time", ...medians.map((time) => `${time.toFixed(2)} s`)));
  console.log(line("  throughput, of the peer's", ...medians.map((time) => (peer / time).toFixed(2))));
}

for (const shape of [SMALL_FILES, LARGE_FILES]) {
  test(`c19 snapshots of ${shape.title} against tar and zstd`, async () => {
    const owned = await agentWith(stack, `snapshots-${shape.files}.molt`, shape);
    const take = async () => assert.equal((await owned.client.post(`${owned.path}/snapshots`)).status, 201);
    /** Without the container's start: it is measured with the wakes. */
    const restored = async (): Promise<number> => {
      await stopKept(stack, owned);
      sh("sync");
      await carryOut(owned, "start");
      const { wakes } = (await owned.client.get(`${owned.path}/wakes`)).json();
      return wakes[0].phases.restore / 1000;
    };

    const secrets = JSON.parse(readFileSync(join(await sandboxOf(stack), "run/agent/secrets.json"), "utf8"));
    await take();
    const peer = join(stack.dir, `peer-${shape.files}`);
    const archive = join(peer, "archive");
    const root = join(peer, "root");
    const copy = join(peer, "copy");
    const bare = (): Bare => new Bare(root, { port: NO_GATEWAY, compileCache: COMPILED_AGENT });
    mkdirSync(peer);
    const facts = await download(owned, archive);
    await bare().restore(archive, facts);
    const times = { up: [] as Round[], back: [] as Round[] };
    for (let round = 0; round < ROUNDS; round += 1) {
      times.up.push({
        service: await seconds(take),
        commands: await seconds(() => bare().snapshot(secrets)),
        peer: await seconds(() => sh(`tar -C '${root}/data/state' -c . | zstd -3 -q -f -o '${peer}/peer.zst'`)),
      });
      const service = await restored();
      // What was there stays, see `keepInodes`.
      for (const used of [root, copy]) if (existsSync(used)) renameSync(used, `${used}-${round}`);
      mkdirSync(copy);
      sh("sync");
      times.back.push({
        service,
        commands: await seconds(() => bare().restore(archive, facts)),
        peer: await seconds(() => sh(`zstd -dc '${peer}/peer.zst' | tar -C '${copy}' -x`)),
      });
    }
    await carryOut(owned, "stop");
    removeAll(peer);

    console.log(`\n${line(shape.title, "service", "commands alone", "tar and zstd")}`);
    report(shape, "snapshot: state to R2", times.up);
    report(shape, "restore: R2 to state", times.back);
  });
}
