// The Worker of a local run as one file, made before wrangler starts: wrangler's own bundler looks through all its files ten
// times a second for changes, which of a dozen runs at a time is a good part of a machine.
import { join } from "node:path";
import { build } from "esbuild";
import type { WranglerConfig } from "./config.ts";

/** The same Worker, from a bundle in this directory. */
export async function bundled(config: WranglerConfig, directory: string): Promise<WranglerConfig> {
  if (typeof config.main !== "string") throw new Error("The configuration has no main: expected the Worker's entry.");
  const main = join(directory, "index.js");
  const [worker, drained] = [config.main, join(import.meta.dirname, "drained.ts")].map((file) => JSON.stringify(file));
  const contents = `import worker from ${worker};
    import { drained } from ${drained};
    export * from ${worker};
    export default drained(worker);`;
  await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    outfile: main,
    bundle: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
    loader: { ".wasm": "copy" },
    logLevel: "error",
  });
  return { ...config, main, no_bundle: true };
}
