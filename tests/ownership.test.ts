// Whose agent it is: sessions open their own agent alone, and follow the asset when it moves (C06, C07, C08).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import type { Answer } from "./support/http.ts";
import { challenge, verify } from "./support/login.ts";
import { assertProblem } from "./support/problem.ts";
import { assertPass } from "./support/tokens.ts";
import { inTime, until } from "./support/wait.ts";
import { mustOpen } from "./support/websocket.ts";

const MAX_AGE = 1;
const GRACE = 6;
/** What a slow machine may take on top. */
const SLACK = 4;
const stack = await fakeAgentStack({ vars: { OWNERSHIP_MAX_AGE: String(MAX_AGE), OWNERSHIP_GRACE: String(GRACE) } });
const { agent, rpc } = stack;
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
afterEach(() => {
  rpc.control.reset();
  agent.behave();
});

const KEY = "sk-of-the-first-owner-0123456789abcdef";
const ID = "0".repeat(32);

type Route = [method: string, path: string, json?: unknown];
/** Those that touch secrets, snapshots or a start: the chain is asked each time. */
const CAREFUL: Route[] = [
  ["POST", "/start"],
  ["POST", "/restart"],
  ["GET", "/snapshots"],
  ["POST", "/snapshots"],
  ["GET", `/snapshots/${ID}`],
  ["DELETE", `/snapshots/${ID}`],
  ["GET", "/logs"],
  ["POST", `/snapshots/${ID}/restore`],
  ["GET", "/secrets"],
  ["PUT", "/secrets/openai", { value: KEY }],
  ["DELETE", "/secrets/openai"],
  ["GET", "/settings"],
  ["PUT", "/settings", { model: "openai/gpt-5.4" }],
];
const OTHERS: Route[] = [
  ["GET", ""],
  ["POST", "/stop"],
  ["GET", "/events"],
  ["GET", "/wakes"],
  ["POST", "/open"],
];

function ask(owned: Owned, [method, path, json]: Route, of = owned.path): Promise<Answer> {
  return owned.client.request(method, of + path, json === undefined ? {} : { json });
}

/** Both endpoints, from now on. */
function behave(mode: "ok" | "drop"): void {
  for (const path of ["/a", "/b"]) rpc.control.behave(path, { mode });
}

test("c06 a session opens its own agent on every route, and every other agent is the same to it", async () => {
  const [mine, theirs] = [await Owned.ofNew(stack, "mine.molt"), await Owned.ofNew(stack, "theirs.molt", "buyer")];
  const own = await Owned.ofNew(stack, "own-second.molt");
  const nobody = `/v1/agents/${await devAssetAddress("nobody.molt")}`;
  const bodies = new Set<string>();
  for (const route of [...CAREFUL, ...OTHERS]) {
    for (const path of [theirs.path, own.path, nobody]) {
      const answer = await ask(mine, route, path);
      assertProblem(answer, 403, "forbidden");
      bodies.add(answer.text);
      const anonymous = await new Owned(stack.client(), ID).client.request(route[0], path + route[1], {
        json: route[2],
      });
      assertProblem(anonymous, 401, "unauthenticated");
    }
  }
  assert.equal(bodies.size, 1);
  assert.equal((await theirs.status()).state, "asleep");
  const { secrets } = (await theirs.client.get(`${theirs.path}/secrets`)).json();
  assert.ok(secrets.every(({ source }: { source: string }) => source !== "user"));
});

test("c07 after a transfer what touches secrets, snapshots or a start is refused at once", async () => {
  for (const route of CAREFUL) {
    const owned = await Owned.ofNew(stack, `careful ${route.slice(0, 2).join(" ")}`);
    await owned.status();
    rpc.control.transfer(owned.asset, buyer.address);
    assertProblem(await ask(owned, route), 403, "forbidden");
    assertProblem(await ask(owned, ["GET", ""]), 401, "unauthenticated");
  }
});

test("c07 after a transfer every request of the old owner ends within the bound", async () => {
  for (const route of OTHERS.filter(([, path]) => path !== "/events")) {
    const owned = await Owned.ofNew(stack, `bounded ${route.slice(0, 2).join(" ")}`);
    rpc.control.transfer(owned.asset, buyer.address);
    const moved = Date.now();
    await until("the end", async () => (await ask(owned, route)).status === 403, { every: 50 });
    assert.ok(Date.now() - moved < (MAX_AGE + SLACK) * 1000, `${Date.now() - moved} ms`);
  }
});

test("c07 after a transfer a running agent's open sockets and streams end within the bound, unasked", async () => {
  const owned = await Owned.ofNew(stack, "open-sockets.molt");
  await owned.start();
  const visitor = await owned.enter(stack);
  const socket = await mustOpen(visitor);
  const stream = await visitor.open("GET", "/stream");
  const streamEnded = new Promise((done) =>
    stream
      .on("close", done)
      .on("error", () => {})
      .resume(),
  );
  const events = await owned.events();
  await events.first("the status", ({ state }) => state === "running");
  rpc.control.transfer(owned.asset, buyer.address);
  const within = (MAX_AGE + SLACK) * 1000;
  const [, closed] = await Promise.all([
    inTime("end of the event stream", events.ended, within),
    inTime("end of the WebSocket", socket.closed, within),
    inTime("end of the agent's stream", streamEnded, within),
  ]);
  assert.equal(closed.code, 1008);
  assertProblem(await visitor.get("/echo"), 401, "unauthenticated");
});

test("c07 a log asked for before a transfer is shown to nobody after it", async () => {
  const owned = await Owned.ofNew(stack, "log-under-way.molt");
  await owned.start();
  agent.behave({ logs: { hold: true, lines: ["said to its owner alone"] } });
  const asked = owned.client.get(`${owned.path}/logs`);
  const { sandbox } = await until("it is under way", () => agent.begun("logs").at(-1));
  rpc.control.transfer(owned.asset, buyer.address);
  assertProblem(await asked, 403, "forbidden");
  await until("the container is gone", () => !agent.lives(sandbox), { within: 20_000 });
});

test("c07 after a transfer a sleeping agent's event stream ends within the bound, unasked", async () => {
  const owned = await Owned.ofNew(stack, "sleeping-stream.molt");
  const events = await owned.events();
  await events.first("the status", ({ state }) => state === "asleep");
  rpc.control.transfer(owned.asset, buyer.address);
  await inTime("end of the event stream", events.ended, (MAX_AGE + SLACK) * 1000);
});

test("c07 when the asset is burned its last owner is out within the bound, and the agent ends", async () => {
  const owned = await Owned.ofNew(stack, "burned.molt");
  await owned.start();
  const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
  rpc.control.burn(owned.asset);
  const burned = Date.now();
  await until("the end", async () => [401, 403].includes((await ask(owned, ["GET", ""])).status), { every: 50 });
  assert.ok(Date.now() - burned < (MAX_AGE + SLACK) * 1000, `${Date.now() - burned} ms`);
  await until("the container is gone", () => !agent.lives(sandbox), { within: 20_000 });
});

test("c08 a new owner is a new tenant; what was the old one's is gone or out of reach, and comes back with the asset", async () => {
  const old = await Owned.ofNew(stack, "sold.molt");
  assert.equal((await old.client.put(`${old.path}/secrets/openai`, { value: KEY })).status, 200);
  await old.start();
  assert.equal(agent.injected().secrets.openai, KEY);
  const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
  const visitor = await old.learn(stack, "the first owner's memory");
  await old.client.post(`${old.path}/snapshots`);
  const kept = await until("the snapshot", async () => {
    const list = await old.snapshots();
    return list.length === 1 && list;
  });

  rpc.control.transfer(old.asset, buyer.address);
  const next = await Owned.of(stack, old.asset, "buyer");
  assert.equal((await next.client.get("/v1/auth/session")).json().wallet, buyer.address);
  await until("the old container is gone", () => !agent.lives(sandbox), { within: 20_000 });
  const status = await next.in("asleep");
  assert.deepEqual([status.lastSnapshot, status.problem], [null, null]);
  assert.deepEqual(await next.snapshots(), []);
  const { secrets } = (await next.client.get(`${next.path}/secrets`)).json();
  assert.deepEqual(
    secrets.find(({ name }: { name: string }) => name === "openai"),
    { name: "openai", source: "platform", prefix: null, setAt: null, usedAt: null, keyless: true },
  );
  assertProblem(await next.client.post(`${next.path}/snapshots/${kept[0]?.id}/restore`), 404, "not_found");
  assertProblem(await ask(old, ["GET", ""]), 401, "unauthenticated");
  assertProblem(await visitor.get("/echo"), 401, "unauthenticated");
  await next.start();
  assertPass(agent.injected().secrets.openai, next.asset);
  assert.deepEqual(agent.injected().config.gateway.auth.trustedProxy.allowUsers, [buyer.address]);
  assert.equal((await (await next.enter(stack)).get("/memory")).json().memory, null);
  await next.learn(stack, "the second owner's memory");
  await next.stop();

  rpc.control.transfer(old.asset, owner.address);
  assertProblem(await ask(old, ["GET", "/secrets"]), 401, "unauthenticated");
  const again = await Owned.of(stack, old.asset);
  assert.deepEqual(await again.snapshots(), kept);
  const { secrets: after } = (await again.client.get(`${again.path}/secrets`)).json();
  assert.ok(
    after.every(({ source }: { source: string }) => source !== "user"),
    "secrets do not come back",
  );
  await again.start();
  assert.equal((await (await again.enter(stack)).get("/memory")).json().memory, "the first owner's memory");
});

test("c08 a start that a transfer overtakes hands over no secret and ends", async () => {
  const old = await Owned.ofNew(stack, "sold-at-start.molt");
  await old.client.put(`${old.path}/secrets/openai`, { value: KEY });
  await old.start();
  await old.learn(stack, "enough to restore");
  await old.stop();
  agent.behave({ restore: { delayMs: 2000 } });
  const [injections, restores] = [agent.begun("inject").length, agent.begun("restore").length];
  await old.ask("start");
  await until("the restore has begun", () => agent.begun("restore").length > restores);
  const { sandbox } = agent.begun("restore").at(-1) ?? assert.fail();
  rpc.control.transfer(old.asset, buyer.address);
  await until("the container is gone", () => !agent.lives(sandbox), { within: 20_000 });
  assert.equal(agent.begun("inject").length, injections);
  const next = await Owned.of(stack, old.asset, "buyer");
  assert.equal((await next.in("asleep")).problem, null);
  assert.deepEqual(await next.snapshots(), []);
});

test("c07 without a working RPC nobody logs in, and what must be asked afresh is refused", async () => {
  const owned = await Owned.ofNew(stack, "no-rpc.molt");
  const client = stack.client();
  const made = await challenge(client, owned.asset, owner.address);
  behave("drop");
  const answer = await verify(client, made, owner);
  assertProblem(answer, 503, "rpc_unavailable");
  assert.equal(client.cookies.size, 0);
  for (const route of CAREFUL) assertProblem(await ask(owned, route), 503, "rpc_unavailable");
  behave("ok");
  assert.equal((await owned.status()).state, "asleep");
});

test("c05 who ends a session needs no RPC for it", async () => {
  const owned = await Owned.ofNew(stack, "no-rpc-sign-out.molt");
  const other = await Owned.of(stack, owned.asset, "owner");
  const last = await Owned.of(stack, owned.asset, "owner");
  const { sessions } = (await owned.client.get("/v1/auth/sessions")).json();
  behave("drop");
  const [{ id }] = sessions.filter(({ current }: { current: boolean }) => !current);
  assert.equal((await owned.client.delete(`/v1/auth/sessions/${id}`)).status, 204);
  assert.equal((await owned.client.post("/v1/auth/logout")).status, 204);
  behave("ok");
  const left = await Promise.all([owned, other, last].map(({ client }) => client.get("/v1/auth/session")));
  assert.deepEqual(left.map(({ status }) => status).sort(), [200, 401, 401]);
});

test("c07 without a working RPC a running session lives through the grace, ends after it, and goes on when RPC is back", async () => {
  const owned = await Owned.ofNew(stack, "grace.molt");
  await owned.start();
  const visitor = await owned.enter(stack);
  behave("drop");
  const down = Date.now();
  let lastGood = down;
  const refused = await until("the end of the grace", async () => {
    const [answer, proxied] = [await ask(owned, ["GET", ""]), await visitor.get("/echo")];
    if (answer.status === 200 && proxied.status === 200) lastGood = Date.now();
    return answer.status !== 200 && proxied.status !== 200 && [answer, proxied];
  });
  for (const answer of refused) assertProblem(answer, 503, "rpc_unavailable");
  assert.ok(lastGood - down > MAX_AGE * 1000, "it lived on when the reading was no longer fresh");
  assert.ok(Date.now() - down < (MAX_AGE + GRACE + SLACK) * 1000, "and not for longer than the grace");
  behave("ok");
  assert.equal((await owned.status()).state, "running");
  assert.equal((await visitor.get("/echo")).status, 200);
});

test("c07 without a working RPC open streams and sockets end after the grace as well", async () => {
  const owned = await Owned.ofNew(stack, "grace-sockets.molt");
  await owned.start();
  const socket = await mustOpen(await owned.enter(stack));
  const events = await owned.events();
  await events.first("the status", ({ state }) => state === "running");
  behave("drop");
  const within = (MAX_AGE + GRACE + SLACK) * 1000;
  const ends = await Promise.allSettled([
    inTime("end of the event stream", events.ended, within),
    inTime("end of the WebSocket", socket.closed, within),
  ]);
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["fulfilled", "fulfilled"],
  );
});

test("c05 signing out ends the session's open streams and sockets, and no other session's", async () => {
  const owned = await Owned.ofNew(stack, "signed-out.molt");
  await owned.start();
  const other = await Owned.of(stack, owned.asset, "owner");
  const [socket, kept] = [await mustOpen(await owned.enter(stack)), await mustOpen(await other.enter(stack))];
  const events = await owned.events();
  await events.first("the status", ({ state }) => state === "running");
  assert.equal((await owned.client.post("/v1/auth/logout")).status, 204);
  const [, closed] = await Promise.all([
    inTime("end of the event stream", events.ended, SLACK * 1000),
    inTime("end of the WebSocket", socket.closed, SLACK * 1000),
  ]);
  assert.deepEqual(closed, { code: 1008, reason: "Your session has ended. Sign in again." });
  await kept.next(); // What the agent says first.
  kept.raw.send("still here");
  assert.equal(String((await kept.next()).data), "still here");
});
