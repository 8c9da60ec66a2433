// Snapshots in their owner's hands: download, upload, delete (C07, C16, C19).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, test } from "node:test";
import { fakeAgentStack, Owned, type Snapshot } from "./support/agent.ts";
import type { Client } from "./support/client.ts";
import { assertProblem } from "./support/problem.ts";
import { r2Keys } from "./support/storage.ts";
import { until } from "./support/wait.ts";

const stack = await fakeAgentStack({ vars: { SNAPSHOT_PERIOD: "86400" } });
const { agent } = stack;
afterEach(() => agent.behave());

const digest = (bytes: string): string => `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;

function upload(client: Client, path: string, body: string, headers: Record<string, string> = {}) {
  const announced = { "content-type": "application/zstd", "repr-digest": digest(body), ...headers };
  return client.request("POST", `${path}/snapshots`, { body, headers: announced });
}

async function take(owned: Owned): Promise<Snapshot> {
  const answer = await owned.client.post(`${owned.path}/snapshots`);
  assert.equal(answer.status, 201, answer.text);
  return answer.json();
}

test("c19 an owner downloads an archive as it lies there, deletes it, and restores it from what they kept", async () => {
  const owned = await Owned.ofNew(stack, "archive.molt");
  await owned.start();
  await owned.learn(stack, "to be taken home");
  const first = await take(owned);
  const got = await owned.client.get(`${owned.path}/snapshots/${first.id}`);
  assert.equal(got.status, 200, got.text);
  assert.equal(got.headers["content-type"], "application/zstd");
  assert.equal(got.headers["content-disposition"], `attachment; filename="${first.id}.tar.zst"`);
  assert.equal(got.headers["repr-digest"], digest(got.text));
  assert.equal(createHash("sha256").update(got.text).digest("hex"), first.sha256);
  assert.match(got.text, /to be taken home/);

  assertProblem(await owned.client.request("DELETE", `${owned.path}/snapshots/${first.id}`), 409, "wrong_state");
  await owned.learn(stack, "what came after");
  const second = await take(owned);
  const gone = await owned.client.request("DELETE", `${owned.path}/snapshots/${first.id}`);
  assert.equal(gone.status, 204, gone.text);
  assert.deepEqual(await owned.snapshots(), [second]);
  assert.equal(r2Keys(stack, `tenants/${owned.asset}/`).length, 1);
  for (const method of ["GET", "DELETE"]) {
    assertProblem(await owned.client.request(method, `${owned.path}/snapshots/${first.id}`), 404, "not_found");
  }

  const sent = await upload(owned.client, owned.path, got.text);
  assert.equal(sent.status, 201, sent.text);
  const uploaded = sent.json();
  assert.deepEqual([uploaded.cause, uploaded.size, uploaded.sha256], ["upload", first.size, first.sha256]);
  await owned.stop();
  await owned.start();
  const visitor = await owned.enter(stack);
  assert.equal((await visitor.get("/memory")).json().memory, "what came after", "it is not restored unasked");
  const restored = await owned.client.post(`${owned.path}/snapshots/${uploaded.id}/restore`);
  assert.equal(restored.status, 202, restored.text);
  await owned.in("starting");
  await owned.in("running");
  assert.equal((await visitor.get("/memory")).json().memory, "to be taken home");
});

test("c19 what does not come as announced is refused, and leaves nothing", async () => {
  const owned = await Owned.ofNew(stack, "refused.molt");
  const [body, other] = ["an archive of mine", digest("another one")];
  assertProblem(await upload(owned.client, owned.path, body, { "repr-digest": other }), 400, "malformed_body");
  for (const malformed of ["", "sha-256=:AAAA:", digest(body).slice(0, -1)]) {
    const answer = await upload(owned.client, owned.path, body, { "repr-digest": malformed });
    assertProblem(answer, 400, "invalid_field", "repr-digest");
  }
  const wrong = await upload(owned.client, owned.path, body, { "content-type": "application/json" });
  assertProblem(wrong, 415, "unsupported_media_type");
  assert.deepEqual(await owned.snapshots(), []);
  assert.deepEqual(r2Keys(stack, `tenants/${owned.asset}/`), []);
});

test("c07 a download and an upload end with their session, however far they are", async () => {
  const owned = await Owned.ofNew(stack, "under-way.molt");
  const big = Buffer.alloc(64 * 1024 * 1024, "molt").toString();
  const sent = await upload(owned.client, owned.path, big);
  assert.equal(sent.status, 201, sent.text);

  const download = await owned.client.open("GET", `${owned.path}/snapshots/${sent.json().id}`);
  assert.equal(download.statusCode, 200);
  const body = new PassThrough();
  const headers = {
    "content-type": "application/zstd",
    "content-length": String(big.length),
    "repr-digest": digest(big),
  };
  const uploaded = owned.client.open("POST", `${owned.path}/snapshots`, { headers, body }).then(
    ({ statusCode = 0 }) => statusCode,
    () => 0,
  );
  body.write(big.slice(0, 1024 * 1024));
  // One that would not be taken in any case is refused for the one under way.
  await until("it is under way", async () => {
    const other = await upload(owned.client, owned.path, "x", { "repr-digest": digest("y") });
    return other.status === 409;
  });

  assert.equal((await owned.client.post("/v1/auth/logout")).status, 204);
  await assert.rejects(buffer(download), "it does not come to its end");
  body.end(big.slice(1024 * 1024));
  const status = await uploaded;
  assert.ok(status === 0 || status >= 400, String(status));
  const again = await Owned.of(stack, owned.asset);
  assert.deepEqual(
    (await again.snapshots()).map(({ id }) => id),
    [sent.json().id],
  );
  assert.equal(r2Keys(stack, `tenants/${owned.asset}/`).length, 1);
});

test("c19 so many uploads are kept, and no more is taken than the owner can see", async () => {
  const owned = await Owned.ofNew(stack, "hoard.molt");
  for (let count = 0; count < 3; count++) {
    const sent = await upload(owned.client, owned.path, `archive ${count}`);
    assert.equal(sent.status, 201, sent.text);
  }
  assertProblem(await upload(owned.client, owned.path, "one more"), 409, "wrong_state");
  const [newest] = await owned.snapshots();
  const gone = await owned.client.request("DELETE", `${owned.path}/snapshots/${newest?.id}`);
  assert.equal(gone.status, 204, gone.text);
  assert.equal((await upload(owned.client, owned.path, "one more")).status, 201);
});

test("c06 c08 nobody else reads, deletes or sends: not by another's session, nor by a past owner's", async () => {
  const owned = await Owned.ofNew(stack, "theirs.molt");
  const stranger = await Owned.ofNew(stack, "strange.molt", "buyer");
  await owned.start();
  const { id } = await take(owned);
  for (const method of ["GET", "DELETE"]) {
    assertProblem(await stranger.client.request(method, `${owned.path}/snapshots/${id}`), 403, "forbidden");
    assertProblem(await stranger.client.request(method, `${stranger.path}/snapshots/${id}`), 404, "not_found");
    assertProblem(await stack.client().request(method, `${owned.path}/snapshots/${id}`), 401, "unauthenticated");
  }
  assertProblem(await upload(stranger.client, owned.path, "planted"), 403, "forbidden");
  const { wallet } = (await stranger.client.get("/v1/auth/session")).json();
  stack.rpc.control.transfer(owned.asset, wallet);
  assertProblem(await owned.client.get(`${owned.path}/snapshots/${id}`), 403, "forbidden");
  const past = await upload(owned.client, owned.path, "planted");
  assert.ok([401, 403].includes(past.status), past.text);
  assert.equal(r2Keys(stack, `tenants/${owned.asset}/`).length, 1);
});
