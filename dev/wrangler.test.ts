// The child that runs the Worker: comes up, says why it does not, and leaves no process behind.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { writeSecrets } from "./secrets.ts";
import { claim, ROOT, usablePort } from "./stack.ts";
import { Wrangler } from "./wrangler.ts";

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

test("a Worker answers with its secret when ready, and after stop no process of it is left", {
  skip: process.platform !== "linux",
}, async () => {
  const config = project("well", "export default { fetch: (_request, env) => new Response(env.PROBE) };");
  const secret = `it's "quoted" $HOME # and = more`;
  writeSecrets(join(dir, ".dev.vars"), { PROBE: secret });
  const port = await usablePort(0);
  const storage = join(dir, "storage");
  const wrangler = new Wrangler({ root: ROOT, config, storage, port, args: [], onLine() {} });
  const url = `http://127.0.0.1:${port}/`;
  try {
    await wrangler.ready(url);
    assert.equal(await (await fetch(url)).text(), secret);
    assert.notDeepEqual(processesWith(config), []);
  } finally {
    await wrangler.stop();
  }
  await assert.rejects(fetch(url));
  // A killed process stays listed until its parent, or init, has collected it.
  for (let tries = 0; processesWith(config).length > 0 && tries < 50; tries += 1) await delay(100);
  assert.deepEqual(processesWith(config), []);
  assert.deepEqual(processesWith(`127.0.0.1:${port}`), []);
});

test("a configuration that wrangler refuses is told in its own words", async () => {
  const config = project("broken", "export default {};");
  writeFileSync(
    config,
    JSON.stringify({ name: "broken", main: join(dir, "absent.js"), compatibility_date: "2026-06-01" }),
  );
  const port = await usablePort(0);
  const wrangler = new Wrangler({ root: ROOT, config, storage: join(dir, "none"), port, args: [], onLine() {} });
  await assert.rejects(wrangler.ready(`http://127.0.0.1:${port}/`), /ended with code[\s\S]*absent\.js/);
  await wrangler.stop();
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
