// Endpoints of Solana RPC that lie, lag or fall silent: what one of them says alone lets nobody in and takes nothing from
// anybody (C04, C07, C08).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import bs58 from "bs58";
import { devAccounts, devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import type { Behaviour } from "../dev/solana/behaviour.ts";
import { BURNED_DATA, CORE_PROGRAM } from "../dev/solana/core-layout.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import type { Answer } from "./support/http.ts";
import { challenge, login, verify } from "./support/login.ts";
import { objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { reconfigure } from "./support/reconfigure.ts";
import { inTime, until } from "./support/wait.ts";
import { mustOpen } from "./support/websocket.ts";

const MAX_AGE = 1;
const GRACE = 15;
/** A reading's own time limit, and what a slow machine may take on top. */
const SLACK = 6;
const stack = await fakeAgentStack({ vars: { OWNERSHIP_MAX_AGE: String(MAX_AGE), OWNERSHIP_GRACE: String(GRACE) } });
const { agent, rpc } = stack;
const { collection } = await devAccounts();
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
afterEach(() => {
  rpc.control.reset();
  agent.behave();
});

const KEY = "sk-of-the-owner-0123456789abcdef";
const PATHS = ["/a", "/b"];
const [A, B] = ["SOLANA_RPC_URLS[0]", "SOLANA_RPC_URLS[1]"];

async function tryLogin(asset: string, wallet = owner): Promise<Answer> {
  const client = stack.client();
  const answer = await verify(client, await challenge(client, asset, wallet.address), wallet);
  assert.equal(client.cookies.size, answer.status === 200 ? 1 : 0);
  return answer;
}

// biome-ignore lint/suspicious/noExplicitAny: the vectors are wide; tests look at what they mean.
function vectors(name: string): any {
  return JSON.parse(readFileSync(new URL(`./vectors/${name}`, import.meta.url), "utf8"));
}

async function minted(name: string): Promise<string> {
  const asset = await devAssetAddress(name);
  rpc.control.mint({ asset, name, owner: owner.address });
  return asset;
}

/** The endpoints that were asked about an asset; those of other tests may still be watched. */
function askedAbout(asset: string): string[] {
  const calls = rpc.control.calls().filter(({ params }) => params[0] === asset);
  return calls.map(({ path }) => path);
}

/** An endpoint that says of every asset that there is no account, or that it holds this. */
function saying(account: { owner: string; data: Uint8Array } | null): Behaviour {
  const value = account && { owner: account.owner, data: [Buffer.from(account.data).toString("base64"), "base64"] };
  const context = { slot: rpc.ledger.slot("confirmed") };
  return { mode: "malformed", body: JSON.stringify({ jsonrpc: "2.0", id: 1, result: { context, value } }) };
}
const BURNED = { owner: CORE_PROGRAM, data: BURNED_DATA };

function assertUnavailable(answer: Answer): void {
  assertProblem(answer, 503, "rpc_unavailable");
  assert.match(answer.headers["retry-after"] ?? "", /^[1-9][0-9]*$/);
}

for (const path of PATHS) {
  test(`c04 when ${path} alone names another owner nobody logs in, and the log names the endpoints by their place`, async () => {
    const asset = await minted(`lied about by ${path}`);
    rpc.control.behave(path, { mode: "lie", owner: buyer.address });
    const before = stack.logs.length;
    for (const wallet of [buyer, owner]) assertUnavailable(await tryLogin(asset, wallet));
    const line = await until("the disagreement in the log", () =>
      stack.logs.slice(before).find((text) => text.includes("agree") && text.includes(A) && text.includes(B)),
    );
    assert.ok(!line.includes("127.0.0.1"), line);
    rpc.control.reset();
    assert.equal((await tryLogin(asset)).status, 200);
  });
}

test("c04 that nobody owns an asset takes two endpoints as well", async () => {
  const asset = await minted("said to be gone");
  const stranger = await minted("said to be gone too");
  for (const account of [null, BURNED, { ...BURNED, owner: collection }]) {
    for (const path of PATHS) {
      rpc.control.behave(path, saying(account));
      assertUnavailable(await tryLogin(asset));
      rpc.control.reset();
    }
    for (const path of PATHS) rpc.control.behave(path, saying(account));
    assertProblem(await tryLogin(asset), 403, "forbidden");
    rpc.control.reset();
    assert.equal((await tryLogin(asset)).status, 200);
  }
  rpc.control.behave("/a", saying(null));
  rpc.control.behave("/b", saying(BURNED));
  assertUnavailable(await tryLogin(stranger));
});

test("c04 one endpoint alone lets nobody in, however the other fails", async () => {
  const asset = await minted("one answers");
  const failures: Behaviour[] = [
    { mode: "drop" },
    { mode: "hang" },
    { mode: "429", retryAfterSeconds: 60 },
    { mode: "malformed" },
    { mode: "huge", bytes: 1024 * 1024 },
    { mode: "error", code: -32016 },
    { mode: "error", code: -32602 },
  ];
  for (const failure of failures) {
    for (const path of PATHS) {
      rpc.control.behave(path, failure);
      const asked = Date.now();
      assertUnavailable(await tryLogin(asset));
      assert.ok(Date.now() - asked < (8 + 4) * 1000, `${Date.now() - asked} ms`);
      rpc.control.reset();
      assert.equal((await tryLogin(asset)).status, 200, "nothing keeps out who is back");
    }
  }
});

test("c04 a question that an endpoint does not take is not put to it again", async () => {
  const asset = await minted("asked once");
  rpc.control.behave("/a", { mode: "error", code: -32602 });
  assertUnavailable(await tryLogin(asset));
  assert.deepEqual(
    askedAbout(asset).filter((path) => path === "/a"),
    ["/a"],
  );
});

test("c04 an endpoint that claims a slot far ahead makes no other one late", async () => {
  const owned = await Owned.ofNew(stack, "far ahead");
  const secrets = () => owned.client.get(`${owned.path}/secrets`);
  for (const path of PATHS) {
    rpc.control.behave(path, { mode: "lie", slotsAhead: 1_000_000 });
    assert.equal((await tryLogin(owned.asset)).status, 200);
    assert.equal((await secrets()).status, 200);
    rpc.control.reset();
    assert.equal((await tryLogin(owned.asset)).status, 200);
    assert.equal((await secrets()).status, 200);
  }
});

test("c04 an owner whose asset is frozen logs in", async () => {
  const frozen = vectors("core-fixtures.json").fixtures.find(
    ({ name }: { name: string }) => name === "asset_frozen_delegates_attributes",
  );
  assert.equal(frozen.expect.frozen, true);
  const data = Buffer.from(frozen.account.data_base64, "base64");
  data.set(owner.publicKey, 1);
  data.set(bs58.decode(collection), 34);
  const asset = await devAssetAddress("frozen.molt");
  rpc.control.setAccount(asset, { owner: CORE_PROGRAM, data, lamports: 1, executable: false });
  assert.equal((await tryLogin(asset)).status, 200);
  assertProblem(await tryLogin(asset, buyer), 403, "forbidden");
});

test("c04 an address that no key is of is told that it can't sign in, whatever it owns", async () => {
  const wallet = vectors("pda-vectors.json").vectors[0].pda;
  const theirs = await devAssetAddress("an agent's own");
  rpc.control.mint({ asset: theirs, name: "an agent's own", owner: wallet });
  const bodies = new Set<string>();
  for (const asset of [theirs, await minted("not theirs"), await devAssetAddress("nobody's")]) {
    const answer = await stack.client().post("/v1/auth/challenge", { asset, wallet });
    assertProblem(answer, 403, "forbidden");
    bodies.add(answer.text);
  }
  const [body = "", ...others] = bodies;
  assert.deepEqual(others, []);
  assert.match(JSON.parse(body).detail, /can't sign in/);
  assert.deepEqual(askedAbout(theirs), [], "the chain was not asked");
});

const LIES: [string, (asset: string) => Behaviour][] = [
  ["names another owner", (asset) => ({ mode: "lie", asset, owner: buyer.address })],
  ["says that the asset was burned", () => saying(BURNED)],
  ["says that there is no such asset", () => saying(null)],
];
for (const [index, path] of PATHS.entries()) {
  for (const [what, lie] of LIES) {
    test(`c07 c08 when ${path} alone ${what} nobody passes, and nothing is destroyed or cut`, async () => {
      const owned = await Owned.ofNew(stack, `${path} ${what}`);
      await owned.client.put(`${owned.path}/secrets/openai`, { value: KEY });
      await owned.start();
      const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
      const socket = await mustOpen(await owned.enter(stack));
      const events = await owned.events();
      await events.first("the status", ({ state }) => state === "running");
      rpc.control.behave(path, lie(owned.asset));
      assertUnavailable(await owned.client.get(`${owned.path}/secrets`));
      // What was read before holds no longer, however fresh it was.
      assertUnavailable(await owned.client.get(owned.path));
      // The other endpoint falls silent, and then both: that settles nothing.
      rpc.control.behave(PATHS[1 - index] ?? "", { mode: "drop" });
      assertUnavailable(await owned.client.get(owned.path));
      for (const each of PATHS) rpc.control.behave(each, { mode: "drop" });
      assertUnavailable(await owned.client.get(owned.path));
      rpc.control.reset();
      assert.equal((await owned.status()).state, "running");
      assert.ok(agent.lives(sandbox));
      const { secrets } = (await owned.client.get(`${owned.path}/secrets`)).json();
      assert.equal(secrets.find(({ name }: { name: string }) => name === "openai").source, "user");
      await socket.next(); // What the agent says first.
      socket.raw.send("still here");
      assert.equal(String((await socket.next()).data), "still here");
      socket.raw.close();
      events.close();
    });
  }
}

test("c07 while endpoints contradict one another what is open stays until the grace ends, and no longer", async () => {
  const owned = await Owned.ofNew(stack, "disputed for long");
  await owned.start();
  const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
  const events = await owned.events();
  await events.first("the status", ({ state }) => state === "running");
  rpc.control.behave("/b", { mode: "lie", asset: owned.asset, owner: buyer.address });
  const disputed = Date.now();
  await inTime("end of the event stream", events.ended, (MAX_AGE + GRACE + SLACK) * 1000);
  assert.ok(Date.now() - disputed > (GRACE - MAX_AGE) * 1000, `${Date.now() - disputed} ms`);
  assertUnavailable(await owned.client.get(owned.path));
  assert.ok(agent.lives(sandbox), "the agent itself goes on");
  rpc.control.reset();
  assert.equal((await owned.status()).state, "running");
});

for (const path of PATHS) {
  test(`c07 when ${path} hides a transfer the old owner passes no more, and is out when it stops`, async () => {
    const old = await Owned.ofNew(stack, `hidden by ${path}`);
    const events = await old.events();
    rpc.control.behave(path, { mode: "lie", asset: old.asset, owner: owner.address });
    rpc.control.transfer(old.asset, buyer.address);
    const moved = Date.now();
    await until("the end", async () => (await old.client.get(old.path)).status === 503, { every: 50 });
    assert.ok(Date.now() - moved < (MAX_AGE + SLACK) * 1000, `${Date.now() - moved} ms`);
    assertUnavailable(await old.client.get(`${old.path}/secrets`));
    for (const wallet of [owner, buyer]) assertUnavailable(await tryLogin(old.asset, wallet));
    rpc.control.reset();
    await inTime("end of the event stream", events.ended, (MAX_AGE + SLACK) * 1000);
    assertProblem(await old.client.get(old.path), 401, "unauthenticated");
    assert.equal((await tryLogin(old.asset, buyer)).status, 200);
  });
}

for (const failure of [{ mode: "drop" }, { mode: "hang" }, { mode: "429" }, { mode: "malformed" }] as const) {
  test(`c07 a running session goes on with one endpoint when the other fails (${failure.mode})`, async () => {
    const owned = await Owned.ofNew(stack, `watched by one, ${failure.mode}`);
    for (const path of PATHS) {
      rpc.control.behave(path, failure);
      for (let round = 0; round < 3; round++) {
        const asked = Date.now();
        assert.equal((await owned.client.get(`${owned.path}/secrets`)).status, 200);
        assert.ok(Date.now() - asked < SLACK * 1000, `${Date.now() - asked} ms`);
      }
      rpc.control.reset();
    }
  });
}

test("c04 of three endpoints two that agree are enough, and one may fail, lie or hang", async () => {
  const asset = await minted("three");
  const three = ["/a", "/b", "/c"];
  await reconfigure(stack, { vars: { SOLANA_RPC_URLS: three.map((path) => rpc.endpoint(path)).join(",") } });
  assert.equal((await tryLogin(asset)).status, 200);
  assert.deepEqual(askedAbout(asset).sort(), ["/a", "/b"], "the third is asked when it is needed");
  for (const path of three) {
    for (const behaviour of [
      { mode: "drop" },
      { mode: "hang" },
      { mode: "lie", owner: buyer.address },
    ] satisfies Behaviour[]) {
      rpc.control.behave(path, behaviour);
      assert.equal((await tryLogin(asset)).status, 200, `${path} ${behaviour.mode}`);
      assertProblem(await tryLogin(asset, buyer), 403, "forbidden");
      rpc.control.reset();
    }
  }
  rpc.control.behave("/a", { mode: "lie", owner: buyer.address });
  rpc.control.behave("/b", { mode: "drop" });
  assertUnavailable(await tryLogin(asset));
  assertUnavailable(await tryLogin(asset, buyer));
});

test("c07 what a domain's first login read is as old as the reading", async () => {
  // Anew, so that no endpoint is left alone for what it did before.
  await reconfigure(stack, {
    vars: { SOLANA_RPC_URLS: ["/a", "/b", "/c"].map((path) => rpc.endpoint(path)).join(",") },
  });
  const asset = await minted("slowly-read");
  rpc.control.behave("/a", { mode: "hang" });
  assert.equal((await tryLogin(asset)).status, 200);
  const [domain] = objectRows(stack, asset, "SELECT checked_at FROM domain");
  const [session] = objectRows(stack, asset, "SELECT created_at FROM sessions");
  assert.ok(session?.created_at - domain?.checked_at > 2000, JSON.stringify([session, domain]));
});

test("c04 a single endpoint that is configured is believed", async () => {
  await reconfigure(stack, { vars: { SOLANA_RPC_URLS: rpc.endpoint("/a") } });
  const client = stack.client();
  const asset = await minted("believed");
  await login(client, "owner", asset);
  rpc.control.transfer(asset, buyer.address);
  assertProblem(await client.get(`/v1/agents/${asset}/secrets`), 403, "forbidden");
  assert.equal((await tryLogin(asset, buyer)).status, 200);
  assertProblem(await tryLogin(asset), 403, "forbidden");
});

test("c04 an endpoint that is named twice is one that would agree with itself, and is refused", async () => {
  const url = rpc.endpoint("/a");
  const before = stack.logs.length;
  await reconfigure(stack, { vars: { SOLANA_RPC_URLS: `${url},${url}` } });
  const answer = await stack.client().post("/v1/auth/challenge", { asset: collection, wallet: owner.address });
  assertProblem(answer, 503, "misconfigured");
  await until("its name in the log", () =>
    stack.logs.slice(before).some((line) => line.includes("misconfigured") && line.includes("SOLANA_RPC_URLS")),
  );
});
