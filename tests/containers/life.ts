// An agent's life in real containers, as the tests of the real OpenClaw ask for it: each step's time is in the report.
import assert from "node:assert/strict";
import type { Owned, Status } from "../support/agent.ts";
import { talkTo } from "../support/openclaw.ts";
import type { TestStack } from "../support/stack.ts";

/** For a test with boots in it. */
export const TIMEOUT_MS = 600_000;
export const STARTS_WITHIN_MS = 240_000;

export type Say = (text: string) => void;
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1).padStart(6)} s`;

export async function timed<T>(say: Say, what: string, work: () => Promise<T>): Promise<T> {
  const began = Date.now();
  const result = await work();
  say(`${seconds(Date.now() - began)}  ${what}`);
  return result;
}

/** Starts it, and says how long each phase took. Returns the new container. */
export async function start(stack: TestStack, agent: Owned, say: Say): Promise<string> {
  const before = await stack.containers.list();
  const events = await agent.events();
  const began = Date.now();
  await agent.ask("start");
  const end = await agent.in(["running", "failed"], { within: STARTS_WITHIN_MS });
  assert.equal(end.state, "running", JSON.stringify(end));
  say(`${seconds(Date.now() - began)}  start`);
  events.close();
  const phases = events.seen.map((status: Status, at) => ({ phase: status.phase, at: events.times[at] ?? 0 }));
  for (const [at, { phase, at: from }] of phases.entries()) {
    const until = phases.slice(at + 1).find((one) => one.phase !== phase)?.at;
    if (phase && phases[at - 1]?.phase !== phase && until) say(`  ${seconds(until - from)}  ${phase}`);
  }
  const [container, ...more] = (await stack.containers.list()).filter((one) => !before.includes(one));
  assert.ok(container && more.length === 0);
  return container;
}

export async function converse<T>(
  stack: TestStack,
  agent: Owned,
  talk: (gateway: Awaited<ReturnType<typeof talkTo>>) => Promise<T>,
): Promise<T> {
  const gateway = await talkTo(await agent.enter(stack));
  try {
    return await talk(gateway);
  } finally {
    gateway.close();
  }
}

export const history = (stack: TestStack, agent: Owned): Promise<string> =>
  converse(stack, agent, async (gateway) => JSON.stringify(await gateway.call("chat.history", { sessionKey: "main" })));
