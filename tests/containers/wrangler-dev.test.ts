// `wrangler dev` from the repository's root, as docs/containers.md tells it: wrangler.toml as it is, the image built from container/Dockerfile, and an owner who wakes the real agent.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Labelled } from "../../dev/containers.ts";
import { LocalWorker } from "../../dev/local-worker.ts";
import { newSecrets, writeSecrets } from "../../dev/secrets.ts";
import { devAccounts } from "../../dev/solana/accounts.ts";
import { startSolanaRpc } from "../../dev/solana/rpc.ts";
import { onSignals, ROOT, usablePort } from "../../dev/stack.ts";
import { images, WRANGLERS_DOCKER } from "../../scripts/lib/images.mjs";
import { LABELS, runMark } from "../../scripts/lib/leftovers.mjs";
import { Owned } from "../support/agent.ts";
import { Client } from "../support/client.ts";
import { login } from "../support/login.ts";
import { docker, inside, sidecarOf } from "./support.ts";

const STARTS_WITHIN_MS = 240_000;

const dir = mkdtempSync(join(tmpdir(), "multiclaw-wrangler-dev-"));
const rpc = await startSolanaRpc();
const port = await usablePort(0);
const { collection, assets } = await devAccounts();
const [asset] = assets;
const secrets = join(dir, "secrets");
writeSecrets(secrets, newSecrets());
const vars = {
  APP_ORIGINS: `http://localhost:${port}`,
  AGENT_DOMAIN: `localhost:${port}`,
  SOLANA_RPC_URLS: rpc.url,
  SOLANA_CLUSTER: "localnet",
  MOLT_COLLECTION: collection,
};
const { base, sidecar } = images();
const agents = new Labelled(`${LABELS.agents}=${runMark()}`);
const wrangler = new LocalWorker({
  root: ROOT,
  config: join(ROOT, "wrangler.toml"),
  storage: join(dir, "storage"),
  port,
  args: ["--env-file", secrets, ...Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`])],
  env: {
    // Where there is no .dev.vars, --env-file takes its place.
    CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "true",
    WRANGLER_DOCKER_BIN: WRANGLERS_DOCKER,
    AGENT_IMAGE_LABEL: agents.label,
    // Only for a machine that can pull neither base nor sidecar: elsewhere they are the real ones.
    AGENT_BASE_IMAGE: base,
    MINIFLARE_CONTAINER_EGRESS_IMAGE: sidecar,
  },
  onLine() {},
});
const stop = async (): Promise<void> => {
  await wrangler.stop();
  await agents.remove();
  await rpc.close();
  rmSync(dir, { recursive: true, force: true });
};
const unheard = onSignals(stop);
after(() => stop().finally(unheard));

test("it builds the image and serves", { timeout: 300_000 }, async (t) => {
  const began = Date.now();
  await wrangler.ready(`http://127.0.0.1:${port}/healthz`);
  t.diagnostic(`${((Date.now() - began) / 1000).toFixed(1)} s until it served`);
});

test("an owner signs in, and starts and stops the real agent", { timeout: 600_000 }, async () => {
  assert.ok(asset);
  const client = new Client(`http://localhost:${port}`);
  assert.match((await client.get("/")).text, /<title>/);
  await login(client, "owner", asset.address);
  const owned = new Owned(client, asset.address);
  await owned.ask("start");
  const status = await owned.in(["running", "failed"], { within: STARTS_WITHIN_MS });
  assert.equal(status.state, "running", JSON.stringify(status));
  const [container = "", ...others] = await agents.containers();
  assert.deepEqual(others, []);
  assert.equal(docker("inspect", "--format", "{{.Config.User}}", container).trim(), "agent");
  assert.equal(docker("inspect", "--format", "{{.Config.Image}}", sidecarOf(container)).trim(), sidecar);
  const log = inside(container, "root", "cat /run/agent/agent.log");
  assert.match(log, /listening/);
  assert.doesNotMatch(log, /npm view|registry\./, "nothing was asked of a package registry, though there is no key");
  await owned.stop();
  assert.equal((await owned.snapshots()).length, 1);
});
