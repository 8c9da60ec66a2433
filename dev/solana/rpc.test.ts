// The development RPC answers as a node does: reads, errors, encodings and batches.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import bs58 from "bs58";
import { devAccounts, devKeypair } from "./accounts.ts";
import { assetOwner, CORE_PROGRAM } from "./core-layout.ts";
import { startSolanaRpc } from "./rpc.ts";

const rpc = await startSolanaRpc();
after(() => rpc.close());
const { wallets, assets } = await devAccounts();
const alice = assets[0]?.address ?? "";
const nobody = (await devKeypair("nobody")).address;
const truth = rpc.ledger.account(alice, rpc.ledger.slot())?.data ?? new Uint8Array();

interface Answer {
  id?: unknown;
  // biome-ignore lint/suspicious/noExplicitAny: answers are read by path
  result?: any;
  error?: { code: number; message: string; data?: { contextSlot?: number } };
}

async function post(body: string, contentType = "application/json"): Promise<Response> {
  return fetch(rpc.url, { method: "POST", headers: { "content-type": contentType }, body });
}

async function call(method: string, params?: unknown): Promise<Answer> {
  const response = await post(JSON.stringify({ jsonrpc: "2.0", id: 7, method, params }));
  assert.equal(response.status, 200);
  return (await response.json()) as Answer;
}

test("getAccountInfo gives the account with its context", async () => {
  const { id, result } = await call("getAccountInfo", [alice, { encoding: "base64", commitment: "confirmed" }]);
  assert.equal(id, 7);
  assert.ok(result.context.slot <= rpc.ledger.slot("confirmed"));
  assert.equal(typeof result.context.apiVersion, "string");
  assert.equal(result.value.owner, CORE_PROGRAM);
  assert.equal(result.value.executable, false);
  assert.equal(result.value.space, truth.length);
  assert.equal(result.value.data[1], "base64");
  assert.equal(assetOwner(Buffer.from(result.value.data[0], "base64")), wallets.owner);
});

test("rentEpoch is u64::MAX as a bare number", async () => {
  const body = { jsonrpc: "2.0", id: 1, method: "getAccountInfo", params: [alice, { encoding: "base64" }] };
  assert.match(await (await post(JSON.stringify(body))).text(), /"rentEpoch":18446744073709551615[,}]/);
});

test("every encoding carries the same bytes", async () => {
  const data = async (config: object): Promise<[string, string]> =>
    (await call("getAccountInfo", [alice, config])).result.value.data;
  const zstd = await data({ encoding: "base64+zstd" });
  assert.equal(zstd[1], "base64+zstd");
  assert.deepEqual(new Uint8Array(zstdDecompressSync(Buffer.from(zstd[0], "base64"))), truth);
  const parsed = await data({ encoding: "jsonParsed" });
  assert.deepEqual([parsed[1], new Uint8Array(Buffer.from(parsed[0], "base64"))], ["base64", truth]);
  const short = await data({ encoding: "base58", dataSlice: { offset: 1, length: 32 } });
  assert.deepEqual(short, [wallets.owner, "base58"]);
  const plain = await data({});
  assert.equal(typeof plain, "string", "without an encoding a node answers bare base58");
});

test("base58 is refused above 128 bytes", async () => {
  const bytes = (length: number) => ({
    lamports: 1,
    owner: CORE_PROGRAM,
    executable: false,
    data: new Uint8Array(length),
  });
  const read = () => call("getAccountInfo", [nobody, { encoding: "base58", commitment: "processed" }]);
  rpc.control.setAccount(nobody, bytes(129));
  assert.equal((await read()).error?.code, -32600);
  rpc.control.setAccount(nobody, bytes(128));
  assert.equal(bs58.decode((await read()).result.value.data[0]).length, 128);
  rpc.control.setAccount(nobody, null);
});

test("dataSlice cuts the data and not the space", async () => {
  const slice = async (offset: number, length: number): Promise<[Uint8Array, number]> => {
    const { value } = (await call("getAccountInfo", [alice, { encoding: "base64", dataSlice: { offset, length } }]))
      .result;
    return [new Uint8Array(Buffer.from(value.data[0], "base64")), value.space];
  };
  assert.deepEqual(await slice(0, 66), [truth.slice(0, 66), truth.length]);
  assert.deepEqual(await slice(100, 1000), [truth.slice(100), truth.length]);
  assert.deepEqual(await slice(1000, 1), [new Uint8Array(), truth.length]);
});

test("getMultipleAccounts keeps the order, with null for what is missing, up to 100", async () => {
  const { result } = await call("getMultipleAccounts", [[nobody, alice, wallets.owner]]);
  assert.deepEqual(
    result.value.map((account: { owner: string } | null) => account?.owner ?? null),
    [null, CORE_PROGRAM, "11111111111111111111111111111111"],
  );
  assert.equal((await call("getMultipleAccounts", [Array(100).fill(alice)])).result.value.length, 100);
  const { error } = await call("getMultipleAccounts", [Array(101).fill(alice)]);
  assert.deepEqual([error?.code, error?.message], [-32602, "Too many inputs provided; max 100"]);
});

test("minContextSlot ahead of the node is -32016 with the node's slot", async () => {
  const now = (await call("getSlot", [{ commitment: "processed" }])).result as number;
  const { error } = await call("getAccountInfo", [alice, { minContextSlot: now + 1000, commitment: "processed" }]);
  assert.equal(error?.code, -32016);
  assert.ok((error?.data?.contextSlot ?? 0) >= now);
  const fine = await call("getAccountInfo", [
    alice,
    { minContextSlot: now, commitment: "processed", encoding: "base64" },
  ]);
  assert.ok(fine.result.value);
});

test("the default commitment is finalized", async () => {
  const at = async (config?: object): Promise<number> => (await call("getSlot", config && [config])).result;
  const [unnamed, processed] = [await at(), await at({ commitment: "processed" })];
  assert.ok(processed - unnamed >= 31, `${processed} and ${unnamed}`);
});

test("balances, block hash, health and version", async () => {
  assert.equal((await call("getBalance", [wallets.buyer])).result.value, 10_000_000_000);
  assert.equal((await call("getBalance", [nobody])).result.value, 0);
  const { value, context } = (await call("getLatestBlockhash")).result;
  assert.equal(bs58.decode(value.blockhash).length, 32);
  assert.ok(value.lastValidBlockHeight > context.slot);
  assert.equal((await call("getHealth")).result, "ok");
  assert.ok((await call("getVersion")).result["solana-core"]);
});

test("bad calls get the standard codes", async () => {
  const code = async (body: unknown): Promise<number | undefined> => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return ((await (await post(text)).json()) as Answer).error?.code;
  };
  const request = { jsonrpc: "2.0", id: 1, method: "getAccountInfo", params: [alice] as unknown };
  assert.equal(await code("{"), -32700);
  assert.equal(await code([]), -32600);
  assert.equal(await code({ ...request, jsonrpc: "1.0" }), -32600);
  assert.equal(await code({ jsonrpc: "2.0", id: 1 }), -32600);
  assert.equal(await code({ ...request, method: "getProgramAccounts" }), -32601);
  for (const params of [undefined, [], { address: alice }, ["0OIl"], ["abc"], [7], [alice, { encoding: "hex" }]]) {
    assert.equal(await code({ ...request, params }), -32602, JSON.stringify(params));
  }
  for (const config of [{ commitment: "recent" }, { dataSlice: { offset: 0 } }, { minContextSlot: -1 }, "finalized"]) {
    assert.equal(await code({ ...request, params: [alice, config] }), -32602, JSON.stringify(config));
  }
});

test("a batch is answered call by call, without the notifications", async () => {
  const health = { jsonrpc: "2.0", method: "getHealth" };
  const batch = [{ ...health, id: "a" }, health, { ...health, id: 2, method: "nope" }, 5];
  const answers = (await (await post(JSON.stringify(batch))).json()) as Answer[];
  assert.deepEqual(
    answers.map(({ id, result, error }) => [id, result ?? error?.code]),
    [
      ["a", "ok"],
      [2, -32601],
      [null, -32600],
    ],
  );
  assert.equal(await (await post(JSON.stringify(health))).text(), "");
});

test("only JSON by POST, within a node's size limit", async () => {
  assert.equal((await fetch(rpc.url)).status, 405);
  assert.equal((await post("{}", "text/plain")).status, 415);
  assert.equal((await post(`"${"x".repeat(51 * 1024)}"`)).status, 413);
});
