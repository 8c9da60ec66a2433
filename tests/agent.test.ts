// The life of an agent as its owner sees it, with a fake agent in the container (C13, C18, C19, C20).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { devWalletAddress } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned, type Status } from "./support/agent.ts";
import { reconfigure } from "./support/reconfigure.ts";
import { assertPass } from "./support/tokens.ts";
import { until } from "./support/wait.ts";

const stack = await fakeAgentStack();
const { agent } = stack;
afterEach(() => agent.behave());

/** What was shown, without repetitions. */
function story(seen: Status[]): string[] {
  const all = seen.map(({ state, phase }) => (phase === null ? state : `${state}/${phase}`));
  return all.filter((one, index) => one !== all[index - 1]);
}

const STARTED = [
  "starting/allocate",
  "starting/restore",
  "starting/inject",
  "starting/boot",
  "starting/ready",
  "running",
];
const STOPPED = ["stopping/quiesce", "stopping/upload", "stopping/destroy", "asleep"];

test("a new agent sleeps, and its status says where it will be", async () => {
  const owned = await Owned.ofNew(stack, "new.molt");
  const { since, agentUrl, ...status } = await owned.status();
  assert.deepEqual(status, {
    asset: owned.asset,
    domain: "new.molt",
    state: "asleep",
    phase: null,
    lastSnapshot: null,
    problem: null,
    renewal: null,
  });
  assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000, since);
  const url = new URL(agentUrl);
  assert.match(url.hostname, /^[a-z2-7]{52}\.localhost$/);
  assert.equal(url.host.slice(53), stack.agentDomain);
});

test("c18 a start goes through its phases in order, and every listener sees them", async () => {
  const owned = await Owned.ofNew(stack, "phases.molt");
  const streams = [await owned.events(), await owned.events()];
  const head = await owned.client.open("GET", `${owned.path}/events`);
  assert.equal(head.statusCode, 200);
  assert.equal(head.headers["content-type"], "text/event-stream");
  assert.equal(head.headers["cache-control"], "no-store");
  head.destroy();
  for (const events of streams) await events.first("the status at once", ({ state }) => state === "asleep");

  const begun = await owned.ask("start");
  assert.deepEqual([begun.state, begun.phase], ["starting", "allocate"]);
  for (const events of streams) {
    const running = await events.first("running", ({ state }) => state === "running");
    assert.deepEqual(running, await owned.status());
    assert.deepEqual(story(events.seen), ["asleep", ...STARTED]);
    const times = events.seen.map(({ since }) => since);
    assert.deepEqual(times, [...times].sort());
    events.close();
  }
});

test("c18 starts are single-flight: many at once are one, and one of a running agent is none", async () => {
  const owned = await Owned.ofNew(stack, "single.molt");
  const before = agent.begun("init").length;
  const asked = await Promise.all(Array.from({ length: 8 }, () => owned.ask("start")));
  assert.ok(asked.every(({ state }) => state === "starting" || state === "running"));
  const first = await owned.start();
  const again = await owned.ask("start");
  assert.deepEqual(again, first);
  assert.deepEqual((await owned.start()).since, first.since);
  assert.equal(agent.begun("init").length - before, 1);
  assert.equal(agent.begun("inject").length, agent.begun("init").length);
});

test("c13 the owner's identity and secrets come on standard input, never by arguments or environment", async () => {
  const owned = await Owned.ofNew(stack, "injected.molt");
  const { agentUrl } = await owned.start();
  const { config, secrets } = agent.injected(agentUrl);
  const wallet = await devWalletAddress("owner");
  assert.equal(config.gateway.auth.mode, "trusted-proxy");
  assert.deepEqual(config.gateway.auth.trustedProxy.allowUsers, [wallet]);
  assert.deepEqual(config.gateway.controlUi.allowedOrigins, [agentUrl.slice(0, -1)]);
  assert.deepEqual(Object.keys(secrets), ["openai", "proposals"]);
  const pass = secrets.openai ?? "";
  assertPass(pass, owned.asset);
  assertPass(secrets.proposals, owned.asset, "proposals");
  assert.ok(!JSON.stringify(config).includes(pass));

  const { sandbox } = agent.begun("inject").at(-1) ?? assert.fail();
  const notes = agent.notes().filter((note) => note.sandbox === sandbox && note.argv);
  assert.ok(notes.length >= 2);
  for (const note of notes) {
    for (const secret of [pass, stack.secrets.OPENAI_API_KEY])
      assert.ok(!JSON.stringify([note.argv, note.env]).includes(secret), note.command);
  }
});

test("c19 a stop saves the state and takes the container away; a start brings the state back", async () => {
  const owned = await Owned.ofNew(stack, "memory.molt");
  const before = (await stack.containers.list()).length;
  await owned.start();
  assert.equal((await stack.containers.list()).length, before + 1);
  const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
  const visitor = await owned.enter(stack);
  await visitor.request("PUT", "/memory", { body: "what it learned" });

  const events = await owned.events();
  const asleep = await owned.stop();
  await events.first("asleep", ({ state }) => state === "asleep");
  assert.deepEqual(story(events.seen), ["running", ...STOPPED]);
  events.close();
  const [snapshot] = await owned.snapshots();
  assert.equal(snapshot?.cause, "stop");
  assert.deepEqual(asleep.lastSnapshot, { id: snapshot?.id, createdAt: snapshot?.createdAt, size: snapshot?.size });
  assert.equal((await stack.containers.list()).length, before, "nothing of the container is left");
  assert.equal(agent.begun("wipe").filter((note) => note.sandbox === sandbox).length, 1);

  await owned.start();
  assert.equal((await visitor.get("/memory")).json().memory, "what it learned");
});

test("c19 a restart saves, stops, and starts with what was saved", async () => {
  const owned = await Owned.ofNew(stack, "restart.molt");
  await owned.start();
  const visitor = await owned.enter(stack);
  await visitor.request("PUT", "/memory", { body: "kept over a restart" });
  const events = await owned.events();
  await owned.ask("restart");
  await until("down and up again", () => story(events.seen).length >= STOPPED.length + STARTED.length + 1);
  assert.deepEqual(story(events.seen), ["running", ...STOPPED, ...STARTED]);
  events.close();
  assert.equal((await owned.snapshots())[0]?.cause, "restart");
  assert.equal((await visitor.get("/memory")).json().memory, "kept over a restart");
});

test("a restart of what sleeps is a start, and a stop of it is nothing", async () => {
  const owned = await Owned.ofNew(stack, "sleeping.molt");
  const before = agent.begun("init").length;
  assert.equal((await owned.ask("stop")).state, "asleep");
  assert.equal((await owned.status()).state, "asleep");
  assert.equal(agent.begun("init").length, before);
  await owned.ask("restart");
  await owned.in("running");
  assert.equal(agent.begun("init").length, before + 1);
  assert.deepEqual(await owned.snapshots(), []);
});

test("a stop during a start ends it, and saves nothing of what was never let go", async () => {
  agent.behave({ boot: { never: true } });
  const owned = await Owned.ofNew(stack, "changed-mind.molt");
  const before = (await stack.containers.list()).length;
  await owned.ask("start");
  await owned.boots();
  await owned.ask("stop");
  const asleep = await owned.in("asleep");
  assert.equal(asleep.problem, null);
  assert.deepEqual(await owned.snapshots(), []);
  assert.equal((await stack.containers.list()).length, before);
  agent.behave();
  await owned.start();
});

test("a start during a stop is done after it", async () => {
  const owned = await Owned.ofNew(stack, "back-again.molt");
  await owned.start();
  const visitor = await owned.enter(stack);
  await visitor.request("PUT", "/memory", { body: "not lost in between" });
  agent.behave({ snapshot: { delayMs: 1500 } });
  await owned.ask("stop");
  await owned.in("stopping");
  await owned.ask("start");
  agent.behave();
  await until("running again", async () => {
    const { state, lastSnapshot } = await owned.status();
    return state === "running" && lastSnapshot !== null;
  });
  assert.equal((await visitor.get("/memory")).json().memory, "not lost in between");
});

test("c20 a start that fails is tried again, then given up with a reason; a later one works", async () => {
  agent.behave({ boot: { exit: 3 } });
  const owned = await Owned.ofNew(stack, "broken.molt");
  const before = agent.begun("init").length;
  await owned.ask("start");
  const failed = await owned.in("failed");
  assert.equal(failed.problem?.code, "start_failed");
  assert.notEqual(failed.problem?.detail, "");
  assert.equal(agent.begun("init").length - before, 3);
  agent.behave();
  assert.equal((await owned.start()).problem, null);
});

test("c20 one failure of a start is healed without a word", async () => {
  agent.behave({ inject: { fail: true } });
  const owned = await Owned.ofNew(stack, "hiccup.molt");
  const before = agent.begun("inject").length;
  await owned.ask("start");
  await until("the first try", () => agent.begun("inject").length > before);
  agent.behave();
  const running = await owned.in("running");
  assert.equal(running.problem, null);
});

test("agents are apart: one's start, state and events are not another's", async () => {
  const [one, other] = [await Owned.ofNew(stack, "one.molt"), await Owned.ofNew(stack, "other.molt", "buyer")];
  const events = await other.events();
  await one.start();
  await (await one.enter(stack)).request("PUT", "/memory", { body: "one's own" });
  assert.deepEqual(story(events.seen), ["asleep"]);
  await other.start();
  assert.equal((await (await other.enter(stack)).get("/memory")).json().memory, null);
  const sandboxes = agent.begun("init").map(({ sandbox }) => sandbox);
  assert.notEqual(sandboxes.at(-1), sandboxes.at(-2));
  events.close();
});

// The last one: the service is restarted under whatever else runs.
test("c15 with an EGRESS_ALLOW that is none no container starts, and the log says what was expected", async () => {
  const owned = await Owned.ofNew(stack, "walled.molt");
  for (const value of ["0.0.0.0/0", "10.0.0.0/33", "public", "10.1.0.0/16,"]) {
    const before = stack.logs.length;
    await reconfigure(stack, { vars: { EGRESS_ALLOW: value } });
    await owned.ask("start");
    const told = (line: string): boolean =>
      line.includes("misconfigured") && /EGRESS_ALLOW.*networks like 10\.1\.0\.0\/16/.test(line);
    await until(`${value} to be refused`, () => stack.logs.slice(before).some(told));
    await owned.ask("stop");
  }
  assert.equal(agent.most(owned.asset), 0, "none ever ran");
  await reconfigure(stack, { vars: { EGRESS_ALLOW: "10.1.0.0/16" } });
  await owned.start({ within: 90_000 });
  await reconfigure(stack);
});
