// What the owner reads of the agent's wallet, and what of a transfer's form goes to the service.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentWallet } from "./api.ts";
import { formatCount } from "./format.ts";
import {
  moreText,
  payLink,
  planOf,
  readText,
  refusalOf,
  solOf,
  type TransferForm,
  tokenAmount,
  transferFaults,
} from "./wallet-report.ts";
import { isAddress } from "./wallets.ts";

const TO = "GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J";
const MINT = "So11111111111111111111111111111111111111112";
const FORM: TransferForm = { kind: "sol", mint: "", amount: "0.01", to: TO, toProgram: false, createAccount: false };

test("lamports are told in SOL to the last one", () => {
  assert.equal(solOf("0"), "0");
  assert.equal(solOf("53720"), "0.00005372");
  assert.equal(solOf("1000000000"), "1");
  assert.equal(solOf("18446744073709551615"), "18446744073.709551615");
});

test("a token is told in decimals, or in base units where nobody knows how many make one", () => {
  const token = { mint: MINT, baseUnits: "1500000", frozen: false };
  assert.equal(tokenAmount({ ...token, amount: "1.5" }), "1.5");
  assert.equal(tokenAmount(token), "1500000 base units");
  assert.deepEqual([moreText(0), moreText(1)], ["", "1 more token account is not shown."]);
  assert.match(moreText(1200), /^1\D?200 more token accounts /);
});

test("a reading's age counts from when the service read it", () => {
  const wallet = { slot: 4321, age: 3 } as AgentWallet;
  assert.equal(readText(wallet, 4_000), `As of slot ${formatCount(4321)}, read 7 s ago.`);
});

test("nothing is made a link but one that pays to the address that is shown", () => {
  const wallet = (solanaPay: string) => ({ address: TO, fund: { address: TO, solanaPay } }) as AgentWallet;
  for (const good of [`solana:${TO}`, `solana:${TO}?label=alice.molt`]) assert.equal(payLink(wallet(good)), good);
  for (const bad of [
    "javascript:alert(1)",
    `javascript:alert(1)//solana:${TO}`,
    "solana:https://evil.example",
    `https://evil.example/solana:${TO}`,
    `solana:${MINT}`,
    `solana:${TO}x`,
    ` solana:${TO}`,
    "",
  ]) {
    assert.equal(payLink(wallet(bad)), null, bad);
  }
});

test("what is missing is told field by field before the service is asked", () => {
  assert.deepEqual(transferFaults(FORM, isAddress), {});
  assert.deepEqual(Object.keys(transferFaults({ ...FORM, kind: "token", amount: "", to: "x" }, isAddress)), [
    "mint",
    "amount",
    "to",
  ]);
  assert.deepEqual(transferFaults({ ...FORM, mint: "x" }, isAddress), {}, "SOL has no mint");
  for (const amount of ["0,01", "-1", ".5", "1.", "1e3", " 1", "all"])
    assert.match(transferFaults({ ...FORM, amount }, isAddress).amount ?? "", /like 0\.01/, amount);
});

test("a plan names what the owner chose, and nothing that they did not", () => {
  assert.deepEqual(planOf(FORM), { operation: "transfer_sol", to: TO, amount: "0.01" });
  assert.deepEqual(planOf({ ...FORM, toProgram: true, createAccount: true, mint: MINT }), {
    operation: "transfer_sol",
    to: TO,
    amount: "0.01",
    toProgram: true,
  });
  assert.deepEqual(planOf({ ...FORM, kind: "token", mint: MINT, createAccount: true }), {
    operation: "transfer_token",
    mint: MINT,
    to: TO,
    amount: "0.01",
    createAccount: true,
  });
});

test("a refusal stands at its field, in words of the form, with the choice that would make it good", () => {
  const amount = "`amount` must be at most 1, which is what the agent's wallet holds.";
  assert.deepEqual(refusalOf({ field: "amount", message: amount }), { field: "amount", text: amount, offer: null });
  const program = refusalOf({ field: "to", message: "if that is meant, send `toProgram` as true" });
  assert.deepEqual([program.field, program.offer], ["to", "toProgram"]);
  assert.doesNotMatch(program.text, /`/);
  assert.equal(refusalOf({ field: "to", message: "be another address" }).offer, null);
  const create = refusalOf({ field: "createAccount", message: "`createAccount` must be true" });
  assert.deepEqual([create.field, create.offer], [null, "createAccount"]);
  assert.equal(refusalOf({ field: null, message: "Fund it first." }).text, "Fund it first.");
});
