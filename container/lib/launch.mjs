// The gateway's process until OpenClaw runs in it. While the state is still being restored, it reads and links OpenClaw's
// modules, most of what a boot waits for; none of them runs until `init` says so. Arguments: OpenClaw's launcher and its own.
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import module from "node:module";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [launcher = "", ...argv] = process.argv.slice(2);
const packageDirectory = path.dirname(launcher);
/** OpenClaw's own modules and those of its dependencies lie here. */
const packages = pathToFileURL(`${path.dirname(packageDirectory)}/`).href;

/** Where OpenClaw itself looks for compiled code: the key is of its choice. */
function compileCacheDirectory() {
  const manifest = path.join(packageDirectory, "package.json");
  const { mtimeMs, size } = statSync(manifest);
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  return path.join(os.tmpdir(), "node-compile-cache", "openclaw", version, `${Math.trunc(mtimeMs)}-${size}`);
}

/**
 * Which modules a gateway loads is known from the first one of this version that ended here.
 * @param {string} file
 * @returns {string[]} their URLs
 */
function recorded(file) {
  try {
    const urls = JSON.parse(readFileSync(file, "utf8"));
    return Array.isArray(urls) && urls.every((url) => typeof url === "string") ? urls : [];
  } catch {
    return [];
  }
}

/** @param {string} file */
function record(file) {
  /** @type {Set<string>} */
  const urls = new Set();
  module.registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (loaded.format === "module" && url.startsWith(packages)) urls.add(url);
      return loaded;
    },
  });
  process.on("exit", () => {
    const draft = `${file}.${process.pid}`;
    try {
      writeFileSync(draft, JSON.stringify([...urls]), { flag: "wx" });
      renameSync(draft, file);
    } catch {
      // Where nothing can be kept, the next boot takes as long as this one.
    }
  });
}

/** @param {string[]} urls */
async function link(urls) {
  const known = new Set(urls);
  // They name each other by relative paths, which Node would look up one by one, four times as long as all the rest.
  const hooks = module.registerHooks({
    resolve(specifier, context, nextResolve) {
      const url = specifier.startsWith(".") ? new URL(specifier, context.parentURL).href : specifier;
      return known.has(url) ? { url, format: "module", shortCircuit: true } : nextResolve(specifier, context);
    },
  });
  const hold = new URL("hold.mjs", import.meta.url).href;
  const source = [hold, ...urls].map((url) => `import ${JSON.stringify(url)};`).join("\n");
  // It always fails: by `hold`, or because something is not there any more, which OpenClaw itself will tell.
  await import(`data:text/javascript,${encodeURIComponent(source)}`).catch(() => {});
  hooks.deregister();
}

const cache = compileCacheDirectory();
module.enableCompileCache(cache);
const list = path.join(cache, "modules.json");
const urls = recorded(list);
if (urls.length > 0) await link(urls);
else record(list);
// Where nothing was linked, this is where it waits.
await import("./hold.mjs").catch(() => {});

process.argv = [process.execPath, launcher, ...argv];
// It would start itself anew, for a compile cache that is in use already.
process.env.OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED = "1";
await import(pathToFileURL(launcher).href);
