// `manifest.json`, the first entry of an archive: what is in it, and the links that are to be made.
import { asObject } from "./config.mjs";
import { AgentError } from "./errors.mjs";
import { MAX_LINKS } from "./limits.mjs";
import { staysInside } from "./links.mjs";

export const FORMAT = 1;
export const MANIFEST = "manifest.json";

/**
 * @typedef {object} Manifest
 * @property {number} format @property {string} openclaw @property {string} created
 * @property {number} files @property {number} bytes
 * @property {[string, string][]} links
 */

/**
 * @param {string} text
 * @returns {Manifest}
 */
export function parseManifest(text) {
  let manifest;
  try {
    manifest = asObject(JSON.parse(text));
  } catch {
    throw new AgentError("the archive's manifest is not JSON");
  }
  if (manifest?.format !== FORMAT) throw new AgentError("the archive has a format that is not known here");
  const { openclaw, created, files, bytes, links } = manifest;
  const sound =
    typeof openclaw === "string" &&
    typeof created === "string" &&
    Number.isSafeInteger(files) &&
    Number.isSafeInteger(bytes) &&
    Array.isArray(links) &&
    links.length <= MAX_LINKS &&
    links.every(isPlainLink);
  if (!sound) throw new AgentError("the archive's manifest is malformed");
  return /** @type {any} */ (manifest);
}

/** @param {unknown} link */
function isPlainLink(link) {
  if (!Array.isArray(link) || link.length !== 2) return false;
  const [relative, target] = link;
  if (typeof relative !== "string" || typeof target !== "string") return false;
  return (
    relative.split("/").every((part) => !["", ".", ".."].includes(part)) &&
    !relative.includes("\0") &&
    staysInside(relative, target)
  );
}
