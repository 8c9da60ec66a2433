// The description of the API as clients get it: by everybody, from the app origin, and again only when it has changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { devAssetAddress } from "../dev/solana/accounts.ts";
import { readDescription } from "../scripts/lib/description.mjs";
import { login } from "./support/login.ts";
import { assertProblem } from "./support/problem.ts";
import { testStack } from "./support/stack.ts";

const PATH = "/v1/openapi.json";
const stack = await testStack();

test("everybody gets the description, which is docs/openapi.yaml", async () => {
  const answer = await stack.client().get(PATH);
  assert.equal(answer.status, 200, answer.text);
  assert.match(String(answer.headers["content-type"]), /^application\/json/);
  assert.equal(answer.headers["x-content-type-options"], "nosniff");
  assert.deepEqual(answer.json(), await readDescription());
});

test("it may be kept, and is sent again only when it has changed", async () => {
  const client = stack.client();
  const first = await client.get(PATH);
  assert.doesNotMatch(String(first.headers["cache-control"]), /no-store|private/);
  const etag = String(first.headers.etag);
  assert.match(etag, /"/);
  const again = await client.get(PATH, { "if-none-match": etag });
  assert.equal(again.status, 304);
  assert.equal(again.body.length, 0);
  const head = await client.request("HEAD", PATH);
  assert.equal(head.status, 200);
  assert.equal(head.headers.etag, etag);
});

test("it is read, and nothing else", async () => {
  for (const path of [PATH, "/healthz"]) {
    const answer = await stack.client().post(path);
    assertProblem(answer, 405, "method_not_allowed");
    assert.equal(answer.headers.allow, "GET, HEAD");
    assert.equal((await stack.client().request("HEAD", path)).status, 200);
  }
});

test("pages of other origins don't get it, and agents' hosts don't have it", async () => {
  const foreign = await stack.client().get(PATH, { origin: "https://other.example" });
  assertProblem(foreign, 403, "origin_not_allowed");
  const client = stack.client();
  const asset = await devAssetAddress("alice.molt");
  await login(client, "owner", asset);
  const { agentUrl } = (await client.get(`/v1/agents/${asset}`)).json();
  assertProblem(await stack.visitor(agentUrl.slice(0, -1)).get(PATH), 401, "unauthenticated");
});
