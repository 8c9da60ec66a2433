// Stands between schemathesis and the service: puts the real secrets where schemathesis names them, signs in anew when a
// session was ended, and notes which operation was answered how. So no secret is on a command line or in a report.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { after } from "node:test";
import type { Client } from "../support/client.ts";

/** What schemathesis sends in place of the session's token and of the webhook's secret. */
export const SESSION = "the-session-of-the-owner";
export const HOOK = "the-secret-of-the-webhook";
/** What the description gives as examples: of an origin that may call, and of a session's id and a nonce. */
export const ORIGIN = "https://app.molt.example";
export const ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

const COOKIE = "__Host-molt_session";
const VERIFY = "POST /v1/auth/verify";
const END_SESSION = "DELETE /v1/auth/sessions/";
const ENDS_SESSIONS = /^(POST \/v1\/auth\/logout|DELETE \/v1\/auth\/sessions(\/.*)?)$/;

export interface DoorOptions {
  /** The app origin. */
  origin: string;
  hookSecret: string;
  signIn: () => Promise<Client>;
  /** A proof that gives a session, as a body of `verify`. */
  proof: () => Promise<string>;
  /** Done before a request of the owner's goes on, by its method and path. */
  before: (operation: string, owner: Client) => Promise<void>;
}

export class Door {
  readonly #options: DoorOptions;
  readonly #answers = new Map<string, Set<number>>();
  #session: Promise<Client> | undefined;
  url = "";

  private constructor(options: DoorOptions) {
    this.#options = options;
  }

  static async open(options: DoorOptions): Promise<Door> {
    const door = new Door(options);
    const server = http.createServer((request, response) => {
      door.#pass(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    after(() => void server.close().closeAllConnections());
    door.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return door;
  }

  /** The statuses that requests of this method got at paths that match. */
  statuses(method: string, path: RegExp): number[] {
    return [...this.#answers].flatMap(([operation, statuses]) => {
      const [of, ...rest] = operation.split(" ");
      return of === method && path.test(rest.join(" ")) ? [...statuses] : [];
    });
  }

  async #pass(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = "GET", url: asked = "/" } = request;
    const operation = `${method} ${asked.split("?")[0]}`;
    const { origin, hookSecret, signIn, proof, before } = this.#options;
    const to = new URL(origin);
    const headers: http.OutgoingHttpHeaders = {
      ...request.headersDistinct,
      host: to.host,
      // A caller of its own each time: none uses up another's share of sign-ins.
      "cf-connecting-ip": [`198.51.${randomInt(256)}.${randomInt(256)}`],
    };
    if (request.headers.origin === ORIGIN) headers.origin = origin;
    if (request.headers.authorization === HOOK) headers.authorization = hookSecret;
    if (request.headers.cookie?.includes(SESSION)) {
      this.#session ??= signIn();
      const owner = await this.#session;
      headers.cookie = request.headers.cookie.replace(SESSION, owner.cookies.get(COOKIE) ?? "");
      await before(operation, owner);
      if (ENDS_SESSIONS.test(operation)) this.#session = undefined;
    }
    const isExample = operation === `${END_SESSION}${ID}`;
    const path = isExample ? asked.replace(ID, await currentId(await signIn())) : asked;
    let body: Buffer | string | undefined;
    if (operation === VERIFY) {
      const sent = await buffer(request);
      body = sent.includes(`"signature"`) && sent.includes(ID) ? await proof() : sent;
      headers["content-length"] = String(Buffer.byteLength(body));
      delete headers["transfer-encoding"];
    }
    const onward = http.request({ host: "127.0.0.1", port: to.port, method, path, headers, agent: false });
    if (body === undefined) request.pipe(onward);
    else onward.end(body);
    onward.on("error", (error) => response.destroy(error));
    // A stream ends when nobody reads it any more.
    response.on("close", () => onward.destroy());
    const [answer] = (await once(onward, "response")) as [http.IncomingMessage];
    const status = answer.statusCode ?? 0;
    this.#answers.set(operation, (this.#answers.get(operation) ?? new Set()).add(status));
    response.writeHead(status, answer.rawHeaders);
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  }
}

/** The id of the session that this client has. */
async function currentId(client: Client): Promise<string> {
  const { sessions } = (await client.get("/v1/auth/sessions")).json() as {
    sessions: { id: string; current: boolean }[];
  };
  return sessions.find(({ current }) => current)?.id ?? ID;
}
