// Development stand-in for Discord: its HTTP API (docs.discord.com/developers) as far as an application that answers commands needs
// it, and interactions with their signatures. It knows the tokens of the applications that it has made, and no others.
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, randomInt, sign } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import { closeServer, listen, readBody, refusal, sendJson } from "../solana/loopback.ts";

export interface DiscordOptions {
  /** Of this machine. Default loopback. */
  readonly address?: string;
}

/** An application, as its owner makes it there. */
export interface DiscordApp {
  readonly applicationId: string;
  readonly publicKey: string;
  readonly token: string;
}

export interface Person {
  readonly id: string;
  readonly name: string;
}

/** What somebody asked, and what they see of it. */
export interface Asked {
  readonly id: string;
  readonly token: string;
  /** The status of the first answer, and its type: 4 a message, 5 "thinking". */
  readonly status: number;
  readonly type: number | undefined;
  /** Whether only who asked sees it. */
  readonly whispered: boolean;
  /** The answer, and what followed, in order; empty while it thinks. */
  readonly messages: string[];
  /** Whom these called. */
  readonly called: string[];
  /** How often the answer was written, again as well. */
  edits: number;
}

/** What becomes of the next calls of the API. */
export type Mood =
  | { readonly kind: "well" }
  /** 502 from something before it: nothing is done. */
  | { readonly kind: "down" }
  /** 429, so many times. */
  | { readonly kind: "limited"; readonly seconds: number; times: number }
  /** It takes its time over commands, so many times. */
  | { readonly kind: "slow"; readonly ms: number; times: number }
  /** It does what is asked, and the answer is lost, so many times. */
  | { readonly kind: "mute"; times: number };

interface Known extends DiscordApp {
  readonly key: KeyObject;
  endpoint: string | null;
  commands: readonly unknown[];
  readonly asked: Map<string, Asked>;
  readonly calls: string[];
}

const API = "/api/v10";
const ME = `${API}/applications/@me`;
const COMMANDS = new RegExp(`^${API}/applications/(\\d+)/commands$`);
const WEBHOOK = new RegExp(`^${API}/webhooks/(\\d+)/([\\w.-]+)(/messages/@original)?$`);
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_CONTENT = 2000;
const PING = JSON.stringify({ type: 1 });

const newNumber = (): string =>
  `1${String(randomInt(100_000_000)).padStart(8, "0")}${String(randomInt(100_000_000)).padStart(8, "0")}`;

export class Discord {
  readonly url: string;
  readonly #apps = new Map<string, Known>();
  readonly #closed = new AbortController();
  readonly #close: () => Promise<void>;
  mood: Mood = { kind: "well" };
  /** So long it waits for an answer to an interaction. */
  limitMs = 3_000;

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async start({ address }: DiscordOptions = {}): Promise<Discord> {
    let discord: Discord | undefined;
    const server = createServer((request, response) => {
      const handled = discord?.handle(request, response) ?? Promise.resolve(response.destroy());
      Promise.resolve(handled).catch(() => response.destroy());
    });
    const url = await listen(server, 0, address);
    discord = new Discord(url, () => closeServer(server));
    return discord;
  }

  /** Makes an application. */
  app(): DiscordApp {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
    const applicationId = newNumber();
    const token = [
      Buffer.from(applicationId).toString("base64url"),
      ...[4, 28].map((length) => randomBytes(length).toString("base64url")),
    ];
    const key = createPrivateKey(privateKey.export({ format: "pem", type: "pkcs8" }) as string);
    const app = { applicationId, publicKey: raw.toString("hex"), token: token.join("."), key };
    this.#apps.set(app.token, { ...app, endpoint: null, commands: [], asked: new Map(), calls: [] });
    return { applicationId, publicKey: app.publicKey, token: app.token };
  }

  /** Somebody uses the command. Gives what they see, now and later. */
  async ask(app: DiscordApp, person: Person, text: string, more: Record<string, unknown> = {}): Promise<Asked> {
    const known = this.#app(app);
    const interaction = this.interaction(app, person, text, more);
    const { id, token } = interaction;
    // It may be written to before its first answer is read here.
    const seen = {
      id,
      token,
      messages: [] as string[],
      called: [] as string[],
      edits: 0,
      status: 0,
      type: undefined as number | undefined,
      whispered: false,
    };
    known.asked.set(token, seen);
    const answer = await this.#send(known, known.endpoint ?? "", JSON.stringify(interaction));
    const said = answer?.status === 200 ? JSON.parse(answer.text) : {};
    seen.status = answer?.status ?? 0;
    seen.type = said.type;
    seen.whispered = said.data?.flags === 64;
    if (said.type === 4) seen.messages.push(String(said.data?.content));
    return seen;
  }

  /** As it goes over the wire. */
  interaction(
    { applicationId }: DiscordApp,
    { id, name }: Person,
    text: string,
    more: Record<string, unknown> = {},
  ): Record<string, unknown> & { id: string; token: string } {
    return {
      id: newNumber(),
      token: randomBytes(80).toString("base64url"),
      version: 1,
      type: 2,
      application_id: applicationId,
      channel_id: "41771983423143937",
      guild_id: "41771983423143936",
      member: { user: { id, username: name.toLowerCase(), global_name: name }, roles: [] },
      data: { id: newNumber(), name: "ask", type: 1, options: [{ name: "text", type: 3, value: text }] },
      ...more,
    };
  }

  /** The headers by which a receiver knows that it was Discord. */
  signed(app: DiscordApp, body: string | Uint8Array, at = Math.floor(Date.now() / 1000)): Record<string, string> {
    const message = Buffer.concat([Buffer.from(String(at)), Buffer.from(body)]);
    const signature = sign(null, message, this.#app(app).key).toString("hex");
    return { "x-signature-timestamp": String(at), "x-signature-ed25519": signature };
  }

  endpoint(app: DiscordApp): string | null {
    return this.#app(app).endpoint;
  }

  commands(app: DiscordApp): readonly unknown[] {
    return this.#app(app).commands;
  }

  calls(app: DiscordApp): readonly string[] {
    return this.#app(app).calls;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#close();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const params = paramsOf(await readBody(request, MAX_BODY_BYTES));
    if (path.startsWith("/control/")) return this.#control(path, params, request, response);
    const { mood } = this;
    if (mood.kind === "down") return void response.writeHead(502).end("<html>bad gateway</html>");
    if (mood.kind === "limited" && mood.times > 0) {
      mood.times -= 1;
      const body = { message: "You are being rate limited.", retry_after: mood.seconds, global: false };
      return sendJson(response, 429, body, { "retry-after": String(mood.seconds) });
    }
    if (mood.kind === "slow" && mood.times > 0 && COMMANDS.test(path)) {
      mood.times -= 1;
      await setTimeout(mood.ms, undefined, { signal: this.#closed.signal });
    }
    const [status, body] = await this.#answer(request, path, params);
    if (mood.kind === "mute" && mood.times > 0 && path.includes("/webhooks/")) {
      mood.times -= 1;
      return void request.socket.destroy();
    }
    sendJson(response, status, body);
  }

  async #answer(request: IncomingMessage, path: string, params: unknown): Promise<[number, unknown]> {
    const { method = "GET", headers } = request;
    const [, of, token, original] = WEBHOOK.exec(path) ?? [];
    if (of !== undefined && token !== undefined)
      return this.#webhook(method, of, token, original !== undefined, params);
    const app = this.#apps.get((headers.authorization ?? "").replace(/^Bot /, ""));
    if (app === undefined || !headers.authorization?.startsWith("Bot "))
      return [401, { message: "401: Unauthorized", code: 0 }];
    app.calls.push(`${method} ${path.slice(API.length)}`);
    if (path === ME && method === "GET") return [200, this.#described(app)];
    if (path === ME && method === "PATCH")
      return this.#edit(app, (params as Record<string, unknown>).interactions_endpoint_url);
    if (COMMANDS.exec(path)?.[1] === app.applicationId && method === "PUT" && Array.isArray(params)) {
      app.commands = params;
      return [200, params];
    }
    return [404, { message: "404: Not Found", code: 0 }];
  }

  /** What an interaction's token opens. */
  #webhook(method: string, of: string, token: string, isOriginal: boolean, params: unknown): [number, unknown] {
    const app = [...this.#apps.values()].find(({ applicationId }) => applicationId === of);
    const asked = app?.asked.get(token);
    if (app === undefined || asked === undefined) return [404, { message: "Unknown Webhook", code: 10015 }];
    const content = (params as Record<string, unknown>).content;
    if (typeof content !== "string" || content === "" || content.length > MAX_CONTENT)
      return [400, { message: "Invalid Form Body", code: 50035 }];
    app.calls.push(`${method} ${isOriginal ? "original" : "follow-up"}`);
    asked.called.push(...calledBy(content, (params as Record<string, unknown>).allowed_mentions));
    if (method === "PATCH" && isOriginal) {
      asked.messages[0] = content;
      asked.edits += 1;
    } else if (method === "POST" && !isOriginal) asked.messages.push(content);
    else return [405, { message: "405: Method Not Allowed", code: 0 }];
    return [200, { id: newNumber(), content }];
  }

  /** An address is tried out with a right signature and with a wrong one before it counts. */
  async #edit(app: Known, endpoint: unknown): Promise<[number, unknown]> {
    if (endpoint === null) app.endpoint = null;
    else {
      const url = String(endpoint);
      const right = await this.#send(app, url, PING);
      const wrong = await this.#send(app, url, PING, { "x-signature-ed25519": randomBytes(64).toString("hex") });
      const isRight = right?.status === 200 && paramsOf(right.text).type === 1 && wrong?.status === 401;
      if (!isRight)
        return [400, { message: "Invalid Form Body", code: 50035, errors: { interactions_endpoint_url: {} } }];
      app.endpoint = url;
    }
    return [200, this.#described(app)];
  }

  #described({ applicationId, publicKey, endpoint }: Known): unknown {
    const bot = { id: applicationId, username: "dev_bot", bot: true };
    return {
      id: applicationId,
      name: "Development bot",
      verify_key: publicKey,
      interactions_endpoint_url: endpoint,
      bot,
    };
  }

  /** By curl, for a developer: POST /control/apps, /control/asks {"token","from","text"}, GET /control/asks?token=... */
  async #control(
    path: string,
    said: Record<string, unknown>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const refused = refusal(request);
    if (refused !== null) return sendJson(response, 403, { error: refused });
    if (path === "/control/apps" && request.method === "POST") return sendJson(response, 200, this.app());
    const token = new URL(request.url ?? "/", "http://x").searchParams.get("token") ?? String(said.token ?? "");
    const app = this.#apps.get(token);
    if (app === undefined || path !== "/control/asks")
      return sendJson(response, 404, {
        error: "POST /control/apps, POST and GET /control/asks with the token of an application",
      });
    if (request.method === "GET") return sendJson(response, 200, { asked: [...app.asked.values()] });
    const from = String(said.from ?? "4242");
    sendJson(response, 200, await this.ask(app, { id: from, name: `Person ${from}` }, String(said.text ?? "")));
  }

  #app({ token }: Pick<DiscordApp, "token">): Known {
    const app = this.#apps.get(token);
    if (app === undefined) throw new Error("no application has this token");
    return app;
  }

  async #send(
    app: Known,
    url: string,
    body: string,
    more: Record<string, string> = {},
  ): Promise<{ status: number; text: string } | undefined> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.limitMs)]);
    const headers = { "content-type": "application/json", ...this.signed(app, body), ...more };
    try {
      const answer = await fetch(url, { method: "POST", headers, body, signal });
      return { status: answer.status, text: await answer.text() };
    } catch {
      return undefined;
    }
  }
}

/** A message calls whom it names, unless it is sent with a list of what may. */
function calledBy(content: string, allowed: unknown): readonly string[] {
  const isList = Array.isArray((allowed as { parse?: unknown } | undefined)?.parse);
  return isList ? [] : (content.match(/@everyone|@here|<@[!&]?\d+>/g) ?? []);
}

// biome-ignore lint/suspicious/noExplicitAny: each method looks for what it takes.
function paramsOf(text: string | null): any {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
