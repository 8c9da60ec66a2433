// What an agent proposes that its wallet do (C21): it waits for its owner, who alone decides, in their own wallet, and of each
// proposal at most one transaction is passed on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { editObject, objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { Proposing, propose, proposerOf } from "./support/proposals.ts";
import { reconfigure } from "./support/reconfigure.ts";
import { until } from "./support/wait.ts";
import { AgentWallet, newWallet, type Prepared, SOL, signatureOf, signedBy } from "./support/wallet.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const NONE = "0".repeat(32);
const stack = await fakeAgentStack();
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
const recipient = (await newWallet()).address;
const plan = { operation: "transfer_sol", to: recipient, amount: "0.1" };

const audited = (asset: string): string[] =>
  objectRows(stack, asset, "SELECT entry FROM audit ORDER BY id").map(({ entry }) => JSON.parse(entry).event);

/** Another transaction of the same proposal: one that names another block. */
const anotherOf = (agent: Proposing, id: string, { transaction }: Prepared): Promise<Prepared> =>
  until("another block", async () => {
    const again = await agent.preparedOf(id);
    return again.transaction !== transaction && again;
  });

test("c21 what the agent proposes waits, is shown in plain words, and is carried out once its owner has signed it", async () => {
  const agent = await Proposing.start(stack, "proposing.molt");
  const to = (await newWallet()).address;
  const answer = await propose(agent.by, {
    operation: { ...plan, to, amount: "0.25", note: "your owner agreed" },
    reason: "  Rent for March: <b>due</b> today.  ",
  });
  assert.equal(answer.status, 202);
  const told = (await answer.json()) as { id: string };
  assert.match(told.id, /^[0-9a-f]{32}$/);
  assert.deepEqual(Object.keys(told), ["id"], "it is told that it waits, and nothing else");

  const { proposals, ...counts } = await agent.list();
  assert.deepEqual(counts, { today: 1, perDay: 20, refusedToday: 0 });
  const [shown] = proposals;
  assert.ok(shown && proposals.length === 1);
  const { createdAt, expiresAt, ...rest } = shown;
  assert.equal(Date.parse(expiresAt) - Date.parse(createdAt), DAY_MS);
  assert.deepEqual(rest, {
    id: told.id,
    operation: { operation: "transfer_sol", to, toProgram: false, amount: "0.25" },
    summary: [`Asks to send 0.25 SOL (250000000 lamports) from the agent's wallet to ${to}.`],
    reason: "Rent for March: <b>due</b> today.",
    source: "agent",
  });
  assert.deepEqual(await agent.transactions(), []);

  const prepared = await agent.preparedOf(told.id);
  assert.ok(prepared.summary.some((line) => line.includes("0.25 SOL") && line.includes(to)));
  assert.equal((await agent.list()).proposals.length, 1, "it goes on waiting");
  assert.equal(agent.balance(to), 0);
  const signed = await signedBy(owner, prepared.transaction);
  const sent = await agent.send(signed);
  assert.deepEqual([sent.status, sent.json()], [202, { signature: signatureOf(signed) }]);
  assert.equal(agent.balance(to), SOL / 4);
  assert.deepEqual((await agent.list()).proposals, []);
  assert.deepEqual(audited(agent.owned.asset).slice(-1), ["proposal_sent"]);
  // The same bytes are the same transaction; another one of the proposal there is not.
  assert.equal((await agent.send(signed)).status, 202);
  assertProblem(await agent.askFor(told.id), 404, "not_found");
  assertProblem(await agent.reject(told.id), 404, "not_found");
  assert.equal(agent.balance(to), SOL / 4);
});

test("c21 an owner who listens is told at once that something was proposed, and a neighbour is not", async () => {
  const agent = await Proposing.start(stack, "heard.molt");
  const neighbour = await Owned.ofNew(stack, "unheard.molt");
  const [events, others] = [await agent.owned.events(), await neighbour.events()];
  await Promise.all([events, others].map((one) => one.first("a status", () => true)));
  assert.equal((await propose(agent.by, { operation: {}, reason: "Odd." })).status, 400);
  const id = await agent.taken({ ...plan, amount: "0.2" });
  await until("it is told", () => events.news.length > 0);
  assert.deepEqual([events.news, others.news], [["proposals"], []], "of what was refused it is not");
  assert.equal((await agent.reject(id)).status, 204);
  await until("that is told as well", () => events.news.length === 2);
  for (const stream of [events, others]) stream.close();
});

test("c21 of one proposal's transactions one is passed on, whichever is signed first", async () => {
  const agent = await Proposing.start(stack, "only-one.molt");
  const to = (await newWallet()).address;
  const id = await agent.taken({ ...plan, to });
  const first = await agent.preparedOf(id);
  const second = await anotherOf(agent, id, first);
  const signed = await Promise.all([first, second].map(({ transaction }) => signedBy(owner, transaction)));
  const answers = await Promise.all(signed.map((transaction) => agent.send(transaction)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 409]);
  for (const answer of answers) if (answer.status === 409) assertProblem(answer, 409, "wrong_state");
  assert.equal(agent.balance(to), SOL / 10);
});

test("c21 two proposals of the same are two, and each takes a signature of its own", async () => {
  const agent = await Proposing.start(stack, "two-alike.molt");
  const to = (await newWallet()).address;
  const [one, other] = [await agent.taken({ ...plan, to }), await agent.taken({ ...plan, to })];
  const first = await agent.preparedOf(one);
  assert.equal((await agent.send(await signedBy(owner, first.transaction))).status, 202);
  assert.deepEqual(
    (await agent.list()).proposals.map(({ id }) => id),
    [other],
  );
  const second = await anotherOf(agent, other, first);
  assert.equal((await agent.send(await signedBy(owner, second.transaction))).status, 202);
  assert.equal(agent.balance(to), SOL / 5);
});

test("c21 a transaction that the owner prepares by hand as well is the proposal's, and spends it", async () => {
  const agent = await Proposing.start(stack, "by-hand.molt");
  const to = (await newWallet()).address;
  const id = await agent.taken({ ...plan, to });
  const transaction = await until("both in one block", async () => {
    const byHand = await agent.prepare({ ...plan, to });
    const proposed = await agent.preparedOf(id);
    return byHand.transaction === proposed.transaction && proposed.transaction;
  });
  assert.equal((await agent.send(await signedBy(owner, transaction))).status, 202);
  assert.deepEqual((await agent.list()).proposals, []);
  assert.equal(agent.balance(to), SOL / 10);
});

test("c21 what is rejected is gone, with every transaction that was prepared of it", async () => {
  const agent = await Proposing.start(stack, "rejecting.molt");
  const to = (await newWallet()).address;
  const id = await agent.taken({ ...plan, to });
  const { transaction } = await agent.preparedOf(id);
  const answer = await agent.reject(id);
  assert.deepEqual([answer.status, answer.text], [204, ""]);
  assert.deepEqual((await agent.list()).proposals, []);
  assert.deepEqual(audited(agent.owned.asset).slice(-1), ["proposal_rejected"]);
  assertProblem(await agent.send(await signedBy(owner, transaction)), 409, "wrong_state");
  for (const late of [agent.reject(id), agent.askFor(id), agent.reject(NONE), agent.askFor(NONE)])
    assertProblem(await late, 404, "not_found");
  assertProblem(await agent.reject("ABC"), 400, "invalid_field", "id");
  assert.equal(agent.balance(to), 0);
});

test("c21 what nobody decides on for a day has expired, and so has what was prepared of it", async () => {
  const agent = await Proposing.start(stack, "expiring.molt");
  const { asset } = agent.owned;
  const [late, other] = [await agent.taken(plan), await agent.taken(plan, "Another.")];
  const { transaction } = await agent.preparedOf(late);
  await agent.owned.stop();
  await stack.replaceWorker(() => editObject(stack, asset, `UPDATE proposals SET expires_at = 1 WHERE id = '${late}'`));
  assert.deepEqual(
    (await agent.list()).proposals.map(({ id }) => id),
    [other],
  );
  assertProblem(await agent.askFor(late), 404, "not_found");
  assertProblem(await agent.reject(late), 404, "not_found");
  assertProblem(await agent.send(await signedBy(owner, transaction)), 409, "wrong_state");
  await agent.owned.start();
  const before = await propose(agent.by, { operation: plan, reason: "Once more." });
  assert.equal(before.status, 401, "the pass was that of the start before");
  const answer = await propose(await proposerOf(stack.agent, agent.owned), { operation: plan, reason: "Once more." });
  assert.equal(answer.status, 202);
  assert.equal(objectRows(stack, asset, "SELECT id FROM proposals").length, 2, "nothing is kept of what has expired");
});

test("c21 so many are taken in a day, whatever their owner does with them, and the owner is told of the rest", async () => {
  const agent = await Proposing.start(stack, "busy-proposer.molt");
  const { asset } = agent.owned;
  const ids: string[] = [];
  for (let n = 0; n < 20; n += 1) ids.push(await agent.taken(plan, `Number ${n}.`));
  const refused = async () => {
    const answer = await propose(agent.by, { operation: plan, reason: "One more." });
    assert.equal(answer.status, 429, await answer.clone().text());
    assert.equal(((await answer.json()) as { code: string }).code, "rate_limited");
    return Number(answer.headers.get("retry-after"));
  };
  const midnight = Math.ceil(Date.now() / DAY_MS) * DAY_MS;
  const wait = (midnight - Date.now()) / 1000;
  assert.ok(Math.abs((await refused()) - wait) < 60);
  // Room that a decision made would tell the agent of it.
  assert.equal((await agent.reject(ids[0] ?? "")).status, 204);
  await refused();
  const { proposals, ...counts } = await agent.list();
  assert.deepEqual(counts, { today: 20, perDay: 20, refusedToday: 2 });
  assert.deepEqual(
    proposals.map(({ id }) => id),
    ids.slice(1).reverse(),
  );
  assert.equal(audited(asset).filter((event) => event === "proposals_refused").length, 1, "once a day");
  await stack.replaceWorker(() => editObject(stack, asset, "UPDATE proposal_days SET day = '2026-01-15'"));
  await until("it is asked again", async () => (await agent.owned.status()).state === "running");
  await agent.taken(plan, "The next day.");
  assert.deepEqual(await agent.list().then(({ today, refusedToday }) => [today, refusedToday]), [1, 0]);
  assert.equal(objectRows(stack, asset, "SELECT day FROM proposal_days").length, 1);
});

test("c21 what would fail is told when it is prepared, and the proposal goes on waiting", async () => {
  const agent = await Proposing.start(stack, "too-much.molt");
  const id = await agent.taken({ ...plan, amount: "5000" });
  const answer = await agent.askFor(id);
  assert.ok([409, 422].includes(answer.status), answer.text);
  assert.equal((await agent.list()).proposals.length, 1);
});

test("c08 c21 with the asset go the proposals, and the pass to make others", async () => {
  const agent = await Proposing.start(stack, "sold-proposals.molt");
  const { asset } = agent.owned;
  const id = await agent.taken(plan);
  const { transaction } = await agent.preparedOf(id);
  await propose(agent.by, "{");
  stack.rpc.control.transfer(asset, buyer.address);
  assertProblem(await agent.owned.client.get(`${agent.path}/proposals`), 403, "forbidden");
  const theirs = new AgentWallet(stack, await Owned.of(stack, asset, "buyer"));
  const seen = await theirs.owned.client.get(`${theirs.path}/proposals`);
  assert.deepEqual(seen.json(), { proposals: [], today: 0, perDay: 20, refusedToday: 0 });
  assertProblem(await theirs.owned.client.post(`${theirs.path}/proposals/${id}/prepare`), 404, "not_found");
  const late = await propose(agent.by, { operation: plan, reason: "For my owner of before." });
  assert.equal(late.status, 401);
  for (const table of ["proposals", "proposal_days"])
    assert.deepEqual(objectRows(stack, asset, `SELECT * FROM ${table}`), []);
  // It comes back, and the pass does not.
  stack.rpc.control.transfer(asset, owner.address);
  const again = new AgentWallet(stack, await Owned.of(stack, asset));
  assert.equal((await propose(agent.by, { operation: plan, reason: "Again." })).status, 401);
  const list = await again.owned.client.get(`${again.path}/proposals`);
  assert.deepEqual(list.json().proposals, []);
  assertProblem(await again.send(await signedBy(owner, transaction)), 422, "invalid_value", "transaction");
});

test("c21 where agents have no way to the service, they are told of none", async () => {
  await reconfigure(stack, { vars: { MODELS_ORIGIN: "" } });
  const owned = await Owned.ofNew(stack, "no-way.molt");
  await owned.start();
  const { config, secrets } = stack.agent.injected((await owned.status()).agentUrl);
  assert.deepEqual([config.env, secrets.proposals], [undefined, undefined]);
  const by = { url: `${stack.appOrigin}/v1/proposals`, pass: "any" };
  assert.equal((await propose(by, { operation: plan, reason: "Rent." })).status, 404);
});
