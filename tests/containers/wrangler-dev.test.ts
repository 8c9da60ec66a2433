// Plain `npx wrangler dev` from the repository's root, as docs/containers.md tells it: wrangler.toml as it is, the image
// built from container/Dockerfile, and an owner who wakes the real agent.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newSecrets, writeSecrets } from "../../dev/secrets.ts";
import { devAccounts } from "../../dev/solana/accounts.ts";
import { startSolanaRpc } from "../../dev/solana/rpc.ts";
import { ROOT, usablePort } from "../../dev/stack.ts";
import { images, WRANGLERS_DOCKER } from "../../scripts/lib/images.mjs";
import { Owned } from "../support/agent.ts";
import { Client } from "../support/client.ts";
import { login } from "../support/login.ts";
import { until } from "../support/wait.ts";
import { docker, sidecarOf } from "./support.ts";

/** The image is built on the way. */
const READY_WITHIN_MS = 300_000;
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
const printed: string[] = [];
const before = docker("ps", "--all", "--quiet", "--no-trunc").split("\n");
const wrangler = spawn(
  "npx",
  [
    ...["wrangler", "dev", "--port", String(port), "--inspector-port", "0", "--persist-to", join(dir, "storage")],
    ...["--env-file", secrets, "--show-interactive-dev-session=false"],
    ...Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]),
  ],
  {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_LOG_PATH: join(dir, "logs"),
      WRANGLER_REGISTRY_PATH: join(dir, "registry"),
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      // Only for a machine that can pull neither base nor sidecar: elsewhere they are the real ones.
      WRANGLER_DOCKER_BIN: WRANGLERS_DOCKER,
      AGENT_BASE_IMAGE: base,
      MINIFLARE_CONTAINER_EGRESS_IMAGE: sidecar,
    },
  },
);
for (const stream of [wrangler.stdout, wrangler.stderr]) stream.on("data", (chunk) => printed.push(String(chunk)));

const own = (): string[] =>
  docker("ps", "--all", "--quiet", "--no-trunc")
    .split("\n")
    .filter((id) => !before.includes(id));

after(async () => {
  const ended = wrangler.exitCode === null ? once(wrangler, "exit") : undefined;
  if (wrangler.pid !== undefined) process.kill(-wrangler.pid, "SIGTERM");
  await ended;
  for (const id of own()) docker("rm", "--force", id);
  await rpc.close();
  rmSync(dir, { recursive: true, force: true });
});

test("it builds the image and serves", { timeout: READY_WITHIN_MS + 10_000 }, async (t) => {
  const began = Date.now();
  const healthy = async (): Promise<boolean> => {
    if (wrangler.exitCode !== null) throw new Error(`wrangler ended with ${wrangler.exitCode}`);
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
    return answer?.status === 200;
  };
  await until("an answer", healthy, { within: READY_WITHIN_MS }).catch((error) => {
    throw new Error(`${error.message}:\n${printed.join("").slice(-4000)}`);
  });
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
  const running = own().filter((id) => docker("inspect", "--format", "{{.Config.User}}", id).trim() === "agent");
  assert.equal(running.length, 1);
  assert.match(docker("inspect", "--format", "{{.Config.Image}}", sidecarOf(running[0] ?? "")), new RegExp(sidecar));
  await owned.stop();
  assert.equal((await owned.snapshots()).length, 1);
});
