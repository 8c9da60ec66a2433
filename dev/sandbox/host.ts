// The development stand-in for a container platform: runs what would be containers as plain local processes, and takes
// its orders over loopback HTTP from dev/embedded-container.ts. It isolates neither network, users, memory nor files
// (see sandbox.ts); only the bearer token and the loopback address keep others out. Never part of a deployment.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join, resolve } from "node:path";
import { TrackedSandbox } from "./activity.ts";
import { answerCall } from "./calls.ts";
import { PortPool } from "./ports.ts";
import { endProcesses, startGuardian } from "./processes.ts";
import { type Fault, MAX_HEADER_BYTES, proxyRequest, proxyUpgrade, refuse, responseOn, type Target } from "./proxy.ts";
import { Sandbox, type SandboxSettings } from "./sandbox.ts";

export interface SandboxHostOptions {
  /** One directory per sandbox below it. What is in it when the host starts is removed. */
  dir: string;
  /** The folder that the image has at /opt/agent. */
  agentDir: string;
  /** Every request carries it as a bearer token. */
  token: string;
  /** 0 or nothing: the system chooses. */
  port?: number;
  /** Where Node keeps compiled code for all sandboxes; by default beside their directory. */
  compileCache?: string;
  /** Output of the sandboxes' main processes. */
  onOutput?: (id: string, chunk: Buffer) => void;
}

export interface SandboxHost {
  url: string;
  close(): Promise<void>;
}

const ROUTE = /^\/sandboxes\/([0-9a-f]{64})(\/.*)?$/s;
const PORT_ROUTE = /^\/ports\/([0-9]{1,5})(\/.*)$/s;

export async function startSandboxHost(options: SandboxHostOptions): Promise<SandboxHost> {
  if (options.token.length < 32) throw new Error("the sandbox host's token has less than 32 characters");
  const dir = resolve(options.dir);
  const compileCache = resolve(options.compileCache ?? join(dirname(dir), "node-compile-cache"));
  // An earlier host that was killed may have left processes and directories.
  await endProcesses([], dir);
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  await mkdir(compileCache, { recursive: true, mode: 0o700 });

  // A directory of its own: the guardian of an earlier host, late by a moment, must not find what this one starts.
  const run = randomBytes(4).toString("hex");
  const runDir = join(dir, run);
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  const guardian = process.platform === "linux" ? startGuardian(runDir) : undefined;
  const settings: SandboxSettings = {
    dir: runDir,
    agentDir: resolve(options.agentDir),
    compileCache,
    run,
    ports: new PortPool(),
    onOutput: options.onOutput ?? (() => {}),
  };
  const sandboxes = new Map<string, TrackedSandbox>();
  const find = (id: string) => {
    const found = sandboxes.get(id) ?? new TrackedSandbox(new Sandbox(id, settings));
    sandboxes.set(id, found);
    return found;
  };

  const isAuthorized = bearerCheck(options.token);
  const server = http.createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: 0, keepAliveTimeout: 0 });
  server.on("request", (req, res) => {
    const route = parseRoute(req, isAuthorized);
    if (typeof route === "number") {
      res.writeHead(route).end();
      return;
    }
    const tracked = find(route.id);
    tracked.track(res);
    if (!route.port) {
      void answerCall(req, res, tracked, route.rest);
      return;
    }
    const target = targetOf(tracked, route.port);
    if (typeof target === "string") refuse(res, target);
    else proxyRequest(req, res, target);
  });
  server.on("upgrade", (req, socket, head) => {
    socket.on("error", () => {});
    const route = parseRoute(req, isAuthorized);
    if (typeof route === "number" || !route.port) {
      responseOn(socket, req)
        .writeHead(typeof route === "number" ? route : 400)
        .end();
      return;
    }
    const tracked = find(route.id);
    tracked.track(socket);
    const target = targetOf(tracked, route.port);
    if (typeof target === "string") refuse(responseOn(socket, req), target);
    else proxyUpgrade(req, socket, head, target);
  });
  await new Promise<void>((done, failed) => {
    server.once("error", failed);
    server.listen(options.port ?? 0, "127.0.0.1", done);
  });

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise((done) => server.close(done));
      await Promise.all([...sandboxes.values()].map(({ sandbox }) => sandbox.destroy()));
      server.closeAllConnections();
      await closed;
      guardian?.stdin?.end();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Route {
  id: string;
  rest: string;
  port?: { number: number; path: string };
}

/** The route, or the status that refuses the request. */
function parseRoute(req: http.IncomingMessage, isAuthorized: (header: string | undefined) => boolean): Route | number {
  const match = ROUTE.exec(req.url ?? "");
  const rest = match?.[2] ?? "";
  const port = PORT_ROUTE.exec(rest);
  // The container's requests carry an Authorization of their own.
  if (!isAuthorized(port ? req.headers["proxy-authorization"] : req.headers.authorization)) return 401;
  if (!match?.[1]) return 404;
  if (!port) return { id: match[1], rest };
  const number = Number(port[1]);
  return number > 0 && number < 65536 ? { id: match[1], rest, port: { number, path: port[2] ?? "/" } } : 400;
}

function targetOf(tracked: TrackedSandbox, { number, path }: { number: number; path: string }): Target | Fault {
  try {
    const port = tracked.sandbox.localPort(number);
    return port === undefined ? "not-listening" : { port, path };
  } catch {
    return "not-running";
  }
}

function bearerCheck(token: string): (header: string | undefined) => boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(`Bearer ${token}`);
  return (header) => header !== undefined && timingSafeEqual(digest(header), expected);
}
