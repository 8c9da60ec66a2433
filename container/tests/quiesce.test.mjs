// Closing the gateway's doors for a snapshot, against a stand-in for its admin RPC that answers as told.
import assert from "node:assert/strict";
import { mkdir, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import process from "node:process";
import { test } from "node:test";

import { buildConfig } from "../lib/config.mjs";
import { quiesceGateway, resumeGateway } from "../lib/gateway.mjs";
import { markProcess } from "../lib/processes.mjs";
import { makeSandbox, OWNER, policy } from "./support.mjs";

/**
 * @param {import("node:test").TestContext} t
 * @param {(method: string, calls: string[]) => object | undefined} answer the payload; undefined = 503
 */
async function gatewayThat(t, answer) {
  /** @type {string[]} */
  const calls = [];
  /** @type {http.IncomingHttpHeaders[]} */
  const headers = [];
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method, params } = JSON.parse(body);
    calls.push(params.suspensionId ? `${method} ${params.suspensionId}` : method);
    headers.push(request.headers);
    const payload = answer(method, calls);
    response.writeHead(payload ? 200 : 503).end(JSON.stringify({ ok: payload !== undefined, payload }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = address && typeof address === "object" ? address.port : 0;
  const { paths } = await makeSandbox(t, { AGENT_PORT: String(port) });
  await mkdir(paths.run, { recursive: true });
  await writeFile(paths.config, JSON.stringify(buildConfig(policy(), paths)));
  await markProcess(paths.gatewayMark, process.pid);
  return { paths, calls, headers };
}

test("a gateway that is ready at once is quiesced, and resumed with its lease", async (t) => {
  const { paths, calls, headers } = await gatewayThat(t, (method) =>
    method.endsWith("prepare") ? { status: "ready", suspensionId: "s1" } : { resumed: true },
  );
  assert.equal(await quiesceGateway(paths, 5_000), true);
  assert.equal((await stat(paths.lease)).mode & 0o777, 0o600);
  await resumeGateway(paths);
  await resumeGateway(paths);
  assert.deepEqual(calls, ["gateway.suspend.prepare", "gateway.suspend.resume s1"]);
  await assert.rejects(stat(paths.lease), { code: "ENOENT" });
  for (const sent of headers) {
    assert.equal(sent["x-molt-owner"], OWNER);
    assert.equal(sent["x-molt-edge"], "1");
    assert.equal(sent["x-forwarded-for"], "192.0.2.1");
  }
});

test("work under way is waited for", async (t) => {
  const { paths, calls } = await gatewayThat(t, (method, before) => {
    if (method.endsWith("prepare")) return { status: "draining", suspensionId: "s2" };
    return { status: before.length < 3 ? "draining" : "ready" };
  });
  assert.equal(await quiesceGateway(paths, 10_000), true);
  assert.deepEqual(calls, ["gateway.suspend.prepare", "gateway.suspend.status s2", "gateway.suspend.status s2"]);
});

test("and looked after sooner than each second at first: most work ends in a moment", async (t) => {
  const { paths, calls } = await gatewayThat(t, () => ({ status: "draining", suspensionId: "s4" }));
  assert.equal(await quiesceGateway(paths, 3_000), false);
  assert.ok(calls.length >= 4, `asked ${calls.length} times`);
  assert.ok(calls.length <= 8, `asked ${calls.length} times`);
});

test("but not for ever", async (t) => {
  const { paths } = await gatewayThat(t, () => ({ status: "draining", suspensionId: "s3" }));
  const began = Date.now();
  assert.equal(await quiesceGateway(paths, 1_500), false);
  assert.ok(Date.now() - began < 10_000);
  assert.ok(await stat(paths.lease));
});

test("a gateway that refuses is asked again, and one that is gone changes nothing any more", async (t) => {
  const { paths, calls } = await gatewayThat(t, () => undefined);
  assert.equal(await quiesceGateway(paths, 1_500), false);
  assert.ok(calls.length >= 2);
  await writeFile(paths.gatewayMark, JSON.stringify({ pid: process.pid, started: "1" }));
  assert.equal(await quiesceGateway(paths, 1_500), true);
  await resumeGateway(paths);
});
