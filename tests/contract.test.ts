// The Worker against containers of every kept version of the command line (tests/fixtures/contract), which say exactly
// what that version says, more as a newer one may, or less; and against one that lacks a command.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { type Contract, contracts } from "./fixtures/contracts.mjs";
import { fakeAgentStack, type Knobs, Owned } from "./support/agent.ts";
import { assertProblem } from "./support/problem.ts";
import { until } from "./support/wait.ts";

const IDLE_SECONDS = 5;
const stack = await fakeAgentStack({ vars: { IDLE_TIMEOUT: String(IDLE_SECONDS), MODELS_ORIGIN: "" } });
const { agent } = stack;
afterEach(() => agent.behave());

const kept = contracts();
const newest = kept.at(-1) ?? assert.fail("no version is kept");

type Said = Record<string, unknown>;
const CONTAINERS: Record<string, (said: Said, optional: string[]) => Said> = {
  "that says all of it, and more": (said) => ({ ...said, addedLater: { x: [1] } }),
  "that says no more than it must": (said, optional) =>
    Object.fromEntries(Object.entries(said).filter(([name]) => !optional.includes(name))),
};

/** A container of that version. */
function play({ archive, commands }: Contract, edit: (said: Said, optional: string[]) => Said): Knobs {
  const played = Object.entries(commands).map(([name, { stdout, optional = [] }]) => {
    if (stdout === "archive") return [name, { base64: archive.toString("base64") }];
    return [name, stdout ? { print: `${JSON.stringify(edit(stdout, optional))}\n` } : {}];
  });
  const missing = Object.keys(newest.commands).filter((name) => !(name in commands));
  return { ...Object.fromEntries(missing.map((name) => [name, { unknown: true }])), ...Object.fromEntries(played) };
}

let domains = 0;
for (const contract of kept) {
  const { version, commands } = contract;
  for (const [how, edit] of Object.entries(CONTAINERS)) {
    test(`version ${version}, a container ${how}: it starts, is saved, sleeps and comes back`, async () => {
      agent.behave(play(contract, edit));
      const owned = await Owned.ofNew(stack, `contract-${++domains}.molt`);
      const since = Date.now();
      await owned.start();
      const taken = await owned.client.post(`${owned.path}/snapshots`);
      assert.equal(taken.status, 201, taken.text);
      const { id, createdAt, cause, ...facts } = taken.json();
      const { size, sha256, files, openclaw } = (commands.snapshot?.stdout ?? assert.fail()) as Said;
      assert.deepEqual(facts, { size, sha256, files, openclaw });
      const moved = await owned.client.post(`${owned.path}/secrets/import`);
      if ("keys" in commands) assert.deepEqual([moved.status, moved.json().imported], [200, []]);
      else assertProblem(moved, 409, "wrong_state");
      const waiting = await owned.client.get(`${owned.path}/pairing`);
      if ("pairing" in commands) assert.deepEqual([waiting.status, waiting.json().waiting], [200, []]);
      else assertProblem(waiting, 409, "wrong_state");
      const asleep = await owned.in("asleep", { within: IDLE_SECONDS * 1000 + 30_000 });
      assert.equal(asleep.problem, null);
      assert.deepEqual(
        (await owned.snapshots()).map((snapshot) => snapshot.cause),
        ["sleep", "manual"],
      );

      assert.equal((await owned.start()).problem, null);
      const restored = agent.notes("restore").findLast((note) => "received" in note);
      assert.deepEqual(restored, { ...restored, hash: sha256, size, received: contract.archive.length });
      await owned.stop();
      for (const [name, { argv }] of Object.entries(commands)) {
        const begun = agent.begun(name, since);
        assert.ok(begun.length > 0, `${name} was never called`);
        for (const note of begun) {
          const [promised, added] = [note.argv?.slice(0, argv.length - 1), note.argv?.slice(argv.length - 1)];
          assert.deepEqual(promised, argv.slice(1), name);
          // Options that this version does not know are no more to it than nothing.
          assert.ok(
            added?.every((option) => /^--[a-z]+(=|$)/.test(option)),
            `${name} ${added}`,
          );
        }
      }
    });
  }
}

test("what the Worker calls, and gives on standard input, is what the newest version says", async () => {
  const owned = await Owned.ofNew(stack, "contract-said.molt");
  const { agentUrl } = await owned.start();
  assert.equal((await owned.client.post(`${owned.path}/secrets/import`)).status, 200);
  assert.equal((await owned.client.get(`${owned.path}/pairing`)).status, 200);
  await owned.in("asleep", { within: IDLE_SECONDS * 1000 + 30_000 });
  const called = new Set(agent.notes().map(({ command }) => command));
  assert.deepEqual([...called].sort(), Object.keys(newest.commands).sort());

  const example = JSON.stringify(newest.commands.inject?.stdin);
  const [, key = ""] = /"openai":"(sk-[^"]+)"/.exec(example) ?? [];
  const said = JSON.stringify(agent.injected())
    .replaceAll(agentUrl.slice(0, -1), "https://agent.example")
    .replaceAll(stack.echo.url, "https://gateway.example")
    .replaceAll(stack.secrets.OPENAI_API_KEY, key);
  assert.deepEqual(JSON.parse(said), JSON.parse(example));
});

test("c20 a start with a container that lacks a command fails with a reason, and does not hang", async () => {
  agent.behave({ inject: { unknown: true } });
  const owned = await Owned.ofNew(stack, "contract-lacks.molt");
  await owned.ask("start");
  const failed = await owned.in("failed", { within: 30_000 });
  assert.equal(failed.problem?.code, "start_failed");
  const named = /`inject` in the container ended with 1: unknown command/;
  assert.ok(
    stack.logs.some((line) => named.test(line)),
    "the log names it",
  );
  agent.behave();
  await owned.start();
});

for (const name of ["snapshot", "send"]) {
  test(`c19 a container that lacks \`${name}\` is not saved, and is kept until it can be`, async () => {
    agent.behave({ [name]: { unknown: true } });
    const owned = await Owned.ofNew(stack, `contract-lacks-${name}.molt`);
    await owned.start();
    const visitor = await owned.learn(stack, "held by the container alone");
    assertProblem(await owned.client.post(`${owned.path}/snapshots`), 503, "storage_unavailable");
    assert.equal((await visitor.get("/memory")).status, 200, "it goes on");
    await owned.ask("stop");
    const failed = await owned.in("failed", { within: 30_000 });
    assert.equal(failed.problem?.code, "snapshot_failed");
    assert.deepEqual(await owned.snapshots(), []);
    agent.behave();
    await owned.stop();
    await owned.start();
    await until(
      "what it held",
      async () => (await visitor.get("/memory")).json().memory === "held by the container alone",
    );
  });
}
