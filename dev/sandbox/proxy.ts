// Carries one HTTP request or WebSocket from the Worker to a port inside a sandbox, as the container runtime does: the
// Host header is that of the Worker's URL, the body streams both ways, redirects and odd statuses pass unjudged.
import http from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream";

export const MAX_HEADER_BYTES = 128 * 1024;
/** Names the reason when the answer is the host's own and not the container's. Removed from the container's answers. */
const FAULT_HEADER = "x-sandbox-fault";
const HOST_HEADER = "x-sandbox-host";
export type Fault = "not-running" | "not-listening";

const LOOPBACK = "127.0.0.1";

export interface Target {
  port: number;
  path: string;
}

// What belongs to one hop, to this host, or is added by workerd to requests that leave it for the network.
const NOT_FORWARDED = new Set([
  ...["connection", "keep-alive", "proxy-authorization", "proxy-connection", "upgrade", "host"],
  ...["cf-worker", HOST_HEADER],
]);
const NOT_RETURNED = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", FAULT_HEADER]);

export function proxyRequest(req: http.IncomingMessage, res: http.ServerResponse, target: Target): void {
  const upstream = open(req, target, []);
  upstream.on("response", (answer) => relay(answer, res));
  // A 101 that nobody asked for.
  upstream.on("upgrade", (_answer, socket) => {
    socket.destroy();
    res.destroy();
  });
  upstream.on("error", (error) => fail(error, res));
  res.on("close", () => upstream.destroy());
  pipeline(req, upstream, () => {});
}

export function proxyUpgrade(req: http.IncomingMessage, socket: Duplex, head: Buffer, target: Target): void {
  const protocol = req.headers.upgrade ?? "";
  const upstream = open(req, target, ["Connection", "Upgrade", "Upgrade", protocol]);
  socket.on("error", () => upstream.destroy());
  socket.on("close", () => upstream.destroy());
  upstream.on("upgrade", (answer, inner, innerHead) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headLines(answer.rawHeaders)}\r\n`, "latin1");
    if (innerHead.length > 0) socket.write(innerHead);
    if (head.length > 0) inner.write(head);
    pipeline(socket, inner, () => {});
    pipeline(inner, socket, () => {});
  });
  // Refused: an ordinary answer, and the end of the connection. What comes next on it must not reach the container.
  upstream.on("response", (answer) => relay(answer, responseOn(socket, req)));
  upstream.on("error", (error) => fail(error, responseOn(socket, req)));
  upstream.end();
}

function open(req: http.IncomingMessage, target: Target, extra: string[]): http.ClientRequest {
  const headers = [
    "Host",
    String(req.headers[HOST_HEADER] ?? LOOPBACK),
    ...kept(req.rawHeaders, NOT_FORWARDED),
    ...extra,
  ];
  return http.request({
    host: LOOPBACK,
    port: target.port,
    method: req.method,
    path: target.path,
    headers,
    setHost: false,
    agent: false,
    maxHeaderSize: MAX_HEADER_BYTES,
  });
}

function relay(answer: http.IncomingMessage, res: http.ServerResponse): void {
  try {
    res.writeHead(answer.statusCode ?? 502, answer.statusMessage, kept(answer.rawHeaders, NOT_RETURNED));
    res.flushHeaders();
  } catch {
    answer.destroy();
    res.destroy();
    return;
  }
  pipeline(answer, res, () => {});
}

/** Only a refused connection has a name of its own; every other failure is a lost connection to the Worker as well. */
function fail(error: NodeJS.ErrnoException, res: http.ServerResponse): void {
  if (res.headersSent || error.code !== "ECONNREFUSED") {
    res.destroy();
    return;
  }
  refuse(res, "not-listening");
}

export function refuse(res: http.ServerResponse, fault: Fault): void {
  res.writeHead(502, { [FAULT_HEADER]: fault }).end();
}

export function responseOn(socket: Duplex, req: http.IncomingMessage): http.ServerResponse {
  const res = new http.ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket as never);
  res.on("finish", () => socket.end());
  return res;
}

function kept(raw: string[], dropped: Set<string>): string[] {
  const out: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? "";
    if (!dropped.has(name.toLowerCase())) out.push(name, raw[i + 1] ?? "");
  }
  return out;
}

function headLines(raw: string[]): string {
  let lines = "";
  for (let i = 0; i + 1 < raw.length; i += 2) lines += `${raw[i]}: ${raw[i + 1]}\r\n`;
  return lines;
}
