// Development stand-in: how an RPC endpoint goes wrong. A lagging or lying one answers well-formed from another view;
// the rest fail on the wire.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isAsset, pubkey, withOwner } from "./core-layout.ts";
import { answer, type Json, NODE_UNHEALTHY, RpcError } from "./json-rpc.ts";
import type { Ledger } from "./ledger.ts";
import type { View } from "./methods.ts";
import type { Transactions } from "./transactions.ts";

export type Behaviour =
  | { readonly mode: "ok" }
  /** Answers as of this many slots ago; what was there at genesis never goes away. */
  | { readonly mode: "lag"; readonly slots: number }
  /** Names this wallet as the owner of every asset, or of one; `slotsAhead` also overstates the slot. */
  | {
      readonly mode: "lie";
      readonly owner?: string | undefined;
      readonly asset?: string | undefined;
      readonly slotsAhead?: number | undefined;
    }
  /** Takes transactions, and none of them ever lands. */
  | { readonly mode: "swallow" }
  /** Takes no transactions, for a fault of its own. */
  | { readonly mode: "unsent" }
  | { readonly mode: "429"; readonly retryAfterSeconds?: number | undefined }
  /** Takes the request and never answers. */
  | { readonly mode: "hang" }
  /** Answers this body instead of JSON-RPC; by default JSON that breaks off. */
  | { readonly mode: "malformed"; readonly body?: string | undefined }
  /** A well-formed answer of this many bytes. */
  | { readonly mode: "huge"; readonly bytes?: number | undefined }
  /** Every call fails with this code; `status` is the HTTP status. */
  | {
      readonly mode: "error";
      readonly code: number;
      readonly message?: string | undefined;
      readonly status?: number | undefined;
    }
  /** Closes the connection without an answer. */
  | { readonly mode: "drop" };

/** What an endpoint that misbehaves in its content knows; null for those that never look at the ledger. */
export function viewOf(behaviour: Behaviour, ledger: Ledger, transactions: Transactions): View | null {
  const truth: View = {
    slot: (level) => ledger.slot(level),
    account: (address, slot) => ledger.account(address, slot),
    accounts: (slot) => ledger.accounts(slot),
    transactions,
  };
  switch (behaviour.mode) {
    case "ok":
      return truth;
    case "lag":
      return { ...truth, slot: (level) => ledger.slot(level) - behaviour.slots };
    case "swallow":
      return { ...truth, transactions: transactions.but("swallows") };
    case "unsent":
      return { ...truth, transactions: transactions.but("fails") };
    case "lie":
      return lyingView(behaviour, truth);
    default:
      return null;
  }
}

function lyingView({ owner, asset, slotsAhead = 0 }: Behaviour & { mode: "lie" }, truth: View): View {
  return {
    ...truth,
    slot: (level) => truth.slot(level) + slotsAhead,
    account(address, slot) {
      const account = truth.account(address, slot - slotsAhead);
      const affected = owner !== undefined && (asset === undefined || asset === address);
      if (!affected || account === null || !isAsset(account.data)) return account;
      return { ...account, data: withOwner(account.data, owner) };
    },
  };
}

/** Plays out a behaviour that fails on the wire. */
export async function failOnTheWire(
  behaviour: Behaviour,
  body: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (behaviour.mode) {
    case "429": {
      const message = "Too many requests for a specific RPC call";
      const headers = { "content-type": "application/json", "retry-after": String(behaviour.retryAfterSeconds ?? 10) };
      response.writeHead(429, headers).end(JSON.stringify({ jsonrpc: "2.0", error: { code: 429, message }, id: 1 }));
      return;
    }
    case "hang":
      return;
    case "malformed":
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(behaviour.body ?? '{"jsonrpc":"2.0","result":{"context":{"slot":');
      return;
    case "huge":
      return sendHuge(response, behaviour.bytes ?? 64 * 1024 * 1024);
    case "error":
      return sendErrors(behaviour, body, response);
    default:
      request.socket.destroy();
  }
}

/** Reads a behaviour from the control endpoint. */
export function parseBehaviour(value: { readonly [key: string]: Json | undefined }): Behaviour {
  const { mode } = value;
  switch (mode) {
    case "ok":
    case "swallow":
    case "unsent":
    case "hang":
    case "drop":
      return { mode };
    case "lag":
      return { mode, slots: count(value.slots) ?? 32 };
    case "lie":
      return { mode, owner: address(value.owner), asset: address(value.asset), slotsAhead: count(value.slotsAhead) };
    case "429":
      return { mode, retryAfterSeconds: count(value.retryAfterSeconds) };
    case "malformed":
      return { mode, body: text(value.body) };
    case "huge":
      return { mode, bytes: count(value.bytes) };
    case "error":
      if (typeof value.code !== "number") throw new Error("mode error needs a numeric code");
      return { mode, code: value.code, message: text(value.message), status: count(value.status) };
    default:
      throw new Error("mode must be one of ok, lag, lie, swallow, unsent, 429, hang, malformed, huge, error, drop");
  }
}

function count(value: Json | undefined): number | undefined {
  if (value === undefined || (typeof value === "number" && Number.isSafeInteger(value) && value >= 0)) return value;
  throw new Error("a count must be a whole number from 0");
}

function text(value: Json | undefined): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw new Error("a text must be a string");
}

function address(value: Json | undefined): string | undefined {
  const candidate = text(value);
  if (candidate !== undefined) pubkey(candidate);
  return candidate;
}

function sendErrors(behaviour: Behaviour & { mode: "error" }, body: string, response: ServerResponse): void {
  const { code, status = 200 } = behaviour;
  const unhealthy = code === NODE_UNHEALTHY;
  const message = behaviour.message ?? (unhealthy ? "Node is behind by 160 slots" : "Server error");
  const error = new RpcError(code, message, unhealthy ? { numSlotsBehind: 160 } : undefined);
  const failing = answer(body, () => () => {
    throw error;
  });
  response.writeHead(status, { "content-type": "application/json" }).end(failing);
}

async function sendHuge(response: ServerResponse, bytes: number): Promise<void> {
  const head = '{"jsonrpc":"2.0","id":1,"result":{"context":{"slot":1},"value":null,"padding":"';
  const tail = '"}}';
  const chunk = Buffer.alloc(64 * 1024, "A");
  function* body(): Generator<string | Buffer> {
    yield head;
    for (let left = bytes - head.length - tail.length; left > 0; left -= chunk.length) {
      yield chunk.subarray(0, Math.min(left, chunk.length));
    }
    yield tail;
  }
  response.writeHead(200, { "content-type": "application/json" });
  await pipeline(Readable.from(body()), response);
}
