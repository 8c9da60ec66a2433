// The wrangler configuration for local work: the real wrangler.toml with an overlay. What only exists at Cloudflare
// (routes, environments, containers) is taken out; bindings, flags and migrations stay those of production.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "smol-toml";

export interface DevConfigOptions {
  /** The project: where wrangler.toml is. */
  root: string;
  /** What takes the place of the Worker's entry, absolute. */
  entry: string;
  /** The console to serve, absolute. */
  consoleDir: string;
  vars: Record<string, string>;
  /** The containers' Dockerfile, absolute; without one there are none. */
  dockerfile?: string;
}

export type WranglerConfig = Record<string, unknown>;

/** Sections that mean nothing locally, or that would build, deploy or call out. */
const LEFT_OUT = [
  "account_id",
  "build",
  "containers",
  "env",
  "limits",
  "logpush",
  "observability",
  "placement",
  "preview_urls",
  "route",
  "routes",
  // With a list of names wrangler would pass on no other secret, the stand-in's token among them.
  "secrets",
  "tail_consumers",
  "upload_source_maps",
  "workers_dev",
];

export function devConfig(options: DevConfigOptions): WranglerConfig {
  const file = join(options.root, "wrangler.toml");
  return overlay(parse(readFileSync(file, "utf8")), options);
}

export function overlay(
  production: WranglerConfig,
  { root, entry, consoleDir, vars, dockerfile }: DevConfigOptions,
): WranglerConfig {
  refuseRemote(production, "wrangler.toml");
  const kept = Object.fromEntries(Object.entries(production).filter(([key]) => !LEFT_OUT.includes(key)));
  return {
    ...kept,
    main: resolve(root, entry),
    assets: { ...section(production.assets), directory: resolve(root, consoleDir) },
    vars: { ...section(production.vars), ...vars },
    ...(dockerfile && { containers: containers(production.containers, dockerfile) }),
  };
}

/** The classes that have containers, all from this image. */
function containers(value: unknown, image: string): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map((one) => ({ class_name: section(one).class_name, image })) : [];
}

function section(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** A binding marked `remote` reaches the account's real data even from a local run. */
function refuseRemote(value: unknown, path: string): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (key === "remote" && child === true) throw new Error(`${path} has a remote binding: not in local runs`);
    refuseRemote(child, `${path}: ${key}`);
  }
}
