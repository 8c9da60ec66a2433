// One nonce, tried by a thousand callers at once, on one instance of the Worker and on two (C02).
import assert from "node:assert/strict";
import { test } from "node:test";
import bs58 from "bs58";
import { devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import type { Answer } from "./support/http.ts";
import { asks, INSTANCES, twice } from "./support/instances.ts";
import { challenge } from "./support/login.ts";
import { objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { testStack } from "./support/stack.ts";
import { SESSION_COOKIE } from "./support/tokens.ts";

const CALLERS = 1000;
// The limits on tries are another promise: here they would refuse most callers before anything is looked at.
const stack = await testStack({ workers: twice(2 * CALLERS) });
const owner = await devKeypair("owner");

/** All callers, turn by turn at these instances, are there with the same proof of one challenge before the first is answered. */
async function stampede(name: string, instances: readonly (typeof INSTANCES)[number][]) {
  const asset = await devAssetAddress(name);
  stack.rpc.control.mint({ asset, name, owner: owner.address });
  const { nonce, message } = await challenge(stack.client(), asset, owner.address);
  const signature = bs58.encode(await owner.sign(new TextEncoder().encode(message)));
  const calls = Array.from({ length: CALLERS }, (_, index) => {
    const instance = instances[index % instances.length] ?? assert.fail();
    const options = { json: { nonce, signature }, headers: asks(instance, CALLERS) };
    return stack.client().request("POST", "/v1/auth/verify", options);
  });
  const answers = await Promise.all(calls);
  return { asset, answers };
}

/** One session in the object, and one caller who holds it. */
async function assertOneSession(asset: string, answers: Answer[]): Promise<void> {
  const [winner, ...more] = answers.filter(({ status }) => status === 200);
  assert.ok(winner && more.length === 0, `${more.length + (winner ? 1 : 0)} verifications succeeded`);
  const refusals = answers.filter((answer) => answer !== winner);
  assert.equal(refusals.length, CALLERS - 1);
  // On a slow machine some wait for the chain's word for longer than is allowed: they prove nothing and get nothing.
  const late = refusals.filter(({ status }) => status === 503);
  assert.ok(late.length < refusals.length, "somebody was late for the nonce");
  for (const answer of refusals) {
    if (late.includes(answer)) assertProblem(answer, 503, "rpc_unavailable");
    else assertProblem(answer, 401, "challenge_invalid");
    assert.deepEqual(answer.setCookies, []);
  }
  assert.equal(objectRows(stack, asset, "SELECT * FROM sessions").length, 1);
  assert.equal(objectRows(stack, asset, "SELECT * FROM nonces").length, 1);
  const cookie = winner.setCookies.find((text) => text.startsWith(`${SESSION_COOKIE}=`))?.split(";")[0] ?? "";
  for (const instance of INSTANCES) {
    const session = await stack.client().get("/v1/auth/session", { cookie, ...asks(instance) });
    assert.equal(session.status, 200, session.text);
  }
}

test("c02 of a thousand concurrent verifications of one nonce one succeeds, and there is one session", async () => {
  const { asset, answers } = await stampede("thousand.molt", ["FIRST"]);
  await assertOneSession(asset, answers);
});

test("c02 of a thousand on two instances of the Worker one succeeds, and there is one session", async () => {
  const { asset, answers } = await stampede("thousand-on-two.molt", INSTANCES);
  await assertOneSession(asset, answers);
});
