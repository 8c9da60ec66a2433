// What earlier versions stored (tests/fixtures/storage), put where the runtime keeps it: see docs/upgrades.md. In their
// texts `:now` is the time in milliseconds, `:issued` and `:expires` are a challenge's times, `:host` and `:origin` ours.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "smol-toml";
import { getPlatformProxy } from "wrangler";
import { ROOT } from "../../dev/stack.ts";
import type { Snapshot } from "./agent.ts";
import { objectFile, openDatabase } from "./objects.ts";
import type { TestStack } from "./stack.ts";
import type { Claims } from "./tokens.ts";

/** A domain as some version left it. */
export interface Stored {
  readonly version: number;
  /** SQL text of the object's database. */
  readonly sql: string;
  readonly asset: string;
  readonly owner: string;
  readonly name: string;
  /** Of the living session's token, but for its times. */
  readonly claims: Claims;
  /** KV's value of a challenge that waits for its signature. */
  readonly challenge: Readonly<Record<string, string>>;
  /** What the sealed secret holds. */
  readonly secret: { readonly name: string; readonly value: string };
  readonly snapshot: Snapshot;
  /** What the agent remembers by that snapshot. */
  readonly memory: string;
  /** R2's objects. */
  readonly archives: Readonly<Record<string, string>>;
}

const CHALLENGE_MS = 300_000;
const DIRECTORY = join(ROOT, "tests/fixtures/storage");
const read = (name: string): string => readFileSync(join(DIRECTORY, name), "utf8");

/** The secrets that the service had in all versions. */
export const storedKeys: { JWT_SECRET: string; SEALING_KEY: string } = JSON.parse(read("keys.json"));

/** Every kept version's domain, oldest first, as one left it a moment ago. */
export function storedDomains({ appOrigin }: TestStack): Stored[] {
  const at = Date.now() - 1000;
  const values: Record<string, string> = {
    now: String(at),
    issued: new Date(at).toISOString(),
    expires: new Date(at + CHALLENGE_MS).toISOString(),
    host: new URL(appOrigin).host,
    origin: appOrigin,
  };
  const fill = (text: string): string =>
    text.replaceAll(/:(now|issued|expires|host|origin)\b/g, (_, name) => values[name] ?? "");
  const versions = readdirSync(DIRECTORY).flatMap((file) => (file.endsWith(".sql") ? Number.parseInt(file, 10) : []));
  return versions
    .sort((a, b) => a - b)
    .map((version) => ({ version, sql: fill(read(`${version}.sql`)), ...JSON.parse(fill(read(`${version}.json`))) }));
}

/** Puts these domains into the storage, while no Worker has it open. */
export async function place(stack: TestStack, domains: readonly Stored[]): Promise<void> {
  for (const { asset, owner, name, sql } of domains) {
    stack.rpc.control.mint({ asset, name, owner });
    const file = objectFile(stack, asset);
    mkdirSync(dirname(file), { recursive: true });
    const database = openDatabase(file);
    database.exec(sql);
    database.close();
  }
  await withBindings(stack, async ({ SNAPSHOTS, CHALLENGES }) => {
    for (const { archives, challenge } of domains) {
      for (const [key, archive] of Object.entries(archives)) await SNAPSHOTS.put(key, archive);
      await CHALLENGES.put(`challenge:${challenge.nonce}`, JSON.stringify(challenge));
    }
  });
}

interface Bucket {
  put(key: string, value: string): Promise<unknown>;
}

async function withBindings(
  stack: TestStack,
  use: (env: { SNAPSHOTS: Bucket; CHALLENGES: Bucket }) => Promise<void>,
): Promise<void> {
  const { name, compatibility_date, r2_buckets, kv_namespaces } = parse(
    readFileSync(join(ROOT, "wrangler.toml"), "utf8"),
  );
  const dir = mkdtempSync(join(stack.dir, "bindings-"));
  const configPath = join(dir, "wrangler.json");
  writeFileSync(configPath, JSON.stringify({ name, compatibility_date, r2_buckets, kv_namespaces }));
  const { env, dispose } = await getPlatformProxy<{ SNAPSHOTS: Bucket; CHALLENGES: Bucket }>({
    configPath,
    persist: { path: join(stack.dir, "storage", "v3") },
    remoteBindings: false,
  });
  await use(env).finally(dispose);
  rmSync(dir, { recursive: true });
}
