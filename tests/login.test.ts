// Login, seen from outside: what a challenge is, which proofs it takes, and who gets a session (C01 to C04).
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import bs58 from "bs58";
import { devAccounts, devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import { SYSTEM_PROGRAM } from "../dev/solana/core-layout.ts";
import type { Client } from "./support/client.ts";
import type { Answer } from "./support/http.ts";
import { buildText, type Challenge, challenge, envelope, login, verify } from "./support/login.ts";
import { objectCount } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { testStack } from "./support/stack.ts";
import { kvEntry } from "./support/storage.ts";
import { SESSION_COOKIE } from "./support/tokens.ts";
import { until } from "./support/wait.ts";

const stack = await testStack();
const { collection, wallets } = await devAccounts();
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
const alice = await devAssetAddress("alice.molt");
const text = (message: string): Uint8Array => new TextEncoder().encode(message);

/** An asset that the owner's wallet holds, unless said otherwise. */
async function minted(name: string, fields: { collection?: string | null; updateAuthority?: string } = {}) {
  const asset = await devAssetAddress(name);
  stack.rpc.control.mint({ asset, name, owner: wallets.owner, ...fields });
  return asset;
}

function assertNoSession(client: Client, answer: Answer): void {
  assert.deepEqual(answer.setCookies, []);
  assert.equal(client.cookies.size, 0);
}

test("c01 a challenge has a random nonce of 128 bits, lives 300 s, and binds all that is signed", async () => {
  const client = stack.client();
  const answer = await client.post("/v1/auth/challenge", { asset: alice, wallet: wallets.owner });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(answer.headers["cache-control"], "no-store");
  const { nonce, message, input, transaction, issuedAt, expiresAt, ...more } = answer.json();
  assert.deepEqual(more, {});
  assert.match(nonce, /^[0-9a-f]{32}$/);
  assert.equal(Date.parse(expiresAt) - Date.parse(issuedAt), 300_000);
  assert.ok(Math.abs(Date.parse(issuedAt) - Date.now()) < 60_000);
  const statement = `Open the agent of ${alice}. This moves no funds.`;
  assert.equal(
    message,
    `${stack.agentDomain} wants you to sign in with your Solana account:
${wallets.owner}

${statement}

URI: ${stack.appOrigin}
Version: 1
Chain ID: localnet
Nonce: ${nonce}
Issued At: ${issuedAt}
Expiration Time: ${expiresAt}
Request ID: ${alice}`,
  );
  assert.deepEqual(input, {
    domain: stack.agentDomain,
    address: wallets.owner,
    statement,
    uri: stack.appOrigin,
    version: "1",
    chainId: "localnet",
    nonce,
    issuedAt,
    expirationTime: expiresAt,
    requestId: alice,
  });
  assert.equal(buildText(input), message);
  assert.ok(Buffer.from(transaction, "base64").includes(message), "the transaction has the text as its memo");
  assertNoSession(client, answer);
});

test("c01 nonces do not repeat", async () => {
  const client = stack.client();
  const all = await Promise.all(Array.from({ length: 20 }, () => challenge(client, alice, wallets.owner)));
  const nonces = all.map(({ nonce }) => nonce);
  assert.equal(new Set(nonces).size, 20);
  // No digit stands still, as a counter's would.
  for (let at = 0; at < 32; at++) assert.ok(new Set(nonces.map((nonce) => nonce[at])).size > 2, `digit ${at}`);
});

test("c01 KV forgets a challenge after 300 s", async () => {
  const { nonce, issuedAt } = await challenge(stack.client(), alice, wallets.owner);
  const lives = (Number(kvEntry(stack, `challenge:${nonce}`)?.expiration) - Date.parse(issuedAt)) / 1000;
  assert.ok(lives > 298 && lives < 330, `${lives} s`);
});

/** Makes a stored challenge so many seconds older, and gives the text that goes with it. */
async function agedText(client: Client, seconds: number): Promise<[Challenge, Uint8Array]> {
  const fresh = await challenge(client, alice, wallets.owner);
  const [file = "", ...more] = stack.filesWith(fresh.nonce).filter((path) => path.includes("/blobs/"));
  assert.ok(file !== "" && more.length === 0, "one stored value");
  const earlier = (time: string): string => new Date(Date.parse(time) - seconds * 1000).toISOString();
  const aged = { ...fresh.input, issuedAt: earlier(fresh.issuedAt), expirationTime: earlier(fresh.expiresAt) };
  const stored = readFileSync(file, "utf8");
  const changed = stored
    .replaceAll(fresh.issuedAt, aged.issuedAt)
    .replaceAll(fresh.expiresAt, aged.expirationTime)
    .replaceAll(String(Date.parse(fresh.issuedAt)), String(Date.parse(aged.issuedAt)))
    .replaceAll(String(Date.parse(fresh.expiresAt)), String(Date.parse(aged.expirationTime)));
  assert.notEqual(changed, stored);
  assert.equal(changed.length, stored.length);
  writeFileSync(file, changed);
  return [fresh, text(buildText(aged))];
}

test("c01 a challenge older than 300 s is refused though KV still serves it", async () => {
  const client = stack.client();
  const [young, youngText] = await agedText(client, 200);
  assert.equal((await verify(client, young, owner, { bytes: youngText, sendBytes: true })).status, 200);
  const late = stack.client();
  const [old, oldText] = await agedText(late, 301);
  const answer = await verify(late, old, owner, { bytes: oldText, sendBytes: true });
  assertProblem(answer, 401, "challenge_invalid");
  assertNoSession(late, answer);
});

test("c02 a nonce works once", async () => {
  const client = stack.client();
  const once = await challenge(client, alice, wallets.owner);
  assert.equal((await verify(client, once, owner)).status, 200);
  const again = stack.client();
  const answer = await verify(again, once, owner);
  assertProblem(answer, 401, "challenge_invalid");
  assertNoSession(again, answer);
});

test("c02 of ten concurrent verifications of one nonce exactly one succeeds", async () => {
  for (let round = 0; round < 3; round++) {
    const once = await challenge(stack.client(), alice, wallets.owner);
    const answers = await Promise.all(Array.from({ length: 10 }, () => verify(stack.client(), once, owner)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      assertProblem(answer, 401, "challenge_invalid");
      assert.deepEqual(answer.setCookies, []);
    }
  }
});

test("c02 a failed verification burns the nonce", async () => {
  const client = stack.client();
  const once = await challenge(client, alice, wallets.owner);
  assertProblem(await verify(client, once, buyer), 401, "signature_invalid");
  const answer = await verify(client, once, owner);
  assertProblem(answer, 401, "challenge_invalid");
  assertNoSession(client, answer);
});

test("c02 a nonce that was never given out is refused like a spent one", async () => {
  const client = stack.client();
  const real = await challenge(client, alice, wallets.owner);
  assertProblem(await verify(client, { ...real, nonce: "0".repeat(32) }, owner), 401, "challenge_invalid");
});

test("c03 the owner's signature over the text gives a session", async () => {
  const client = stack.client();
  const answer = await login(client, "owner", alice);
  const { expiresAt, ...view } = answer.json();
  assert.deepEqual(view, { asset: alice, wallet: wallets.owner, domain: "alice.molt" });
  assert.ok(Math.abs(Date.parse(expiresAt) - Date.now() - 7 * 86_400_000) < 60_000, expiresAt);
  assert.deepEqual((await client.get("/v1/auth/session")).json(), answer.json());
  assert.ok(!answer.text.includes(client.cookies.get(SESSION_COOKIE) ?? "missing"), "the body holds no token");
});

test("c03 a wallet may build the text itself, and may wrap it as an off-chain message", async () => {
  const wraps: [string, (message: string) => Uint8Array][] = [
    ["plain", text],
    ["legacy envelope", envelope.legacy],
    ["envelope v0", (message) => envelope.v0(message, owner.publicKey)],
    ["envelope v1", (message) => envelope.v1(message, owner.publicKey)],
  ];
  for (const [name, wrap] of wraps) {
    const client = stack.client();
    const made = await challenge(client, alice, wallets.owner);
    const answer = await verify(client, made, owner, { bytes: wrap(buildText(made.input)), sendBytes: true });
    assert.equal(answer.status, 200, `${name}: ${answer.text}`);
    assert.equal((await client.get("/v1/auth/session")).status, 200, name);
  }
});

test("c03 a signed text that differs in any field is refused", async () => {
  const other = "2026-01-15T12:00:00.000Z";
  const changes: Record<string, string | string[]>[] = [
    { domain: "evil.example" },
    { uri: "http://evil.example" },
    { uri: "" },
    { address: wallets.buyer },
    { statement: `Open the agent of ${wallets.buyer}. This moves no funds.` },
    { statement: "" },
    { chainId: "mainnet" },
    { version: "2" },
    { nonce: "0".repeat(32) },
    { issuedAt: other },
    { expirationTime: other },
    { expirationTime: "" },
    { notBefore: other },
    { requestId: "1" },
    { requestId: "" },
    { requestId: wallets.buyer },
    { resources: ["https://evil.example/"] },
  ];
  for (const change of changes) {
    const client = stack.client();
    const made = await challenge(client, alice, wallets.owner);
    const bytes = text(buildText({ ...made.input, ...change }));
    const answer = await verify(client, made, owner, { bytes, sendBytes: true });
    assertProblem(answer, 401, "signature_invalid");
    assertNoSession(client, answer);
  }
});

test("c03 an envelope for another signer, a broken one, and bytes that are no text are refused", async () => {
  const make: ((message: string) => Uint8Array)[] = [
    (message) => envelope.v0(message, buyer.publicKey),
    (message) => envelope.v1(message, buyer.publicKey),
    (message) => envelope.v0(message, owner.publicKey).subarray(0, -1),
    (message) => envelope.v0(`${message}\n`, owner.publicKey),
    () => Uint8Array.of(0xff, 0xfe, 0x00),
    () => new Uint8Array(),
  ];
  for (const bytes of make) {
    const client = stack.client();
    const made = await challenge(client, alice, wallets.owner);
    const answer = await verify(client, made, owner, { bytes: bytes(made.message), sendBytes: true });
    assertProblem(answer, 401, "signature_invalid");
    assertNoSession(client, answer);
  }
});

test("c03 another key's signature is refused, and one over other bytes than those sent", async () => {
  const client = stack.client();
  assertProblem(await verify(client, await challenge(client, alice, wallets.owner), buyer), 401, "signature_invalid");
  const made = await challenge(client, alice, wallets.owner);
  assertProblem(await verify(client, made, owner, { bytes: text("hello") }), 401, "signature_invalid");
  assert.equal(client.cookies.size, 0);
});

test("c03 verification is strict: no malleable signature, no key of small order", async () => {
  const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
  const client = stack.client();
  const made = await challenge(client, alice, wallets.owner);
  const signature = Buffer.from(await owner.sign(text(made.message)));
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`) + GROUP_ORDER;
  const malleable = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
  const changed = bs58.encode(Buffer.concat([signature.subarray(0, 32), malleable]));
  const answer = await client.post("/v1/auth/verify", { nonce: made.nonce, signature: changed });
  assertProblem(answer, 401, "signature_invalid");

  // The neutral element as key and as R, with s = 0: it "verifies" every message where small orders are let through.
  const neutral = new Uint8Array(32);
  neutral[0] = 1;
  const weak = bs58.encode(neutral);
  const asset = await devAssetAddress("weak.molt");
  stack.rpc.control.mint({ asset, name: "weak.molt", owner: weak });
  const { nonce } = await challenge(client, asset, weak);
  const forged = bs58.encode(Buffer.concat([neutral, new Uint8Array(32)]));
  assertProblem(await client.post("/v1/auth/verify", { nonce, signature: forged }), 401, "signature_invalid");
  assert.equal(client.cookies.size, 0);
});

test("c04 only the present owner of an asset of the collection gets a session, and all others the same answer", async () => {
  const burned = await minted("burned.molt");
  stack.rpc.control.burn(burned);
  const otherCollection = await devAssetAddress("another collection");
  const lookAlike = await minted("look-alike.molt", { collection: null, updateAuthority: collection });
  const otherProgram = await devAssetAddress("other-program.molt");
  const account = stack.rpc.ledger.account(alice, stack.rpc.ledger.slot("processed"));
  assert.ok(account);
  stack.rpc.control.setAccount(otherProgram, { ...account, owner: SYSTEM_PROGRAM });
  const shortened = await devAssetAddress("shortened.molt");
  stack.rpc.control.setAccount(shortened, { ...account, data: account.data.subarray(0, 40) });

  const before = objectCount(stack);
  assert.ok(before > 0);
  const cases: [string, string, typeof owner][] = [
    ["another wallet's asset", alice, buyer],
    ["no such account", await devAssetAddress("nobody.molt"), owner],
    ["burned", burned, owner],
    ["another collection", await minted("elsewhere.molt", { collection: otherCollection }), owner],
    ["no collection", await minted("alone.molt", { collection: null }), owner],
    ["update authority is the collection's address", lookAlike, owner],
    ["same bytes of another program", otherProgram, owner],
    ["data cut short", shortened, owner],
    ["the collection itself", collection, owner],
    ["a plain wallet account", wallets.owner, owner],
  ];
  const bodies = new Set<string>();
  for (const [name, asset, wallet] of cases) {
    const client = stack.client();
    const answer = await verify(client, await challenge(client, asset, wallet.address), wallet);
    assert.equal(answer.status, 403, `${name}: ${answer.text}`);
    assertProblem(answer, 403, "forbidden");
    assertNoSession(client, answer);
    bodies.add(answer.text);
  }
  assert.equal(bodies.size, 1, [...bodies].join("\n"));
  assert.equal(objectCount(stack), before, "no Durable Object was made for them");
});

test("c04 what counts is the owner at the time of the verification", async () => {
  const asset = await minted("moving.molt");
  const client = stack.client();
  const asOwner = await challenge(client, asset, wallets.owner);
  const asBuyer = await challenge(client, asset, wallets.buyer);
  stack.rpc.control.transfer(asset, wallets.buyer);
  assertProblem(await verify(client, asOwner, owner), 403, "forbidden");
  assert.equal((await verify(client, asBuyer, buyer)).status, 200);
});

test("too many tries from one address are slowed down, and others are not", async () => {
  const client = stack.client();
  const limited = await until("an answer 429", async () => {
    const answer = await client.post("/v1/auth/challenge", { asset: alice, wallet: wallets.owner });
    return answer.status === 429 && answer;
  });
  assertProblem(limited, 429, "rate_limited");
  assert.match(limited.headers["retry-after"] ?? "", /^[1-9][0-9]*$/);
  await challenge(stack.client(), alice, wallets.owner);
});

test("too many tries at one domain from many addresses are slowed down, and other domains are not", async () => {
  const asset = await minted("besieged.molt");
  const ask = () => stack.client().post("/v1/auth/challenge", { asset, wallet: wallets.owner });
  const limited = await until("an answer 429", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    return answers.find(({ status }) => status === 429);
  });
  assertProblem(limited, 429, "rate_limited");
  assert.match(limited.headers["retry-after"] ?? "", /^[1-9][0-9]*$/);
  await challenge(stack.client(), alice, wallets.owner);
});
