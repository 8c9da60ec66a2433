// The edge's side of the gateway, for tests: probes with the owner's headers, and a minimal operator client.
import { randomUUID } from "node:crypto";

import { ORIGIN, OWNER } from "./support.mjs";

const HEADERS = { "x-molt-owner": OWNER, "x-molt-edge": "1", "x-forwarded-for": "192.0.2.1" };
const REPLY_MS = 120_000;

/**
 * @param {number} port
 * @returns {Promise<string | undefined>} what `/startupz` says, undefined while nobody answers
 */
export async function probe(port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/startupz`, {
      headers: HEADERS,
      signal: AbortSignal.timeout(5_000),
    });
    return /** @type {any} */ (await response.json()).status;
  } catch {
    return undefined;
  }
}

export class Client {
  /** @type {WebSocket} */
  #socket;
  /** @type {Set<(message: any) => void>} */
  #listeners = new Set();

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data));
      for (const hear of this.#listeners) hear(message);
    });
  }

  /** @param {number} port */
  static connect(port) {
    const options = /** @type {any} */ ({ headers: { ...HEADERS, origin: ORIGIN } });
    return Client.over(new WebSocket(`ws://127.0.0.1:${port}/`, options));
  }

  /** @param {WebSocket} socket that is being opened */
  static async over(socket) {
    const client = new Client(socket);
    await client.#await(
      (message) => message.event === "connect.challenge",
      () => {},
    );
    await client.call("connect", {
      minProtocol: 4,
      maxProtocol: 4,
      // Not the page that came with this gateway, which it would otherwise ask to be loaded anew.
      client: { id: "openclaw-control-ui", version: "2026.9.6", buildId: "dev", platform: "web", mode: "webchat" },
      role: "operator",
      scopes: ["operator.read", "operator.write", "operator.admin"],
      caps: [],
    });
    return client;
  }

  /**
   * @param {string} method
   * @param {object} params
   */
  async call(method, params) {
    const id = randomUUID();
    const reply = await this.#await(
      (message) => message.type === "res" && message.id === id,
      () => this.#socket.send(JSON.stringify({ type: "req", id, method, params })),
    );
    if (!reply.ok) throw new Error(`${method}: ${JSON.stringify(reply.error)}`);
    return reply.payload;
  }

  /**
   * @param {string} sessionKey
   * @param {string} message
   * @returns {Promise<string>} the final answer, as JSON text
   */
  async chat(sessionKey, message) {
    const final = await this.#await(
      (event) => event.event === "chat" && ["final", "error", "aborted"].includes(event.payload?.state),
      () => void this.call("chat.send", { sessionKey, message, idempotencyKey: randomUUID() }).catch(() => {}),
    );
    return JSON.stringify(final.payload);
  }

  close() {
    this.#socket.close();
  }

  /**
   * @param {(message: any) => boolean} isIt
   * @param {() => void} act
   * @returns {Promise<any>}
   */
  #await(isIt, act) {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        this.#listeners.delete(hear);
        this.#socket.removeEventListener("close", closed);
        this.#socket.removeEventListener("error", closed);
      };
      const hear = (/** @type {any} */ message) => {
        if (!isIt(message)) return;
        end();
        resolve(message);
      };
      const closed = (/** @type {any} */ event) => {
        end();
        reject(new Error(`the socket closed: ${event.code ?? ""} ${event.reason ?? event.message ?? ""}`));
      };
      const timer = setTimeout(() => closed({ reason: "no answer" }), REPLY_MS);
      this.#listeners.add(hear);
      this.#socket.addEventListener("close", closed);
      this.#socket.addEventListener("error", closed);
      act();
    });
  }
}
