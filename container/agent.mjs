// The command line of an agent's container: one command per life-cycle step, called by the domain's Durable Object.
// A command prints one JSON line on stdout; a failed one prints one line of reason on stderr and exits with 1, or with 3
// where it is the archive that is at fault.
import process from "node:process";

import { AgentError, exitCodeOf, reasonOf } from "./lib/errors.mjs";
import { pathsFrom } from "./lib/paths.mjs";
import { startWatchdog } from "./lib/watchdog.mjs";

/**
 * @typedef {object} Context
 * @property {import("./lib/paths.mjs").Paths} paths
 * @property {NodeJS.ProcessEnv} env
 * @property {string[]} argv arguments after the command's name
 * @property {NodeJS.ReadStream} stdin
 * @property {NodeJS.WriteStream} stdout
 */

/**
 * `limit` is the longest a command may take, in seconds; 0 for the one that stays.
 * @type {Record<string, {limit: number, load: () => Promise<{run: (context: Context) => Promise<object | undefined>}>}>}
 */
const COMMANDS = {
  init: { limit: 0, load: () => import("./lib/init.mjs") },
  restore: { limit: 600, load: () => import("./lib/restore.mjs") },
  inject: { limit: 60, load: () => import("./lib/inject.mjs") },
  snapshot: { limit: 300, load: () => import("./lib/snapshot.mjs") },
  send: { limit: 900, load: () => import("./lib/send.mjs") },
  resume: { limit: 30, load: () => import("./lib/resume.mjs") },
  keys: { limit: 30, load: () => import("./lib/keys.mjs") },
  logs: { limit: 30, load: () => import("./lib/logs.mjs") },
  pairing: { limit: 90, load: () => import("./lib/pairing.mjs") },
  activity: { limit: 30, load: () => import("./lib/activity.mjs") },
  wipe: { limit: 30, load: () => import("./lib/wipe.mjs") },
};

async function main() {
  const [name = "", ...argv] = process.argv.slice(2);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new AgentError(`unknown command; known are ${Object.keys(COMMANDS).join(", ")}`);
  // Nothing an agent's scripts write is for anyone but the agent's own user.
  process.umask(0o077);
  startWatchdog(name, command.limit);
  const paths = pathsFrom(process.env);
  const { run } = await command.load();
  return run({ paths, env: process.env, argv, stdin: process.stdin, stdout: process.stdout });
}

main().then(
  (result) => {
    const code = result && "exit" in result && typeof result.exit === "number" ? result.exit : 0;
    if (result === undefined) process.exit(code);
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(code));
  },
  (error) => {
    process.stderr.write(`${reasonOf(error)}\n`, () => process.exit(exitCodeOf(error)));
  },
);
