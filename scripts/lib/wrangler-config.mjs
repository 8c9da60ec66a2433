// wrangler.toml as wrangler reads it: what an environment has of its own, and what it inherits from the top level.

import { readFileSync } from "node:fs";
import { fromRoot, UserError } from "./project.mjs";

/**
 * A section's shape is what the lint is there to find out.
 * @typedef {Record<string, any>} Config
 */

/** Of what this project uses, the sections that every environment must repeat. */
const NOT_INHERITED = [
  ...[
    "vars",
    "secrets",
    "durable_objects",
    "kv_namespaces",
    "r2_buckets",
    "containers",
    "ratelimits",
    "tail_consumers",
  ],
];

/** @param {string} [file] @returns {Promise<Config>} */
export async function readConfig(file = fromRoot("wrangler.toml")) {
  // Imported late: this module is loaded before the packages are installed.
  const { parse } = await import("smol-toml");
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UserError(`${file} can't be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {Config} config @param {string} name @returns {Config} */
export function environment(config, name) {
  const { env, ...top } = config;
  const inherited = Object.entries(top).filter(([section]) => !NOT_INHERITED.includes(section));
  return { ...Object.fromEntries(inherited), ...env?.[name] };
}

/** The entries of a section that is a list, or of one that is alone. @param {Config} settings @param {string} section @returns {Config[]} */
export function entries(settings, section) {
  const value = section.split(".").reduce((found, key) => found?.[key], /** @type {any} */ (settings));
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

/** Durable Object classes after all migrations, in their order. @param {Config} settings */
export function migratedClasses(settings) {
  /** @type {Set<string>} */
  const classes = new Set();
  for (const migration of entries(settings, "migrations")) {
    for (const name of [...(migration.new_sqlite_classes ?? []), ...(migration.new_classes ?? [])]) classes.add(name);
    for (const { from, to } of [...(migration.renamed_classes ?? []), ...(migration.transferred_classes ?? [])]) {
      classes.delete(from);
      classes.add(to);
    }
    for (const name of migration.deleted_classes ?? []) classes.delete(name);
  }
  return classes;
}
