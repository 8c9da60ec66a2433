// Makes a running gateway take a configuration and secrets that were just written, and tells only then that it did.
import { setTimeout as sleep } from "node:timers/promises";

import { asObject } from "./config.mjs";
import { AgentError } from "./errors.mjs";
import { readJsonIfAny } from "./files.mjs";
import { call } from "./gateway.mjs";
import { Socket } from "./socket.mjs";

/** Of these the gateway takes a change while it runs. For any other it would end, and the container with it. */
const TAKEN_RUNNING = new Set(["agents", "models", "messages", "session"]);
const LIMIT_MS = 25_000;
const POLL_MS = 250;

/**
 * To be called before anything is written.
 * @param {import("./config.mjs").Json} next
 * @param {import("./paths.mjs").Paths} paths
 * @returns {Promise<string | undefined>} the gateway's name for the present configuration, where the next is another
 */
export async function prepareReload(next, paths) {
  const present = asObject(await readJsonIfAny(paths.config));
  if (!present) throw new AgentError("the running gateway has no configuration");
  const changed = [...new Set([...Object.keys(present), ...Object.keys(next)])].filter(
    (key) => JSON.stringify(present[key]) !== JSON.stringify(next[key]),
  );
  if (changed.some((key) => !TAKEN_RUNNING.has(key)))
    throw new AgentError("the configuration differs in what a running gateway does not take");
  if (changed.length === 0) return undefined;
  const revision = (await call(paths, "config.get", {}, LIMIT_MS))?.configRevisionHash;
  if (typeof revision !== "string") throw new AgentError("the gateway does not answer");
  return revision;
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {string | undefined} before what `prepareReload` gave
 */
export async function reloadGateway(paths, before) {
  const deadline = Date.now() + LIMIT_MS;
  const left = () => Math.max(1, deadline - Date.now());
  // The gateway watches the file and takes it by itself, some seconds later. Until it has seen it, it names the one before.
  for (;;) {
    const config = await call(paths, "config.get", {}, left());
    const { configRevisionHash: written, appliedConfigHash: taken } = config ?? {};
    if (typeof written === "string" && written !== before && written === taken) break;
    if (Date.now() > deadline) throw new AgentError("the gateway did not take the configuration");
    await sleep(POLL_MS);
  }
  // The secrets' file it reads again when it is told to, which only a socket can.
  const socket = await Socket.open(paths, left());
  try {
    const reloaded = await socket.call("secrets.reload", {}, left());
    if (reloaded?.ok !== true || reloaded.warningCount !== 0)
      throw new AgentError("the gateway did not take the secrets");
  } finally {
    socket.close();
  }
}
