// Login by a memo transaction, for hardware wallets that sign nothing else (C02 and C03): which are taken, and that they
// follow the same rules as every other proof. Solana's own library takes ours apart and makes those that are sent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { devAccounts, devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import type { Client } from "./support/client.ts";
import type { Answer } from "./support/http.ts";
import { buildText, type Challenge, challenge, verify } from "./support/login.ts";
import { DEAD_BLOCKHASH, guarded, memo, type Plan, planOf, signed, transfer } from "./support/memo.ts";
import { assertProblem } from "./support/problem.ts";
import { testStack } from "./support/stack.ts";

const stack = await testStack();
const { wallets } = await devAccounts();
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
const alice = await devAssetAddress("alice.molt");

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const asked = (client: Client): Promise<Challenge> => challenge(client, alice, wallets.owner);
const send = (client: Client, { nonce }: Challenge, transaction: Uint8Array): Promise<Answer> =>
  client.post("/v1/auth/verify", { nonce, transaction: base64(transaction) });
/** The owner's transaction with the challenge's text as its memo, and what is said otherwise. */
const plan = ({ message }: Challenge, change: Partial<Plan> = {}): Plan => ({
  payer: wallets.owner,
  instructions: [memo(message)],
  ...change,
});

test("c03 a challenge comes with its text as a memo transaction that can never land, and signed it gives a session", async () => {
  const client = stack.client();
  const made = await asked(client);
  const given = Uint8Array.from(Buffer.from(made.transaction, "base64"));
  const said = planOf(given);
  assert.equal(said.payer, wallets.owner);
  assert.equal(said.version, "legacy");
  assert.equal(said.blockhash, DEAD_BLOCKHASH);
  const [only, ...more] = said.instructions;
  assert.deepEqual(more, []);
  assert.deepEqual({ accounts: [], ...only }, memo(made.message));
  // The bytes as they came, with the signature put into its place.
  const signature = await owner.sign(given.subarray(65));
  const answer = await send(client, made, Buffer.concat([Buffer.of(1), signature, given.subarray(65)]));
  assert.equal(answer.status, 200, answer.text);
  const { expiresAt: _, ...view } = answer.json();
  assert.deepEqual(view, { asset: alice, wallet: wallets.owner, domain: "alice.molt" });
  assert.deepEqual((await client.get("/v1/auth/session")).json(), answer.json());
});

test("c03 what wallets add to a transaction is taken", async () => {
  const changes: Record<string, (made: Challenge) => Partial<Plan>> = {
    "version 0": () => ({ version: 0 }),
    "the memo's signer is named": ({ message }) => ({ instructions: [memo(message, wallets.owner)] }),
    "fees and guards": ({ message }) => ({ instructions: guarded(wallets.owner, memo(message)) }),
    "fees and guards, version 0": ({ message }) => ({
      instructions: guarded(wallets.owner, memo(message, wallets.owner)),
      version: 0,
    }),
  };
  for (const [name, change] of Object.entries(changes)) {
    const client = stack.client();
    const made = await asked(client);
    const answer = await send(client, made, await signed(plan(made, change(made)), owner));
    assert.equal(answer.status, 200, `${name}: ${answer.text}`);
  }
});

test("c03 a transaction that says or could do anything else is refused, and gives no session", async () => {
  const other = (made: Challenge, change: Record<string, string>) => buildText({ ...made.input, ...change });
  const attacks: Record<string, (made: Challenge) => Promise<Uint8Array>> = {
    "another asset": (made) =>
      signed(plan(made, { instructions: [memo(other(made, { requestId: wallets.buyer }))] }), owner),
    "another domain": (made) =>
      signed(plan(made, { instructions: [memo(other(made, { domain: "evil.example" }))] }), owner),
    "the nonce alone": (made) => signed(plan(made, { instructions: [memo(made.nonce)] }), owner),
    "more behind the text": (made) => signed(plan(made, { instructions: [memo(`${made.message}\n`)] }), owner),
    "no memo": (made) => signed(plan(made, { instructions: guarded(wallets.owner) }), owner),
    "the memo twice": (made) => signed(plan(made, { instructions: [memo(made.message), memo(made.message)] }), owner),
    "a transfer beside it": (made) =>
      signed(plan(made, { instructions: [memo(made.message), transfer(wallets.owner, wallets.buyer)] }), owner),
    "a block's hash": (made) => signed(plan(made, { blockhash: wallets.buyer }), owner),
    "another payer": (made) => signed(plan(made, { payer: wallets.buyer }), buyer),
    "another payer, and the owner's signature": (made) =>
      signed(plan(made, { payer: wallets.buyer, instructions: [memo(made.message, wallets.owner)] }), buyer, owner),
    "not signed": async (made) => Buffer.from(made.transaction, "base64"),
    "signed by another": (made) => signed(plan(made), { address: wallets.owner, sign: (bytes) => buyer.sign(bytes) }),
    "a byte behind it": async (made) => Buffer.concat([await signed(plan(made), owner), Buffer.of(0)]),
    "a byte short": async (made) => (await signed(plan(made), owner)).subarray(0, -1),
    "no transaction": async () => Buffer.from("hello"),
    nothing: async () => new Uint8Array(),
  };
  for (const [name, make] of Object.entries(attacks)) {
    const client = stack.client();
    const made = await asked(client);
    const answer = await send(client, made, await make(made));
    assert.equal(answer.status, 401, `${name}: ${answer.text}`);
    assertProblem(answer, 401, "signature_invalid");
    assert.deepEqual(answer.setCookies, []);
  }
});

test("c03 a signature over a transaction is none over a message, and the other way round", async () => {
  const client = stack.client();
  const first = await asked(client);
  const whole = await signed(plan(first), owner);
  const message = whole.subarray(65);
  assertProblem(await verify(client, first, owner, { bytes: message, sendBytes: true }), 401, "signature_invalid");
  const second = await asked(client);
  const overText = await owner.sign(new TextEncoder().encode(second.message));
  const given = Buffer.from(second.transaction, "base64");
  const mixed = Buffer.concat([Buffer.of(1), overText, given.subarray(65)]);
  assertProblem(await send(client, second, mixed), 401, "signature_invalid");
  assert.equal(client.cookies.size, 0);
});

test("c02 of concurrent verifications of one signed transaction exactly one succeeds, and none later", async () => {
  const made = await asked(stack.client());
  const transaction = await signed(plan(made), owner);
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(stack.client(), made, transaction)));
  const refused = answers.filter(({ status }) => status !== 200);
  assert.equal(refused.length, 9);
  for (const answer of refused) assertProblem(answer, 401, "challenge_invalid");
  assertProblem(await send(stack.client(), made, transaction), 401, "challenge_invalid");
  assertProblem(await verify(stack.client(), made, owner), 401, "challenge_invalid");
});

test("c02 a refused transaction burns the nonce", async () => {
  const client = stack.client();
  const made = await asked(client);
  assertProblem(await send(client, made, Buffer.from(made.transaction, "base64")), 401, "signature_invalid");
  assertProblem(await send(client, made, await signed(plan(made), owner)), 401, "challenge_invalid");
  assert.equal(client.cookies.size, 0);
});

test("c04 another wallet's own transaction opens nothing", async () => {
  const client = stack.client();
  const made = await challenge(client, alice, wallets.buyer);
  const answer = await send(client, made, await signed(plan(made, { payer: wallets.buyer }), buyer));
  assertProblem(answer, 403, "forbidden");
  assert.equal(client.cookies.size, 0);
});
