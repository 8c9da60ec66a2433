// A caller of the API: one origin, a cookie jar that keeps what a browser would, and an address of its own, as the
// platform tells it, so that no caller uses up another's share of sign-ins.
import { randomInt } from "node:crypto";
import type http from "node:http";
import { type Answer, type Call, type Headers, open, send } from "./http.ts";

export interface Options {
  headers?: Headers;
  body?: Call["body"];
  /** Sent as JSON, with its content type. */
  json?: unknown;
}

export class Client {
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  readonly cookies = new Map<string, string>();
  readonly address = `198.51.${randomInt(256)}.${randomInt(256)}`;

  constructor(origin: string) {
    this.origin = origin;
    const url = new URL(origin);
    this.host = url.host;
    this.port = Number(url.port);
  }

  async request(method: string, path: string, options: Options = {}): Promise<Answer> {
    const answer = await send(this.#call(method, path, options));
    for (const cookie of answer.setCookies) this.#keep(cookie);
    return answer;
  }

  /** The answer with its body still to be read. */
  open(method: string, path: string, options: Options = {}): Promise<http.IncomingMessage> {
    return open(this.#call(method, path, options));
  }

  get(path: string, headers: Headers = {}): Promise<Answer> {
    return this.request("GET", path, { headers });
  }

  post(path: string, json?: unknown): Promise<Answer> {
    return this.request("POST", path, json === undefined ? {} : { json });
  }

  put(path: string, json: unknown): Promise<Answer> {
    return this.request("PUT", path, { json });
  }

  delete(path: string): Promise<Answer> {
    return this.request("DELETE", path);
  }

  /** What this caller sends with each request. A page's requests that change something name its origin. */
  headers(method = "GET"): Headers {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    return {
      "cf-connecting-ip": this.address,
      ...(cookie !== "" && { cookie }),
      ...(["POST", "PUT", "PATCH", "DELETE"].includes(method) && { origin: this.origin }),
    };
  }

  #call(method: string, path: string, { headers, body, json }: Options): Call {
    const content = json === undefined ? body : JSON.stringify(json);
    return {
      method,
      path,
      host: this.host,
      port: this.port,
      headers: {
        ...this.headers(method),
        ...(json !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(content !== undefined && { body: content }),
    };
  }

  #keep(cookie: string): void {
    const [pair = "", ...attributes] = cookie.split(";");
    const [name = "", value = ""] = pair.split(/=(.*)/s);
    const ended = attributes.some((attribute) => /^\s*max-age=0\s*$/i.test(attribute));
    if (ended) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}
