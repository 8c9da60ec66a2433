// The values injected into this container, for one purpose: to keep them out of logs and snapshots.
import { asObject } from "./config.mjs";
import { AgentError } from "./errors.mjs";
import { readJsonIfAny } from "./files.mjs";
import { MIN_SECRET_LENGTH } from "./limits.mjs";

/**
 * @param {import("./paths.mjs").Paths} paths
 * @returns {Promise<string[]>} longest first, so that a value that contains another is masked whole
 */
export async function injectedValues(paths) {
  const secrets = asObject(await readJsonIfAny(paths.secrets));
  if (!secrets) return [];
  const former = await readJsonIfAny(paths.former);
  const values = [...Object.values(secrets), ...(Array.isArray(former) ? former : [])].filter(
    (value) => typeof value === "string" && value.length >= MIN_SECRET_LENGTH,
  );
  return [...new Set(values)].sort((a, b) => b.length - a.length);
}

/**
 * Without the list of what was injected nothing can be searched for it, and an unsearched snapshot is none.
 * @param {import("./paths.mjs").Paths} paths
 * @returns {Promise<string[]>}
 */
export async function valuesToFind(paths) {
  if (!asObject(await readJsonIfAny(paths.secrets))) throw new AgentError("there is no list of secrets to keep out");
  return injectedValues(paths);
}

/**
 * Each value as it is and as a JSON string holds it.
 * @param {string[]} values
 * @returns {string[]}
 */
export function writtenForms(values) {
  return [...new Set(values.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]))];
}

/**
 * @param {string[]} values
 * @returns {(text: string) => string}
 */
export function maskFor(values) {
  const forms = writtenForms(values);
  return (text) => forms.reduce((masked, form) => masked.replaceAll(form, "[secret]"), text);
}
