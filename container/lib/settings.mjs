// What the owner or the agent may choose of OpenClaw's configuration: a file in the workspace, of which known keys with
// known forms are taken. It comes from the agent and out of archives: nothing else of it counts, whatever it is.
import { constants } from "node:fs";
import { open } from "node:fs/promises";

import { asObject, merge } from "./config.mjs";
import { writtenForms } from "./secrets.mjs";

/** @typedef {import("./config.mjs").Json} Json */

const MAX_BYTES = 16 * 1024;
/** A change of these costs nothing, opens nothing and names no place. Each value that passes is one that OpenClaw takes. */
const ALLOWED = /** @type {[string[], (value: unknown) => boolean][]} */ ([
  [["agents", "defaults", "userTimezone"], isTimeZone],
  [["agents", "defaults", "thinkingDefault"], oneOf("off", "minimal", "low", "medium", "high")],
  [["agents", "defaults", "heartbeat", "every"], isCalmPeriod],
  [["agents", "defaults", "heartbeat", "activeHours", "start"], isTimeOfDay],
  [["agents", "defaults", "heartbeat", "activeHours", "end"], isTimeOfDay],
  [["messages", "responsePrefix"], isLine],
  [["session", "reset", "mode"], oneOf("none", "daily", "idle")],
  [["session", "reset", "atHour"], wholeBetween(0, 23)],
  [["session", "reset", "idleMinutes"], wholeBetween(1, 525_600)],
]);

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {string[]} values injected secrets, none of which may get into the configuration
 * @returns {Promise<Json>}
 */
export async function chosenSettings(paths, values) {
  return allowedOf(await readSettings(paths.settings), values);
}

/**
 * @param {unknown} chosen
 * @param {string[]} values
 * @returns {Json}
 */
export function allowedOf(chosen, values) {
  const forms = writtenForms(values);
  /** @type {Json} */
  let allowed = {};
  for (const [keys, isRight] of ALLOWED) {
    const value = keys.reduce(ownValue, chosen);
    if (!isRight(value) || forms.some((form) => String(value).includes(form))) continue;
    allowed = merge(allowed, /** @type {Json} */ (keys.reduceRight((inner, key) => ({ [key]: inner }), value)));
  }
  // OpenClaw wants both or neither.
  const heartbeat = asObject(asObject(asObject(allowed.agents)?.defaults)?.heartbeat);
  const hours = asObject(heartbeat?.activeHours);
  if (heartbeat && hours && Object.keys(hours).length !== 2) delete heartbeat.activeHours;
  return allowed;
}

/** @param {unknown} value @param {string} key */
function ownValue(value, key) {
  const object = asObject(value);
  return object && Object.hasOwn(object, key) ? object[key] : undefined;
}

/**
 * @param {string} file
 * @returns {Promise<unknown>} undefined where it is no small JSON file
 */
async function readSettings(file) {
  // Not through a link, and not waiting for a pipe's other end.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file, flags).catch(() => undefined);
  if (!handle) return undefined;
  try {
    if (!(await handle.stat()).isFile()) return undefined;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_BYTES + 1), 0, MAX_BYTES + 1, 0);
    return bytesRead > MAX_BYTES ? undefined : JSON.parse(buffer.subarray(0, bytesRead).toString("utf8"));
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** @param {unknown} value */
function isTimeZone(value) {
  if (typeof value !== "string" || !/^[A-Za-z0-9_+\-/]{1,64}$/.test(value)) return false;
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: value }));
  } catch {
    return false;
  }
}

/** Never, or at most four times an hour: each beat is a call of the model. @param {unknown} value */
function isCalmPeriod(value) {
  const [, count, unit] = (typeof value === "string" && /^(\d{1,4})(m|h)$/.exec(value)) || [];
  const minutes = Number(count) * (unit === "h" ? 60 : 1);
  return minutes === 0 || (minutes >= 15 && minutes <= 7 * 24 * 60);
}

/** @param {unknown} value */
function isTimeOfDay(value) {
  return typeof value === "string" && /^([01]\d|2[0-3]):[0-5]\d$/.test(value);
}

/** Without `$`, which is how OpenClaw writes references to variables. @param {unknown} value */
function isLine(value) {
  return typeof value === "string" && /^[^\p{C}$]{1,64}$/u.test(value);
}

/** @param {string[]} names @returns {(value: unknown) => boolean} */
function oneOf(...names) {
  return (value) => typeof value === "string" && names.includes(value);
}

/** @param {number} least @param {number} most @returns {(value: unknown) => boolean} */
function wholeBetween(least, most) {
  return (value) => Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
}
