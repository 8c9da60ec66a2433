// What is passed on to the network for the owner of an agent's wallet, and what is not (C21): only what was prepared here, to
// the byte, for the one who owns the domain now and signed it.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { login } from "./support/login.ts";
import { editObject, objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { AgentWallet, newWallet, SOL, signatureOf, signedBy } from "./support/wallet.ts";

const stack = await fakeAgentStack();
const { rpc } = stack;
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
const PATHS = ["/a", "/b"];
afterEach(() => rpc.control.reset());

const sentTo = (path: string) => rpc.control.calls(path).filter(({ method }) => method === "sendTransaction");

test("c21 what is sent twice is carried out once, and is the same", async () => {
  const wallet = await AgentWallet.ofNew(stack, "twice.molt");
  const to = (await newWallet()).address;
  const prepared = await wallet.prepare({ operation: "transfer_sol", to, amount: "0.1" });
  const transaction = await signedBy(owner, prepared.transaction);
  const answers = await Promise.all([wallet.send(transaction), wallet.send(transaction)]);
  answers.push(await wallet.send(transaction));
  for (const answer of answers) assert.deepEqual([answer.status, answer.json()], [202, answers[0]?.json()]);
  assert.equal(wallet.balance(to), SOL / 10);
});

test("c21 a transaction with any changed byte is not passed on", async () => {
  const wallet = await AgentWallet.ofNew(stack, "changed.molt");
  const { transaction } = await wallet.prepare({ operation: "transfer_sol", to: buyer.address, amount: "0.1" });
  const good = Buffer.from(transaction, "base64");
  rpc.control.reset();
  for (let at = 65; at < good.length; at += 23) {
    const bytes = Buffer.from(good);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    // Signed anew, so that the signature is over what is sent.
    const signature = await owner.sign(bytes.subarray(65));
    const forged = Buffer.concat([Buffer.of(1), signature, bytes.subarray(65)]).toString("base64");
    assertProblem(await wallet.send(forged), 422, "invalid_value", "transaction");
  }
  const longer = Buffer.concat([good, Buffer.of(0)]);
  const signature = await owner.sign(longer.subarray(65));
  const forged = Buffer.concat([Buffer.of(1), signature, longer.subarray(65)]).toString("base64");
  assertProblem(await wallet.send(forged), 422, "invalid_value", "transaction");
  assert.deepEqual([...sentTo("/a"), ...sentTo("/b")], []);
  assert.equal((await wallet.send(await signedBy(owner, transaction))).status, 202);
});

test("c21 what another wallet signed, or nobody, is not passed on", async () => {
  const wallet = await AgentWallet.ofNew(stack, "unsigned.molt");
  const { transaction } = await wallet.prepare({ operation: "transfer_sol", to: buyer.address, amount: "0.1" });
  rpc.control.reset();
  const signed = Buffer.from(await signedBy(owner, transaction), "base64");
  signed[1] = (signed[1] ?? 0) ^ 1;
  for (const forged of [transaction, await signedBy(buyer, transaction), signed.toString("base64")]) {
    assertProblem(await wallet.send(forged), 422, "invalid_value", "transaction");
  }
  const two = Buffer.concat([Buffer.of(2), Buffer.alloc(64), Buffer.from(transaction, "base64").subarray(1)]);
  for (const bad of ["", "AQ", "AQ==", "?", two.toString("base64"), Buffer.alloc(1233, 1).toString("base64")]) {
    assertProblem(await wallet.send(bad), 400, "invalid_field", "transaction");
  }
  assertProblem(
    await wallet.owned.client.post(`${wallet.path}/transactions/send`, {}),
    400,
    "invalid_field",
    "transaction",
  );
  assert.deepEqual([...sentTo("/a"), ...sentTo("/b")], []);
  const [listed] = await wallet.transactions();
  assert.deepEqual([listed?.state, listed?.signature], ["prepared", null]);
});

test("c21 another tenant's transaction is not passed on, nor prepared or seen", async () => {
  const [mine, theirs] = [await AgentWallet.ofNew(stack, "mine.molt"), await AgentWallet.ofNew(stack, "theirs.molt")];
  const { transaction } = await theirs.prepare({ operation: "transfer_sol", to: buyer.address, amount: "0.1" });
  assertProblem(await mine.send(await signedBy(owner, transaction)), 422, "invalid_value", "transaction");
  assert.deepEqual(await mine.transactions(), []);
  const stranger = await Owned.ofNew(stack, "strangers.molt", "buyer");
  for (const [method, path] of [
    ["GET", theirs.path],
    ["GET", `${theirs.path}/transactions`],
    ["POST", `${theirs.path}/transactions`],
    ["POST", `${theirs.path}/transactions/send`],
  ] as const) {
    assertProblem(await stranger.client.request(method, path), 403, "forbidden");
    assertProblem(
      await stack.client().request(method, path, { headers: { origin: stack.appOrigin } }),
      401,
      "unauthenticated",
    );
  }
});

test("c21 who has sold the domain has nothing passed on any more, and the new owner not what was prepared before", async () => {
  const wallet = await AgentWallet.ofNew(stack, "sold.molt");
  const { asset } = wallet.owned;
  const { transaction } = await wallet.prepare({ operation: "transfer_sol", to: buyer.address, amount: "0.1" });
  const signed = await signedBy(owner, transaction);
  rpc.control.transfer(asset, buyer.address);
  assertProblem(await wallet.send(signed), 403, "forbidden");
  const client = stack.client();
  await login(client, "buyer", asset);
  const theirs = new AgentWallet(stack, new Owned(client, asset));
  assert.deepEqual(await theirs.transactions(), []);
  for (const forged of [signed, await signedBy(buyer, transaction)]) {
    assertProblem(await theirs.send(forged), 422, "invalid_value", "transaction");
  }
  // It comes back: what was prepared before is gone all the same.
  rpc.control.transfer(asset, owner.address);
  const again = await Owned.of(stack, asset);
  assertProblem(await new AgentWallet(stack, again).send(signed), 422, "invalid_value", "transaction");
  assert.equal(wallet.balance(wallet.address), SOL);
});

test("c21 what the network would refuse is told, and what it takes no longer is not passed on", async () => {
  const wallet = await AgentWallet.ofNew(stack, "late.molt");
  const plan = { operation: "transfer_sol", to: buyer.address, amount: "0.5" };
  const { transaction } = await wallet.prepare(plan);
  rpc.control.setBalance(wallet.address, 1_000_000);
  assertProblem(await wallet.send(await signedBy(owner, transaction)), 409, "wrong_state");
  rpc.control.setBalance(wallet.address, SOL);
  const second = await wallet.prepare(plan);
  await stack.replaceWorker(() => editObject(stack, wallet.owned.asset, "UPDATE prepared SET expires_at = 1"));
  rpc.control.reset();
  const late = await wallet.send(await signedBy(owner, second.transaction));
  assertProblem(late, 409, "wrong_state");
  assert.match(late.json().detail, /takes this transaction no longer/);
  assert.deepEqual([...sentTo("/a"), ...sentTo("/b")], []);
  const states = (await wallet.transactions()).map(({ state }) => state);
  assert.deepEqual(states, ["expired", "expired"]);
});

test("c21 one endpoint that fails is made up for by the other, and without any nothing is prepared or sent", async () => {
  const wallet = await AgentWallet.ofNew(stack, "failing.molt");
  const plan = { operation: "transfer_sol", to: buyer.address, amount: "0.1" };
  for (const path of PATHS) {
    for (const mode of ["drop", "429", "malformed"] as const) {
      rpc.control.behave(path, { mode });
      const { transaction } = await wallet.prepare(plan);
      assert.equal((await wallet.send(await signedBy(owner, transaction))).status, 202, `${path} ${mode}`);
      rpc.control.reset();
    }
  }
  const { transaction } = await wallet.prepare(plan);
  const before = wallet.balance(wallet.address);
  for (const path of PATHS) rpc.control.behave(path, { mode: "error", code: -32603 });
  assertProblem(await wallet.ask(plan), 503, "rpc_unavailable");
  assertProblem(await wallet.send(await signedBy(owner, transaction)), 503, "rpc_unavailable");
  assert.equal(wallet.balance(wallet.address), before);
  for (const path of PATHS) rpc.control.behave(path, { mode: "unsent" });
  assertProblem(await wallet.send(await signedBy(owner, transaction)), 503, "rpc_unavailable");
  // It may have arrived all the same: its owner finds it.
  const [listed] = await wallet.transactions();
  assert.deepEqual([listed?.state, listed?.signature], ["sent", signatureOf(await signedBy(owner, transaction))]);
  assert.equal((await wallet.send(await signedBy(owner, transaction))).status, 202);
});

test("c21 a transaction is followed until it is final, and one that never lands is not said to have", async () => {
  const wallet = await AgentWallet.ofNew(stack, "followed.molt");
  const plan = { operation: "transfer_sol", to: buyer.address, amount: "0.1" };
  const state = async () => (await wallet.transactions())[0]?.state;
  const { transaction } = await wallet.prepare(plan);
  assert.equal(await state(), "prepared");
  await wallet.send(await signedBy(owner, transaction));
  assert.equal(await state(), "confirmed");
  const { finalizedAfterMs } = rpc.ledger;
  rpc.ledger.finalizedAfterMs = 0;
  assert.equal(await state(), "finalized");
  rpc.ledger.finalizedAfterMs = finalizedAfterMs;
  assert.equal(await state(), "finalized", "it stays so");

  for (const path of PATHS) rpc.control.behave(path, { mode: "swallow" });
  const second = await wallet.prepare(plan);
  assert.equal((await wallet.send(await signedBy(owner, second.transaction))).status, 202);
  assert.equal(await state(), "sent");
  await stack.replaceWorker(() =>
    editObject(stack, wallet.owned.asset, "UPDATE prepared SET expires_at = 1 WHERE state = 'sent'"),
  );
  assert.equal(await state(), "expired");
  assert.equal((await wallet.transactions()).at(-1)?.state, "finalized");
});

test("c21 of what is prepared the newest are kept", async () => {
  const wallet = await AgentWallet.ofNew(stack, "many.molt");
  const row = "INSERT INTO prepared (owner, hash, prepared_at, expires_at, summary, state) VALUES";
  const rows = Array.from(
    { length: 60 },
    (_, at) => `('${owner.address}', 'old-${at}', ${at}, ${at}, '[]', 'prepared')`,
  );
  await wallet.read();
  await stack.replaceWorker(() => editObject(stack, wallet.owned.asset, `${row} ${rows.join(", ")}`));
  await wallet.prepare({ operation: "transfer_sol", to: buyer.address, amount: "0.1" });
  const kept = objectRows(stack, wallet.owned.asset, "SELECT hash FROM prepared ORDER BY prepared_at");
  assert.equal(kept.length, 50);
  assert.equal(kept[0]?.hash, "old-11");
});

test("c21 who asks about one wallet without end uses up that domain's share alone", async () => {
  const [greedy, other] = [
    await AgentWallet.ofNew(stack, "greedy.molt"),
    await AgentWallet.ofNew(stack, "patient.molt"),
  ];
  const plan = { operation: "transfer_sol", to: buyer.address, amount: "0.1" };
  const answers = await Promise.all(Array.from({ length: 100 }, () => greedy.ask(plan)));
  const refused = answers.filter(({ status }) => status !== 201);
  assert.ok(refused.length > 0 && refused.length < 60, String(refused.length));
  for (const answer of refused) assertProblem(answer, 429, "rate_limited");
  assert.equal((await greedy.owned.client.get(greedy.owned.path)).status, 200, "the rest of the API goes on");
  assert.equal((await other.ask(plan)).status, 201);
});
