// What is asked of the service, and how its answers are taken.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ApiError, agentApi } from "./api.ts";

const ASSET = "GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J";
const BASE = `/v1/agents/${ASSET}`;
const api = agentApi(ASSET, new AbortController().signal);

interface Asked {
  readonly path: string;
  readonly init: RequestInit;
}

/** Answers everything with one response, and keeps what was asked. */
function answering(t: TestContext, response: () => Response): Asked[] {
  const asked: Asked[] = [];
  t.mock.method(globalThis, "fetch", async (path: string, init: RequestInit) => {
    asked.push({ path, init });
    return response();
  });
  return asked;
}

test("c19 a snapshot is uploaded as the file that it is, with its hash", async (t) => {
  const asked = answering(t, () => Response.json({ id: "s", size: 3 }, { status: 201 }));
  const bytes = new TextEncoder().encode("abc").buffer;
  const { size } = await api.uploadSnapshot({ bytes, type: "application/zstd", digest: "sha-256=:x:" });
  assert.equal(size, 3);
  const [{ path, init } = assert.fail("nothing was asked")] = asked;
  const headers = new Headers(init.headers);
  assert.deepEqual([init.method, path], ["POST", `${BASE}/snapshots`]);
  assert.equal(headers.get("content-type"), "application/zstd");
  assert.equal(headers.get("repr-digest"), "sha-256=:x:");
  assert.equal(init.body, bytes);
});

test("c19 a snapshot that is taken has no body, so that it is none that is uploaded", async (t) => {
  const asked = answering(t, () => Response.json({ id: "s", size: 3 }, { status: 201 }));
  await api.takeSnapshot();
  assert.equal(asked[0]?.init.body, undefined);
  assert.equal(new Headers(asked[0]?.init.headers).get("content-type"), null);
});

test("c19 a snapshot is deleted by its id, which stays one part of the path", async (t) => {
  const asked = answering(t, () => new Response(null, { status: 204 }));
  await api.deleteSnapshot("a/../b");
  assert.deepEqual([asked[0]?.init.method, asked[0]?.path], ["DELETE", `${BASE}/snapshots/a%2F..%2Fb`]);
  assert.equal(api.snapshotUrl("a/b"), `${BASE}/snapshots/a%2Fb`);
});

test("a refusal has the service's own words", async (t) => {
  const problem = { code: "wrong_state", detail: "The newest snapshot stays." };
  answering(t, () => Response.json(problem, { status: 409 }));
  await assert.rejects(api.deleteSnapshot("s"), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code, error.message], [409, problem.code, problem.detail]);
    return true;
  });
});
