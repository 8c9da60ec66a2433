// A changed secret on its way to an agent that runs: taken as it runs, or by a restart, and said so (C13).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { devWalletAddress } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned, type Status } from "./support/agent.ts";
import { until } from "./support/wait.ts";

// Nobody but a fresh look notices a transfer within these tests.
const stack = await fakeAgentStack({ vars: { OWNERSHIP_MAX_AGE: "300" } });
const { agent } = stack;
afterEach(() => agent.behave());

const key = (what: string): string => `sk-or-${what}-${"0123456789abcdef".repeat(3)}`;

async function put(owned: Owned, value: string): Promise<string> {
  const answer = await owned.client.put(`${owned.path}/secrets/openrouter`, { value });
  assert.equal(answer.status, 200, answer.text);
  return answer.json().effect;
}

async function remove(owned: Owned): Promise<string> {
  const answer = await owned.client.delete(`${owned.path}/secrets/openrouter`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json().effect;
}

/** The secret as each `inject` since then was given it. */
const given = (since: number): (string | undefined)[] =>
  agent
    .notes("inject")
    .filter((note) => note.at >= since && note.input)
    .map((note) => note.input?.secrets.openrouter);

const settled = (owned: Owned): Promise<Status> =>
  until("running, with nothing on its way", async () => {
    const status = await owned.status();
    assert.notEqual(status.state, "failed", JSON.stringify(status));
    return status.state === "running" && status.renewal === null && status;
  });

/** How often containers were started. */
const starts = (): number => agent.begun("init").length;

test("c13 a changed secret reaches a running agent as it runs, and events tell when", async () => {
  const owned = await Owned.ofNew(stack, "reload.molt");
  await owned.start();
  const events = await owned.events();
  await events.first("running", ({ state }) => state === "running");
  const [since, before] = [Date.now(), starts()];
  for (const value of [key("first"), key("second")]) {
    const seen = events.seen.length;
    assert.equal(await put(owned, value), "reloading");
    await until("both events", () => {
      const [told, done] = [
        events.seen.slice(seen).findIndex(({ renewal }) => renewal === "reload"),
        events.seen.at(-1),
      ];
      return told >= 0 && done?.renewal === null;
    });
    assert.equal(given(since).at(-1), value);
  }
  assert.ok(events.seen.every(({ state }) => state === "running"));
  assert.equal(starts(), before);
  const { config } = agent.injected();
  assert.ok(!JSON.stringify(config).includes(key("second")));
  events.close();
});

test("c13 a removed secret leaves the container with it: the agent is saved and started anew", async () => {
  const owned = await Owned.ofNew(stack, "removed.molt");
  await put(owned, key("removed"));
  await owned.start();
  const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
  const visitor = await owned.learn(stack, "kept over it");
  const since = Date.now();
  assert.equal(await remove(owned), "restarting");
  await until("the old container's end", () => !agent.lives(sandbox));
  await settled(owned);
  assert.deepEqual(given(since), [undefined]);
  assert.equal((await owned.snapshots())[0]?.cause, "restart");
  assert.equal((await visitor.get("/memory")).json().memory, "kept over it");
  assert.equal(await remove(owned), "nextStart", "what is not set needs no restart");
  assert.equal((await settled(owned)).state, "running");
});

test("c13 an agent that does not take a change as it runs is started anew with it", async () => {
  const owned = await Owned.ofNew(stack, "old-image.molt");
  await owned.start();
  for (const knobs of [{ print: '{"ok":true}\n' }, { fail: true }]) {
    const [since, before] = [Date.now(), starts()];
    const value = key(JSON.stringify(knobs).length.toString());
    agent.behave({ inject: knobs });
    assert.equal(await put(owned, value), "reloading");
    await until("the first try", () => agent.begun("inject", since).length > 0);
    await until("its end", async () => (await owned.status()).renewal !== "reload");
    agent.behave();
    await until("another container", () => starts() > before);
    await settled(owned);
    assert.equal(starts(), before + 1);
    assert.equal(given(since).at(-1), value);
  }
});

test("c13 a change while the agent sleeps is for the next start, and starts nothing", async () => {
  const owned = await Owned.ofNew(stack, "asleep.molt");
  const [since, before] = [Date.now(), starts()];
  assert.equal(await put(owned, key("slept")), "nextStart");
  assert.equal((await owned.status()).renewal, null);
  assert.equal(await remove(owned), "nextStart");
  assert.equal(await put(owned, key("slept-on")), "nextStart");
  assert.deepEqual([given(since), starts()], [[], before]);
  await owned.start();
  assert.deepEqual(given(since), [key("slept-on")]);
});

test("c13 a change while the agent boots is not lost", async () => {
  const owned = await Owned.ofNew(stack, "booting.molt");
  agent.behave({ boot: { never: true } });
  const since = Date.now();
  await owned.ask("start");
  await owned.boots();
  assert.equal(await put(owned, key("booted")), "reloading");
  agent.behave();
  await settled(owned);
  assert.deepEqual(given(since), [undefined, key("booted")]);
});

test("c13 many changes at once are injected one after another, and the last one wins", async () => {
  const owned = await Owned.ofNew(stack, "many.molt");
  await owned.start();
  agent.behave({ inject: { delayMs: 300 } });
  const since = Date.now();
  for (let round = 0; round < 6; round++) assert.equal(await put(owned, key(`round-${round}`)), "reloading");
  await settled(owned);
  assert.equal(given(since).at(-1), key("round-5"));
  const order = agent.notes("inject").filter((note) => note.at >= since && (note.argv || note.done));
  assert.ok(order.length >= 2 && order.length % 2 === 0);
  for (const [index, { argv }] of order.entries())
    assert.equal(argv !== undefined, index % 2 === 0, "no two at a time");
});

test("c13 c08 what was set is not injected once the asset is another's, though nobody has noticed yet", async () => {
  const owned = await Owned.ofNew(stack, "moved.molt");
  await owned.start();
  const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
  // What keeps the change waiting until the asset has moved.
  agent.behave({ snapshot: { delayMs: 2_000 } });
  const since = Date.now();
  const taken = owned.client.post(`${owned.path}/snapshots`);
  await until("the snapshot", () => agent.begun("snapshot", since).length > 0);
  assert.equal(await put(owned, key("moved")), "reloading");
  stack.rpc.control.transfer(owned.asset, await devWalletAddress("buyer"));
  await until("the end of the former owner's container", () => !agent.lives(sandbox));
  await taken;
  assert.deepEqual(given(since), []);
});

test("c13 a stop wipes the secrets once they were searched for, before the container is told to end", async () => {
  const owned = await Owned.ofNew(stack, "wiped.molt");
  for (const how of ["stop", "restart"] as const) {
    await owned.start();
    const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
    await owned.ask(how);
    await until("the container's end", () => !agent.lives(sandbox));
    const done = agent.notes().filter((note) => note.sandbox === sandbox && note.done);
    assert.deepEqual(
      done.slice(-4).map(({ command }) => command),
      ["snapshot", "send", "logs", "wipe"],
    );
  }
});
