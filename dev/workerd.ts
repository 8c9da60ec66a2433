// A Worker in workerd with the bindings of its configuration, set up as `wrangler dev` does it and by the same library, without
// what wrangler has around it: a second workerd as a proxy, a bundler, a log on disk. The black-box tests start hundreds of
// them. Arguments: the configuration (JSON, beside it .dev.vars), the storage's folder, and the port. Reads both anew on SIGUSR2.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { parseEnv } from "node:util";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type MiniflareOptions } from "miniflare";

type Section = Record<string, unknown>;
interface Config {
  name: string;
  main: string;
  compatibility_date: string;
  compatibility_flags?: string[];
  vars?: Section;
  assets?: { directory: string; binding: string; run_worker_first: boolean };
  kv_namespaces?: { binding: string; id?: string }[];
  r2_buckets?: { binding: string; bucket_name: string }[];
  durable_objects?: { bindings: { name: string; class_name: string }[] };
  migrations?: { new_sqlite_classes?: string[] }[];
  ratelimits?: { name: string; namespace_id: string; simple: { limit: number; period: 10 | 60 } }[];
}

const [file = "", storage = "", port = ""] = process.argv.slice(2);

function optionsOf(): MiniflareOptions {
  const config: Config = JSON.parse(readFileSync(file, "utf8"));
  const secretsFile = join(dirname(file), ".dev.vars");
  const secrets = existsSync(secretsFile) ? parseEnv(readFileSync(secretsFile, "utf8")) : {};
  const { name, assets, compatibility_date: compatibilityDate, compatibility_flags: compatibilityFlags = [] } = config;
  const folder = dirname(config.main);
  const wasm = readdirSync(folder).filter((entry) => entry.endsWith(".wasm"));
  const sqlite = new Set(config.migrations?.flatMap((step) => step.new_sqlite_classes ?? []));
  const byName = <T, U>(all: readonly T[] | undefined, entry: (one: T) => [string, U]) =>
    Object.fromEntries((all ?? []).map(entry));
  return convertV4MiniflareOptions({
    rootPath: folder,
    host: "127.0.0.1",
    port: Number(port),
    cf: false,
    logRequests: false,
    log: new Log(LogLevel.INFO),
    handleStructuredLogs: ({ message }: { message: string }) => console.log(message),
    resourcePersistencePath: join(storage, "v3"),
    resourceTmpPath: join(dirname(storage), "tmp"),
    unsafeTriggerHandlers: false,
    workers: [
      {
        name,
        compatibilityDate,
        compatibilityFlags,
        modulesRoot: folder,
        modules: [
          { type: "ESModule", path: config.main },
          ...wasm.map((entry) => ({ type: "CompiledWasm" as const, path: join(folder, entry) })),
        ],
        bindings: { ...config.vars, ...secrets } as Record<string, string>,
        kvNamespaces: byName(config.kv_namespaces, ({ binding, id }) => [binding, { id: id ?? binding }]),
        r2Buckets: byName(config.r2_buckets, ({ binding, bucket_name }) => [binding, { id: bucket_name }]),
        durableObjects: byName(config.durable_objects?.bindings, ({ name: binding, class_name: className }) => [
          binding,
          { className, useSQLite: sqlite.has(className) },
        ]),
        ratelimits: byName(config.ratelimits, (one) => [one.name, one]),
        ...(assets && {
          assets: {
            directory: assets.directory,
            binding: assets.binding,
            run_worker_first: assets.run_worker_first,
            routerConfig: { has_user_worker: true, invoke_user_worker_ahead_of_assets: assets.run_worker_first },
            assetConfig: { compatibility_date: compatibilityDate, compatibility_flags: compatibilityFlags },
          },
        }),
      },
    ],
  });
}

const worker = new Miniflare(optionsOf());
process.on("SIGUSR2", () => {
  void worker.setOptions(optionsOf()).then(() => console.log("Local server updated and ready"));
});
process.on("SIGTERM", () => {
  void worker.dispose().finally(() => process.exit(0));
});
await worker.ready;
console.log("Ready");
