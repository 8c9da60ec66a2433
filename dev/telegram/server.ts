// Development stand-in for Telegram's Bot API (core.telegram.org/bots/api): bots, webhooks with their secrets and retries, and
// what bots send. It takes any token of the right shape but those whose secret begins with "invalid".
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { closeServer, listen, readBody, refusal, sendJson } from "../solana/loopback.ts";

export interface BotApiOptions {
  /** Of this machine. Default loopback. */
  readonly address?: string;
  /** The first pause before an update that was not taken is sent again; it doubles. Default 100. */
  readonly retryMs?: number;
}

export interface Person {
  readonly id: number;
  readonly name: string;
}

/** What a bot sent to somebody. */
export interface Sent {
  readonly chat: number;
  readonly text: string;
}

export interface Call {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

export interface Webhook {
  readonly url: string;
  readonly secret: string;
}

type Update = { readonly update_id: number } & Record<string, unknown>;

interface Bot {
  readonly token: string;
  webhook: Webhook | undefined;
  /** Updates that nobody took yet, oldest first. */
  readonly pending: Update[];
  readonly calls: Call[];
  readonly sent: Sent[];
  /** Status of each answer of the webhook. */
  readonly answers: number[];
  /** One that delivers is under way. */
  delivering: boolean;
}

const TOKEN = /^\/bot(\d{6,12}:[A-Za-z0-9_-]{30,50})\/(\w+)$/;
const MAX_BODY_BYTES = 1024 * 1024;
const LONGEST_RETRY_MS = 2000;
const WEBHOOK_LIMIT_MS = 20_000;
/** Of a message, in UTF-16 code units. */
const LONGEST_TEXT = 4096;
/** What a bot may be seen doing. */
const ACTIONS =
  /^(typing|choose_sticker|find_location|upload_(photo|voice|document|video_note)|(record|upload)_video(_note)?|record_voice)$/;
/** Telegram counts from somewhere. */
const FIRST_UPDATE = 700_000_001;

export class BotApi {
  readonly url: string;
  readonly #bots = new Map<string, Bot>();
  readonly #retryMs: number;
  readonly #closed = new AbortController();
  readonly #close: () => Promise<void>;
  #updates = FIRST_UPDATE;
  #messages = 0;
  /** Whether it answers nothing but errors, as on a bad day. */
  down = false;
  readonly #held = new Map<string, Promise<void>>();

  private constructor(url: string, retryMs: number, close: () => Promise<void>) {
    this.url = url;
    this.#retryMs = retryMs;
    this.#close = close;
  }

  static async start({ address, retryMs = 100 }: BotApiOptions = {}): Promise<BotApi> {
    let api: BotApi | undefined;
    const server = createServer((request, response) => {
      const handled = api?.handle(request, response) ?? Promise.resolve(response.destroy());
      Promise.resolve(handled).catch(() => response.destroy());
    });
    const url = await listen(server, 0, address);
    api = new BotApi(url, retryMs, () => closeServer(server));
    return api;
  }

  /** Somebody writes to a bot. Gives the update's number. */
  write(token: string, from: Person, text: string): number {
    const date = Math.floor(Date.now() / 1000);
    const chat = { id: from.id, type: "private", first_name: from.name };
    const person = { id: from.id, is_bot: false, first_name: from.name, language_code: "en" };
    this.#messages += 1;
    return this.push(token, { message: { message_id: this.#messages, from: person, chat, date, text } });
  }

  /** Any update. */
  push(token: string, content: Record<string, unknown>): number {
    const bot = this.#bot(token);
    const update = { update_id: this.#updates++, ...content };
    bot.pending.push(update);
    void this.#deliver(bot);
    return update.update_id;
  }

  /** Calls of a method are known at once, and take effect and are answered when what is returned is called. */
  hold(method: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(method, promise);
    return () => {
      this.#held.delete(method);
      resolve();
    };
  }

  webhook(token: string): Webhook | undefined {
    return this.#bot(token).webhook;
  }

  sent(token: string): readonly Sent[] {
    return this.#bot(token).sent;
  }

  calls(token: string, method?: string): readonly Call[] {
    return this.#bot(token).calls.filter((call) => method === undefined || call.method === method);
  }

  /** How many updates nobody took yet. */
  pending(token: string): number {
    return this.#bot(token).pending.length;
  }

  /** What the webhook answered, each time. */
  answers(token: string): readonly number[] {
    return this.#bot(token).answers;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#close();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const text = await readBody(request, MAX_BODY_BYTES);
    if (path.startsWith("/control/")) return this.#control(path, text ?? "", request, response);
    const [, token = "", method = ""] = TOKEN.exec(path) ?? [];
    const refused = (status: number, description: string): void =>
      sendJson(response, status, { ok: false, error_code: status, description });
    if (this.down) return refused(502, "Bad Gateway");
    if (token === "") return refused(404, "Not Found");
    if (token.includes(":invalid")) return refused(401, "Unauthorized");
    if (text === null) return refused(413, "Request Entity Too Large");
    const query = new URL(request.url ?? "/", "http://x").searchParams;
    const params = { ...Object.fromEntries(query), ...paramsOf(text, request.headers["content-type"] ?? "") };
    const bot = this.#bot(token);
    bot.calls.push({ method, params });
    await this.#held.get(method);
    const answer = this.#answer(bot, method, params);
    if (typeof answer === "string") return refused(answer.startsWith("Conflict") ? 409 : 400, answer);
    sendJson(response, 200, { ok: true, result: answer.result });
  }

  /** By curl, for a developer: POST /control/messages {"token","from","text"}, GET /control/sent?token=... */
  #control(path: string, text: string, request: IncomingMessage, response: ServerResponse): void {
    const refused = refusal(request);
    if (refused !== null) return sendJson(response, 403, { error: refused });
    const token = new URL(request.url ?? "/", "http://x").searchParams.get("token") ?? "";
    if (path === "/control/sent" && request.method === "GET")
      return sendJson(response, 200, { sent: this.sent(token) });
    if (path !== "/control/messages" || request.method !== "POST")
      return sendJson(response, 404, { error: "POST /control/messages, GET /control/sent" });
    const said = paramsOf(text, "application/json");
    const [to, words, id] = [String(said.token ?? ""), String(said.text ?? ""), Number(said.from ?? 1)];
    sendJson(response, 200, { update: this.write(to, { id, name: `Person ${id}` }, words) });
  }

  #bot(token: string): Bot {
    const known = this.#bots.get(token);
    if (known) return known;
    const bot: Bot = {
      token,
      webhook: undefined,
      pending: [],
      calls: [],
      sent: [],
      answers: [],
      delivering: false,
    };
    this.#bots.set(token, bot);
    return bot;
  }

  /** The result, or why it is refused. */
  #answer(bot: Bot, method: string, params: Record<string, unknown>): { result: unknown } | string {
    const id = Number(bot.token.split(":")[0]);
    const me = { id, is_bot: true, first_name: "Development bot", username: `dev_${id}_bot` };
    switch (method) {
      case "getMe":
        return { result: { ...me, can_join_groups: true, can_read_all_group_messages: false } };
      case "setWebhook": {
        const { url, secret_token: secret = "" } = params;
        if (url === "") return this.#answer(bot, "deleteWebhook", {});
        if (typeof url !== "string" || !/^https?:\/\/[^/]+\//.test(url)) return "Bad Request: bad webhook";
        if (typeof secret !== "string" || !/^[A-Za-z0-9_-]{0,256}$/.test(secret))
          return "Bad Request: secret token contains unallowed characters";
        bot.webhook = { url, secret };
        void this.#deliver(bot);
        return { result: true };
      }
      case "deleteWebhook":
        bot.webhook = undefined;
        return { result: true };
      case "getWebhookInfo":
        return { result: { url: bot.webhook?.url ?? "", pending_update_count: bot.pending.length } };
      case "getUpdates":
        if (bot.webhook) return "Conflict: can't use getUpdates method while webhook is active";
        return { result: [] };
      case "sendChatAction":
        if (params.chat_id === undefined || params.chat_id === "") return "Bad Request: chat_id is empty";
        return ACTIONS.test(String(params.action))
          ? { result: true }
          : "Bad Request: wrong parameter action in request";
      case "sendMessage": {
        const { chat_id: chat, text } = params;
        if (chat === undefined || chat === "") return "Bad Request: chat_id is empty";
        if (typeof text !== "string" || text === "") return "Bad Request: message text is empty";
        if (text.length > LONGEST_TEXT) return "Bad Request: message is too long";
        this.#messages += 1;
        bot.sent.push({ chat: Number(chat), text });
        const date = Math.floor(Date.now() / 1000);
        return { result: { message_id: this.#messages, from: me, chat: { id: chat, type: "private" }, date, text } };
      }
      default:
        // What only shows something, or says what a bot can do.
        return { result: true };
    }
  }

  /** In order, each until it is taken: by a webhook that was set meanwhile, where it is another. */
  async #deliver(bot: Bot): Promise<void> {
    if (bot.delivering) return;
    bot.delivering = true;
    let pause = this.#retryMs;
    try {
      while (bot.pending[0] && bot.webhook && !this.#closed.signal.aborted) {
        const { status, text } = await this.#post(bot.webhook, bot.pending[0]);
        bot.answers.push(status);
        if (status >= 200 && status < 300) {
          bot.pending.shift();
          pause = this.#retryMs;
          this.#carryOut(bot, text);
        } else {
          await delay(pause, undefined, { signal: this.#closed.signal });
          pause = Math.min(2 * pause, LONGEST_RETRY_MS);
        }
      }
    } catch {
      // Closed while it waited.
    } finally {
      bot.delivering = false;
    }
  }

  /** An answer may call a method, of which nobody is told the result. */
  #carryOut(bot: Bot, text: string): void {
    const { method, ...params } = paramsOf(text, "application/json");
    if (typeof method !== "string") return;
    bot.calls.push({ method, params });
    this.#answer(bot, method, params);
  }

  /** Status 0 where there was no answer. */
  async #post({ url, secret }: Webhook, update: Update): Promise<{ status: number; text: string }> {
    const headers = {
      "content-type": "application/json",
      ...(secret !== "" && { "x-telegram-bot-api-secret-token": secret }),
    };
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(WEBHOOK_LIMIT_MS)]);
    try {
      const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(update), signal });
      return { status: answer.status, text: await answer.text() };
    } catch {
      return { status: 0, text: "" };
    }
  }
}

function paramsOf(text: string, type: string): Record<string, unknown> {
  if (text === "") return {};
  if (type.startsWith("application/x-www-form-urlencoded")) return Object.fromEntries(new URLSearchParams(text));
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
