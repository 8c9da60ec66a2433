// `keys`: the keys that were typed into OpenClaw's own pages, by provider, for the owner to move where they are kept.
import { readdir } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

import { injectedValues } from "./secrets.mjs";
import { typedKeysIn } from "./typed.mjs";

/** The answer is one line of bounded length. */
const MAX_KEYS = 32;

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths }) {
  const injected = await injectedValues(paths);
  const agents = await readdir(path.join(paths.state, "agents")).catch(() => []);
  const files = [
    ...agents.sort().map((agent) => path.join(paths.state, "agents", agent, "agent", "openclaw-agent.sqlite")),
    path.join(paths.state, "state", "openclaw.sqlite"),
  ];
  /** @type {Map<string, string>} */
  const keys = new Map();
  for (const { provider, key } of files.flatMap(typedIn)) {
    if (key !== undefined && !injected.includes(key) && !keys.has(provider) && keys.size < MAX_KEYS)
      keys.set(provider, key);
  }
  return { keys: Object.fromEntries(keys) };
}

/** @param {string} file */
function typedIn(file) {
  let database;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
    return typedKeysIn(database);
  } catch {
    // Not there, or none that can be read.
    return [];
  } finally {
    database?.close();
  }
}
