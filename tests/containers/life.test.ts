// What an agent in a real container remembers, whatever ends it, with the real OpenClaw (C19, C20). Each step's time is in
// the report.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { Owned } from "../support/agent.ts";
import { testStack } from "../support/stack.ts";
import { until } from "../support/wait.ts";
import { converse, history, type Say, STARTS_WITHIN_MS, seconds, start, TIMEOUT_MS, timed } from "./life.ts";
import { docker, inside } from "./support.ts";

const word = `heron-${randomBytes(6).toString("hex")}`;
const later = `ibis-${randomBytes(6).toString("hex")}`;

const stack = await testStack();
const owned = await Owned.ofNew(stack, "remembers.molt");
after(() => owned.ask("stop").catch(() => {}));

/** Ends it by force, and waits until it runs again by itself. Returns the new container. */
async function healed(say: Say, end: () => void): Promise<string> {
  const before = await owned.status();
  end();
  const running = await timed(say, "until it runs again by itself", () =>
    until(
      "it runs again",
      async () => {
        const status = await owned.status();
        assert.notEqual(status.state, "failed", JSON.stringify(status));
        return status.state === "running" && status.since !== before.since && status;
      },
      { within: STARTS_WITHIN_MS },
    ),
  );
  assert.equal(running.problem?.code, "crashed");
  const [one, ...more] = await stack.containers.list();
  assert.ok(one && more.length === 0, "one container");
  return one;
}

let container = "";

test("an owner starts the agent and tells it a word", { timeout: TIMEOUT_MS }, async (t) => {
  container = await start(stack, owned, (text) => t.diagnostic(text));
  await converse(stack, owned, (gateway) => gateway.chat("main", `Remember the word ${word}.`));
});

test("c19 a container that is killed takes with it only what was not saved", { timeout: TIMEOUT_MS }, async (t) => {
  const say: Say = (text) => t.diagnostic(text);
  const taken = await timed(say, "snapshot on demand", () => owned.client.post(`${owned.path}/snapshots`));
  assert.equal(taken.status, 201, taken.text);
  say(`${(taken.json().size / 1024).toFixed(0).padStart(6)} KiB  snapshot`);
  container = await healed(say, () => docker("kill", container));
  assert.match(await timed(say, "history", () => history(stack, owned)), new RegExp(word));
});

test("c20 a gateway that dies is saved as it lies there, and started again with all that it held", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const unsaved = `teal-${randomBytes(6).toString("hex")}`;
  await converse(stack, owned, (gateway) => gateway.chat("main", `And ${unsaved}.`));
  container = await healed(
    (text) => t.diagnostic(text),
    () => inside(container, "agent", "kill -9 $(node -p 'require(\"/run/agent/gateway.json\").pid')"),
  );
  assert.equal((await owned.snapshots())[0]?.cause, "crash");
  assert.match(await history(stack, owned), new RegExp(unsaved));
});

test("c19 a stop saves and leaves nothing behind; a start elsewhere knows what was said", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const say: Say = (text) => t.diagnostic(text);
  await converse(stack, owned, (gateway) => gateway.chat("main", `And remember ${later}.`));
  await timed(say, "stop", () => owned.stop());
  assert.deepEqual(await stack.containers.list(), []);
  container = await start(stack, owned, say);
  const remembered = await history(stack, owned);
  for (const each of [word, later]) assert.match(remembered, new RegExp(each));
  const statistics = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container).trim();
  say(`${statistics}  memory`);
});

test("c19 an older snapshot can be chosen, and brings back what was known then", { timeout: TIMEOUT_MS }, async (t) => {
  const oldest = (await owned.snapshots()).at(-1) ?? assert.fail();
  const { since } = await owned.status();
  const began = Date.now();
  const asked = await owned.client.post(`${owned.path}/snapshots/${oldest.id}/restore`);
  assert.equal(asked.status, 202, asked.text);
  const again = async (): Promise<boolean> => {
    const status = await owned.status();
    assert.notEqual(status.state, "failed", JSON.stringify(status));
    return status.state === "running" && status.since !== since;
  };
  await until("it runs again", again, { within: STARTS_WITHIN_MS });
  t.diagnostic(`${seconds(Date.now() - began)}  restart with an older snapshot`);
  const remembered = await history(stack, owned);
  assert.match(remembered, new RegExp(word));
  assert.doesNotMatch(remembered, new RegExp(later));
});

test("c08 when the asset moves, its container goes", { timeout: TIMEOUT_MS }, async () => {
  const buyer = await Owned.ofNew(stack, "bystander.molt", "buyer");
  stack.rpc.control.transfer(owned.asset, (await buyer.client.get("/v1/auth/session")).json().wallet);
  await until("the container is gone", async () => (await stack.containers.list()).length === 0, { within: 30_000 });
});
