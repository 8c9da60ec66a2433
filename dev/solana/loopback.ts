// Development stand-in: what the development servers share: loopback only, and a control surface closed to web pages.
// A page in the developer's browser could otherwise reach a server on localhost, directly or by a rebound DNS name.
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const LOOPBACK = "127.0.0.1";
const LOOPBACK_NAMES = new Set([LOOPBACK, "localhost", "[::1]"]);

/** Starts on loopback or another address of this machine, on a port from the system unless given one; returns the origin. */
export async function listen(server: Server, port = 0, address = LOOPBACK): Promise<string> {
  server.listen(port, address);
  await once(server, "listening");
  return `http://${address}:${(server.address() as AddressInfo).port}`;
}

/** Ends the server and every connection, answered or not. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

/** Why a control request is refused, or null: browsers mark theirs by Origin or Sec-Fetch-Site, rebinding by the Host. */
export function refusal(request: IncomingMessage): string | null {
  const { origin, host = "" } = request.headers;
  if (origin !== undefined || request.headers["sec-fetch-site"] !== undefined) return "not for web pages";
  if (!LOOPBACK_NAMES.has(host.replace(/:\d+$/, "").toLowerCase())) return "only under a loopback name";
  return null;
}

/** The request's body as text, or null if it is longer than the limit. */
export async function readBody(request: IncomingMessage, limit: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  }
  return size > limit ? null : Buffer.concat(chunks).toString("utf8");
}

/** Sends a value as JSON; a string is taken as JSON already. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
}
