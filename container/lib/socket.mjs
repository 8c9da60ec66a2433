// The gateway's WebSocket, for what its admin HTTP RPC does not take.
import { asObject, ownerHeaders } from "./config.mjs";
import { AgentError } from "./errors.mjs";
import { readJsonIfAny } from "./files.mjs";

export class Socket {
  #socket;
  #calls = 0;

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
  }

  /**
   * @param {import("./paths.mjs").Paths} paths
   * @param {number} limit
   */
  static async open(paths, limit) {
    const headers = ownerHeaders(asObject(await readJsonIfAny(paths.config)) ?? {});
    const options = /** @type {any} */ ({ headers });
    const socket = new Socket(new WebSocket(`ws://127.0.0.1:${paths.port}/`, options));
    await socket.#hear((message) => message.event === "connect.challenge", limit);
    const client = { id: "gateway-client", version: "1", platform: "linux", mode: "backend" };
    const scopes = ["operator.admin"];
    await socket.call("connect", { minProtocol: 4, maxProtocol: 4, client, role: "operator", scopes, caps: [] }, limit);
    return socket;
  }

  /**
   * @param {string} method
   * @param {object} params
   * @param {number} limit
   * @returns {Promise<any>} the payload
   */
  async call(method, params, limit) {
    this.#calls += 1;
    const id = String(this.#calls);
    const answer = this.#hear((message) => message.type === "res" && message.id === id, limit);
    this.#socket.send(JSON.stringify({ type: "req", id, method, params }));
    const { ok, payload } = await answer;
    if (ok !== true) throw new AgentError(`the gateway refused ${method}`);
    return payload;
  }

  close() {
    this.#socket.close();
  }

  /**
   * @param {(message: any) => boolean} isIt
   * @param {number} limit
   * @returns {Promise<any>}
   */
  #hear(isIt, limit) {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const ended = new AbortController();
      const { signal } = ended;
      const fail = () => {
        ended.abort();
        reject(new AgentError("the gateway does not answer"));
      };
      const timer = setTimeout(fail, limit);
      signal.addEventListener("abort", () => clearTimeout(timer));
      socket.addEventListener(
        "message",
        ({ data }) => {
          const message = parsed(data);
          if (!message || !isIt(message)) return;
          ended.abort();
          resolve(message);
        },
        { signal },
      );
      for (const end of ["close", "error"]) socket.addEventListener(end, fail, { signal });
    });
  }
}

/** @param {unknown} data */
function parsed(data) {
  try {
    return asObject(JSON.parse(String(data)));
  } catch {
    return undefined;
  }
}
