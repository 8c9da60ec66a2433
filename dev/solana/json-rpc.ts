// Development stand-in: the JSON-RPC 2.0 envelope as a Solana node answers it, single calls and batches.
// What a method does is in methods.ts.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
export type Method = (params: readonly Json[]) => unknown;

export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;
export const SIMULATION_FAILED = -32002;
export const SIGNATURE_FAILED = -32003;
export const NODE_UNHEALTHY = -32005;
export const MIN_CONTEXT_SLOT_NOT_REACHED = -32016;

export class RpcError extends Error {
  readonly code: number;
  readonly data: Json | undefined;

  constructor(code: number, message: string, data?: Json) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

interface Call {
  readonly id: string | number | null;
  /** A call without an id gets no answer. */
  readonly notification: boolean;
  readonly method: string;
  readonly params: readonly Json[];
}

/** Answers a request body; an empty string where nothing is to be said (notifications only). */
export function answer(body: string, findMethod: (name: string) => Method | undefined): string {
  let request: Json;
  try {
    request = JSON.parse(body) as Json;
  } catch {
    return JSON.stringify(failure(null, new RpcError(PARSE_ERROR, "Parse error")));
  }
  if (!Array.isArray(request)) {
    const response = answerOne(request, findMethod);
    return response === null ? "" : JSON.stringify(response);
  }
  if (request.length === 0) return JSON.stringify(failure(null, new RpcError(INVALID_REQUEST, "Invalid request")));
  const responses = request.map((call) => answerOne(call, findMethod)).filter((response) => response !== null);
  return responses.length === 0 ? "" : JSON.stringify(responses);
}

/** The calls in a body, for the record of requests; empty if it can't be read. */
export function callsIn(body: string): { method: string; params: readonly Json[] }[] {
  try {
    const request = JSON.parse(body) as Json;
    return (Array.isArray(request) ? request : [request]).map((call) => parseCall(call));
  } catch {
    return [];
  }
}

function answerOne(request: Json, findMethod: (name: string) => Method | undefined): object | null {
  let call: Call;
  try {
    call = parseCall(request);
  } catch (error) {
    return failure(isObject(request) ? readId(request.id) : null, error);
  }
  try {
    const method = findMethod(call.method);
    if (method === undefined) throw new RpcError(METHOD_NOT_FOUND, "Method not found");
    const result = method(call.params);
    return call.notification ? null : { jsonrpc: "2.0", result, id: call.id };
  } catch (error) {
    return call.notification ? null : failure(call.id, error);
  }
}

function parseCall(request: Json): Call {
  if (!isObject(request) || typeof request.method !== "string") {
    throw new RpcError(INVALID_REQUEST, "Invalid request");
  }
  const { id, method, params } = request;
  if (request.jsonrpc !== "2.0") throw new RpcError(INVALID_REQUEST, "Unsupported JSON-RPC protocol version");
  if (id !== undefined && id !== null && typeof id !== "string" && typeof id !== "number") {
    throw new RpcError(INVALID_REQUEST, "Invalid request");
  }
  if (params !== undefined && params !== null && !Array.isArray(params)) {
    throw new RpcError(INVALID_PARAMS, "`params` should be an array");
  }
  return { id: readId(id), notification: id === undefined, method, params: Array.isArray(params) ? params : [] };
}

function failure(id: Call["id"], error: unknown): object {
  if (!(error instanceof RpcError)) throw error;
  const { code, message, data } = error;
  return { jsonrpc: "2.0", error: { code, message, data }, id };
}

function readId(id: Json | undefined): Call["id"] {
  return typeof id === "string" || typeof id === "number" ? id : null;
}

export function isObject(value: Json | undefined): value is { readonly [key: string]: Json | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
