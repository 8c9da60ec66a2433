// What makes a state too large for a snapshot, for its owner to take away: the biggest files and directories in it.

import { MAX_STATE_BYTES, MAX_STATE_ENTRIES } from "./limits.mjs";
import { Matcher } from "./matcher.mjs";
import { shortened } from "./names.mjs";
import { keptEntries } from "./walk.mjs";

const NAMED = 5;
/** Names at most so deep below `workspace` and its like. */
const MAX_DEPTH = 3;
/** A directory that is large for one thing in it says less than that one. */
const MOST_OF_IT = 0.8;
/** The state may hold any number. */
const MAX_SEEN = 2 * MAX_STATE_ENTRIES;

/**
 * @typedef {{path: string, bytes: number, entries: number}} Place
 * @param {string} state the state directory
 * @param {string[]} values injected secrets
 * @returns {{path: string, bytes: number}[]} biggest first
 */
export function biggestIn(state, values) {
  /** @type {Map<string, Place>} */
  const places = new Map();
  for (const { relative, stat } of keptEntries(state, MAX_SEEN)) {
    const parts = relative.split("/");
    if (parts.length === 1 && stat.isDirectory()) continue;
    const bytes = stat.isFile() ? Number(stat.size) : 0;
    // That it lies in the workspace says nothing yet.
    for (let depth = Math.min(2, parts.length); depth <= Math.min(parts.length, MAX_DEPTH + 1); depth += 1) {
      const name = parts.slice(0, depth).join("/");
      const place = places.get(name) ?? { path: name, bytes: 0, entries: 0 };
      place.bytes += bytes;
      place.entries += 1;
      places.set(name, place);
    }
  }
  // What has a secret in its name is left out of snapshots, and is not what makes them large.
  const matcher = new Matcher(values);
  const named = [...places.values()].filter((place) => !matcher.isIn(place.path));
  return chosen(named).map(({ path, bytes }) => ({ path: shortened(path), bytes }));
}

/** @param {Place[]} places */
function chosen(places) {
  const isIn = (/** @type {Place} */ inner, /** @type {Place} */ outer) => inner.path.startsWith(`${outer.path}/`);
  const bySize = places.sort((a, b) => shareOf(b) - shareOf(a) || b.path.length - a.path.length);
  /** @type {Place[]} */
  const found = [];
  for (const [index, place] of bySize.entries()) {
    if (found.length === NAMED) break;
    if (found.some((other) => isIn(place, other) || isIn(other, place))) continue;
    if (!bySize.slice(index + 1).some((other) => shareOf(other) >= MOST_OF_IT * shareOf(place) && isIn(other, place)))
      found.push(place);
  }
  return found;
}

/** Of what a state may hold. @param {Place} place */
function shareOf({ bytes, entries }) {
  return Math.max(bytes / MAX_STATE_BYTES, entries / MAX_STATE_ENTRIES);
}
