// What the tests share: a root of their own, the commands run as real processes, ports, waiting for conditions.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { COMPILED_AGENT } from "../../scripts/lib/project.mjs";
import { pathsFrom } from "../lib/paths.mjs";

export const AGENT = fileURLToPath(new URL("../agent.mjs", import.meta.url));
export const OWNER = "7Np41oeYqPefeNQEHSv1UDhYrehxin3NStELsSKCT4K2";
export const ORIGIN = "http://agent.localhost:8787";

/**
 * @param {import("node:test").TestContext | {after: (done: () => Promise<void>) => void}} test
 * @param {Record<string, string>} [more]
 */
export async function makeSandbox(test, more = {}) {
  const root = await realpath(await mkdtemp(path.join(os.tmpdir(), "agent-test-")));
  test.after(() => rm(root, { recursive: true, force: true }));
  return sandboxAt(root, more);
}

/**
 * @param {string} root
 * @param {Record<string, string>} more
 */
export function sandboxAt(root, more) {
  mkdirSync(COMPILED_AGENT, { recursive: true, mode: 0o700 });
  const env = {
    PATH: process.env.PATH ?? "",
    AGENT_ROOT: root,
    AGENT_HOST: "127.0.0.1",
    AGENT_COMPILE_CACHE: COMPILED_AGENT,
    ...more,
  };
  return { root, env, paths: pathsFrom(env) };
}

/**
 * @typedef {{code: number | null, stdout: Buffer, stderr: string, json: any}} Outcome
 * @param {{env: Record<string, string>}} sandbox
 * @param {string[]} args
 * @param {string | Buffer} [input]
 * @param {string[]} [launcher] the command that starts what follows it
 * @returns {Promise<Outcome>}
 */
export function run(sandbox, args, input = "", launcher = []) {
  return new Promise((resolve, reject) => {
    const [program = "", ...rest] = [...launcher, process.execPath, AGENT, ...args];
    const child = spawn(program, rest, { env: sandbox.env, stdio: ["pipe", "pipe", "pipe"] });
    /** @type {Buffer[]} */
    const out = [];
    let stderr = "";
    child.stdout.on("data", (chunk) => out.push(chunk));
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      const stdout = Buffer.concat(out);
      let json;
      try {
        json = JSON.parse(stdout.toString("utf8"));
      } catch {
        json = undefined;
      }
      resolve({ code, stdout, stderr, json });
    });
    // A command that refuses early does not read to the end.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/**
 * A container's main process.
 * @param {{env: Record<string, string>}} sandbox
 * @param {Record<string, string>} [more]
 */
export function startInit(sandbox, more = {}) {
  const child = spawn(process.execPath, [AGENT, "init"], {
    env: { ...sandbox.env, AGENT_EXIT_WITH_STDIN: "1", ...more },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, "close").then(([code]) => ({ code, stdout, stderr }));
  // As when the sandbox's host goes away; the gateway ends too.
  const leave = async () => {
    child.stdin.end();
    return ended;
  };
  return { child, ended, leave };
}

/**
 * @template T
 * @param {string} what
 * @param {() => Promise<T | undefined | false> | T | undefined | false} look
 * @param {number} [limit] milliseconds
 * @returns {Promise<T>}
 */
export async function until(what, look, limit = 20_000) {
  const deadline = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(25);
  }
}

/** The policy that a Durable Object would send for one owner. */
export function policy(more = {}) {
  return {
    gateway: {
      auth: {
        mode: "trusted-proxy",
        identityScopes: { [OWNER]: ["operator.admin"] },
        trustedProxy: {
          userHeader: "x-molt-owner",
          requiredHeaders: ["x-molt-edge"],
          allowUsers: [OWNER],
          deviceAutoApprove: { enabled: true },
        },
      },
      controlUi: { allowedOrigins: [ORIGIN] },
    },
    ...more,
  };
}
