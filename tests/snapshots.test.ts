// Snapshots as their owner sees them: when one counts, what a restore does, and what damage can't do (C16, C19).
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { fakeAgentStack, type Knobs, Owned, type Snapshot } from "./support/agent.ts";
import { assertProblem } from "./support/problem.ts";
import { r2Keys } from "./support/storage.ts";
import { until } from "./support/wait.ts";

const KEEP = 4;
const stack = await fakeAgentStack({ vars: { SNAPSHOT_KEEP: String(KEEP) } });
const { agent } = stack;
afterEach(() => agent.behave());

async function take(owned: Owned): Promise<Snapshot> {
  const answer = await owned.client.post(`${owned.path}/snapshots`);
  assert.equal(answer.status, 201, answer.text);
  return answer.json();
}

/** Changes one byte of the archive in R2 that holds this text; gives what undoes it. */
function damage(text: string): () => void {
  const [file = "", ...more] = stack.filesWith(text);
  assert.ok(file !== "" && more.length === 0, `one archive holds ${text}`);
  const whole = readFileSync(file);
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 3] = (damaged[damaged.length - 3] ?? 0) ^ 1;
  writeFileSync(file, damaged);
  return () => writeFileSync(file, whole);
}

test("c19 a snapshot on demand is taken while the agent runs on, and listed newest first", async () => {
  const owned = await Owned.ofNew(stack, "demand.molt");
  assertProblem(await owned.client.post(`${owned.path}/snapshots`), 409, "wrong_state");
  const { since } = await owned.start();
  await owned.learn(stack, "first thing");
  const first = await take(owned);
  assert.match(first.id, /^[0-9a-f]{32}$/);
  assert.match(first.sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual([first.cause, first.files], ["manual", 1]);
  assert.ok(first.size > 0 && Math.abs(Date.parse(first.createdAt) - Date.now()) < 60_000);
  const visitor = await owned.learn(stack, "second thing");
  const second = await take(owned);
  assert.deepEqual(await owned.snapshots(), [second, first]);
  const status = await owned.status();
  assert.deepEqual([status.state, status.since, status.lastSnapshot?.id], ["running", since, second.id]);
  assert.equal((await visitor.get("/memory")).json().memory, "second thing");
  // It counts from before the agent is let go on.
  await until("the agent goes on", () => agent.begun("resume").length === agent.begun("snapshot").length);
});

test("c16 an archive lies in R2 under its tenant's prefix and nowhere else", async () => {
  const owned = await Owned.ofNew(stack, "prefix.molt");
  await owned.start();
  await owned.learn(stack, "where does this lie");
  const { id } = await take(owned);
  const { wallet } = (await owned.client.get("/v1/auth/session")).json();
  assert.deepEqual(
    r2Keys(stack, "").filter((key) => key.includes(owned.asset) || key.includes(id)),
    [`tenants/${owned.asset}/${wallet}/snapshots/${id}`],
  );
  assert.equal(stack.filesWith("where does this lie").length, 1);
});

test("c14 the owner is told what a snapshot does not hold, in its list and in the status", async () => {
  const owned = await Owned.ofNew(stack, "leaks.molt");
  await owned.start();
  const told = Array.from({ length: 120 }, (_, index) => `workspace/${index}\u001b[2J.txt`);
  const claim = { leftOut: told, leftOutCount: 300, masked: ["state/openclaw.sqlite"] };
  agent.behave({ snapshot: { claim } });
  const taken = await owned.client.post(`${owned.path}/snapshots`);
  assert.equal(taken.status, 201, taken.text);
  const [listed] = (await owned.client.get(`${owned.path}/snapshots`)).json().snapshots;
  assert.deepEqual(listed, taken.json());
  const shown = told.map((name) => name.replace("\u001b", "\ufffd"));
  assert.deepEqual(
    [listed.leftOut, listed.leftOutCount, listed.masked],
    [shown.slice(0, 100), 300, ["state/openclaw.sqlite"]],
  );
  const { lastSnapshot } = (await owned.client.get(owned.path)).json();
  assert.deepEqual(lastSnapshot, {
    id: listed.id,
    createdAt: listed.createdAt,
    size: listed.size,
    leftOut: shown.slice(0, 10),
    leftOutCount: 300,
    masked: ["state/openclaw.sqlite"],
  });
});

test("two requests for a snapshot at once are both answered with one that counts", async () => {
  const owned = await Owned.ofNew(stack, "twice.molt");
  await owned.start();
  await owned.learn(stack, "asked twice");
  const taken = await Promise.all([take(owned), take(owned)]);
  const ids = (await owned.snapshots()).map(({ id }) => id);
  assert.ok(taken.every(({ id }) => ids.includes(id)));
});

test("c19 an archive that is not what the container said never counts, and the agent goes on", async () => {
  const owned = await Owned.ofNew(stack, "liar.molt");
  await owned.start();
  const visitor = await owned.learn(stack, "the truth");
  const good = await take(owned);
  const lies: [string, Knobs][] = [
    ["another hash", { snapshot: { claim: { sha256: "ab".repeat(32) } } }],
    ["a longer archive than sent", { snapshot: { claim: { size: 1_000_000 } } }],
    ["a shorter archive than sent", { snapshot: { claim: { size: 5 } } }],
    ["cut off", { send: { cut: true } }],
    ["nothing sent", { send: { fail: true } }],
    ["all sent, with an error at the end", { send: { exit: 1 } }],
    ["no snapshot made", { snapshot: { fail: true } }],
    ["no size", { snapshot: { claim: { size: 0 } } }],
    ["a size that is no number", { snapshot: { claim: { size: "15" } } }],
    ["larger than may be", { snapshot: { claim: { size: 3 * 1024 ** 3 } } }],
    ["a malformed hash", { snapshot: { claim: { sha256: "AB".repeat(32) } } }],
    ["an unknown format", { snapshot: { claim: { format: 2 } } }],
    ["a version that is none", { snapshot: { claim: { openclaw: "<script>" } } }],
    ["names that are no list", { snapshot: { claim: { leftOut: "all" } } }],
    ["no JSON", { snapshot: { print: "done\n" } }],
    ["endless output", { snapshot: { print: "x".repeat(200_000) } }],
  ];
  for (const [name, knobs] of lies) {
    agent.behave(knobs);
    const answer = await owned.client.post(`${owned.path}/snapshots`);
    assert.ok([409, 500, 502, 503].includes(answer.status), `${name}: ${answer.status} ${answer.text}`);
    assert.equal(answer.headers["content-type"], "application/problem+json", name);
    assert.deepEqual(await owned.snapshots(), [good], name);
    assert.equal((await owned.status()).state, "running", name);
  }
  agent.behave();
  assert.equal((await visitor.get("/memory")).json().memory, "the truth");
  assert.equal(r2Keys(stack, `tenants/${owned.asset}/`).length, 1, "none of the refused ones was kept");
  const next = await take(owned);
  assert.deepEqual(await owned.snapshots(), [next, good]);
});

test("c19 a stop that can't save keeps the agent and what it holds; stopping again saves it", async () => {
  const owned = await Owned.ofNew(stack, "unsaved.molt");
  await owned.start();
  await owned.learn(stack, "nearly lost");
  agent.behave({ snapshot: { fail: true } });
  const tries = agent.begun("snapshot").length;
  await owned.ask("stop");
  const failed = await owned.in("failed");
  assert.equal(failed.problem?.code, "snapshot_failed");
  assert.equal(agent.begun("snapshot").length - tries, 3);
  assert.deepEqual(await owned.snapshots(), []);
  agent.behave();
  await owned.stop();
  assert.equal((await owned.status()).problem, null);
  await owned.start();
  assert.equal((await (await owned.enter(stack)).get("/memory")).json().memory, "nearly lost");
});

test("c19 a stop believes no container that there is nothing new to save", async () => {
  const owned = await Owned.ofNew(stack, "nothing-new.molt");
  await owned.start();
  await owned.learn(stack, "in no snapshot");
  agent.behave({ snapshot: { print: `${JSON.stringify({ unchanged: true })}\n` } });
  await owned.ask("stop");
  const ended = await owned.in(["failed", "asleep"]);
  assert.equal(ended.problem?.code, "snapshot_failed");
  agent.behave();
  await owned.stop();
  await owned.start();
  assert.equal((await (await owned.enter(stack)).get("/memory")).json().memory, "in no snapshot");
});

test("c19 an agent that could not be saved goes on with what it holds when it is started", async () => {
  const owned = await Owned.ofNew(stack, "goes-on.molt");
  await owned.start();
  await owned.learn(stack, "still in its head");
  agent.behave({ snapshot: { fail: true } });
  await owned.ask("stop");
  await owned.in("failed");
  const [starts, resumes] = [agent.begun("init").length, agent.begun("resume").length];
  await owned.ask("start");
  assert.equal((await owned.in("running")).problem, null);
  assert.deepEqual([agent.begun("init").length, agent.begun("resume").length], [starts, resumes + 1]);
  assert.equal((await (await owned.enter(stack)).get("/memory")).json().memory, "still in its head");
});

test("a chosen snapshot is restored, after what runs now was saved", async () => {
  const owned = await Owned.ofNew(stack, "chosen.molt");
  await owned.start();
  await owned.learn(stack, "early days");
  const early = await take(owned);
  const visitor = await owned.learn(stack, "later days");
  const answer = await owned.client.post(`${owned.path}/snapshots/${early.id}/restore`);
  assert.equal(answer.status, 202, answer.text);
  await until("the early state", async () => {
    const memory = await visitor.get("/memory");
    return memory.status === 200 && memory.json().memory === "early days";
  });
  const [newest, ...older] = await owned.snapshots();
  assert.equal(newest?.cause, "restart");
  assert.deepEqual(older, [early]);

  await owned.client.post(`${owned.path}/snapshots/${newest?.id}/restore`);
  await until("the later state", async () => {
    const memory = await visitor.get("/memory");
    return memory.status === 200 && memory.json().memory === "later days";
  });
});

test("c08 a snapshot that is not there, or another tenant's, can't be restored", async () => {
  const [owned, other] = [await Owned.ofNew(stack, "mine.molt"), await Owned.ofNew(stack, "theirs.molt", "buyer")];
  await other.start();
  await other.learn(stack, "theirs alone");
  const { id } = await take(other);
  for (const wanted of [id, "0".repeat(32)]) {
    assertProblem(await owned.client.post(`${owned.path}/snapshots/${wanted}/restore`), 404, "not_found");
  }
  assert.deepEqual(await owned.snapshots(), []);
  assert.equal((await owned.status()).state, "asleep");
});

test("c19 a damaged newest archive: the one before is restored, and that is told", async () => {
  const owned = await Owned.ofNew(stack, "damaged.molt");
  await owned.start();
  await owned.learn(stack, "the good old state");
  const old = await take(owned);
  await owned.learn(stack, "the damaged state");
  await owned.stop();
  damage("the damaged state");
  const running = await owned.start();
  assert.equal(running.problem?.code, "restored_older");
  assert.equal((await (await owned.enter(stack)).get("/memory")).json().memory, "the good old state");
  await owned.stop();
  const left = await owned.snapshots();
  assert.ok(
    left.some(({ id }) => id === old.id),
    "the good one is still there",
  );
  assert.equal((await owned.start()).problem, null);
  assert.equal((await (await owned.enter(stack)).get("/memory")).json().memory, "the good old state");
});

test("c19 when no archive can be restored the agent does not start empty over them; a mended one is restored", async () => {
  const owned = await Owned.ofNew(stack, "all-damaged.molt");
  await owned.start();
  await owned.learn(stack, "state number one");
  const one = await take(owned);
  await owned.learn(stack, "state number two");
  await owned.stop();
  const before = await owned.snapshots();
  const mend = damage("state number one");
  damage("state number two");
  const injected = agent.begun("inject").length;
  for (let round = 0; round < 2; round++) {
    await owned.ask("start");
    const failed = await owned.in("failed");
    assert.equal(failed.problem?.code, "restore_failed");
    assert.deepEqual(await owned.snapshots(), before);
  }
  assert.equal(agent.begun("inject").length, injected, "it was never let go");
  mend();
  const answer = await owned.client.post(`${owned.path}/snapshots/${one.id}/restore`);
  assert.equal(answer.status, 202, answer.text);
  await owned.in("running");
  assert.equal((await (await owned.enter(stack)).get("/memory")).json().memory, "state number one");
});

test("c19 of many snapshots the newest are kept, and archives that go leave R2", async () => {
  const owned = await Owned.ofNew(stack, "many.molt");
  await owned.start();
  await owned.learn(stack, "one of many");
  const taken: Snapshot[] = [];
  for (let count = 0; count < KEEP + 2; count++) taken.push(await take(owned));
  assert.deepEqual(await owned.snapshots(), taken.reverse().slice(0, KEEP));
  await until("only those in R2", () => r2Keys(stack, `tenants/${owned.asset}/`).length === KEEP);
});
