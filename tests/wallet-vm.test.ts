// What a prepared transaction does (C21), carried out by the real System, token and associated token programs in a virtual
// machine of Solana's. The Metaplex Core program is not at hand there: what its ExecuteV1 wraps is taken out, and the agent's
// wallet, which the program signs for, counts as one that signed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Address, address } from "@solana/addresses";
import { getTransactionDecoder } from "@solana/transactions";
import { FailedTransactionMetadata, LiteSVM } from "litesvm";
import { devKeypair } from "../dev/solana/accounts.ts";
import { CORE_PROGRAM } from "../dev/solana/core-layout.ts";
import type { Account } from "../dev/solana/ledger.ts";
import { associatedTokenAddress, TOKEN_2022_PROGRAM, TOKEN_PROGRAM } from "../dev/solana/token-layout.ts";
import { fakeAgentStack } from "./support/agent.ts";
import { type Instruction, planOf, signed } from "./support/memo.ts";
import { AgentWallet, newWallet, type Prepared, SOL, signedBy } from "./support/wallet.ts";

const stack = await fakeAgentStack();
const owner = await devKeypair("owner");
const READ_ONLY_SIGNER = 2;
/** The length of the data that says how ExecuteV1 calls what it wraps. */
const PREFIX = 5;
/** Of the accounts of ExecuteV1, where the wrapped program stands; its accounts follow. */
const WRAPPED = 6;

const inLedger = (at: string): Account | null => stack.rpc.ledger.account(at, stack.rpc.ledger.slot("processed"));

class Machine {
  // Nobody has a key of the agent's wallet: signatures are what this machine can't check.
  readonly #vm = new LiteSVM().withSigverify(false);

  /** Puts there what the ledger has. */
  take(...addresses: string[]): void {
    for (const at of addresses) {
      const account = inLedger(at);
      if (account === null) continue;
      const { lamports, data, owner: program } = account;
      const encoded = {
        lamports: BigInt(lamports),
        data,
        programAddress: address(program),
        space: BigInt(data.length),
      };
      this.#vm.setAccount({ ...encoded, address: address(at), executable: false } as never);
    }
  }

  /** As the ledger would show it. */
  account(at: string): Pick<Account, "lamports" | "owner" | "data"> | null {
    const found = this.#vm.getAccount(address(at));
    if (!found.exists) return null;
    return { lamports: Number(found.lamports), owner: found.programAddress, data: new Uint8Array(found.data) };
  }

  rent(length: number): number {
    return Number(this.#vm.minimumBalanceForRentExemption(BigInt(length)));
  }

  /** What was prepared, without the Core program around it. Returns why it failed, if it did. */
  async carryOut({ transaction }: Prepared, wallet: string): Promise<string | undefined> {
    const { payer, instructions } = planOf(Buffer.from(transaction, "base64"));
    const plain = instructions.map((one) => (one.programAddress === CORE_PROGRAM ? unwrapped(one, wallet) : one));
    const blockhash = this.#vm.latestBlockhash();
    const bytes = await signed({ payer, instructions: plain, version: 0, blockhash });
    const result = this.#vm.sendTransaction(getTransactionDecoder().decode(bytes) as never);
    return result instanceof FailedTransactionMetadata ? `${result.err()} ${result.meta().logs()}` : undefined;
  }
}

function unwrapped({ accounts = [], data = new Uint8Array() }: Instruction, wallet: string): Instruction {
  const [program, ...own] = accounts.slice(WRAPPED);
  assert.ok(program);
  return {
    programAddress: program.address as Address,
    accounts: own.map((one) => (one.address === wallet ? { ...one, role: one.role | READ_ONLY_SIGNER } : one)),
    data: data.slice(PREFIX),
  } as Instruction;
}

/** Both are asked, each on the same state: the ledger of the stand-in and the real programs. */
async function bothCarryOut(wallet: AgentWallet, plan: object, ...touched: string[]): Promise<void> {
  const machine = new Machine();
  machine.take(owner.address, wallet.address, ...touched);
  const prepared = await wallet.prepare(plan);
  assert.equal(await machine.carryOut(prepared, wallet.address), undefined);
  assert.equal((await wallet.send(await signedBy(owner, prepared.transaction))).status, 202);
  for (const at of [wallet.address, ...touched]) {
    const { lamports = 0, owner: program, data } = inLedger(at) ?? {};
    const { lamports: real = 0, owner: realProgram, data: realData } = machine.account(at) ?? {};
    assert.deepEqual([at, lamports, program, data], [at, real, realProgram, realData]);
  }
}

test("c21 the System program does what a transfer of SOL says", async () => {
  const wallet = await AgentWallet.ofNew(stack, "vm-sol.molt");
  const to = (await newWallet()).address;
  await bothCarryOut(wallet, { operation: "transfer_sol", to, amount: "0.25" }, to);
  assert.equal(wallet.balance(to), SOL / 4);
  await bothCarryOut(wallet, { operation: "transfer_sol", to, baseUnits: String(SOL - SOL / 4) }, to);
  assert.equal(wallet.balance(to), SOL);
});

for (const program of [TOKEN_PROGRAM, TOKEN_2022_PROGRAM]) {
  test(`c21 ${program} does what a transfer of tokens says, the recipient's account included`, async () => {
    const wallet = await AgentWallet.ofNew(stack, `vm-${program}`);
    const mint = await wallet.holdTokens(5_000_000n, { decimals: 6, supply: 5_000_000n, program });
    const to = (await newWallet()).address;
    const accounts = [wallet.address, to].map((of) => associatedTokenAddress(of, mint, program));
    const plan = { operation: "transfer_token", mint, to, amount: "1.5", createAccount: true };
    await bothCarryOut(wallet, plan, mint, ...accounts);
    await bothCarryOut(wallet, { ...plan, amount: "3.5" }, mint, ...accounts);
  });
}

test("c21 the real programs refuse what is more than there is", async () => {
  const wallet = await AgentWallet.ofNew(stack, "vm-more.molt");
  const machine = new Machine();
  const to = (await newWallet()).address;
  machine.take(owner.address, wallet.address);
  const prepared = await wallet.prepare({ operation: "transfer_sol", to, baseUnits: String(SOL) });
  assert.equal(await machine.carryOut(prepared, wallet.address), undefined);
  const again = await machine.carryOut(prepared, wallet.address);
  assert.match(again ?? "carried out", /insufficient lamports/);
});

test("c21 the rent that an owner is told is the network's", () => {
  const machine = new Machine();
  for (const length of [0, 165, 170]) assert.equal(machine.rent(length), (128 + length) * 6960);
});
