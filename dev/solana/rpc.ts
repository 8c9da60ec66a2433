// Development stand-in for a Solana RPC provider. Loopback only; nothing here is secured for anything else.
// Every path except /control/ is an endpoint over the same ledger, so that several "providers" can disagree.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { failOnTheWire, viewOf } from "./behaviour.ts";
import { Control } from "./control.ts";
import { answer, callsIn } from "./json-rpc.ts";
import type { Ledger } from "./ledger.ts";
import { closeServer, listen, readBody, sendJson } from "./loopback.ts";
import { methodsOf } from "./methods.ts";
import { devLedger } from "./seed.ts";
import { Transactions } from "./transactions.ts";

export interface SolanaRpcOptions {
  readonly port?: number;
  /** By default a fresh ledger with the development accounts. */
  readonly ledger?: Ledger;
}

export interface SolanaRpc {
  /** URL of the endpoint "/", with the final slash. */
  readonly url: string;
  readonly ledger: Ledger;
  readonly control: Control;
  /** URL of another endpoint, for example "/a". */
  endpoint(path: string): string;
  close(): Promise<void>;
}

interface Node {
  readonly ledger: Ledger;
  readonly control: Control;
  readonly transactions: Transactions;
}

const CONTROL_PREFIX = "/control/";
/** A node's own limit for request bodies. */
const MAX_BODY_BYTES = 50 * 1024;

export async function startSolanaRpc(options: SolanaRpcOptions = {}): Promise<SolanaRpc> {
  const ledger = options.ledger ?? (await devLedger());
  const control = new Control(ledger);
  const transactions = new Transactions(ledger);
  const server = createServer((request, response) => {
    // A client that goes away mid-request is none of the server's trouble; anything else is a fault to be seen.
    handle({ ledger, control, transactions }, request, response).catch((error: unknown) => {
      if (request.destroyed || response.destroyed) return;
      console.error("development Solana RPC:", error);
      response.destroy();
    });
  });
  const origin = await listen(server, options.port);
  return {
    url: `${origin}/`,
    ledger,
    control,
    endpoint: (path) => new URL(path, origin).href,
    close: () => closeServer(server),
  };
}

async function handle(
  { ledger, control, transactions }: Node,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  if (path.startsWith(CONTROL_PREFIX)) return control.handle(path.slice(CONTROL_PREFIX.length), request, response);
  const body = await readBody(request, MAX_BODY_BYTES);
  if (request.method !== "POST") return refuse(response, 405, "Used HTTP Method is not allowed. POST is required.");
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) {
    return refuse(response, 415, "Supplied content type is not allowed. Content-Type: application/json is required.");
  }
  if (body === null) return refuse(response, 413, "Payload too large.");
  for (const call of callsIn(body)) control.record({ path, ...call });
  const behaviour = control.behaviour(path);
  const view = viewOf(behaviour, ledger, transactions);
  if (view === null) return failOnTheWire(behaviour, body, request, response);
  sendJson(response, 200, answer(body, methodsOf(view)));
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain" }).end(`${text}\n`);
}
