// A rehearsal of each deployment with the built Worker: wrangler accepts the real wrangler.toml, asks nobody for anything,
// and what it would send is what the Worker needs.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { bundleExports, lintClasses, lintExports } from "../scripts/lib/bundle.mjs";
import { BINDINGS, ENVIRONMENTS, SECRETS, VARIABLES } from "../scripts/lib/deployment.mjs";
import { asked } from "../scripts/lib/documented.mjs";
import { rehearse } from "../scripts/lib/rehearsal.mjs";
import { environment, readConfig } from "../scripts/lib/wrangler-config.mjs";

interface Upload {
  main_module: string;
  bindings: { name: string; type: string; text?: string }[];
  containers: { class_name: string }[];
}

const dir = mkdtempSync(join(tmpdir(), "multiclaw-deploy-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const config = await readConfig();

/** The form that would be sent: its first part describes the rest. */
function described(file: string): Upload {
  const form = readFileSync(file, "latin1");
  const [, json = ""] = form.match(/name="metadata"\r\n\r\n(.*?)\r\n--/s) ?? [];
  return JSON.parse(json) as Upload;
}

for (const name of ENVIRONMENTS) {
  test(`wrangler would deploy ${name}, with everything that the Worker asks for`, async () => {
    const upload = join(dir, name);
    assert.deepEqual(await rehearse(name, { image: false, upload }), [], "wrangler warns");
    const { main_module, bindings, containers } = described(upload);
    assert.equal(main_module, "index.js");
    const required = SECRETS.filter((secret) => secret.required);
    const variables = Object.keys(VARIABLES).filter((variable) => VARIABLES[variable]?.required);
    assert.deepEqual(
      bindings.map((binding) => binding.name).sort(),
      [...BINDINGS, ...required]
        .map((one) => one.name)
        .concat(variables)
        .sort(),
    );
    // A secret's value is never in what is sent: it is kept from what is deployed.
    for (const { name: secret } of required)
      assert.equal(bindings.find((binding) => binding.name === secret)?.type, "inherit");
    assert.deepEqual(
      containers.map((container) => container.class_name),
      ["Agent"],
    );
  });
}

test("the built Worker exports the classes that the code declares and the configuration names", async () => {
  const [exported, { classes }] = [await bundleExports(), asked()];
  const found = ENVIRONMENTS.flatMap((name) => lintClasses(exported, classes, environment(config, name), name));
  assert.deepEqual([...lintExports(exported, classes), ...found], []);
});
