// Development stand-in for Slack: its Web API (docs.slack.dev/apis/web-api) as far as a bot that answers needs it, and its Events
// API with signatures, challenges and retries. It takes any token of the right shape but those that end in "invalid".
import { createHmac, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { closeServer, listen, readBody, refusal, sendJson } from "../solana/loopback.ts";

export interface SlackOptions {
  /** Of this machine. Default loopback. */
  readonly address?: string;
  /** Before an event that was not taken is sent again, the first time at once. Default 20 and 100 for Slack's minute and five. */
  readonly retryMs?: readonly number[];
}

/** What was posted. */
export interface Post {
  readonly channel: string;
  readonly text: string;
  readonly thread: string | undefined;
}

/** How one event was answered, each time that it was sent. */
export interface Delivery {
  readonly id: string;
  readonly statuses: number[];
}

/** An app in a workspace, as its owner makes it there. */
export interface SlackApp {
  readonly token: string;
  readonly signingSecret: string;
  readonly team: string;
  readonly bot: string;
}

/** What becomes of the next calls of the Web API. */
export type Mood =
  | { readonly kind: "well" }
  /** 503 from something before it: nothing is done. */
  | { readonly kind: "down" }
  /** 429, so many times. */
  | { readonly kind: "limited"; readonly seconds: number; times: number }
  /** It does what is asked, and the answer is lost. */
  | { readonly kind: "mute" }
  /** So it refuses. */
  | { readonly kind: "refusing"; readonly error: string };

interface Known extends SlackApp {
  requestUrl: string | undefined;
  readonly posts: Post[];
  readonly calls: string[];
  readonly deliveries: Delivery[];
}

const METHOD = /^\/api\/([a-zA-Z.]+)$/;
const TOKEN = /^Bearer (xoxb-[A-Za-z0-9-]{19,251})$/;
const MAX_BODY_BYTES = 1024 * 1024;
/** Slack waits three seconds. */
const EVENT_LIMIT_MS = 3_000;
const MAX_TEXT = 40_000;

const newId = (letter: string): string =>
  letter + [...randomBytes(9)].map((byte) => "ABCDEFGHJKLMNPQRSTUVWXYZ01234567"[byte & 31]).join("");

export class Slack {
  readonly url: string;
  readonly #apps = new Map<string, Known>();
  readonly #retryMs: readonly number[];
  readonly #closed = new AbortController();
  readonly #close: () => Promise<void>;
  #moment = 1_700_000_000;
  mood: Mood = { kind: "well" };

  private constructor(url: string, retryMs: readonly number[], close: () => Promise<void>) {
    this.url = url;
    this.#retryMs = retryMs;
    this.#close = close;
  }

  static async start({ address, retryMs = [0, 20, 100] }: SlackOptions = {}): Promise<Slack> {
    let slack: Slack | undefined;
    const server = createServer((request, response) => {
      const handled = slack?.handle(request, response) ?? Promise.resolve(response.destroy());
      Promise.resolve(handled).catch(() => response.destroy());
    });
    const url = await listen(server, 0, address);
    slack = new Slack(url, retryMs, () => closeServer(server));
    return slack;
  }

  /** Makes an app and installs it in a workspace of its own. */
  app(): SlackApp {
    const number = () => BigInt(`0x${randomBytes(5).toString("hex")}`);
    return this.#app(`xoxb-${number()}-${number()}-${randomBytes(12).toString("hex")}`);
  }

  /** Its owner enters the address that events go to, which Slack tries out at once. Gives whether it took it. */
  async enter(app: SlackApp, url: string): Promise<boolean> {
    const challenge = randomBytes(24).toString("base64url");
    const answer = await this.#send(app, url, JSON.stringify({ type: "url_verification", token: "x", challenge }), {});
    const said = answer?.text.startsWith("{") ? JSON.parse(answer.text).challenge : answer?.text;
    const isRight = answer?.status === 200 && said === challenge;
    if (isRight) this.#app(app.token).requestUrl = url;
    return isRight;
  }

  /** Somebody writes to the bot alone. Gives the event's number. */
  write(app: SlackApp, person: string, text: string, more: Record<string, unknown> = {}): string {
    const channel = `D${person.slice(1)}`;
    return this.push(app, { type: "message", channel, user: person, text, channel_type: "im", ...more });
  }

  /** Somebody names the bot in a channel. */
  mention(
    app: SlackApp,
    person: string,
    text: string,
    channel = "C0GENERAL",
    more: Record<string, unknown> = {},
  ): string {
    const words = `<@${app.bot}> ${text}`;
    return this.push(app, { type: "app_mention", channel, user: person, text: words, ...more });
  }

  /** Any event. */
  push(app: SlackApp, event: Record<string, unknown>): string {
    const delivery: Delivery = { id: newId("Ev"), statuses: [] };
    this.#app(app.token).deliveries.push(delivery);
    void this.#deliver(app, delivery, JSON.stringify(this.callback(app, event, delivery.id)));
    return delivery.id;
  }

  /** As it goes over the wire. */
  callback(app: SlackApp, event: Record<string, unknown>, id = newId("Ev")): Record<string, unknown> {
    this.#moment += 1;
    const ts = `${this.#moment}.000100`;
    return {
      token: "x",
      team_id: app.team,
      api_app_id: "A0APP",
      event: { ts, event_ts: ts, team: app.team, ...event },
      type: "event_callback",
      event_id: id,
      event_time: this.#moment,
      authorizations: [{ team_id: app.team, user_id: app.bot, is_bot: true }],
    };
  }

  posts(app: SlackApp): readonly Post[] {
    return this.#app(app.token).posts;
  }

  calls(app: SlackApp): readonly string[] {
    return this.#app(app.token).calls;
  }

  deliveries(app: SlackApp): readonly Delivery[] {
    return this.#app(app.token).deliveries;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#close();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const text = await readBody(request, MAX_BODY_BYTES);
    if (path.startsWith("/control/")) return this.#control(path, text ?? "", request, response);
    const method = METHOD.exec(path)?.[1];
    if (method === undefined || request.method !== "POST") return void response.writeHead(404).end();
    const { mood } = this;
    if (mood.kind === "down") return void response.writeHead(503).end("<html>unavailable</html>");
    if (mood.kind === "limited" && mood.times > 0) {
      mood.times -= 1;
      return sendJson(response, 429, { ok: false, error: "ratelimited" }, { "retry-after": String(mood.seconds) });
    }
    const refused = (error: string): void => sendJson(response, 200, { ok: false, error });
    const token = TOKEN.exec(request.headers.authorization ?? "")?.[1];
    if (request.headers.authorization === undefined) return refused("not_authed");
    if (token === undefined || token.endsWith("invalid")) return refused("invalid_auth");
    if (mood.kind === "refusing") return refused(mood.error);
    const app = this.#app(token);
    app.calls.push(method);
    const answer = this.#answer(app, method, paramsOf(text));
    if (mood.kind === "mute" && method !== "auth.test") return void request.socket.destroy();
    if (typeof answer === "string") return refused(answer);
    sendJson(response, 200, { ok: true, ...answer });
  }

  /** By curl, for a developer: POST /control/apps, /control/enter, /control/messages, GET /control/posts?token=... */
  async #control(path: string, text: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refused = refusal(request);
    if (refused !== null) return sendJson(response, 403, { error: refused });
    const said = paramsOf(text);
    const token = new URL(request.url ?? "/", "http://x").searchParams.get("token") ?? String(said.token ?? "");
    const what = `${request.method} ${path}`;
    if (what === "POST /control/apps") return sendJson(response, 200, this.app());
    const app = this.#apps.get(token);
    if (app === undefined)
      return sendJson(response, 404, { error: "no app has this token: POST /control/apps makes one" });
    if (what === "POST /control/enter")
      return sendJson(response, 200, { verified: await this.enter(app, String(said.url ?? "")) });
    if (what === "POST /control/messages")
      return sendJson(response, 200, {
        event: this.write(app, String(said.from ?? "U0PERSON"), String(said.text ?? "")),
      });
    if (what === "GET /control/posts") return sendJson(response, 200, { posts: app.posts });
    sendJson(response, 404, { error: "POST /control/apps, /control/enter, /control/messages, GET /control/posts" });
  }

  #app(token: string): Known {
    const known = this.#apps.get(token);
    if (known) return known;
    const app: Known = {
      token,
      signingSecret: randomBytes(16).toString("hex"),
      team: newId("T"),
      bot: newId("U"),
      requestUrl: undefined,
      posts: [],
      calls: [],
      deliveries: [],
    };
    this.#apps.set(token, app);
    return app;
  }

  /** What it gives, or why it is refused. */
  #answer(app: Known, method: string, params: Record<string, unknown>): Record<string, unknown> | string {
    switch (method) {
      case "auth.test":
        return {
          url: "https://dev.slack.com/",
          team: "Development",
          user: "dev_bot",
          team_id: app.team,
          user_id: app.bot,
        };
      case "chat.postMessage": {
        const { channel, text, thread_ts: thread } = params;
        if (typeof channel !== "string" || !/^[CDG][A-Z0-9]+$/.test(channel)) return "channel_not_found";
        if (typeof text !== "string" || text === "") return "no_text";
        if (text.length > MAX_TEXT) return "msg_too_long";
        this.#moment += 1;
        app.posts.push({ channel, text, thread: typeof thread === "string" ? thread : undefined });
        return { channel, ts: `${this.#moment}.000200` };
      }
      default:
        return "unknown_method";
    }
  }

  /** Once, and three times more where it is not taken in time. */
  async #deliver(app: SlackApp, delivery: Delivery, body: string): Promise<void> {
    try {
      for (const [count, pause] of [0, ...this.#retryMs].entries()) {
        if (count > 0) await delay(pause, undefined, { signal: this.#closed.signal });
        const url = this.#app(app.token).requestUrl;
        if (url === undefined) return;
        const again: Record<string, string> =
          count > 0 ? { "x-slack-retry-num": String(count), "x-slack-retry-reason": "http_error" } : {};
        const status = (await this.#send(app, url, body, again))?.status ?? 0;
        delivery.statuses.push(status);
        if (status >= 200 && status < 300) return;
      }
    } catch {
      // Closed while it waited.
    }
  }

  async #send(
    app: SlackApp,
    url: string,
    body: string,
    more: Record<string, string>,
  ): Promise<{ status: number; text: string } | undefined> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(EVENT_LIMIT_MS)]);
    const headers = { "content-type": "application/json", ...signed(app, body), ...more };
    try {
      const answer = await fetch(url, { method: "POST", headers, body, signal });
      return { status: answer.status, text: await answer.text() };
    } catch {
      return undefined;
    }
  }
}

/** The headers by which a receiver knows that it was Slack. */
export function signed(
  { signingSecret }: Pick<SlackApp, "signingSecret">,
  body: string | Uint8Array,
  at = Math.floor(Date.now() / 1000),
): Record<string, string> {
  const mac = createHmac("sha256", signingSecret).update(`v0:${at}:`).update(body);
  return { "x-slack-request-timestamp": String(at), "x-slack-signature": `v0=${mac.digest("hex")}` };
}

function paramsOf(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
