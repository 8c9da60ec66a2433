// What memory the Worker takes while archives go up to R2 and come back (C19): they pass through as streams, so what it
// takes must not grow with them. In a local run the same processes hold the stand-ins of R2 and of the container, whose
// streams are JavaScript's: a Worker that only passes the same bytes through them is measured beside ours, size by size.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, test } from "node:test";
import { bundled } from "../dev/bundle.ts";
import { LocalWorker } from "../dev/local-worker.ts";
import { ROOT, usablePort } from "../dev/stack.ts";
import { Owned } from "../tests/support/agent.ts";
import { testStack } from "../tests/support/stack.ts";
import { noise } from "./support/bulky/noise.mjs";
import { line } from "./support/measure.ts";
import { carryOut, removeAll } from "./support/state.ts";

const MIB = 1024 * 1024;
const SIZES = [10e6, 100e6, 500e6, 2000e6];
const SAMPLE_MS = 20;
/** What garbage collectors may leave lying at one time and not at another. */
const SLACK = 128 * MIB;

const dir = mkdtempSync(join(tmpdir(), "multiclaw-memory-"));
after(() => removeAll(dir));

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
  const sizes = ids.map((id) => /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1]);
  return sizes.reduce((sum, kilobytes) => sum + Number(kilobytes) * 1024, 0);
}

/** The most that they take meanwhile. */
async function peak(ids: number[], work: () => Promise<unknown>): Promise<number> {
  let most = 0;
  const look = (): void => {
    most = Math.max(most, resident(ids));
  };
  const timer = setInterval(look, SAMPLE_MS);
  await work().finally(() => clearInterval(timer));
  look();
  return most;
}

/** The service, with an agent whose archives have any size. */
async function service() {
  const agentDir = join(dir, "agent");
  cpSync(join(ROOT, "benches/support/bulky"), agentDir, { recursive: true });
  const stack = await testStack({ agentDir, vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });
  const owned = await Owned.ofNew(stack, "bulky.molt");
  return {
    announce: (size: number): void => writeFileSync(join(agentDir, "size"), String(size)),
    back: () => carryOut(owned, "start"),
    up: () => carryOut(owned, "stop"),
    newest: async () => (await owned.snapshots())[0] ?? assert.fail("no snapshot"),
  };
}

/** The Worker that passes on, and the server at its other end. */
async function passThrough() {
  const server = http.createServer((request, response) => {
    const size = Number(new URL(request.url ?? "", "http://server").searchParams.get("size"));
    if (request.method === "PUT") request.resume().on("end", () => response.end());
    else pipeline(noise(size), response).catch(() => {});
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  after(() => void server.close().closeAllConnections());
  const port = await usablePort(0);
  const home = join(dir, "pass-through");
  mkdirSync(home);
  const config = join(home, "wrangler.json");
  const source = {
    name: "pass-through",
    main: join(ROOT, "benches/support/pass-through.ts"),
    compatibility_date: "2026-09-01",
    r2_buckets: [{ binding: "BUCKET", bucket_name: "bucket" }],
    vars: { SERVER: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
  };
  const facts = await bundled(source, join(home, "worker"));
  writeFileSync(config, JSON.stringify(facts));
  const storage = join(home, "storage");
  const worker = new LocalWorker({ root: ROOT, program: "workerd", config, storage, port, args: [], onLine: () => {} });
  after(() => worker.stop());
  await worker.ready(`http://127.0.0.1:${port}/`);
  return async (way: "up" | "back", size: number, sha256: string): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${port}/${way}?size=${size}&sha256=${sha256}`);
    assert.equal(await answer.text(), "done");
  };
}

const { announce, back, up, newest } = await service();
const own = workerds();
const pass = await passThrough();
const peer = workerds().filter((id) => !own.includes(id));

test("c19 the Worker's memory does not grow with what it saves and restores", async () => {
  assert.ok(own.length > 0 && own.length === peer.length);
  // Once for what is made only once.
  announce(1e6);
  for (const act of [back, up, back]) await act();
  const { sha256 } = await newest();
  await pass("up", 1e6, sha256);
  await pass("back", 1e6, sha256);
  const rest = { own: resident(own), peer: resident(peer) };

  const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
  console.log("\nPeak of resident memory above that at the beginning, with R2's and the container's stand-ins");
  console.log(line("archive", "up", "passing on", "back", "passing on"));
  const above: number[] = [];
  for (const size of SIZES) {
    announce(size);
    const ups = { own: (await peak(own, up)) - rest.own, peer: 0 };
    const taken = await newest();
    assert.equal(taken.size, size);
    ups.peer = (await peak(peer, () => pass("up", size, taken.sha256))) - rest.peer;
    const backs = {
      own: (await peak(own, back)) - rest.own,
      peer: (await peak(peer, () => pass("back", size, taken.sha256))) - rest.peer,
    };
    const columns = [ups.own, ups.peer, backs.own, backs.peer].map(mib);
    console.log(line(`${size / 1e6} MB`, ...columns));
    above.push(Math.max(ups.own - ups.peer, backs.own - backs.peer));
  }
  console.log(line("most that is the service's own", mib(Math.max(...above))));
  assert.ok(Math.max(...above) <= SLACK, "flat");
});
