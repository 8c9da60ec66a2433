// Which accounts of a wallet are used.
import assert from "node:assert/strict";
import { test } from "node:test";
import bs58 from "bs58";
import { connect, isAddress, type Wallet, type WalletAccount } from "./wallets.ts";

const ADDRESS = "GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J";
const OTHER = "So11111111111111111111111111111111111111112";

function account(address: string, chain: `${string}:${string}` = "solana:mainnet"): WalletAccount {
  return { address, publicKey: bs58.decode(address), chains: [chain], features: [] };
}

function wallet(features: Wallet["features"]): Wallet {
  return { version: "1.0.0", name: "Test", icon: "data:image/png;base64,", chains: [], features, accounts: [] };
}

test("only Solana accounts of a wallet are used", async () => {
  const shared = [account(ADDRESS, "eip155:1"), account(OTHER)];
  const feature = (accounts: readonly WalletAccount[]) => ({
    "standard:connect": { connect: async () => ({ accounts }) },
  });
  const usable = await connect(wallet(feature(shared)));
  assert.deepEqual(
    usable.map(({ address }) => address),
    [OTHER],
  );
  await assert.rejects(connect(wallet(feature([]))), /no Solana account/);
});

test("an address is base58 of 32 bytes", () => {
  assert.equal(isAddress(ADDRESS), true);
  for (const text of [
    "",
    "alice.molt",
    ADDRESS.slice(0, -3),
    `${ADDRESS}1`,
    ADDRESS.replace("G", "0"),
    ` ${ADDRESS}`,
  ]) {
    assert.equal(isAddress(text), false, text);
  }
});
