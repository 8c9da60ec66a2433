// A transfer that comes while something is under way, and answers of the chain that come late (C07, C08).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import bs58 from "bs58";
import { devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { login } from "./support/login.ts";
import { objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { assertPass } from "./support/tokens.ts";
import { inTime, until } from "./support/wait.ts";
import { mustOpen } from "./support/websocket.ts";

const MAX_AGE = 1;
/** What a slow machine may take on top. */
const SLACK = 4;
const stack = await fakeAgentStack({ vars: { OWNERSHIP_MAX_AGE: String(MAX_AGE) } });
const { agent, rpc } = stack;
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
afterEach(() => {
  rpc.control.reset();
  agent.behave();
});

const KEY = "sk-of-the-first-owner-0123456789abcdef";
const HANG = { hang: true };
const last = (command: string) => agent.begun(command).at(-1) ?? assert.fail(`no ${command}`);

for (const [what, command, begin] of [
  ["a stop", "snapshot", (old: Owned) => old.ask("stop")],
  ["a snapshot's upload", "send", (old: Owned) => void old.client.post(`${old.path}/snapshots`).catch(() => {})],
] as const) {
  test(`c07 c08 ${what} that takes long keeps no old owner in`, async () => {
    const old = await Owned.ofNew(stack, `sold-during-${command}.molt`);
    await old.start();
    const socket = await mustOpen(await old.enter(stack));
    const events = await old.events();
    agent.behave({ [command]: HANG });
    const begun = agent.begun(command).length;
    await begin(old);
    await until(`${command} has begun`, () => agent.begun(command).length > begun);
    const { sandbox } = last(command);
    rpc.control.transfer(old.asset, buyer.address);
    const within = (MAX_AGE + SLACK) * 1000;
    await Promise.all([
      inTime("end of the event stream", events.ended, within),
      inTime("end of the WebSocket", socket.closed, within),
    ]);
    await until("the container is gone", () => !agent.lives(sandbox), { within: 20_000 });
    agent.behave();
    const next = await Owned.of(stack, old.asset, "buyer");
    const status = await next.in("asleep");
    assert.deepEqual([status.problem, status.lastSnapshot], [null, null]);
    await next.start();
  });
}

for (const [what, knobs, command] of [
  ["restore", { restore: { delayMs: 3000 } }, "restore"],
  ["boot", { boot: { afterMs: 3000 } }, "inject"],
] as const) {
  test(`c08 a new owner who starts at once while the old one's agent is in its ${what} gets an agent of their own`, async () => {
    const old = await Owned.ofNew(stack, `sold-in-${what}.molt`);
    assert.equal((await old.client.put(`${old.path}/secrets/openai`, { value: KEY })).status, 200);
    await old.start();
    await old.learn(stack, "the first owner's memory");
    await old.stop();
    agent.behave(knobs);
    const begun = agent.begun(command).length;
    await old.ask("start");
    await until(`${command} has begun`, () => agent.begun(command).length > begun);
    const { sandbox } = last(command);
    if (command === "inject") {
      const handed = () => agent.notes(command).some((note) => note.sandbox === sandbox && note.input !== undefined);
      await until("the old owner's agent was handed its secrets", handed);
    }
    const injections = agent.notes("inject").length;
    rpc.control.transfer(old.asset, buyer.address);
    const next = await Owned.of(stack, old.asset, "buyer");
    await next.start();
    assert.notEqual(last("init").sandbox, sandbox, "it runs in another container");
    assert.ok(!agent.lives(sandbox), "and the old one's is gone");
    const audit = objectRows(stack, old.asset, "SELECT entry FROM audit").map(({ entry }) => JSON.parse(entry).event);
    assert.ok(audit.includes("container_destroyed"), audit.join());
    const handedOver = JSON.stringify(agent.notes("inject").slice(injections));
    assert.ok(!handedOver.includes(KEY), "no container after the transfer got the old owner's key");
    assertPass(agent.injected().secrets.openai, next.asset);
    assert.deepEqual(agent.injected().config.gateway.auth.trustedProxy.allowUsers, [buyer.address]);
    assert.equal((await (await next.enter(stack)).get("/memory")).json().memory, null);
    assert.deepEqual(await next.snapshots(), []);
  });
}

test("c08 an asset that goes and comes back during one step does not let the step go on", async () => {
  const old = await Owned.ofNew(stack, "there-and-back.molt");
  await old.client.put(`${old.path}/secrets/openai`, { value: KEY });
  await old.start();
  agent.behave({ snapshot: { delayMs: 3000 } });
  const begun = agent.begun("snapshot").length;
  await old.ask("stop");
  await until("the snapshot has begun", () => agent.begun("snapshot").length > begun);
  const { sandbox } = last("snapshot");
  rpc.control.transfer(old.asset, buyer.address);
  await Owned.of(stack, old.asset, "buyer");
  rpc.control.transfer(old.asset, owner.address);
  const again = await Owned.of(stack, old.asset);
  await until("the container is gone", () => !agent.lives(sandbox), { within: 20_000 });
  assert.equal((await again.in("asleep")).problem, null);
  await again.start();
  assertPass(agent.injected().secrets.openai, again.asset);
});

test("c07 nodes that lag behind a transfer bring nobody back and destroy nothing", async () => {
  // It is on the chain from the beginning, also for a node that lags.
  const asset = await devAssetAddress("alice.molt");
  const old = await Owned.of(stack, asset);
  rpc.control.transfer(asset, buyer.address);
  const next = await Owned.of(stack, asset, "buyer");
  assert.equal((await next.client.put(`${next.path}/secrets/openai`, { value: KEY })).status, 200);
  for (const path of ["/a", "/b"]) rpc.control.behave(path, { mode: "lag", slots: 32 });
  assertProblem(await next.client.get(`${next.path}/secrets`), 503, "rpc_unavailable");
  const client = stack.client();
  await assert.rejects(login(client, "owner", asset), "the old owner can't sign in");
  assertProblem(await old.client.get(old.path), 401, "unauthenticated");
  rpc.control.reset();
  const { secrets } = (await next.client.get(`${next.path}/secrets`)).json();
  assert.equal(secrets.find(({ name }: { name: string }) => name === "openai").source, "user");
});

test("c07 one endpoint that lags is passed over", async () => {
  const asset = await devAssetAddress("bob.molt");
  await Owned.of(stack, asset, "buyer");
  rpc.control.transfer(asset, owner.address);
  const next = await Owned.of(stack, asset);
  rpc.control.behave("/a", { mode: "lag", slots: 32 });
  assert.equal((await next.client.get(`${next.path}/secrets`)).status, 200);
});

test("however many ask at once, the chain is asked once for all that wait", async () => {
  const owned = await Owned.ofNew(stack, "asked-at-once.molt");
  rpc.control.reset();
  rpc.control.behave("/a", { mode: "hang" });
  const answers = await Promise.all(Array.from({ length: 30 }, () => owned.client.get(`${owned.path}/secrets`)));
  assert.ok(answers.every(({ status }) => status === 200));
  const calls = rpc.control.calls("/b").filter(({ params }) => params[0] === owned.asset);
  assert.ok(calls.length <= 3, `${calls.length} calls`);
});

test("a stranger's ticket for a domain that nobody signed in to leaves nothing behind", async () => {
  const asset = await devAssetAddress("never-used.molt");
  rpc.control.mint({ asset, name: "never-used.molt", owner: owner.address });
  const databases = stack.filesWith("CREATE TABLE schema").length;
  const stranger = stack.visitor(hostLabel(asset));
  for (const headers of [{}, { cookie: "__Host-molt_agent=x" }]) {
    const answer = await stranger.request("POST", "/.edge/enter", { body: "ab".repeat(32), headers });
    assertProblem(answer, 401, "unauthenticated");
  }
  assert.equal(stack.filesWith("CREATE TABLE schema").length, databases);
  await Owned.of(stack, asset);
  assert.equal(stack.filesWith("CREATE TABLE schema").length, databases + 1);
});

/** An agent's host is the asset's bytes in base32. */
function hostLabel(asset: string): string {
  const bits = [...bs58.decode(asset)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(group.padEnd(5, "0"), 2)]).join("");
}
