// Development stand-in for a language model provider: on loopback, or where containers reach it; speaks OpenAI's and Anthropic's APIs, echoes.
// Takes any key but those that begin with "sk-invalid", so that a wrong key can be shown as well.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { closeServer, listen, readBody, refusal, sendJson } from "../solana/loopback.ts";
import { answerTo, isRecord, lastUserText, readTurns } from "./answers.ts";
import { anthropicMessages, type Completion, chatCompletions, type Format, responses } from "./formats.ts";

export interface EchoModelOptions {
  readonly port?: number;
  /** Of this machine. Default loopback. */
  readonly address?: string;
  /** Pause before each piece of a streamed answer. Default 0. */
  readonly delayMs?: number;
}

export interface RecordedRequest {
  readonly path: string;
  readonly model: string | null;
  /** First 8 characters of the key; null without one. */
  readonly keyPrefix: string | null;
  readonly lastUserText: string;
  readonly stream: boolean;
  readonly status: number;
}

export interface EchoModel {
  /** Origin, without a slash at the end: the base URLs are `${url}/v1` and `${url}/anthropic`. */
  readonly url: string;
  /** The last 100 requests, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** Has answers wait, as those of a slow model, until what it gives is called. */
  hold(): () => void;
  close(): Promise<void>;
}

interface Pace {
  /** Before each piece of a streamed answer. */
  readonly delayMs: number;
  /** Before an answer. */
  readonly released: () => Promise<void>;
}

type Dialect = "openai" | "anthropic";

interface Endpoint {
  readonly format: Format;
  /** The field of the body that holds the conversation. */
  readonly conversation: "messages" | "input";
}

const ENDPOINTS = new Map<string, Endpoint>([
  ["/v1/chat/completions", { format: chatCompletions, conversation: "messages" }],
  ["/v1/responses", { format: responses, conversation: "input" }],
  ["/anthropic/v1/messages", { format: anthropicMessages, conversation: "messages" }],
]);
const MODELS = ["echo-1"];
const INVALID_KEY_PREFIX = "sk-invalid";
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const REQUESTS_KEPT = 100;

/** An answer that is not a completion; `code` is OpenAI's. */
class Refusal extends Error {
  readonly status: number;
  readonly code: string | null;

  constructor(status: number, message: string, code: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function startEchoModel(options: EchoModelOptions = {}): Promise<EchoModel> {
  const requests: RecordedRequest[] = [];
  const record = (entry: RecordedRequest): void => {
    requests.push(entry);
    if (requests.length > REQUESTS_KEPT) requests.shift();
  };
  let held: Promise<void> = Promise.resolve();
  const pace = { delayMs: options.delayMs ?? 0, released: () => held };
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const handled = path.startsWith("/control/")
      ? Promise.resolve(control(path, requests, request, response))
      : serve(path, pace, record, request, response);
    handled.catch((error: unknown) => {
      if (request.destroyed || response.destroyed) return;
      console.error("development echo model:", error);
      response.destroy();
    });
  });
  const url = await listen(server, options.port, options.address);
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return resolve;
  };
  return { url, requests, hold, close: () => closeServer(server) };
}

function control(
  path: string,
  requests: readonly RecordedRequest[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const refused = refusal(request);
  if (refused !== null) return sendJson(response, 403, { error: refused });
  if (path !== "/control/requests" || request.method !== "GET") {
    return sendJson(response, 404, { error: "GET /control/requests" });
  }
  sendJson(response, 200, { requests });
}

async function serve(
  path: string,
  { delayMs, released }: Pace,
  record: (entry: RecordedRequest) => void,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const endpoint = ENDPOINTS.get(path);
  const key = keyOf(request);
  const seen = {
    path,
    model: null as string | null,
    keyPrefix: key?.slice(0, 8) ?? null,
    lastUserText: "",
    stream: false,
  };
  try {
    const text = await readBody(request, MAX_BODY_BYTES);
    checkKey(key);
    if (request.method === "GET" && path === "/v1/models") {
      sendJson(response, 200, modelList());
      return record({ ...seen, status: 200 });
    }
    if (endpoint === undefined) throw new Refusal(404, `Invalid URL (${request.method ?? ""} ${path})`);
    if (request.method !== "POST") throw new Refusal(405, `Not allowed to ${request.method ?? ""} on ${path}`);
    const body = parseBody(text);
    seen.model = typeof body.model === "string" && body.model !== "" ? body.model : null;
    seen.stream = body.stream === true;
    const turns = readTurns(body[endpoint.conversation]);
    seen.lastUserText = lastUserText(turns ?? []);
    if (seen.model === null) throw new Refusal(400, "you must provide a model parameter");
    if (turns === null) throw new Refusal(400, `Missing required parameter: '${endpoint.conversation}'.`);
    record({ ...seen, status: 200 });
    await released();
    const completion: Completion = {
      model: seen.model,
      prompt: turns.map((turn) => turn.text).join("\n"),
      answer: answerTo(turns),
      includeUsage: isRecord(body.stream_options) && body.stream_options.include_usage === true,
    };
    if (seen.stream) return await sendStream(endpoint.format, completion, delayMs, response);
    sendJson(response, 200, endpoint.format.whole(completion));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    record({ ...seen, status: error.status });
    sendJson(response, error.status, errorBody(path.startsWith("/anthropic/") ? "anthropic" : "openai", error));
  }
}

async function sendStream(
  format: Format,
  completion: Completion,
  delayMs: number,
  response: ServerResponse,
): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  for (const { event, data } of format.stream(completion)) {
    if (delayMs > 0) await delay(delayMs);
    if (response.destroyed) return;
    response.write(`${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`);
  }
  response.end(format.end === null ? undefined : `data: ${format.end}\n\n`);
}

function keyOf(request: IncomingMessage): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const header = request.headers["x-api-key"];
  return bearer ?? (typeof header === "string" && header !== "" ? header : null);
}

function checkKey(key: string | null): void {
  if (key === null) throw new Refusal(401, "You didn't provide an API key.");
  if (key.startsWith(INVALID_KEY_PREFIX)) {
    throw new Refusal(401, `Incorrect API key provided: ${key.slice(0, 8)}********.`, "invalid_api_key");
  }
}

function parseBody(text: string | null): Record<string, unknown> {
  if (text === null) throw new Refusal(413, "The request is too large.");
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refusal(400, "We could not parse the JSON body of your request.");
  }
  if (!isRecord(body)) throw new Refusal(400, "The body of your request must be a JSON object.");
  return body;
}

function modelList(): object {
  const data = MODELS.map((id) => ({ id, object: "model", created: 0, owned_by: "multiclaw-dev" }));
  return { object: "list", data };
}

function errorBody(dialect: Dialect, { status, message, code }: Refusal): object {
  if (dialect === "openai") return { error: { message, type: "invalid_request_error", param: null, code } };
  const type = { 401: "authentication_error", 404: "not_found_error" }[status] ?? "invalid_request_error";
  return { type: "error", error: { type, message: status === 401 ? "invalid x-api-key" : message } };
}
