// When the gateway has ended though nobody asked it to: `init` answers in its place, so that the container lives until
// the object has taken the log and the last state out of it.
import { access, rename } from "node:fs/promises";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

import { hasCode } from "./errors.mjs";
import { isMarkedProcessAlive } from "./processes.mjs";

const RETRY_MS = 500;

/**
 * A mark that is renamed needs no space: a full disk may be what ended the gateway.
 * @param {import("./paths.mjs").Paths} paths
 */
export async function markEnded(paths) {
  await rename(paths.gatewayMark, paths.endedMark);
}

/**
 * @param {import("./paths.mjs").Paths} paths
 * @returns {Promise<boolean>} also in the moment before `init` notices
 */
export async function hasEnded(paths) {
  const isThere = (/** @type {string} */ file) =>
    access(file).then(
      () => true,
      () => false,
    );
  if (await isThere(paths.endedMark)) return true;
  return (await isThere(paths.gatewayMark)) && !(await isMarkedProcessAlive(paths.gatewayMark));
}

/**
 * Answers every request with 503 and the gateway's exit code.
 * @param {import("./paths.mjs").Paths} paths
 * @param {number} code
 * @param {AbortSignal} until
 */
export async function answerAsEnded(paths, code, until) {
  const text = `The agent's gateway has ended with code ${code}.\n`;
  const headers = { "content-type": "text/plain; charset=utf-8", "x-agent-ended": String(code), connection: "close" };
  const server = http.createServer((request, response) => {
    request.resume();
    response.writeHead(503, headers).end(text);
  });
  for (const event of ["upgrade", "connect"]) {
    server.on(event, (_request, socket) => {
      socket.on("error", () => {});
      const lines = Object.entries({ ...headers, "content-length": text.length }).map(
        ([name, value]) => `${name}: ${value}`,
      );
      socket.end(["HTTP/1.1 503 Service Unavailable", ...lines, "", text].join("\r\n"));
    });
  }
  const closed = new Promise((resolve) => until.addEventListener("abort", resolve, { once: true }));
  while (!until.aborted && !(await listens(server, paths)))
    await sleep(RETRY_MS, undefined, { signal: until }).catch(() => {});
  if (!until.aborted) await closed;
  server.closeAllConnections();
  server.close();
}

/**
 * @param {http.Server} server
 * @param {import("./paths.mjs").Paths} paths
 * @returns {Promise<boolean>} false while a process that the gateway left behind still has its port
 */
function listens(server, paths) {
  return new Promise((resolve, reject) => {
    const failed = (/** @type {Error} */ error) => (hasCode(error, "EADDRINUSE") ? resolve(false) : reject(error));
    server.once("error", failed);
    server.listen(paths.port, paths.embedded ? "127.0.0.1" : "0.0.0.0", () => {
      server.off("error", failed);
      server.on("error", () => {});
      resolve(true);
    });
  });
}
