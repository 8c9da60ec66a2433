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
  const { values, positionals } = parseArgs({ options: { transfers: { type: "string" } }, allowPositionals: true });
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0 || !BENCHES.includes(name))
    throw new UserError(`Name one benchmark. There are: ${BENCHES.join(", ")}`);
  const { transfers = "" } = values;
  if (transfers !== "" && !/^[1-9]\d*$/.test(transfers))
    throw new UserError(`--transfers must be a whole number from 1, not ${transfers}.`);
  const progress = new Progress(6);
  await ensure(progress, "npm", "rust", "wasm-tools", "agent");
  await build(progress, { console: ["development"] });

  const flags = ["--disable-warning=ExperimentalWarning", "--test", "--test-reporter=spec"];
  const child = spawn(projectNode(), [...flags, fromRoot(`benches/${name}.ts`)], {
    cwd: ROOT,
    env: toolEnv({ BENCH_TRANSFERS: transfers }),
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
});
