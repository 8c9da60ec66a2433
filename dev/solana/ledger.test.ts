// Slots, commitment levels and changes of the development ledger, on a clock of the test's own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { devAccounts, devKeypair } from "./accounts.ts";
import { assetOwner, CORE_PROGRAM } from "./core-layout.ts";
import type { Commitment, Ledger } from "./ledger.ts";
import { devLedger } from "./seed.ts";

const { collection, wallets, assets } = await devAccounts();
const alice = assets[0]?.address ?? "";

const START = 1_800_000_000_000;

async function ledgerWithClock(delays: { confirmedAfterMs?: number; finalizedAfterMs?: number } = {}) {
  let time = START;
  const ledger = await devLedger({ ...delays, now: () => time });
  return { ledger, pass: (ms: number) => (time += ms) };
}

function ownerAt(ledger: Ledger, commitment: Commitment): string {
  const account = ledger.account(alice, ledger.slot(commitment));
  assert.ok(account);
  return assetOwner(account.data);
}

function members(ledger: Ledger): number[] {
  const data = ledger.account(collection, ledger.slot("processed"))?.data;
  assert.ok(data);
  const view = new DataView(data.buffer, data.byteOffset + data.length - 8);
  return [view.getUint32(0, true), view.getUint32(4, true)];
}

test("slots advance with time and never fall back at a change", async () => {
  const { ledger, pass } = await ledgerWithClock();
  const start = ledger.slot("processed");
  pass(4000);
  assert.equal(ledger.slot("processed"), start + 10);
  const slot = ledger.transfer(alice, wallets.buyer);
  assert.equal(slot, start + 11);
  assert.equal(ledger.slot("processed"), slot);
  assert.equal(ledger.transfer(alice, wallets.owner), slot + 1);
});

test("slots go on growing over a restart of the node", async () => {
  const { ledger: before } = await ledgerWithClock();
  const after = await devLedger({ now: () => START + 1000 });
  assert.ok(after.slot("finalized") > before.slot("finalized"));
  assert.ok(after.slot("processed") > before.slot("processed"));
});

test("what the ledger starts with is finalized", async () => {
  const { ledger } = await ledgerWithClock();
  assert.equal(ownerAt(ledger, "finalized"), wallets.owner);
});

test("a transfer is seen at processed at once, at confirmed and finalized later", async () => {
  const { ledger, pass } = await ledgerWithClock({ confirmedAfterMs: 1000, finalizedAfterMs: 5000 });
  ledger.transfer(alice, wallets.buyer);
  const seen = (): string[] => [
    ownerAt(ledger, "processed"),
    ownerAt(ledger, "confirmed"),
    ownerAt(ledger, "finalized"),
  ];
  const { owner, buyer } = wallets;
  assert.deepEqual(seen(), [buyer, owner, owner]);
  pass(1000);
  assert.deepEqual(seen(), [buyer, buyer, owner]);
  pass(4999);
  assert.deepEqual(seen(), [buyer, buyer, owner]);
  pass(1);
  assert.deepEqual(seen(), [buyer, buyer, buyer]);
});

test("a burned asset leaves one byte that Core still owns, and can't be moved", async () => {
  const { ledger } = await ledgerWithClock();
  const before = members(ledger);
  const account = ledger.account(alice, ledger.burn(alice));
  assert.deepEqual([account?.owner, account?.data], [CORE_PROGRAM, Uint8Array.of(0)]);
  assert.deepEqual(
    [before, members(ledger)],
    [
      [2, 2],
      [2, 1],
    ],
  );
  assert.throws(() => ledger.transfer(alice, wallets.buyer), /no such asset/);
  assert.throws(() => ledger.burn(alice), /no such asset/);
});

test("a minted asset exists from its slot on", async () => {
  const { ledger } = await ledgerWithClock();
  const { address } = await devKeypair("asset:carol.molt");
  const slot = ledger.mint({ asset: address, name: "carol.molt", owner: wallets.owner });
  assert.equal(ledger.account(address, slot - 1), null);
  assert.ok(ledger.account(address, slot));
  assert.deepEqual(members(ledger), [3, 3]);
  assert.deepEqual(ledger.assets().at(-1), { asset: address, name: "carol.molt", owner: wallets.owner, collection });
  assert.throws(() => ledger.mint({ asset: address, name: "carol.molt", owner: wallets.owner }), /account exists/);
});
