// How long an old owner stays in after a transfer (C07): the time from the transfer until their open WebSocket, their event
// stream and their polling are all out. By polling, as the object reads the chain by itself, and by the provider's notice.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import { CORE_PROGRAM } from "../dev/solana/core-layout.ts";
import { fakeAgentStack, Owned } from "../tests/support/agent.ts";
import { inTime } from "../tests/support/wait.ts";
import { mustOpen } from "../tests/support/websocket.ts";

const TRANSFERS = Number(process.env.BENCH_TRANSFERS || 200);
/** Domains that are sold at the same time, each with an agent that runs. */
const SIDE_BY_SIDE = Math.min(20, TRANSFERS);
/** `OWNERSHIP_MAX_AGE`, as it is by default. */
const MAX_AGE_MS = 10_000;
const POLL_MS = 100;
const SECRET = randomBytes(32).toString("base64url");

interface Way {
  title: string;
  /** All must be out this long after the transfer. */
  promisedMs: number;
  /** What the ratio is against. */
  boundMs: number;
  /** The transfers of a round are spread over this time. */
  spreadMs: number;
  notice: boolean;
}
const WAYS: Way[] = [
  { title: "polling", promisedMs: MAX_AGE_MS + 1000, boundMs: MAX_AGE_MS, spreadMs: MAX_AGE_MS, notice: false },
  { title: "webhook", promisedMs: 1000, boundMs: 1000, spreadMs: 2000, notice: true },
];
const CHANNELS = ["WebSocket", "event stream", "requests"] as const;
type Delays = Record<(typeof CHANNELS)[number] | "all", number>;

const stack = await fakeAgentStack({
  vars: { OWNERSHIP_MAX_AGE: String(MAX_AGE_MS / 1000) },
  secrets: { SOLANA_WEBHOOK_SECRET: SECRET },
});
const holders = [await devKeypair("owner"), await devKeypair("buyer")] as const;
const assets = await Promise.all(
  Array.from({ length: SIDE_BY_SIDE }, async (_, index) => {
    const name = `sold-${index}.molt`;
    const asset = await devAssetAddress(name);
    stack.rpc.control.mint({ asset, name, owner: holders[0].address });
    return asset;
  }),
);
/** How often each asset was sold: even, and the first holder has it. */
const sold = new Map<string, number>();

/** What the provider posts of a transfer. */
async function notify(asset: string): Promise<void> {
  const notice = [{ type: "UNKNOWN", instructions: [{ programId: CORE_PROGRAM, accounts: [asset] }] }];
  const headers = { authorization: SECRET, "content-type": "application/json" };
  const body = JSON.stringify(notice);
  const answer = await stack.client().request("POST", "/hooks/solana", { headers, body });
  assert.equal(answer.status, 204, answer.text);
}

/** The holder of an asset, with everything open that a browser has. */
async function settled(asset: string) {
  const times = sold.get(asset) ?? 0;
  const [holder, next] = times % 2 === 0 ? holders : [holders[1], holders[0]];
  const owned = await Owned.of(stack, asset, holder.label);
  await owned.start();
  const socket = await mustOpen(await owned.enter(stack));
  const events = await owned.events();
  await events.first("the status", ({ state }) => state === "running");
  return { asset, next, owned, socket, events };
}

async function refused({ client, path }: Owned): Promise<void> {
  while ((await client.get(path)).status === 200) await delay(POLL_MS);
}

/** Sells the asset at some moment of the way's time, and waits until its holder is out. */
async function sell({ asset, next, owned, socket, events }: Awaited<ReturnType<typeof settled>>, way: Way) {
  const polled = refused(owned);
  await delay(Math.random() * way.spreadMs);
  const began = performance.now();
  stack.rpc.control.transfer(asset, next.address);
  sold.set(asset, (sold.get(asset) ?? 0) + 1);
  const noticed = way.notice ? notify(asset) : undefined;
  const ends = await Promise.all(
    [socket.closed, events.ended, polled].map(async (end: Promise<unknown>) => {
      await inTime("end of what an old owner had open", end, 6 * MAX_AGE_MS);
      return performance.now() - began;
    }),
  );
  await noticed;
  const [webSocket = Number.NaN, stream = Number.NaN, requests = Number.NaN] = ends;
  return { WebSocket: webSocket, "event stream": stream, requests, all: Math.max(...ends) };
}

/** Nearest rank. */
function percentile(sorted: number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

function report(way: Way, delays: Delays[]): { p99: number } {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(3)} s`.padStart(10);
  console.log(`\nRevocation by ${way.title}: ${delays.length} transfers, bound ${way.boundMs / 1000} s`);
  console.log(`${"".padEnd(14)}${["p50", "p99", "largest", "p99/bound"].map((name) => name.padStart(10)).join("")}`);
  let last = Number.NaN;
  for (const channel of [...CHANNELS, "all"] as const) {
    const sorted = delays.map((one) => one[channel]).sort((a, b) => a - b);
    const [p50, p99, largest] = [percentile(sorted, 0.5), percentile(sorted, 0.99), percentile(sorted, 1)];
    const ratio = (p99 / way.boundMs).toFixed(2).padStart(10);
    console.log(`${channel.padEnd(14)}${seconds(p50)}${seconds(p99)}${seconds(largest)}${ratio}`);
    last = p99;
  }
  return { p99: last };
}

for (const way of WAYS) {
  test(`c07 revocation by ${way.title}`, async () => {
    const delays: Delays[] = [];
    while (delays.length < TRANSFERS) {
      // Agents start before anything is measured, and none while it is.
      const round = await Promise.all(assets.slice(0, TRANSFERS - delays.length).map(settled));
      delays.push(...(await Promise.all(round.map((one) => sell(one, way)))));
      console.log(`${way.title}: ${delays.length} of ${TRANSFERS} transfers`);
    }
    const { p99 } = report(way, delays);
    assert.ok(p99 <= way.promisedMs, `p99 is ${p99} ms, promised are ${way.promisedMs} ms`);
  });
}
