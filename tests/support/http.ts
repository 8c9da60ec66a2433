// HTTP as the tests need it: any Host header, no redirects followed, every header of the answer, bytes as they come.
import { once } from "node:events";
import http from "node:http";
import { connect } from "node:net";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { inTime } from "./wait.ts";

export type Headers = Record<string, string | string[]>;

export interface Call {
  method?: string;
  path: string;
  /** The Host header. The connection goes to loopback whatever it says. */
  host: string;
  port: number;
  headers?: Headers;
  body?: string | Uint8Array | Readable;
}

export class Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;

  constructor(status: number, headers: http.IncomingHttpHeaders, body: Buffer) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  get text(): string {
    return this.body.toString("utf8");
  }

  get setCookies(): string[] {
    return this.headers["set-cookie"] ?? [];
  }

  // biome-ignore lint/suspicious/noExplicitAny: what a body holds is for each test to check.
  json(): any {
    return JSON.parse(this.text);
  }
}

/** Sends the request; gives the answer as soon as its head is there, the body still to be read. */
export async function open(call: Call): Promise<http.IncomingMessage> {
  const { method = "GET", path, host, port, headers = {}, body } = call;
  // Node itself declares no length for a DELETE.
  const known = typeof body === "string" || body instanceof Uint8Array ? Buffer.byteLength(body) : 0;
  const length = known > 0 ? { "content-length": String(known) } : {};
  const all = { host, ...length, ...headers };
  const request = http.request({ host: "127.0.0.1", port, method, path, headers: all, agent: false });
  const answered = once(request, "response") as Promise<[http.IncomingMessage]>;
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) request.end(body);
  else {
    // An answer may come before all of the body was taken; the sender then has nobody to write to.
    request.on("error", () => body.destroy());
    body.pipe(request);
  }
  const [answer] = await answered;
  return answer;
}

export async function send(call: Call, within = 120_000): Promise<Answer> {
  const whole = open(call).then(
    async (answer) => new Answer(answer.statusCode ?? 0, answer.headers, await buffer(answer)),
  );
  return inTime(`answer to ${call.method ?? "GET"} ${call.path}`, whole, within);
}

/**
 * Writes bytes to a connection as they are, and gives all that comes back until the other side ends it. `isAll` says that no
 * more will be sent, so that nobody waits for the rest of a request.
 */
export async function sendRaw(
  port: number,
  bytes: string | Uint8Array,
  { within = 30_000, isAll = false } = {},
): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  if (isAll) socket.end(bytes);
  else socket.write(bytes);
  try {
    return (await inTime("end of a raw connection", buffer(socket), within)).toString("latin1");
  } finally {
    socket.destroy();
  }
}
