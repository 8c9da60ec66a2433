// Test stand-in for OpenClaw's listener for Telegram: takes an update once, writes down whose it is and in which order, and
// says then that it has it for good.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";

/** What the state holds of it, a line each. */
const UPDATES = "updates";

/**
 * @typedef {object} Options
 * @property {string} state @property {string} run @property {string} address @property {number} port
 * @property {(name: string) => Promise<Record<string, any>>} knobs
 * @param {Options} options
 */
export async function listen({ state, run, address, port, knobs }) {
  const file = join(state, UPDATES);
  const taken = () => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : []);
  const server = createServer(async (request, response) => {
    const secret = readFileSync(join(run, "hook-secret"), "utf8");
    if (request.url !== "/telegram-webhook" || request.method !== "POST") return void response.writeHead(404).end();
    if (secret === "" || request.headers["x-telegram-bot-api-secret-token"] !== secret)
      return void response.writeHead(401).end("unauthorized");
    const { update_id: id, message } = JSON.parse((await buffer(request)).toString());
    const { refuse = false, vague = false, exitAfter } = await knobs("telegram");
    if (refuse) return void response.writeHead(500).end();
    const line = JSON.stringify({ id, text: message?.text });
    // Heard, and not written down.
    if (vague) return void response.writeHead(200).end();
    if (!taken().some((one) => JSON.parse(one).id === id)) appendFileSync(file, `${line}\n`);
    // It has it, and dies before anybody hears of that.
    if (exitAfter === id) process.exit(7);
    response.writeHead(200, { "x-openclaw-delivery-accepted": "durable" }).end();
  });
  // As the gateway when it ends.
  process.on("SIGUSR2", () => server.close().closeAllConnections());
  await new Promise((listening) => server.listen(port, address, () => listening(undefined)));
}
