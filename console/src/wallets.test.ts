// What is posted back to the service for each way of signing.
import assert from "node:assert/strict";
import { test } from "node:test";
import bs58 from "bs58";
import type { Challenge } from "./api.ts";
import { connect, isAddress, prove, type Wallet, type WalletAccount } from "./wallets.ts";

const ADDRESS = "GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J";
const OTHER = "So11111111111111111111111111111111111111112";
const SIGNATURE = new Uint8Array(64).fill(7);
const CHALLENGE: Challenge = {
  nonce: "0123456789abcdef",
  message: "the exact text",
  input: { domain: "console.example", address: ADDRESS },
};

function account(address: string, chain: `${string}:${string}` = "solana:mainnet"): WalletAccount {
  return { address, publicKey: bs58.decode(address), chains: [chain], features: [] };
}

function wallet(features: Wallet["features"]): Wallet {
  return { version: "1.0.0", name: "Test", icon: "data:image/png;base64,", chains: [], features, accounts: [] };
}

test("solana:signIn gets the challenge's input, and the bytes that the wallet signed go back", async () => {
  const inputs: unknown[] = [];
  const signIn = async (input: unknown) => {
    inputs.push(input);
    return [
      { account: account(ADDRESS), signedMessage: new TextEncoder().encode("built by wallet"), signature: SIGNATURE },
    ];
  };
  const refuse = async () => assert.fail("signMessage is not used where signIn is there");
  const features = { "solana:signIn": { signIn }, "solana:signMessage": { signMessage: refuse } };
  const proof = await prove(wallet(features), account(ADDRESS), CHALLENGE);
  assert.deepEqual(inputs, [CHALLENGE.input]);
  assert.deepEqual(proof, {
    nonce: CHALLENGE.nonce,
    signature: bs58.encode(SIGNATURE),
    signedMessage: btoa("built by wallet"),
  });
});

test("a sign-in with another account than the challenge's is refused before it is sent", async () => {
  const signIn = async () => [{ account: account(OTHER), signedMessage: new Uint8Array(), signature: SIGNATURE }];
  await assert.rejects(prove(wallet({ "solana:signIn": { signIn } }), account(ADDRESS), CHALLENGE), /another account/);
});

test("solana:signMessage signs the exact text, which then need not be sent back", async () => {
  const signMessage = async ({ message }: { message: Uint8Array }) => {
    assert.equal(new TextDecoder().decode(message), CHALLENGE.message);
    return [{ signedMessage: message, signature: SIGNATURE }];
  };
  const proof = await prove(wallet({ "solana:signMessage": { signMessage } }), account(ADDRESS), CHALLENGE);
  assert.deepEqual(proof, { nonce: CHALLENGE.nonce, signature: bs58.encode(SIGNATURE) });
});

test("a message that the wallet wrapped is sent back as signed", async () => {
  const wrapped = Uint8Array.of(0xff, 0x73, 0x6f, 0x6c);
  const signMessage = async () => [{ signedMessage: wrapped, signature: SIGNATURE }];
  const proof = await prove(wallet({ "solana:signMessage": { signMessage } }), account(ADDRESS), CHALLENGE);
  assert.equal(proof.signedMessage, "/3NvbA==");
});

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
