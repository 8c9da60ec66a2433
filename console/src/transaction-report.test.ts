// What the owner is told of a transaction on its way, and what they can do when it does not get through.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, NetworkError } from "./api.ts";
import { ChangedTransaction, feeText, shortState, stateText, troubleOf } from "./transaction-report.ts";

test("fees are told in SOL, apart from what a new token account keeps", () => {
  assert.equal(feeText({ total: "53720", rent: "0" }), "Your own wallet pays 0.00005372 SOL in fees.");
  assert.match(
    feeText({ total: "2093000", rent: "2039280" }),
    /^Your own wallet pays 0\.002093 SOL: 0\.00203928 SOL stay in /,
  );
});

test("it is followed until the network has taken it, or never will", () => {
  for (const state of ["prepared", "sent"] as const) assert.equal(stateText(state).outcome, "open");
  for (const state of ["confirmed", "finalized"] as const) assert.equal(stateText(state).outcome, "done");
  assert.deepEqual([shortState("finalized"), shortState("expired")], ["Confirmed", "Not taken in time"]);
  for (const state of ["failed", "expired", "unsent"] as const) {
    const { text, outcome } = stateText(state);
    assert.equal(outcome, "failed");
    assert.match(text, /[Nn]othing moved.* Prepare it again\.$/);
  }
});

test("what was signed is sent again where nobody knows whether it was taken, and not signed a second time", () => {
  for (const error of [
    new NetworkError("The service cannot be reached."),
    new ApiError(503, "No endpoint answered."),
    new ApiError(429, "Too fast."),
  ]) {
    assert.equal(troubleOf(error, true).again, "send");
    assert.equal(troubleOf(error, false).again, "sign");
  }
  assert.match(troubleOf(new NetworkError("No answer."), true).text, /^No answer\. It may have been sent all the same/);
});

test("what the service will never take is not offered again", () => {
  for (const status of [409, 422, 400]) {
    assert.deepEqual(troubleOf(new ApiError(status, "Prepare it anew."), true), {
      text: "Prepare it anew.",
      again: "none",
    });
  }
});

test("a wallet's refusal, its error and its changes are told apart", () => {
  const declined = troubleOf(Object.assign(new Error("no"), { code: 4001 }), false);
  assert.deepEqual(declined, {
    text: "It was declined in the wallet. Nothing was signed, and nothing was sent.",
    again: "sign",
  });
  assert.equal(
    troubleOf(new Error("Device is locked."), false).text,
    "The wallet did not sign: Device is locked. Nothing was sent. Try again.",
  );
  assert.match(troubleOf("odd", false).text, /gave no reason/);
  assert.equal(
    troubleOf(new ChangedTransaction("Heron rejected nothing but changed it."), false).text,
    "Heron rejected nothing but changed it.",
  );
});
