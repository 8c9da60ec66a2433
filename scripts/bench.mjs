// `npm run bench -- NAME`: builds the Worker and measures it. Times are those of the machine at that moment: leave it alone
// meanwhile.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { Progress } from "./lib/progress.mjs";
import { fromRoot, projectNode, ROOT, toolEnv, UserError } from "./lib/project.mjs";
import { runMain } from "./lib/run.mjs";
import { ensure } from "./setup.mjs";

const BENCHES = readdirSync(fromRoot("benches"))
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replace(/\.ts$/, ""));

await runMain(async () => {
  const { values, positionals } = parseArgs({
    options: { transfers: { type: "string" }, rounds: { type: "string" } },
    allowPositionals: true,
  });
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0 || !BENCHES.includes(name))
    throw new UserError(`Name one benchmark. There are: ${BENCHES.join(", ")}`);
  const { transfers = "", rounds = "" } = values;
  for (const [option, value] of Object.entries({ transfers, rounds }))
    if (value !== "" && !/^[1-9]\d*$/.test(value))
      throw new UserError(`--${option} must be a whole number from 1, not ${value}.`);
  const progress = new Progress(6);
  await ensure(progress, "npm", "rust", "wasm-tools", "agent");
  await build(progress, { console: ["development"] });

  const flags = ["--disable-warning=ExperimentalWarning", "--test", "--test-reporter=spec"];
  const child = spawn(projectNode(), [...flags, fromRoot(`benches/${name}.ts`)], {
    cwd: ROOT,
    env: toolEnv({ BENCH_TRANSFERS: transfers, BENCH_ROUNDS: rounds }),
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
});
