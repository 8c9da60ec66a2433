// Falling asleep and waking: what counts as use, and what wakes (C18).
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { assertProblem } from "./support/problem.ts";
import { openSocket } from "./support/websocket.ts";

const IDLE_SECONDS = 12;
const stack = await fakeAgentStack({ vars: { IDLE_TIMEOUT: String(IDLE_SECONDS) } });
const { agent } = stack;
const NAVIGATION = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

// Side by side: most of the time passes in waiting.
describe("an agent that nobody uses", { concurrency: true }, () => {
  test("c18 it falls asleep, saved, and only its owner's coming wakes it", async () => {
    const owned = await Owned.ofNew(stack, "idle.molt");
    const started = Date.now();
    await owned.start();
    const visitor = await owned.learn(stack, "before the sleep");
    const asleep = await owned.in("asleep");
    assert.ok(Date.now() - started >= IDLE_SECONDS * 1000, "not before its time");
    assert.equal(asleep.problem, null);
    assert.equal((await owned.snapshots())[0]?.cause, "sleep");

    const passive: [string, string, Record<string, string>][] = [
      ["GET", "/memory", { "sec-fetch-mode": "cors" }],
      ["GET", "/memory", {}],
      ["POST", "/echo", NAVIGATION],
      ["HEAD", "/", NAVIGATION],
    ];
    for (const [method, path, headers] of passive) {
      const answer = await visitor.request(method, path, { headers });
      assert.equal(answer.status, 503, `${method} ${path}`);
      assert.match(answer.headers["retry-after"] ?? "", /^\d+$/);
      if (method !== "HEAD") assertProblem(answer, 503, "agent_unavailable");
      assert.deepEqual(await owned.status(), asleep);
    }
    assert.equal(await openSocket(visitor, { headers: NAVIGATION }), 503);
    assert.deepEqual(await owned.status(), asleep);

    const page = await visitor.get("/", NAVIGATION);
    assert.equal(page.status, 503);
    assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
    assert.equal(page.headers["cache-control"], "no-store");
    assert.match(page.text, /waking/);
    assert.notEqual((await visitor.get("/.edge/status")).json().state, "asleep");
    await owned.in("running");
    assert.equal((await visitor.get("/memory")).json().memory, "before the sleep");
    assert.match((await visitor.get("/", NAVIGATION)).text, /<h1>agent<\/h1>/);
  });

  test("c18 requests keep it awake, and when they end it sleeps", async () => {
    const owned = await Owned.ofNew(stack, "used.molt");
    await owned.start();
    const visitor = await owned.enter(stack);
    const until = Date.now() + IDLE_SECONDS * 2000;
    while (Date.now() < until) {
      assert.equal((await visitor.get("/memory")).status, 200);
      await delay(500);
    }
    assert.equal((await owned.status()).state, "running");
    await owned.in("asleep");
  });

  test("c18 being looked at by its owner's console does not keep it awake", async () => {
    const owned = await Owned.ofNew(stack, "watched.molt");
    await owned.start();
    const events = await owned.events();
    await owned.in("asleep", { within: IDLE_SECONDS * 1000 + 20_000 });
    await events.first("asleep", ({ state }) => state === "asleep");
    events.close();
  });

  test("a page that waits for a sleeping agent is told how it stands, and nobody else is", async () => {
    const owned = await Owned.ofNew(stack, "page.molt");
    const visitor = await owned.enter(stack);
    assert.deepEqual((await visitor.get("/.edge/status")).json(), await owned.status());
    assertProblem(await stack.visitor(visitor.origin).get("/.edge/status"), 401, "unauthenticated");
  });
});

test("c18 work inside the agent that does not pass here keeps it awake", async () => {
  const owned = await Owned.ofNew(stack, "busy.molt");
  agent.behave({ activity: { idleSeconds: 0 } });
  const begun = Date.now();
  await owned.start();
  const asked = agent.begun("activity").length;
  while (agent.begun("activity").length < asked + 2) {
    assert.ok(Date.now() - begun < 90_000, "it was never asked");
    assert.equal((await owned.status()).state, "running");
    await delay(250);
  }
  agent.behave();
  await owned.in("asleep");
});
