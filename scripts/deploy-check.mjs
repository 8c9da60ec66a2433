// `npm run deploy:check`: everything about a deployment that can be known without one. `--env production` asks whether that
// environment is ready: what is still to fill in is an error then. `--no-image` leaves the container's image out.

import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { bundleExports, lintClasses, lintExports } from "./lib/bundle.mjs";
import { ENVIRONMENTS, SECRETS } from "./lib/deployment.mjs";
import { asked, lintDocuments } from "./lib/documented.mjs";
import { lint } from "./lib/lint.mjs";
import { Progress } from "./lib/progress.mjs";
import { UserError } from "./lib/project.mjs";
import { imageHindrance, rehearse } from "./lib/rehearsal.mjs";
import { runMain } from "./lib/run.mjs";
import { lintSizes, printSizes, uploadSizes } from "./lib/sizes.mjs";
import { environment, readConfig } from "./lib/wrangler-config.mjs";
import { ensure } from "./setup.mjs";

/** @typedef {import("./lib/lint.mjs").Finding} Finding */

function options() {
  try {
    const { values } = parseArgs({ options: { env: { type: "string" }, "no-image": { type: "boolean" } } });
    if (values.env !== undefined && !ENVIRONMENTS.includes(values.env))
      throw new UserError(`No such environment: ${values.env}. There are: ${ENVIRONMENTS.join(", ")}`);
    return {
      chosen: values.env ? [values.env] : ENVIRONMENTS,
      ready: values.env !== undefined,
      image: !values["no-image"],
    };
  } catch (error) {
    throw error instanceof UserError || !(error instanceof Error) ? error : new UserError(error.message);
  }
}

/** @param {string[]} environments */
function printSecrets(environments) {
  const width = Math.max(...SECRETS.map(({ name }) => name.length));
  for (const name of environments) {
    console.log(
      `\nSecrets of ${name}, which wrangler asks for (the first deployment brings them along: docs/deploy.md, 5):`,
    );
    for (const secret of SECRETS) {
      const command = `npx wrangler secret put ${secret.name.padEnd(width)} --env ${name}`;
      console.log(`  ${secret.required ? "must be set" : "may be set "}  ${command}  ${secret.means}`);
    }
  }
}

/** @param {string} title @param {Finding[]} findings */
const list = (title, findings) => [title, ...findings.map(({ field, text }) => `  ${field}: ${text}`)].join("\n");
const count = (/** @type {Finding[]} */ { length }) => (length === 0 ? "nothing found" : `${length} found`);

await runMain(async () => {
  const { chosen, ready, image } = options();
  const progress = new Progress(8 + chosen.length);
  await ensure(progress, "npm", "rust", "wasm-tools");
  await build(progress, { console: ["production"] });

  const config = await readConfig();
  /** @type {Finding[]} */
  const findings = [];
  await progress.step("Configuration", async () => {
    findings.push(...lint(config, chosen), ...lintDocuments());
    return count(findings);
  });
  const sizes = uploadSizes();
  await progress.step("Bundle", async () => {
    const [exported, { classes }] = [await bundleExports(), asked()];
    const found = [
      ...lintExports(exported, classes),
      ...chosen.flatMap((name) => lintClasses(exported, classes, environment(config, name), name)),
      ...lintSizes(sizes),
    ];
    findings.push(...found);
    return count(found);
  });
  /** @type {string | null} */
  let without = "--no-image";
  await progress.step("Image's base", async (report) => {
    if (image) without = await imageHindrance(report);
    return without ?? "is here";
  });
  for (const name of chosen) {
    const field = `wrangler deploy --dry-run --env ${name}`;
    await progress
      .step(`Rehearsal (${name})`, async (report) => {
        const warnings = await rehearse(name, { image: without === null, report });
        findings.push(...warnings.map((text) => ({ field, text: `warns: ${text}` })));
        return without === null ? "done, with the image" : "done, without the image";
      })
      .catch((error) => {
        if (!(error instanceof UserError)) throw error;
        findings.push({ field, text: error.message });
      });
  }

  printSizes(sizes);
  printSecrets(chosen);
  const unchecked = ["whether the secrets are set, and that hosts, certificates and the account's resources exist"];
  if (without !== null) unchecked.unshift(`the container's image (${without})`);
  console.log(`\nNot checked: ${unchecked.join("; ")}.`);

  const unfilled = findings.filter((finding) => finding.unfilled);
  const wrong = findings.filter((finding) => !finding.unfilled);
  const failed = ready ? findings : wrong;
  if (!ready && unfilled.length > 0) console.log(`\n${list("Still to fill in (errors with --env NAME):", unfilled)}`);
  if (failed.length > 0) throw new UserError(list(`${failed.length} to mend before a deployment:`, failed));
  console.log(ready ? `\nNothing here speaks against deploying ${chosen[0]}.` : "\nNothing here is wrong.");
});
