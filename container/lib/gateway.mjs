// Talks to the running gateway over its admin HTTP RPC: close admission and drain for a snapshot, open again after.
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { ownerHeaders } from "./config.mjs";
import { AgentError } from "./errors.mjs";
import { readJsonIfAny, writePrivateFile } from "./files.mjs";
import { isMarkedProcessAlive } from "./processes.mjs";

const REQUEST_ID = "snapshot";
const CALL_TIMEOUT_MS = 10_000;
const POLL_MS = 1_000;
/** A gateway that has little to end is ready in a moment; each pause is twice as long as the one before. */
const FIRST_POLL_MS = 50;

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {number} budget milliseconds
 * @returns {Promise<boolean>} whether nothing changes the state any more
 */
export async function quiesceGateway(paths, budget) {
  if (!(await isMarkedProcessAlive(paths.gatewayMark))) return true;
  const deadline = Date.now() + budget;
  let suspensionId = "";
  for (let pause = FIRST_POLL_MS; Date.now() < deadline; pause = Math.min(2 * pause, POLL_MS)) {
    const left = deadline - Date.now();
    const answer =
      suspensionId === ""
        ? await call(
            paths,
            "gateway.suspend.prepare",
            { requestId: REQUEST_ID, terminalPolicy: "preserve", drain: true },
            left,
          )
        : await call(paths, "gateway.suspend.status", { suspensionId }, left);
    if (suspensionId === "" && typeof answer?.suspensionId === "string") {
      suspensionId = answer.suspensionId;
      await writePrivateFile(paths.lease, JSON.stringify({ suspensionId }));
    }
    if (answer?.status === "ready") return true;
    // The lease ran out under us: ask for a new one.
    if (answer?.status === "running") suspensionId = "";
    if (!answer && !(await isMarkedProcessAlive(paths.gatewayMark))) return true;
    await sleep(Math.max(0, Math.min(pause, deadline - Date.now())));
  }
  return false;
}

/**
 * Without an answer the lease ends by itself, two minutes after it was given.
 * @param {import("./paths.mjs").Paths} paths
 */
export async function resumeGateway(paths) {
  const lease = await readJsonIfAny(paths.lease);
  const deadline = Date.now() + 15_000;
  if (lease && typeof lease.suspensionId === "string") {
    while (await isMarkedProcessAlive(paths.gatewayMark)) {
      const params = { suspensionId: lease.suspensionId };
      const answer = await call(paths, "gateway.suspend.resume", params, CALL_TIMEOUT_MS);
      if (answer) break;
      // A lease that is over cannot be resumed, and needs not.
      if ((await call(paths, "gateway.suspend.status", params, CALL_TIMEOUT_MS))?.status === "running") break;
      if (Date.now() > deadline) throw new AgentError("the gateway did not resume");
      await sleep(POLL_MS);
    }
  }
  await rm(paths.lease, { force: true });
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @param {string} method
 * @param {object} params
 * @param {number} timeout
 * @returns {Promise<any>} the payload, or undefined when the gateway gave none
 */
export async function call(paths, method, params, timeout) {
  const config = await readJsonIfAny(paths.config);
  if (!config) return undefined;
  try {
    const response = await fetch(`http://127.0.0.1:${paths.port}/api/v1/admin/rpc`, {
      method: "POST",
      headers: { ...ownerHeaders(config), "content-type": "application/json" },
      body: JSON.stringify({ method, params }),
      redirect: "error",
      signal: AbortSignal.timeout(Math.max(1, Math.min(timeout, CALL_TIMEOUT_MS))),
    });
    const answer = /** @type {any} */ (await response.json());
    return answer?.ok === true ? answer.payload : undefined;
  } catch {
    return undefined;
  }
}
