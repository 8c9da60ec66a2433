// The agent's wallet (C21): what it holds, and what is prepared for its owner to sign. Nothing of ours reads transactions here,
// and no key but the owner's own signs any.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import bs58 from "bs58";
import { devAccounts, devKeypair } from "../dev/solana/accounts.ts";
import { CORE_PROGRAM, rentExemption, SYSTEM_PROGRAM } from "../dev/solana/core-layout.ts";
import { EXECUTE_FEE, MEMO_PROGRAM } from "../dev/solana/programs.ts";
import {
  associatedTokenAddress,
  newTokenAccount,
  TOKEN_2022_PROGRAM,
  TOKEN_PROGRAM,
  tokenAccount,
} from "../dev/solana/token-layout.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { planOf } from "./support/memo.ts";
import { assertProblem } from "./support/problem.ts";
import { AgentWallet, newWallet, type Prepared, SOL, signatureOf, signedBy, walletOf } from "./support/wallet.ts";

const stack = await fakeAgentStack();
const { rpc } = stack;
const { collection } = await devAccounts();
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
const RENT = rentExemption(0);
const WRITABLE = 1;
const SIGNER = 2;
afterEach(() => rpc.control.reset());

/** The instructions as names and bytes, of what is to be signed. */
function instructionsOf({ transaction }: Prepared) {
  const plan = planOf(Buffer.from(transaction, "base64"));
  const instructions = plan.instructions.map(({ programAddress, accounts = [], data = new Uint8Array() }) => ({
    program: String(programAddress),
    accounts: accounts.map(({ address }) => String(address)),
    roles: accounts.map(({ role }) => Number(role)),
    data: Buffer.from(data),
  }));
  return { ...plan, instructions };
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

function tokensAt(address: string): bigint {
  const account = rpc.ledger.account(address, rpc.ledger.slot("processed"));
  return account ? (tokenAccount(account)?.amount ?? 0n) : 0n;
}

test("c21 the wallet is the asset's signer, with its balance, its tokens, the slot and how to fund it", async () => {
  const wallet = await AgentWallet.ofNew(stack, "holds.molt", 1_234_567_890);
  const old = await wallet.holdTokens(1_500_000n, { decimals: 6 });
  const mint = { decimals: 2, program: TOKEN_2022_PROGRAM };
  const none = await wallet.holdTokens(0n, { decimals: 6 });
  const huge = await wallet.holdTokens(18_446_744_073_709_551_615n, mint, { frozen: true });
  const answer = await wallet.read();
  assert.equal(answer.status, 200, answer.text);
  const { slot, readAt, age, ...view } = answer.json();
  const at = (mint: string, program: string) => associatedTokenAddress(wallet.address, mint, program);
  assert.deepEqual(view, {
    address: wallet.address,
    lamports: "1234567890",
    sol: "1.23456789",
    tokens: [
      {
        mint: old,
        account: at(old, TOKEN_PROGRAM),
        program: "token",
        baseUnits: "1500000",
        decimals: 6,
        amount: "1.5",
        frozen: false,
      },
      {
        mint: huge,
        account: at(huge, TOKEN_2022_PROGRAM),
        program: "token2022",
        baseUnits: "18446744073709551615",
        decimals: 2,
        amount: "184467440737095516.15",
        frozen: true,
      },
      // What holds nothing comes last.
      {
        mint: none,
        account: at(none, TOKEN_PROGRAM),
        program: "token",
        baseUnits: "0",
        decimals: 6,
        amount: "0",
        frozen: false,
      },
    ],
    moreTokens: 0,
    fund: { address: wallet.address, solanaPay: `solana:${wallet.address}?label=holds.molt` },
  });
  assert.equal(wallet.address, walletOf(wallet.owned.asset));
  assert.ok(Math.abs(slot - rpc.ledger.slot("confirmed")) < 100);
  assert.ok(Date.parse(readAt) <= Date.now() && age >= 0 && age <= 5);
});

test("c21 a wallet that nobody has used holds nothing", async () => {
  const wallet = await AgentWallet.ofNew(stack, "empty.molt", 0);
  const { lamports, sol, tokens } = (await wallet.read()).json();
  assert.deepEqual({ lamports, sol, tokens }, { lamports: "0", sol: "0", tokens: [] });
  const plan = { operation: "transfer_sol", to: buyer.address, baseUnits: "1" };
  assertProblem(await wallet.ask(plan), 409, "wrong_state");
});

test("c21 a transfer of SOL is ExecuteV1 for the owner to sign, told in plain words, and carried out when it is signed", async () => {
  const wallet = await AgentWallet.ofNew(stack, "sends.molt");
  const { asset } = wallet.owned;
  const to = (await newWallet()).address;
  const prepared = await wallet.prepare({ operation: "transfer_sol", to, amount: "0.01", baseUnits: "10000000" });
  const { payer, version, blockhash, instructions } = instructionsOf(prepared);
  assert.deepEqual([payer, version, blockhash], [owner.address, 0, prepared.blockhash]);
  assert.equal(prepared.chain, "localnet");
  assert.equal(instructions.length, 1);
  const [execute] = instructions;
  assert.equal(execute?.program, CORE_PROGRAM);
  const { address } = wallet;
  assert.deepEqual(execute?.accounts, [
    ...[asset, collection, address, owner.address, owner.address, SYSTEM_PROGRAM, SYSTEM_PROGRAM],
    ...[address, to],
  ]);
  // The agent's wallet signs nothing: the program does, once the owner has.
  const [w, o] = [WRITABLE, WRITABLE | SIGNER];
  assert.deepEqual(execute?.roles, [w, w, w, o, o, 0, 0, w, w]);
  const inner = Buffer.concat([Buffer.of(2, 0, 0, 0), u64(10_000_000n)]);
  assert.deepEqual(execute?.data, Buffer.concat([Buffer.of(31, inner.length, 0, 0, 0), inner]));
  assert.equal(signatureOf(prepared.transaction), bs58.encode(new Uint8Array(64)), "nobody has signed it");
  assert.deepEqual(prepared.fee, { network: "5000", program: "48720", rent: "0", total: "53720" });
  assert.deepEqual(prepared.summary, [
    `Sends 0.01 SOL (10000000 lamports) from the agent's wallet ${address} to ${to}.`,
    `Signed, and its fees paid, by your own wallet ${owner.address}.`,
  ]);

  const before = wallet.balance(owner.address);
  const transaction = await signedBy(owner, prepared.transaction);
  const sent = await wallet.send(transaction);
  assert.equal(sent.status, 202, sent.text);
  assert.deepEqual(sent.json(), { signature: signatureOf(transaction) });
  assert.deepEqual([wallet.balance(to), wallet.balance(address)], [10_000_000, SOL - 10_000_000]);
  assert.equal(before - wallet.balance(owner.address), Number(prepared.fee.total));
  const [listed] = await wallet.transactions();
  assert.deepEqual([listed?.state, listed?.signature], ["confirmed", signatureOf(transaction)]);
  assert.deepEqual(listed?.summary, prepared.summary);
  assert.equal((await wallet.read()).json().sol, "0.99");
});

test("c21 the recipient must be one that can take it", async () => {
  const wallet = await AgentWallet.ofNew(stack, "recipients.molt");
  const { address } = wallet;
  const mint = await wallet.holdTokens(5n, { decimals: 0 });
  const other = walletOf((await newWallet()).address);
  const sol = (to: string, more = {}) => wallet.ask({ operation: "transfer_sol", to, amount: "0.1", ...more });
  const token = (to: string, more = {}) =>
    wallet.ask({ operation: "transfer_token", mint, to, baseUnits: "1", createAccount: true, ...more });
  for (const ask of [sol, token]) {
    const lost = [address, wallet.owned.asset, mint, associatedTokenAddress(address, mint), collection, MEMO_PROGRAM];
    for (const to of lost) assertProblem(await ask(to, { toProgram: true }), 422, "invalid_value", "to");
    assertProblem(await ask(other), 422, "invalid_value", "to");
    assertProblem(await ask("alice.molt"), 400, "invalid_field", "to");
    assert.equal((await ask(other, { toProgram: true })).status, 201);
  }
  const { summary } = await wallet.prepare({ operation: "transfer_sol", to: owner.address, amount: "0.1" });
  assert.match(summary[0] ?? "", / to [1-9A-Za-z]+, your own wallet\.$/);
});

test("c21 an amount that the wallet can't send, or that would be lost, is refused", async () => {
  const wallet = await AgentWallet.ofNew(stack, "amounts.molt");
  const ask = (more: object, to = buyer.address) => wallet.ask({ operation: "transfer_sol", to, ...more });
  for (const amount of ["1.000000001", "18446744073.709551616", "0.0000000001", "0"]) {
    assertProblem(await ask({ amount }), 422, "invalid_value", "amount");
  }
  const most = "18446744073709551615";
  for (const baseUnits of [most, "1000000001", "0"]) {
    assertProblem(await ask({ baseUnits }), 422, "invalid_value", "baseUnits");
  }
  assertProblem(await ask({ amount: "0.1", baseUnits: "100000001" }), 422, "invalid_value", "amount");
  // What a number of JSON says depends on who reads it.
  assertProblem(await ask({ amount: 0.1 }), 400, "invalid_field", "amount");
  assertProblem(await ask({ baseUnits: 100_000_000 }), 400, "invalid_field", "baseUnits");
  assertProblem(await ask({}), 400, "invalid_field", "amount");
  // The network keeps no account with less than this.
  assertProblem(await ask({ baseUnits: String(SOL - RENT + 1) }), 422, "invalid_value", "baseUnits");
  const fresh = (await newWallet()).address;
  assertProblem(await ask({ baseUnits: String(RENT - 1) }, fresh), 422, "invalid_value", "baseUnits");
  for (const baseUnits of [SOL, SOL - RENT]) assert.equal((await ask({ baseUnits: String(baseUnits) })).status, 201);
  const least = await wallet.prepare({ operation: "transfer_sol", to: fresh, baseUnits: String(RENT) });
  assert.equal((await wallet.send(await signedBy(owner, least.transaction))).status, 202);
  assert.equal(wallet.balance(fresh), RENT);
});

for (const program of [TOKEN_PROGRAM, TOKEN_2022_PROGRAM]) {
  test(`c21 tokens of ${program} are sent to the recipient's account, which is made where that is asked for`, async () => {
    const wallet = await AgentWallet.ofNew(stack, `tokens-${program}`);
    const mint = await wallet.holdTokens(5_000_000n, { decimals: 6, program });
    const to = (await newWallet()).address;
    const plan = { operation: "transfer_token", mint, to, amount: "1.5", baseUnits: "1500000" };
    assertProblem(await wallet.ask(plan), 422, "invalid_value", "createAccount");
    const prepared = await wallet.prepare({ ...plan, createAccount: true });
    const [source, destination] = [wallet.address, to].map((it) => associatedTokenAddress(it, mint, program));
    const { instructions } = instructionsOf(prepared);
    assert.equal(instructions.length, 2);
    const [create, execute] = instructions;
    assert.deepEqual(create?.accounts, [owner.address, destination, to, mint, SYSTEM_PROGRAM, program]);
    assert.deepEqual(create?.data, Buffer.of(1));
    assert.deepEqual(execute?.accounts.slice(6), [program, source, mint, destination, wallet.address]);
    const inner = Buffer.concat([Buffer.of(12), u64(1_500_000n), Buffer.of(6)]);
    assert.deepEqual(execute?.data, Buffer.concat([Buffer.of(31, inner.length, 0, 0, 0), inner]));
    const length = program === TOKEN_PROGRAM ? 165 : 170;
    assert.equal(prepared.fee.rent, String(rentExemption(length)));
    assert.deepEqual(prepared.summary, [
      `Makes an account of ${to} for the token with the mint ${mint}, unless there is one; your own wallet pays for it.`,
      `Sends 1.5 (1500000 base units) of the token with the mint ${mint} from the agent's wallet ${wallet.address}, out of the token account ${source}, to ${to}, in the token account ${destination}.`,
      `Signed, and its fees paid, by your own wallet ${owner.address}.`,
    ]);
    const before = wallet.balance(owner.address);
    assert.equal((await wallet.send(await signedBy(owner, prepared.transaction))).status, 202);
    assert.equal(before - wallet.balance(owner.address), Number(prepared.fee.total));
    assert.deepEqual([tokensAt(source ?? ""), tokensAt(destination ?? "")], [3_500_000n, 1_500_000n]);

    // Now there is one.
    const second = await wallet.prepare({ ...plan, createAccount: true });
    assert.deepEqual([second.fee.rent, instructionsOf(second).instructions.length], ["0", 1]);
    assert.match(second.summary[0] ?? "", new RegExp(` to ${to}, in the token account ${destination}\\.$`));
    assert.equal((await wallet.send(await signedBy(owner, second.transaction))).status, 202);
    assert.equal(tokensAt(destination ?? ""), 3_000_000n);
  });
}

test("c21 tokens that can't be sent so are refused, with the reason", async () => {
  const wallet = await AgentWallet.ofNew(stack, "bound.molt");
  const { address } = wallet;
  const to = (await newWallet()).address;
  const ask = (mint: string, more = {}) =>
    wallet.ask({ operation: "transfer_token", mint, to, baseUnits: "1", createAccount: true, ...more });
  const made = (decimals: number, type?: number, value = new Uint8Array(64)) =>
    wallet.holdTokens(5n, {
      decimals,
      ...(type !== undefined && { program: TOKEN_2022_PROGRAM, extensions: [[type, value]] }),
    });
  const mint = await made(2);
  assertProblem(await ask(mint, { baseUnits: "6" }), 422, "invalid_value", "baseUnits");
  assertProblem(await ask(mint, { amount: "0.01", baseUnits: "2" }), 422, "invalid_value", "amount");
  assertProblem(await ask(mint, { amount: "0.001", baseUnits: null }), 422, "invalid_value", "amount");
  for (const noMint of [to, address, collection, associatedTokenAddress(address, mint)]) {
    assertProblem(await ask(noMint), 422, "invalid_value", "mint");
  }
  assertProblem(await ask(await made(0, 9)), 422, "invalid_value", "mint");
  assertProblem(await ask(await made(0, 14, new Uint8Array(64).fill(1))), 422, "invalid_value", "mint");
  assert.equal((await ask(await made(0, 14))).status, 201, "a hook that is none");
  const feeing = await ask(await made(0, 1, new Uint8Array(108)));
  assert.match(feeing.json().notes[0], /less may arrive/);
  assertProblem(await ask(await wallet.holdTokens(5n, { decimals: 0 }, { frozen: true })), 409, "wrong_state");
  assertProblem(await ask(await wallet.holdTokens(0n, { decimals: 0 })), 409, "wrong_state");
  // The recipient's own account was given to somebody else.
  const place = associatedTokenAddress(to, mint);
  rpc.control.setAccount(place, newTokenAccount({ mint, owner: buyer.address, amount: 0n }));
  assertProblem(await ask(mint), 422, "invalid_value", "to");
});

test("c21 one instruction of the owner's own is wrapped as it is given, without the owner's signature in it", async () => {
  const wallet = await AgentWallet.ofNew(stack, "custom.molt");
  const data = Buffer.from("the agent was here");
  const plan = {
    operation: "custom",
    program: MEMO_PROGRAM,
    accounts: [{ address: wallet.address }],
    data: data.toString("base64"),
  };
  const prepared = await wallet.prepare(plan);
  const [execute] = instructionsOf(prepared).instructions;
  assert.deepEqual(execute?.accounts.slice(6), [MEMO_PROGRAM, wallet.address]);
  assert.deepEqual(execute?.data.subarray(5), data);
  assert.deepEqual(prepared.summary.slice(0, 2), [
    `Calls the program ${MEMO_PROGRAM} in the name of the agent's wallet ${wallet.address}, with ${data.length} bytes of data.`,
    `It reads: ${wallet.address}.`,
  ]);
  assert.match(prepared.summary[2] ?? "", /sign it only if you know/);
  assert.equal((await wallet.send(await signedBy(owner, prepared.transaction))).status, 202);

  const withOwner = { ...plan, accounts: [{ address: wallet.address }, { address: owner.address, writable: true }] };
  assertProblem(await wallet.ask(withOwner), 422, "invalid_value", "accounts");
  assertProblem(await wallet.ask({ ...plan, program: buyer.address }), 422, "invalid_value", "program");
  assertProblem(
    await wallet.ask({ ...plan, data: Buffer.alloc(1000).toString("base64") }),
    422,
    "invalid_value",
    "data",
  );
  assertProblem(await wallet.ask({ ...plan, accounts: [wallet.address] }), 400, "invalid_field", "accounts");
  assertProblem(await wallet.ask({ ...plan, operation: "sign" }), 400, "invalid_field", "operation");
  // A transfer by this way is told for what it is.
  const transfer = {
    program: SYSTEM_PROGRAM,
    data: Buffer.concat([Buffer.of(2, 0, 0, 0), u64(7n)]).toString("base64"),
  };
  const accounts = [wallet.address, buyer.address].map((address) => ({ address, writable: true }));
  const told = await wallet.prepare({ ...plan, ...transfer, accounts });
  assert.match(told.summary[0] ?? "", /^Sends 0\.000000007 SOL \(7 lamports\) from /);
});

test("c21 an owner who can't pay the fees is told so", async () => {
  const poor = await newWallet();
  const asset = (await newWallet()).address;
  rpc.control.mint({ asset, name: "poor.molt", owner: poor.address });
  const wallet = new AgentWallet(stack, await Owned.of(stack, asset, poor.label));
  rpc.control.setBalance(wallet.address, SOL);
  const plan = { operation: "transfer_sol", to: poor.address, amount: "0.5" };
  const refused = await wallet.ask(plan);
  assertProblem(refused, 409, "wrong_state");
  assert.match(refused.json().detail, /pays 0\.00005372 SOL for this, and holds 0 SOL/);
  rpc.control.setBalance(poor.address, 5000 + EXECUTE_FEE);
  assert.equal((await wallet.ask(plan)).status, 201);
});
