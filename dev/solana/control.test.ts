// The control surface moves the chain, makes endpoints misbehave, and is closed to web pages.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, beforeEach, test } from "node:test";
import { devAccounts, devKeypair } from "./accounts.ts";
import { assetOwner } from "./core-layout.ts";
import { startSolanaRpc } from "./rpc.ts";

const rpc = await startSolanaRpc();
after(() => rpc.close());
beforeEach(() => rpc.control.reset());
const { wallets, assets } = await devAccounts();
const alice = assets[0]?.address ?? "";
const bob = assets[1]?.address ?? "";

function post(path: string, body: unknown, signal: AbortSignal | null = null): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(rpc.endpoint(path), { method: "POST", headers, body: JSON.stringify(body), signal });
}

async function control(name: string, fields: object): Promise<{ status: number; slot?: number; error?: string }> {
  const response = await post(`/control/${name}`, fields);
  return { status: response.status, ...((await response.json()) as object) };
}

function read(path: string, asset = alice, signal: AbortSignal | null = null): Promise<Response> {
  const params = [asset, { encoding: "base64", commitment: "confirmed" }];
  return post(path, { jsonrpc: "2.0", id: 1, method: "getAccountInfo", params }, signal);
}

async function ownerAt(path: string, asset = alice): Promise<string> {
  const { result } = (await (await read(path, asset)).json()) as { result: { value: { data: [string] } } };
  return assetOwner(Buffer.from(result.value.data[0], "base64"));
}

test("transfer, by address or by name, shows on every endpoint", async () => {
  assert.equal((await control("transfer", { asset: alice, owner: wallets.buyer })).status, 200);
  assert.deepEqual([await ownerAt("/"), await ownerAt("/a")], [wallets.buyer, wallets.buyer]);
  assert.equal((await control("transfer", { asset: "alice.molt", owner: "owner" })).status, 200);
  assert.equal(await ownerAt("/"), wallets.owner);
});

test("mint, burn, account and balance", async () => {
  const { address } = await devKeypair("asset:dora.molt");
  assert.equal((await control("mint", { asset: address, name: "dora.molt", owner: "buyer" })).status, 200);
  assert.equal(await ownerAt("/", address), wallets.buyer);
  assert.equal((await control("burn", { asset: "dora.molt" })).status, 200);
  const burned = rpc.ledger.account(address, rpc.ledger.slot("confirmed"));
  assert.deepEqual(burned?.data, Uint8Array.of(0));
  const account = { owner: wallets.owner, data: "AQI=", lamports: 5 };
  assert.equal((await control("account", { address, account })).status, 200);
  assert.deepEqual(rpc.ledger.account(address, rpc.ledger.slot("confirmed"))?.data, Uint8Array.of(1, 2));
  assert.equal((await control("balance", { address, lamports: 9 })).status, 200);
  assert.equal(rpc.ledger.account(address, rpc.ledger.slot("confirmed"))?.lamports, 9);
});

test("what can't be done is said, and changes nothing", async () => {
  const { address } = await devKeypair("nobody");
  assert.equal((await control("transfer", { asset: address, owner: "buyer" })).status, 400);
  assert.equal((await control("transfer", { asset: alice, owner: "mallory" })).status, 400);
  assert.equal((await control("behave", { path: "/a", mode: "sulk" })).status, 400);
  assert.equal((await control("fly", {})).status, 404);
  assert.equal(await ownerAt("/"), wallets.owner);
});

test("web pages and rebound names are refused", async () => {
  const status = (headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request(rpc.endpoint("/control/transfer"), { method: "POST", headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject);
      sent.end(JSON.stringify({ asset: alice, owner: wallets.buyer }));
    });
  assert.equal(await status({ origin: "http://localhost:8787" }), 403);
  assert.equal(await status({ origin: "null" }), 403);
  assert.equal(await status({ "sec-fetch-site": "cross-site" }), 403);
  assert.equal(await status({ host: "rebound.example" }), 403);
  assert.equal(await ownerAt("/"), wallets.owner);
  assert.equal(await status({ host: "localhost:1" }), 200);
  rpc.control.transfer(alice, wallets.owner);
});

test("a lagging endpoint still shows the owner before, the others the new one", async () => {
  await control("behave", { path: "/a", mode: "lag", slots: 1000 });
  rpc.control.transfer(alice, wallets.buyer);
  assert.deepEqual([await ownerAt("/"), await ownerAt("/a")], [wallets.buyer, wallets.owner]);
  rpc.control.transfer(alice, wallets.owner);
});

test("a lying endpoint names its own owner and slot", async () => {
  const { address: thief } = await devKeypair("thief");
  await control("behave", { path: "/b", mode: "lie", owner: thief, asset: alice, slotsAhead: 5000 });
  assert.deepEqual([await ownerAt("/b"), await ownerAt("/b", bob)], [thief, wallets.buyer]);
  assert.equal(await ownerAt("/"), wallets.owner);
  const { result } = (await (await read("/b")).json()) as { result: { context: { slot: number } } };
  assert.ok(result.context.slot >= rpc.ledger.slot("confirmed") + 4900);
});

test("429 has the provider's body and Retry-After", async () => {
  rpc.control.behave("/a", { mode: "429", retryAfterSeconds: 3 });
  const response = await read("/a");
  assert.deepEqual([response.status, response.headers.get("retry-after")], [429, "3"]);
  assert.equal(((await response.json()) as { error: { code: number } }).error.code, 429);
});

test("an error code comes for every call", async () => {
  rpc.control.behave("/a", { mode: "error", code: -32005 });
  const response = await read("/a");
  const { error } = (await response.json()) as { error: { code: number; data: object } };
  assert.deepEqual([response.status, error.code, error.data], [200, -32005, { numSlotsBehind: 160 }]);
  rpc.control.behave("/a", { mode: "error", code: -32603, status: 503 });
  assert.equal((await read("/a")).status, 503);
});

test("malformed, huge and dropped answers", async () => {
  rpc.control.behave("/a", { mode: "malformed" });
  await assert.rejects(async () => (await read("/a")).json(), SyntaxError);
  rpc.control.behave("/a", { mode: "huge", bytes: 3_000_000 });
  const text = await (await read("/a")).text();
  assert.equal(text.length, 3_000_000);
  assert.doesNotThrow(() => JSON.parse(text));
  rpc.control.behave("/a", { mode: "drop" });
  await assert.rejects(read("/a"), /fetch failed/);
});

test("a hanging endpoint never answers, and does not keep the server from closing", async () => {
  const other = await startSolanaRpc();
  other.control.behave("/a", { mode: "hang" });
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "getHealth" });
  const headers = { "content-type": "application/json" };
  const pending = fetch(other.endpoint("/a"), { method: "POST", headers, body });
  const failed = assert.rejects(pending, /fetch failed/);
  // The server has the request when its call is recorded; only then can closing prove anything.
  while (other.control.calls("/a").length === 0) await new Promise((resolve) => setImmediate(resolve));
  await other.close();
  await failed;
});

test("calls are recorded per endpoint", async () => {
  await read("/a");
  await read("/b", bob);
  assert.deepEqual(
    rpc.control.calls("/b").map(({ method, params }) => [method, params[0]]),
    [["getAccountInfo", bob]],
  );
  const state = (await (await fetch(rpc.endpoint("/control/state"))).json()) as { calls: unknown[]; assets: unknown[] };
  assert.equal(state.calls.length, 2);
});
