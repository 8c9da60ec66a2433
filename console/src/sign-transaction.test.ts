// Which wallet is asked to sign a transaction, with which account, and what of its answer is taken.
import assert from "node:assert/strict";
import { test } from "node:test";
import bs58 from "bs58";
import { base64, fromBase64 } from "./base64.ts";
import { bySharing, canSign, signatureOf, signTransaction } from "./sign-transaction.ts";
import { ChangedTransaction } from "./transaction-report.ts";
import type { Wallet, WalletAccount } from "./wallets.ts";

const OWNER = "GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J";
const OTHER = "So11111111111111111111111111111111111111112";
const MESSAGE = Uint8Array.of(0x80, 1, 2, 3);
const UNSIGNED = Uint8Array.of(1, ...new Uint8Array(64), ...MESSAGE);
const SIGNED = Uint8Array.of(1, ...new Uint8Array(64).fill(7), ...MESSAGE);
const PREPARED = { transaction: base64(UNSIGNED), chain: "mainnet" };

const account = (address: string): WalletAccount => ({
  address,
  publicKey: bs58.decode(address),
  chains: ["solana:devnet", "solana:mainnet"],
  features: [],
});

interface Options {
  readonly shared?: readonly WalletAccount[];
  readonly connected?: readonly WalletAccount[];
  readonly answer?: Uint8Array;
  readonly versions?: readonly unknown[];
  readonly asked?: unknown[];
}

function wallet({
  shared = [],
  connected = [account(OWNER)],
  answer = SIGNED,
  versions = ["legacy", 0],
  asked = [],
}: Options = {}): Wallet {
  const signTransaction = async (input: unknown) => {
    asked.push(input);
    return [{ signedTransaction: answer }];
  };
  const features = {
    "standard:connect": { version: "1.0.0", connect: async () => ({ accounts: connected }) },
    "solana:signTransaction": { version: "1.0.0", supportedTransactionVersions: versions, signTransaction },
  };
  return {
    version: "1.0.0",
    name: "Heron",
    icon: "data:image/png;base64,",
    chains: ["solana:mainnet"],
    features,
    accounts: shared,
  };
}

test("the owner's account is asked to sign exactly what was prepared, for its chain", async () => {
  const asked: unknown[] = [];
  const signed = await signTransaction(wallet({ connected: [account(OTHER), account(OWNER)], asked }), OWNER, PREPARED);
  assert.deepEqual(fromBase64(signed), SIGNED);
  assert.equal(signatureOf(signed), bs58.encode(new Uint8Array(64).fill(7)));
  assert.deepEqual(asked, [{ account: account(OWNER), transaction: UNSIGNED, chain: "solana:mainnet" }]);
});

test("a chain that the account does not name is not named to it", async () => {
  const asked: unknown[] = [];
  await signTransaction(wallet({ asked }), OWNER, { ...PREPARED, chain: "localnet" });
  assert.deepEqual(asked, [{ account: account(OWNER), transaction: UNSIGNED }]);
});

test("a wallet without the owner's account is asked nothing more", async () => {
  const asked: unknown[] = [];
  await assert.rejects(
    signTransaction(wallet({ connected: [account(OTHER)], asked }), OWNER, PREPARED),
    /holds the domain/,
  );
  assert.deepEqual(asked, []);
});

test("a transaction that the wallet changed is not taken", async () => {
  const longer = Uint8Array.of(...SIGNED, 4);
  const other = SIGNED.slice();
  other[other.length - 1] = 9;
  const more = SIGNED.slice();
  more[0] = 2;
  for (const answer of [longer, other, more, SIGNED.slice(0, -1), new Uint8Array()])
    await assert.rejects(signTransaction(wallet({ answer }), OWNER, PREPARED), ChangedTransaction);
});

test("only wallets that sign version 0 are offered, the one with the owner's account first", () => {
  const old = wallet({ versions: ["legacy"] });
  const silent = wallet();
  const sharing = wallet({ shared: [account(OWNER)] });
  const careless = { ...silent, features: { "solana:signTransaction": {} } };
  const none = { ...silent, features: {} };
  assert.deepEqual([old, silent, none, careless].map(canSign), [false, true, false, false]);
  assert.deepEqual(bySharing([old, silent, sharing], OWNER), [sharing, silent]);
});
