// `npm run dev`: from a fresh clone to a service in the browser. Arguments after `--` go to wrangler
// (`--port 8790`, `--var NAME:VALUE`).

import { spawn } from "node:child_process";
import { build } from "./build.mjs";
import { Progress } from "./lib/progress.mjs";
import { fromRoot, projectNode, ROOT, toolEnv } from "./lib/project.mjs";
import { runMain } from "./lib/run.mjs";
import { ensure } from "./setup.mjs";

const STEPS = 7;

await runMain(async () => {
  const started = Date.now();
  const progress = new Progress(STEPS);
  await ensure(progress, "npm", "rust", "wasm-tools", "agent");
  await build(progress, { console: ["development"] });

  const args = ["--step", String(STEPS), "--since", String(started), "--", ...process.argv.slice(2)];
  const child = spawn(projectNode(), ["--disable-warning=ExperimentalWarning", fromRoot("dev/main.ts"), ...args], {
    cwd: ROOT,
    env: toolEnv(),
    stdio: "inherit",
  });
  // A terminal sends Ctrl-C to both; the child takes the stack down, this process waits for it.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  for (const signal of /** @type {const} */ (["SIGTERM", "SIGHUP"])) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  });
});
