// A WebSocket to an agent's origin, as a page there would open it.
import WebSocket from "ws";
import type { Client } from "./client.ts";
import type { Headers } from "./http.ts";
import { inTime } from "./wait.ts";

export interface Options {
  path?: string;
  protocols?: string[];
  headers?: Headers;
}

export class Socket {
  readonly raw: WebSocket;
  readonly #messages: { data: Buffer; binary: boolean }[] = [];
  #told: (() => void) | undefined;
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(raw: WebSocket) {
    this.raw = raw;
    raw.on("message", (data: Buffer, binary: boolean) => {
      this.#messages.push({ data, binary });
      this.#told?.();
    });
    raw.on("error", () => {});
    // Also after an error, which `once` of node:events would make of it.
    this.closed = new Promise((closed) => {
      raw.once("close", (code, reason) => closed({ code, reason: String(reason) }));
    });
  }

  async next(): Promise<{ data: Buffer; binary: boolean }> {
    if (this.#messages.length === 0) {
      const message = new Promise<void>((told) => {
        this.#told = told;
      });
      await inTime("message of a WebSocket", message);
    }
    return this.#messages.shift() ?? { data: Buffer.alloc(0), binary: false };
  }
}

/** The open socket, or the status with which it was refused. */
export function openSocket(visitor: Client, { path = "/", protocols = [], headers = {} }: Options = {}) {
  const raw = new WebSocket(`ws://127.0.0.1:${visitor.port}${path}`, protocols, {
    headers: { ...visitor.headers(), host: visitor.host, ...headers },
  });
  const socket = new Socket(raw);
  return inTime(
    "handshake of a WebSocket",
    new Promise<Socket | number>((done, fail) => {
      raw.on("open", () => done(socket));
      raw.on("unexpected-response", (request, response) => {
        response.resume();
        request.destroy();
        done(response.statusCode ?? 0);
      });
      raw.on("error", fail);
    }),
  );
}

export async function mustOpen(visitor: Client, options?: Options): Promise<Socket> {
  const opened = await openSocket(visitor, options);
  if (typeof opened === "number") throw new Error(`the WebSocket was refused with ${opened}`);
  return opened;
}
