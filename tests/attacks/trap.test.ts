// A panic takes the WebAssembly instance with it, which the Worker and the objects of a machine may share. It ends requests,
// its own for certain, and no agent: the next request finds everything as it was (C15, C20).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type http from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { CORE_PROGRAM } from "../../dev/solana/core-layout.ts";
import { ROOT } from "../../dev/stack.ts";
import { fakeAgentStack, Owned } from "../support/agent.ts";
import { assertProblem } from "../support/problem.ts";
import { inTime, until } from "../support/wait.ts";
import { mustOpen } from "../support/websocket.ts";

const SECRET = randomBytes(32).toString("base64url");
const stack = await fakeAgentStack({
  vars: { ANSWER_TIMEOUT: "5" },
  secrets: { SOLANA_WEBHOOK_SECRET: SECRET },
  workers: (config) => ({
    outer: { ...config, main: join(ROOT, "tests/attacks/worker/entry.ts") },
    others: {},
  }),
});
const hostile = await Owned.ofNew(stack, "trapped.molt");
const quiet = await Owned.ofNew(stack, "untrapped.molt", "buyer");
await Promise.all([hostile.start(), quiet.start()]);
const visitor = await hostile.enter(stack);
const neighbour = await quiet.enter(stack);
const before = { hostile: await hostile.status(), quiet: await quiet.status() };
await neighbour.request("PUT", "/memory", { body: "kept" });

/** A notice that makes the Worker go on after its answer, which is what fails. */
const inTheWorker = (): Promise<number> => {
  const notice = [{ type: "UNKNOWN", instructions: [{ programId: CORE_PROGRAM, accounts: [hostile.asset] }] }];
  const headers = { authorization: SECRET, "content-type": "application/json", "x-test-trap": "worker" };
  return ended(stack.client().request("POST", "/hooks/solana", { headers, body: JSON.stringify(notice) }));
};

/** An agent that breaks off makes its object set an alarm, which is what fails. */
const inTheObject = (): Promise<number> =>
  ended(visitor.request("POST", "/drop", { headers: { "x-test-trap": "object" } }));

/** Beyond the time after which an agent that says nothing is given up. */
const LOST_AFTER_MS = 20_000;

/** The status of the answer, or 0 where none came: the code that would have made it is gone. */
const ended = (answer: Promise<{ status: number }>): Promise<number> =>
  inTime("an answer", answer, LOST_AFTER_MS).then(
    ({ status }) => status,
    () => 0,
  );

async function stream(): Promise<http.IncomingMessage> {
  const opened = await neighbour.open("GET", "/stream");
  await until("first event", () => opened.read() ?? undefined, { every: 20 });
  return opened;
}

// Before anything panics.
const SILENT: [string, string, string, number][] = [
  ["a call of the API", "GET", hostile.path, 60_000],
  ["a snapshot", "POST", `${hostile.path}/snapshots`, 330_000],
];
for (const [title, method, path, limit] of SILENT)
  test(`c15 attack neighbours: an object that never answers ${title} is given up`, async () => {
    const headers = { "x-test-trap": "silence" };
    const answer = await hostile.client.request(method, path, { headers });
    assertProblem(answer, 503, "agent_unavailable");
    assert.match(answer.json().detail, /took too long/);
    assert.equal(answer.headers["x-test-waits"], String(limit));
    assert.equal((await hostile.status()).state, "running");
  });

const panics = (): number => stack.logs.filter((line) => line.includes("panicked at")).length;

for (const [where, panic] of Object.entries({ Worker: inTheWorker, object: inTheObject })) {
  test(`attack neighbours: a panic in the ${where} ends requests, and no agent`, async (t) => {
    const [socket, events] = [await mustOpen(neighbour), await stream()];
    await socket.next();
    const seen = panics();
    const inFlight = ended(neighbour.get("/silence"));
    const status = await panic();
    assert.ok(status === 0 || status >= 500, `the request that panics: ${status}`);
    await until("the word of it in the log", () => panics() > seen);

    const page = await until("an answer to the neighbour", async () => {
      const answer = await neighbour.get("/memory").catch(() => undefined);
      return answer?.status === 200 && answer;
    });
    assert.equal(page.json().memory, "kept");
    socket.raw.send("still here");
    assert.equal((await socket.next()).data.toString(), "still here");
    await neighbour.get("/next");
    await inTime("end of the stream", new Promise((done) => events.once("end", done).resume()));
    t.diagnostic(
      `a neighbour's request that was under way: ${await inFlight} (503 is its own, anything else was lost)`,
    );

    for (const [name, owned] of Object.entries({ hostile, quiet })) {
      const { state, since } = await owned.status();
      assert.deepEqual([state, since], ["running", before[name as keyof typeof before].since], name);
    }
    assert.equal((await visitor.get("/echo")).status, 200);
  });
}

test("c07 attack neighbours: after a panic what was open before it still ends with its session", async () => {
  const [socket, events] = [await mustOpen(neighbour), await stream()];
  await socket.next();
  const seen = panics();
  await inTheObject();
  await until("the word of it in the log", () => panics() > seen);
  const streamEnded = new Promise((done) =>
    events
      .once("close", done)
      .on("error", () => {})
      .resume(),
  );
  assert.equal((await quiet.client.post("/v1/auth/logout")).status, 204);
  const closed = await inTime("end of the WebSocket", socket.closed);
  assert.deepEqual(closed, { code: 1008, reason: "Your session has ended. Sign in again." });
  await inTime("end of the stream", streamEnded);
});
