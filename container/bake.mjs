// Run once while the image is built: starts the gateway and stops it again, so that its compiled code comes with the image,
// and the list of what it loads.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const AGENT = path.join(HERE, "agent.mjs");
const CACHE = process.env.AGENT_COMPILE_CACHE || path.join(HERE, "compile-cache");
const PORT = 18_789;
const LIMIT_MS = 5 * 60_000;
const OWNER = "nobody";

/** @param {string} id */
const provider = (id) => ({ apiKey: { source: "file", provider: "host", id: `/${id}` } });
const CONFIG = {
  gateway: {
    auth: { mode: "trusted-proxy", trustedProxy: { userHeader: "x-owner", allowUsers: [OWNER] } },
    controlUi: { allowedOrigins: ["https://agent.invalid"] },
  },
  models: { providers: { anthropic: provider("key"), openai: provider("key"), openrouter: provider("key") } },
  agents: { defaults: { model: { primary: "openai/gpt-5.4" } } },
};

async function started() {
  const headers = { "x-owner": OWNER, "x-forwarded-for": "192.0.2.1" };
  try {
    const response = await fetch(`http://127.0.0.1:${PORT}/startupz`, { headers, signal: AbortSignal.timeout(5_000) });
    return /** @type {any} */ (await response.json()).status === "started";
  } catch {
    return false;
  }
}

const root = await mkdtemp(path.join(os.tmpdir(), "bake-"));
await mkdir(CACHE, { recursive: true });
const env = { PATH: process.env.PATH ?? "", AGENT_ROOT: root, AGENT_HOST: "127.0.0.1", AGENT_COMPILE_CACHE: CACHE };
const init = spawn(process.execPath, [AGENT, "init"], { env, stdio: "inherit" });
const ended = once(init, "close");
const inject = spawn(process.execPath, [AGENT, "inject"], { env, stdio: ["pipe", "inherit", "inherit"] });
inject.stdin.end(JSON.stringify({ config: CONFIG, secrets: { key: "not-a-key" } }));
const deadline = Date.now() + LIMIT_MS;
while (!(await started())) {
  if (init.exitCode !== null || Date.now() > deadline) {
    init.kill("SIGKILL");
    throw new Error("the gateway did not start");
  }
  await sleep(200);
}
// Node writes the compiled code when the process ends by itself.
init.kill("SIGTERM");
const [code] = await ended;
await rm(root, { recursive: true, force: true });
if (code !== 0) throw new Error(`the gateway ended with code ${code}`);
const kept = await readdir(CACHE, { recursive: true });
if (!kept.some((file) => path.basename(file) === "modules.json")) throw new Error("what it loads was not kept");
