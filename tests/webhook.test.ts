// Notices of the RPC provider that an asset moved: the old owner is out at once, and nothing of a notice is believed (C07,
// C08). Readings of the owner are left to hold for long here, so that what ends anything is the notice.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, test } from "node:test";
import { devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import { BURNED_DATA, CORE_PROGRAM } from "../dev/solana/core-layout.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import type { Answer, Headers } from "./support/http.ts";
import { objectCount, objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { reconfigure } from "./support/reconfigure.ts";
import { inTime, until } from "./support/wait.ts";
import { mustOpen } from "./support/websocket.ts";

const SECRET = randomBytes(32).toString("base64url");
const stack = await fakeAgentStack({
  vars: { OWNERSHIP_MAX_AGE: "300", OWNERSHIP_GRACE: "300" },
  secrets: { SOLANA_WEBHOOK_SECRET: SECRET },
});
const { agent, rpc } = stack;
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
afterEach(() => rpc.control.reset());

/** As the promise says it, and what a slow machine may take on top. */
const AT_ONCE_MS = 1000 + 4000;
const KEY = "sk-of-the-first-owner-0123456789abcdef";

/** What Helius sends of a transfer, shortened. */
const enhanced = (asset: string) => [
  {
    type: "UNKNOWN",
    slot: 1,
    instructions: [{ programId: CORE_PROGRAM, accounts: [asset, owner.address], data: "x", innerInstructions: [] }],
  },
];
const raw = (asset: string) => [
  {
    slot: 1,
    transaction: {
      message: {
        accountKeys: [owner.address, asset, CORE_PROGRAM],
        instructions: [{ programIdIndex: 2, accounts: [1, 0], data: "x" }],
      },
      signatures: ["x"],
    },
    meta: { innerInstructions: [] },
  },
];

function notify(body: unknown, headers: Headers = { authorization: SECRET }): Promise<Answer> {
  const json = { "content-type": "application/json" };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  // A server's, which names no origin.
  return stack.client().request("POST", "/hooks/solana", { body: text, headers: { origin: [], ...json, ...headers } });
}

/** How often the chain was asked for it. */
const readings = (asset: string): number => rpc.control.calls().filter(({ params }) => params[0] === asset).length;
const entries = (asset: string) =>
  objectRows(stack, asset, "SELECT entry FROM audit ORDER BY id").map(({ entry }) => JSON.parse(entry));

test("c07 c08 a notice puts the old owner out at once, sockets and streams too, and says what it took", async () => {
  const owned = await Owned.ofNew(stack, "told.molt");
  assert.equal((await owned.client.put(`${owned.path}/secrets/openai`, { value: KEY })).status, 200);
  await owned.start();
  const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
  const visitor = await owned.enter(stack);
  await owned.client.post(`${owned.path}/snapshots`);
  await until("the snapshot", async () => (await owned.snapshots()).length === 1);
  const socket = await mustOpen(visitor);
  const events = await owned.events();
  await events.first("the status", ({ state }) => state === "running");

  rpc.control.transfer(owned.asset, buyer.address);
  assert.equal((await owned.status()).state, "running", "nobody looks by themselves");
  assert.equal((await notify(enhanced(owned.asset))).status, 204);
  await Promise.all([
    inTime("end of the event stream", events.ended, AT_ONCE_MS),
    inTime("end of the WebSocket", socket.closed, AT_ONCE_MS),
  ]);
  assert.equal(events.endCode, "unauthenticated");
  assertProblem(await owned.client.get(owned.path), 401, "unauthenticated");
  assertProblem(await visitor.get("/echo"), 401, "unauthenticated");
  await until("the container is gone", () => !agent.lives(sandbox), { within: 20_000 });
  const wallet = owner.address;
  await until("the last entry", () => entries(owned.asset).length === 6);
  assert.deepEqual(entries(owned.asset), [
    { event: "login", wallet },
    { event: "owner_changed", from: wallet, to: buyer.address },
    { event: "sessions_ended", count: 1 },
    { event: "secrets_shredded", count: 1 },
    { event: "snapshots_sealed", count: 1 },
    { event: "container_destroyed" },
  ]);
  for (const table of ["sessions", "tickets", "secrets", "tenants"]) {
    assert.deepEqual(objectRows(stack, owned.asset, `SELECT * FROM ${table}`), [], table);
  }
});

test("c07 a raw notice, and one of a burn, do the same", async () => {
  const [moved, burned] = [await Owned.ofNew(stack, "raw.molt"), await Owned.ofNew(stack, "burned-told.molt")];
  rpc.control.transfer(moved.asset, buyer.address);
  rpc.control.burn(burned.asset);
  assert.equal((await notify([...raw(moved.asset), ...enhanced(burned.asset)])).status, 204);
  for (const { client, path } of [moved, burned]) {
    await until("the end", async () => (await client.get(path)).status === 401, { within: AT_ONCE_MS });
  }
  // Told and read again and again, it is burned once.
  const before = readings(burned.asset);
  assert.equal((await notify(enhanced(burned.asset))).status, 204);
  await until("another reading", () => readings(burned.asset) > before);
  const changes = entries(burned.asset).filter(({ event }: { event: string }) => event === "owner_changed");
  assert.deepEqual(changes, [{ event: "owner_changed", from: owner.address, to: null }]);
});

test("c08 an asset that is there again after it seemed burned is taken from its owner as well when it burns", async () => {
  // Both endpoints are wrong for a while, say.
  const first = await Owned.ofNew(stack, "burned-twice.molt");
  const account = rpc.ledger.account(first.asset, rpc.ledger.slot("processed")) ?? assert.fail();
  rpc.control.setAccount(first.asset, { ...account, data: BURNED_DATA });
  assert.equal((await notify(enhanced(first.asset))).status, 204);
  await until("the end", async () => (await first.client.get(first.path)).status === 401, { within: AT_ONCE_MS });

  rpc.control.setAccount(first.asset, account);
  const again = await Owned.of(stack, first.asset);
  assert.equal((await again.client.put(`${again.path}/secrets/openai`, { value: KEY })).status, 200);
  rpc.control.burn(again.asset);
  assert.equal((await notify(enhanced(again.asset))).status, 204);
  await until("the end", async () => (await again.client.get(again.path)).status === 401, { within: AT_ONCE_MS });
  for (const table of ["sessions", "secrets"]) {
    assert.deepEqual(objectRows(stack, again.asset, `SELECT * FROM ${table}`), [], table);
  }
});

test("c07 a notice that comes before the endpoints see the move is not forgotten", async () => {
  const owned = await Owned.ofNew(stack, "early.molt");
  const before = readings(owned.asset);
  assert.equal((await notify(enhanced(owned.asset))).status, 204);
  await until("a first reading", () => readings(owned.asset) > before);
  rpc.control.transfer(owned.asset, buyer.address);
  await until("the end", async () => (await owned.client.get(owned.path)).status === 401, {
    within: 4000 + AT_ONCE_MS,
  });
});

test("c07 a notice is a hint: who still owns the asset stays", async () => {
  const owned = await Owned.ofNew(stack, "stays.molt");
  const before = readings(owned.asset);
  assert.equal((await notify(enhanced(owned.asset))).status, 204);
  await until("it was read again", () => readings(owned.asset) > before);
  assert.equal((await owned.status()).state, "asleep");
  assert.deepEqual(entries(owned.asset), [{ event: "login", wallet: owner.address }]);
});

test("c07 without the secret nothing of a notice is read, and nobody is looked at", async () => {
  const owned = await Owned.ofNew(stack, "unheard.molt");
  rpc.control.transfer(owned.asset, buyer.address);
  const before = readings(owned.asset);
  for (const authorization of ["", "x", SECRET.slice(1), `${SECRET}x`, `Bearer ${SECRET}`, SECRET.toLowerCase()]) {
    assertProblem(await notify(enhanced(owned.asset), { authorization }), 401, "unauthenticated");
  }
  assertProblem(await notify(enhanced(owned.asset), {}), 401, "unauthenticated");
  assertProblem(await notify(`[${" ".repeat(2_000_000)}`, {}), 401, "unauthenticated");
  assert.equal((await owned.status()).state, "asleep");
  assert.equal(readings(owned.asset), before);
});

test("what is no notice is refused", async () => {
  for (const body of ["", "{}", "[1]", "x", '"x"']) assertProblem(await notify(body), 400, "malformed_body");
  assertProblem(await notify(`[${" ".repeat(2_000_000)}]`), 413, "body_too_large");
  assertProblem(await stack.client().get("/hooks/solana"), 405, "method_not_allowed");
  assert.equal((await notify([])).status, 204);
});

test("a notice of a domain that nobody signed in to leaves nothing behind", async () => {
  const asset = await devAssetAddress("nobody-signed-in.molt");
  const owned = await Owned.ofNew(stack, "after-it.molt");
  const before = objectCount(stack);
  // The second one's reading shows that the first was dealt with.
  assert.equal((await notify(enhanced(asset))).status, 204);
  rpc.control.transfer(owned.asset, buyer.address);
  assert.equal((await notify(enhanced(owned.asset))).status, 204);
  await until("the end", async () => (await owned.client.get(owned.path)).status === 401, { within: AT_ONCE_MS });
  const tables = "SELECT name FROM sqlite_master WHERE name NOT GLOB '_*'";
  if (objectCount(stack) > before) assert.deepEqual(objectRows(stack, asset, tables), []);
});

test("c09 without a secret, or with a short one, no notice is taken", async () => {
  for (const secret of [undefined, "short"]) {
    await reconfigure(stack, { secrets: { SOLANA_WEBHOOK_SECRET: secret } });
    for (const authorization of ["", "short", "undefined"]) {
      assertProblem(await notify(enhanced(owner.address), { authorization }), 503, "misconfigured");
    }
    await until("the log names it", () => stack.logs.some((line) => line.includes("SOLANA_WEBHOOK_SECRET")));
  }
});
