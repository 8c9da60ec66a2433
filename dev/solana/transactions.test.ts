// What the development node makes of transactions: it checks and carries out, and refuses in the words of a real one.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { address } from "@solana/addresses";
import {
  appendTransactionMessageInstructions,
  createTransactionMessage,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/transaction-messages";
import { compileTransaction, getTransactionEncoder } from "@solana/transactions";
import bs58 from "bs58";
import { devAccounts, devKeypair } from "./accounts.ts";
import { CORE_PROGRAM, pubkey, rentExemption, SYSTEM_PROGRAM } from "./core-layout.ts";
import { EXECUTE_FEE } from "./programs.ts";
import { startSolanaRpc } from "./rpc.ts";
import { associatedTokenAddress, derivedAddress, mintAccount, newTokenAccount, TOKEN_PROGRAM } from "./token-layout.ts";
import { BLOCKHASH_LIFETIME, blockhashOf } from "./transactions.ts";

const rpc = await startSolanaRpc();
after(() => rpc.close());
beforeEach(() => rpc.control.reset());
const [owner, buyer] = [await devKeypair("owner"), await devKeypair("buyer")];
const { collection, assets } = await devAccounts();
const alice = assets[0]?.address ?? "";
const wallet = derivedAddress([new TextEncoder().encode("mpl-core-execute"), pubkey(alice)], CORE_PROGRAM);
const LAMPORTS = 5_000_000;

type Blockhash = Parameters<typeof setTransactionMessageLifetimeUsingBlockhash>[0]["blockhash"];
// biome-ignore lint/suspicious/noExplicitAny: each test looks at what it asked for.
type Any = any;

async function call(method: string, ...params: unknown[]): Promise<{ result?: Any; error?: Any }> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return (await (await fetch(rpc.url, { method: "POST", headers, body })).json()) as Any;
}

interface Made {
  readonly signer?: typeof owner;
  readonly blockhash?: string;
  readonly lamports?: number;
  readonly collection?: string;
}

/** ExecuteV1: SOL out of alice's wallet. */
async function transfer(made: Made = {}) {
  const { signer = owner, blockhash = blockhashOf(rpc.ledger.slot("confirmed")), lamports = LAMPORTS } = made;
  const inner = Buffer.alloc(12);
  inner.writeUInt32LE(2);
  inner.writeBigUInt64LE(BigInt(lamports), 4);
  const accounts = [
    ...[alice, made.collection ?? collection].map((it) => ({ address: address(it), role: 1 })),
    { address: address(wallet), role: 0 },
    { address: address(signer.address), role: 3 },
    { address: address(signer.address), role: 2 },
    ...[SYSTEM_PROGRAM, SYSTEM_PROGRAM].map((it) => ({ address: address(it), role: 0 })),
    ...[wallet, buyer.address].map((it) => ({ address: address(it), role: 1 })),
  ];
  const data = Buffer.concat([Buffer.of(31, 12, 0, 0, 0), inner]);
  const message = setTransactionMessageLifetimeUsingBlockhash(
    { blockhash: blockhash as Blockhash, lastValidBlockHeight: 0n },
    setTransactionMessageFeePayer(address(signer.address), createTransactionMessage({ version: 0 })),
  );
  const compiled = compileTransaction(
    appendTransactionMessageInstructions([{ programAddress: address(CORE_PROGRAM), accounts, data }], message),
  );
  const bytes = new Uint8Array(compiled.messageBytes);
  const signature = await signer.sign(bytes);
  const signatures = { [signer.address]: signature } as typeof compiled.signatures;
  const wire = new Uint8Array(getTransactionEncoder().encode({ ...compiled, signatures }));
  return { wire, message: Buffer.from(bytes).toString("base64"), signature: bs58.encode(signature) };
}

const send = (wire: Uint8Array) =>
  call("sendTransaction", Buffer.from(wire).toString("base64"), {
    encoding: "base64",
    preflightCommitment: "confirmed",
  });
const balance = (of: string): number => rpc.ledger.account(of, rpc.ledger.slot("processed"))?.lamports ?? 0;

test("a transfer out of an asset's wallet is carried out once, for its fees, and can be followed", async () => {
  rpc.control.setBalance(wallet, 10 * LAMPORTS);
  const { wire, message, signature } = await transfer();
  const fee = (commitment: string) => call("getFeeForMessage", message, { commitment });
  assert.equal((await fee("confirmed")).result.value, 5000);
  assert.equal((await fee("finalized")).result.value, null, "a block that is not known at that level");
  const before = [wallet, buyer.address, owner.address].map(balance);
  for (let round = 0; round < 2; round++) assert.equal((await send(wire)).result, signature);
  const after = [wallet, buyer.address, owner.address].map(balance);
  assert.deepEqual(
    after.map((it, at) => it - (before[at] ?? 0)),
    [-LAMPORTS, LAMPORTS, -EXECUTE_FEE - 5000],
  );
  const { result } = await call("getSignatureStatuses", [signature, bs58.encode(new Uint8Array(64))]);
  const [status, unknown] = result.value;
  assert.deepEqual([status.err, status.confirmationStatus, status.status], [null, "confirmed", { Ok: null }]);
  assert.equal(unknown, null);
});

test("what would fail is refused as a node refuses it, and changes nothing", async () => {
  rpc.control.setBalance(wallet, 10 * LAMPORTS);
  const cases: [Made, unknown][] = [
    [{ blockhash: blockhashOf(rpc.ledger.slot("confirmed") - BLOCKHASH_LIFETIME - 50) }, "BlockhashNotFound"],
    [{ signer: buyer }, { InstructionError: [0, { Custom: 26 }] }],
    [{ collection: buyer.address }, { InstructionError: [0, { Custom: 25 }] }],
    [{ lamports: 11 * LAMPORTS }, { InstructionError: [0, { Custom: 1 }] }],
    [{ lamports: 10 * LAMPORTS - 1 }, { InsufficientFundsForRent: {} }],
    [{ signer: await devKeypair("nobody") }, "AccountNotFound"],
  ];
  for (const [made, err] of cases) {
    const { wire } = await transfer(made);
    const { error } = await send(wire);
    // Which account it is depends on how the message was put together.
    delete error?.data.err.InsufficientFundsForRent?.account_index;
    assert.deepEqual([error?.code, error?.data.err], [-32002, err], JSON.stringify(error));
  }
  const { wire, message } = await transfer({ blockhash: blockhashOf(1) });
  assert.equal((await call("getFeeForMessage", message)).result.value, null);
  wire[1] = (wire[1] ?? 0) ^ 1;
  assert.equal((await send(wire)).error.code, -32003);
  assert.equal((await send(wire.subarray(0, 80))).error.code, -32602);
  assert.equal(balance(wallet), 10 * LAMPORTS);
});

test("an endpoint that swallows takes a transaction, and nothing comes of it", async () => {
  rpc.control.setBalance(wallet, 10 * LAMPORTS);
  rpc.control.behave("/", { mode: "swallow" });
  const { wire, signature } = await transfer();
  assert.equal((await send(wire)).result, signature);
  assert.equal(balance(wallet), 10 * LAMPORTS);
  assert.deepEqual((await call("getSignatureStatuses", [signature])).result.value, [null]);
});

test("token accounts are found by their owner and program, and rent is told", async () => {
  const { address: mint } = await devKeypair("a mint");
  const place = associatedTokenAddress(wallet, mint);
  rpc.control.setAccount(mint, mintAccount({ decimals: 6 }));
  rpc.control.setAccount(place, newTokenAccount({ mint, owner: wallet, amount: 7n }));
  const config = { encoding: "base64", commitment: "confirmed", dataSlice: { offset: 64, length: 8 } };
  const { result } = await call("getTokenAccountsByOwner", wallet, { programId: TOKEN_PROGRAM }, config);
  assert.deepEqual(
    result.value.map(({ pubkey: at, account }: Any) => [at, account.data[0], account.space]),
    [[place, Buffer.of(7, 0, 0, 0, 0, 0, 0, 0).toString("base64"), 165]],
  );
  const other = await call("getTokenAccountsByOwner", buyer.address, { mint }, config);
  assert.deepEqual(other.result.value, []);
  const wrong = await call("getTokenAccountsByOwner", wallet, { programId: SYSTEM_PROGRAM }, config);
  assert.equal(wrong.error.code, -32602);
  assert.equal((await call("getMinimumBalanceForRentExemption", 165)).result, rentExemption(165));
});
