// The child that runs the Worker: comes up, says why it does not, and leaves no process behind.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { LocalWorker } from "./local-worker.ts";
import { writeSecrets } from "./secrets.ts";
import { claim, ROOT, usablePort } from "./stack.ts";

const dir = mkdtempSync(join(tmpdir(), "wrangler-"));
after(() => rmSync(dir, { recursive: true }));

function project(name: string, script: string): string {
  const main = join(dir, `${name}.js`);
  const config = join(dir, `${name}.json`);
  writeFileSync(main, script);
  writeFileSync(config, JSON.stringify({ name, main, compatibility_date: "2026-06-01" }));
  return config;
}

/** The ids of the processes whose command line holds this text. */
function processesWith(text: string): string[] {
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return ids.filter((id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  });
}

for (const program of ["wrangler", "workerd"] as const) {
  test(`a Worker answers with its secret when ready, and after stop no process of it is left, by ${program}`, {
    skip: process.platform !== "linux",
  }, async () => {
    const config = project(`well-${program}`, "export default { fetch: (_request, env) => new Response(env.PROBE) };");
    const secret = `it's "quoted" $HOME # and = more`;
    writeSecrets(join(dir, ".dev.vars"), { PROBE: secret });
    const port = await usablePort(0);
    const storage = join(dir, "storage");
    const worker = new LocalWorker({ root: ROOT, program, config, storage, port, args: [], onLine() {} });
    const url = `http://127.0.0.1:${port}/`;
    try {
      await worker.ready(url);
      assert.equal(await (await fetch(url)).text(), secret);
      assert.notDeepEqual(processesWith(config), []);
    } finally {
      await worker.stop();
    }
    await assert.rejects(fetch(url));
    // A killed process stays listed until its parent, or init, has collected it.
    for (let tries = 0; processesWith(config).length > 0 && tries < 50; tries += 1) await delay(100);
    assert.deepEqual(processesWith(config), []);
    assert.deepEqual(processesWith(`127.0.0.1:${port}`), []);
  });
}

/** What a Worker is given, and where what it keeps lies. */
const GIVEN = `
  const kind = (value) => (typeof value === "object" ? value.constructor.name : [typeof value, value]);
  export class Agent {
    constructor(state) { this.state = state; }
    fetch() {
      this.state.storage.sql.exec("CREATE TABLE kept (id)");
      return Response.json({ id: this.state.id.toString() });
    }
  }
  export default {
    async fetch(request, env) {
      if (new URL(request.url).pathname === "/healthz") return new Response();
      const { AGENT, CHALLENGES, SNAPSHOTS, LOGIN_LIMIT, ASSETS } = env;
      await CHALLENGES.put("one", "1");
      await SNAPSHOTS.put("one", "1");
      // More than two minutes' worth, as it counts by the minute.
      const limits = new Set();
      for (let count = 0; count < 8; count += 1) limits.add((await LOGIN_LIMIT.limit({ key: "one" })).success);
      return Response.json({
        env: Object.fromEntries(Object.keys(env).sort().map((name) => [name, kind(env[name])])),
        url: request.url,
        headers: Object.fromEntries([...request.headers].filter(([name]) => name !== "connection")),
        object: await (await AGENT.getByName("one").fetch(request.url)).json(),
        asset: await (await ASSETS.fetch(new URL("/page.txt", request.url))).text(),
        absent: (await ASSETS.fetch(new URL("/absent", request.url))).status,
        limits: [...limits],
      });
    },
  };`;

const KEPT = /^v3\/(do|kv|r2|ratelimit)\/.*\.sqlite$/;

test("a Worker is given the same by both, and what it keeps lies in the same places", async () => {
  const home = join(dir, "given");
  const assets = join(home, "assets");
  mkdirSync(join(home, "worker"), { recursive: true });
  mkdirSync(assets);
  writeFileSync(join(assets, "page.txt"), "a page");
  const main = join(home, "worker", "index.js");
  writeFileSync(main, GIVEN);
  writeSecrets(join(home, ".dev.vars"), { SECRET: "kept" });
  const config = join(home, "given.json");
  const facts = {
    name: "given",
    main,
    no_bundle: true,
    compatibility_date: "2026-11-01",
    compatibility_flags: ["no_nodejs_compat", "no_nodejs_compat_v2"],
    vars: { TEXT: "a text" },
    assets: { directory: assets, binding: "ASSETS", run_worker_first: true },
    kv_namespaces: [{ binding: "CHALLENGES" }],
    r2_buckets: [{ binding: "SNAPSHOTS", bucket_name: "snapshots" }],
    durable_objects: { bindings: [{ name: "AGENT", class_name: "Agent" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["Agent"] }],
    ratelimits: [{ name: "LOGIN_LIMIT", namespace_id: "1000", simple: { limit: 3, period: 60 } }],
  };
  writeFileSync(config, JSON.stringify(facts));
  const port = await usablePort(0);
  const seen = [];
  for (const program of ["wrangler", "workerd"] as const) {
    const storage = join(home, program);
    const worker = new LocalWorker({ root: ROOT, program, config, storage, port, args: [], onLine() {} });
    let given: unknown;
    try {
      await worker.ready(`http://127.0.0.1:${port}/healthz`);
      const answer = await fetch(`http://127.0.0.1:${port}/page.txt?one=1`, { headers: { "x-own": "own" } });
      given = await answer.json();
    } finally {
      await worker.stop();
    }
    const files = readdirSync(storage, { recursive: true, encoding: "utf8" });
    seen.push({ given, files: files.filter((file) => KEPT.test(file)).sort() });
  }
  assert.deepEqual(seen[1], seen[0]);
});

test("a Worker in workerd alone takes another configuration as it runs", async () => {
  const config = project("reloads", "export default { fetch: (_request, env) => new Response(env.TEXT) };");
  const port = await usablePort(0);
  const facts = JSON.parse(readFileSync(config, "utf8"));
  const lines: string[] = [];
  const worker = new LocalWorker({
    root: ROOT,
    program: "workerd",
    config,
    storage: join(dir, "reloads"),
    port,
    args: [],
    onLine: (line) => lines.push(line),
  });
  const url = `http://127.0.0.1:${port}/`;
  try {
    await worker.ready(url);
    writeFileSync(config, JSON.stringify({ ...facts, vars: { TEXT: "another" } }));
    worker.reload();
    for (let tries = 0; !lines.some((line) => /updated and ready/.test(line)) && tries < 100; tries += 1)
      await delay(100);
    assert.equal(await (await fetch(url)).text(), "another");
  } finally {
    await worker.stop();
  }
});

test("a configuration that wrangler refuses is told in its own words", async () => {
  const config = project("broken", "export default {};");
  writeFileSync(
    config,
    JSON.stringify({ name: "broken", main: join(dir, "absent.js"), compatibility_date: "2026-06-01" }),
  );
  const port = await usablePort(0);
  const worker = new LocalWorker({ root: ROOT, config, storage: join(dir, "none"), port, args: [], onLine() {} });
  await assert.rejects(worker.ready(`http://127.0.0.1:${port}/`), /^Error: wrangler ended with code[\s\S]*absent\.js/);
  await worker.stop();
});

test("a port that is taken is named", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await assert.rejects(usablePort(port), new RegExp(`port ${port} is in use`));
  server.close();
});

test("a directory in use by another run is named, and given back at the end", async () => {
  const release = claim(dir);
  assert.throws(() => claim(dir), new RegExp(`process ${process.pid} already runs`));
  await release();
  await claim(dir)();
});
