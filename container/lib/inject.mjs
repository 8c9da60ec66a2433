// `inject`: takes configuration policy and secrets from stdin, writes both fresh, and lets `init` start the gateway; a
// gateway that runs takes them as it runs.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { asObject, buildConfig, checkPolicy } from "./config.mjs";
import { hasEnded } from "./ended.mjs";
import { AgentError, hasCode } from "./errors.mjs";
import { makePrivateDirectory, writePrivateFile } from "./files.mjs";
import { MAX_INPUT_BYTES } from "./limits.mjs";
import { isMarkedProcessAlive } from "./processes.mjs";
import { prepareReload, reloadGateway } from "./reload.mjs";
import { injectedValues } from "./secrets.mjs";
import { chosenSettings } from "./settings.mjs";
import { clear } from "./wipe.mjs";

const WAIT_FOR_INIT_MS = 15_000;
const MAX_SECRET_LENGTH = 16_384;

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths, stdin }) {
  const { config, secrets } = parseInput(await readBounded(stdin, MAX_INPUT_BYTES));
  await waitForInit(paths);
  // Its `init` is there for what is left to be taken out; no gateway will be started any more.
  if (await hasEnded(paths)) throw new AgentError("the gateway has ended");
  await makePrivateDirectory(paths.run);
  const reloaded = await isMarkedProcessAlive(paths.gatewayMark);
  const former = reloaded ? await replacedValues(paths, secrets) : [];
  const built = buildConfig(config, paths, await chosenSettings(paths, [...Object.values(secrets), ...former]));
  const before = reloaded ? await prepareReload(built, paths) : undefined;
  if (reloaded) await writeIfChanged(paths.former, JSON.stringify(former));
  await writeIfChanged(paths.secrets, JSON.stringify(secrets));
  await writeIfChanged(paths.config, JSON.stringify(built, null, 2));
  await writePrivateFile(paths.go, "");
  if (!(await isMarkedProcessAlive(paths.initMark))) {
    // It ended meanwhile, and has wiped before the last was written.
    await clear(paths);
    throw new AgentError("init is not running");
  }
  if (reloaded) await reloadGateway(paths, before);
  return { ok: true, reloaded };
}

/**
 * What the agent has had in its hands may be anywhere by now: snapshots are searched for it until the container's end.
 * @param {import("./paths.mjs").Paths} paths
 * @param {Record<string, string>} secrets
 */
async function replacedValues(paths, secrets) {
  const present = new Set(Object.values(secrets));
  return (await injectedValues(paths)).filter((value) => !present.has(value));
}

/**
 * `init` removes what an earlier life left behind, so nothing may be written before it has done so.
 * @param {import("./paths.mjs").Paths} paths
 */
async function waitForInit(paths) {
  const deadline = Date.now() + WAIT_FOR_INIT_MS;
  while (!(await isMarkedProcessAlive(paths.initMark))) {
    if (Date.now() > deadline) throw new AgentError("init is not running");
    await sleep(20);
  }
}

/**
 * A running gateway reloads its configuration when the file changes; the same content again is no change.
 * @param {string} file
 * @param {string} text
 */
async function writeIfChanged(file, text) {
  const present = await readFile(file, "utf8").catch((error) => {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  });
  if (present !== text) await writePrivateFile(file, text);
}

/**
 * @param {string} text
 * @returns {{config: import("./config.mjs").Json, secrets: Record<string, string>}}
 */
export function parseInput(text) {
  let input;
  try {
    input = asObject(JSON.parse(text));
  } catch {
    throw new AgentError("input is not JSON");
  }
  const config = asObject(input?.config);
  const secrets = asObject(input?.secrets);
  if (!config || !secrets) throw new AgentError("input must hold the objects config and secrets");
  checkPolicy(config);
  /** @type {Record<string, string>} */
  const checked = {};
  for (const [name, value] of Object.entries(secrets)) {
    if (!/^[a-z][a-z0-9_-]{0,63}$/.test(name)) throw new AgentError("a secret's name is malformed");
    if (typeof value !== "string" || value === "" || value.length > MAX_SECRET_LENGTH) {
      throw new AgentError(`the value of secret ${name} is empty, too long or no text`);
    }
    checked[name] = value;
  }
  return { config, secrets: checked };
}

/**
 * @param {AsyncIterable<Buffer>} stream
 * @param {number} limit
 */
async function readBounded(stream, limit) {
  const chunks = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limit) throw new AgentError("input is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
