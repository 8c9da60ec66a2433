// Every error tells the owner what happened and what to do next.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, NetworkError } from "./api.ts";
import { explain } from "./explain.ts";

test("the service's own words are shown, and what to do next follows from the status", () => {
  const notOwner = explain(new ApiError(403, "This wallet does not hold the domain", "not_owner"));
  assert.equal(notOwner.message, "This wallet does not hold the domain.");
  assert.match(notOwner.next, /wallet that holds this domain/);
  assert.equal(notOwner.retryable, false);
});

test("what may pass by itself can be tried again", () => {
  for (const error of [
    new NetworkError("The service cannot be reached."),
    new ApiError(503, "x"),
    new ApiError(409, "x"),
  ]) {
    assert.equal(explain(error).retryable, true);
  }
  for (const status of [400, 401, 403, 404, 413, 415, 422]) {
    assert.equal(explain(new ApiError(status, "x")).retryable, false, String(status));
  }
});

test("a rate limit names its waiting time", () => {
  assert.match(explain(new ApiError(429, "Too many logins", "rate_limited", null, 7)).next, /Wait 7 s/);
  assert.match(explain(new ApiError(429, "Too many logins")).next, /Wait a minute/);
});

test("a refusal in the wallet is not an error of the service", () => {
  const byCode = explain(Object.assign(new Error("no"), { code: 4001 }));
  const byText = explain(new Error("User rejected the request."));
  for (const { message } of [byCode, byText]) assert.match(message, /declined in the wallet/);
});

test("anything can be thrown", () => {
  for (const thrown of [undefined, null, "text", 7, {}, new Error("")]) {
    assert.notEqual(explain(thrown).message, "");
  }
});
