// The classes of Durable Objects: what the built Worker exports, compared with the code that declares them and with
// wrangler.toml. A class that nobody names in the Worker's crate is silently left out of the bundle.

import { fromRoot } from "./project.mjs";
import { entries, migratedClasses } from "./wrangler-config.mjs";

const ENTRY = "build/index.js";

/** What the entry exports, by esbuild's own reading of it. */
export async function bundleExports(entry = fromRoot(ENTRY)) {
  const esbuild = await import("esbuild");
  const { metafile } = await esbuild.build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    outfile: "exports.js",
    format: "esm",
    external: ["*.wasm", "cloudflare:*"],
    logLevel: "silent",
  });
  return Object.values(metafile.outputs).flatMap(({ exports }) => exports);
}

/**
 * @param {string[]} exported @param {Map<string, string>} declared class to file
 * @param {import("./wrangler-config.mjs").Config} settings of one environment @param {string} environment
 * @returns {import("./lint.mjs").Finding[]}
 */
export function lintClasses(exported, declared, settings, environment) {
  const bound = entries(settings, "durable_objects.bindings").map(({ class_name }) => class_name);
  const named = {
    "durable_objects.bindings": bound,
    migrations: [...migratedClasses(settings)],
    containers: entries(settings, "containers").map(({ class_name }) => class_name),
  };
  return [
    ...Object.entries(named).flatMap(([section, names]) =>
      names
        .filter((name) => !exported.includes(name))
        .map((name) => ({
          field: `env.${environment}.${section}`,
          text: `name the class ${name}, which ${ENTRY} does not export`,
        })),
    ),
    ...[...declared.keys()]
      .filter((name) => !bound.includes(name))
      .map((name) => ({
        field: `env.${environment}.durable_objects.bindings`,
        text: `name no class ${name}, which ${declared.get(name)} declares`,
      })),
  ];
}

/** @param {string[]} exported @param {Map<string, string>} declared @returns {import("./lint.mjs").Finding[]} */
export function lintExports(exported, declared) {
  return [
    ...[...declared]
      .filter(([name]) => !exported.includes(name))
      .map(([name, file]) => ({
        field: ENTRY,
        text: `does not export ${name}, which ${file} declares: name it in src/lib.rs (pub use)`,
      })),
    ...(exported.includes("default") ? [] : [{ field: ENTRY, text: "has no default export, the Worker itself" }]),
  ];
}
