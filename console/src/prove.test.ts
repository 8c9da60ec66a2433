// Which way of signing a wallet is asked for, and what is posted back to the service.
import assert from "node:assert/strict";
import { test } from "node:test";
import bs58 from "bs58";
import type { Challenge } from "./api.ts";
import { prove, type Shown, showable } from "./prove.ts";
import type { Wallet, WalletAccount } from "./wallets.ts";

const ADDRESS = "GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J";
const OTHER = "So11111111111111111111111111111111111111112";
const SIGNATURE = new Uint8Array(64).fill(7);
const TRANSACTION = Uint8Array.of(1, 2, 3, 0xfe);
const CHALLENGE: Challenge = {
  nonce: "0123456789abcdef",
  message: "the exact text",
  input: { domain: "console.example", address: ADDRESS, chainId: "mainnet" },
  transaction: btoa(String.fromCharCode(...TRANSACTION)),
};
const BY_TRANSACTION = { nonce: CHALLENGE.nonce, transaction: "AQID/v8=" };

function account(address: string, features: WalletAccount["features"] = []): WalletAccount {
  return { address, publicKey: bs58.decode(address), chains: ["solana:mainnet"], features };
}

function wallet(features: Wallet["features"]): Wallet {
  return { version: "1.0.0", name: "Test", icon: "data:image/png;base64,", chains: [], features, accounts: [] };
}

/** A wallet with each way of signing; those not given fail as a wallet does that cannot. */
function full(given: Record<string, () => Promise<unknown>>, asked: string[]): Wallet {
  const feature = (name: string) => ({
    [name]: () => {
      asked.push(name);
      const unsupported = async () => Promise.reject(new Error("not supported by this device"));
      return (given[name] ?? unsupported)();
    },
  });
  const names = ["signIn", "signMessage", "signTransaction"];
  return wallet(Object.fromEntries(names.map((name) => [`solana:${name}`, feature(name)])));
}

const rejected = async () => Promise.reject(Object.assign(new Error("no"), { code: 4001 }));
const signedTransaction = async () => [{ signedTransaction: Uint8Array.of(...TRANSACTION, 0xff) }];
const signedMessage = async () => [
  { signedMessage: new TextEncoder().encode(CHALLENGE.message), signature: SIGNATURE },
];

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

test("an answer that cannot be used is refused before it is sent, and no other way is tried", async () => {
  const another = { account: account(OTHER), signedMessage: new Uint8Array(), signature: SIGNATURE };
  for (const [outputs, error] of [
    [[another], /another account/],
    [[], /no signature/],
  ] as const) {
    const asked: string[] = [];
    const ways = full({ signIn: async () => outputs, signMessage: signedMessage }, asked);
    await assert.rejects(prove(ways, account(ADDRESS), CHALLENGE), error);
    assert.deepEqual(asked, ["signIn"]);
  }
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
  assert.deepEqual(proof, {
    nonce: CHALLENGE.nonce,
    signature: bs58.encode(SIGNATURE),
    signedMessage: "/3NvbA==",
  });
});

test("solana:signTransaction gets the transaction and the chain, and what the wallet signed goes back", async () => {
  const inputs: unknown[] = [];
  const signTransaction = async (input: unknown) => {
    inputs.push(input);
    return signedTransaction();
  };
  const of = account(ADDRESS);
  const proof = await prove(wallet({ "solana:signTransaction": { signTransaction } }), of, CHALLENGE);
  assert.deepEqual(inputs, [{ account: of, transaction: TRANSACTION, chain: "solana:mainnet" }]);
  assert.deepEqual(proof, BY_TRANSACTION);
});

test("what a wallet turns out not to support is followed by the next way, down to the transaction", async () => {
  const asked: string[] = [];
  const shown: Shown[] = [];
  const onAsk = (what: Shown) => shown.push(what);
  const proof = await prove(full({ signTransaction: signedTransaction }, asked), account(ADDRESS), CHALLENGE, {
    onAsk,
  });
  assert.deepEqual(proof, BY_TRANSACTION);
  assert.deepEqual(asked, ["signIn", "signMessage", "signTransaction"]);
  assert.deepEqual(shown, ["message", "message", "transaction"]);
});

test("when no way works the last one's error is shown", async () => {
  await assert.rejects(prove(full({}, []), account(ADDRESS), CHALLENGE), /not supported by this device/);
  await assert.rejects(prove(wallet({}), account(ADDRESS), CHALLENGE), /can sign nothing/);
});

test("a refusal by the owner is not followed by another question", async () => {
  const ways = { signIn: rejected, signMessage: signedMessage, signTransaction: signedTransaction };
  const asked: string[] = [];
  await assert.rejects(prove(full(ways, asked), account(ADDRESS), CHALLENGE), { code: 4001 });
  assert.deepEqual(asked, ["signIn"]);
  const { signIn: _, ...without } = ways;
  const later: string[] = [];
  await assert.rejects(prove(full({ ...without, signMessage: rejected }, later), account(ADDRESS), CHALLENGE));
  assert.deepEqual(later, ["signIn", "signMessage"]);
});

test("nothing more is asked for once the owner cancelled", async () => {
  const asked: string[] = [];
  const cancelled = new AbortController();
  const signIn = async () => {
    cancelled.abort();
    throw new Error("window closed");
  };
  const ways = full({ signIn, signMessage: signedMessage }, asked);
  await assert.rejects(prove(ways, account(ADDRESS), CHALLENGE, { signal: cancelled.signal }), { name: "AbortError" });
  assert.deepEqual(asked, ["signIn"]);
});

test("an account is asked for what it can do: one that signs transactions only, for nothing else", async () => {
  const cases: [WalletAccount["features"], string[]][] = [
    [["solana:signTransaction", "solana:signAndSendTransaction"], ["signTransaction"]],
    [
      ["solana:signMessage", "solana:signTransaction"],
      ["signIn", "signMessage", "signTransaction"],
    ],
    [
      ["solana:signIn", "solana:signTransaction"],
      ["signIn", "signTransaction"],
    ],
    [[], ["signIn", "signMessage", "signTransaction"]],
  ];
  for (const [features, expected] of cases) {
    const asked: string[] = [];
    await prove(full({ signTransaction: signedTransaction }, asked), account(ADDRESS, features), CHALLENGE);
    assert.deepEqual(asked, expected, String(features));
  }
});

test("the owner's wish for a transaction is kept to", async () => {
  const asked: string[] = [];
  const ways = full({ signMessage: signedMessage, signTransaction: signedTransaction }, asked);
  assert.deepEqual(await prove(ways, account(ADDRESS), CHALLENGE, { only: "transaction" }), BY_TRANSACTION);
  assert.deepEqual(asked, ["signTransaction"]);
  assert.deepEqual([...showable(ways)], ["message", "transaction"]);
  assert.deepEqual([...showable(wallet({ "solana:signMessage": {} }))], ["message"]);
});
