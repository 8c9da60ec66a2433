// Test stand-in for OpenClaw's gateway: shows what reached it, and answers as each path says.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocketServer } from "ws";

/** @typedef {import("node:http").IncomingMessage} Request */
/** @typedef {import("node:http").ServerResponse} Response */
/** @typedef {(request: Request, response: Response, rest: string) => unknown} Handler */

/**
 * @typedef {object} Options
 * @property {string} state @property {string} address @property {number} port
 * @property {(name: string) => Promise<Record<string, any>>} knobs
 * @property {(name: string) => Promise<void>} note
 * @param {Options} options
 */
export async function serve({ state, address, port, knobs, note }) {
  const born = Date.now();
  let [ended, muted] = [false, false];
  /** How often it said that it has started. */
  let told = 0;
  /** Streams that wait for the word to go on. @type {Set<Response>} */
  const waiting = new Set();
  const memory = join(state, "memory");
  const turns = join(state, "turns");
  /** What it was told to serve, by path. @type {Map<string, {type: string, body: Buffer}>} */
  const files = new Map();
  /** Each request that came in, but for questions about itself. @type {string[]} */
  const seen = [];

  /** @type {Record<string, Handler>} */
  const paths = {
    async startupz(_request, response) {
      const { afterMs = 0, never = false, once = false } = await knobs("boot");
      const started = !never && Date.now() - born >= afterMs && !(once && told > 0);
      if (started) told += 1;
      if (started && once) await note("started");
      json(response, { status: started ? "started" : "starting" });
    },
    async echo(request, response) {
      const body = await buffer(request);
      const { method, url, rawHeaders } = request;
      json(response, { method, url, headers: pairs(rawHeaders), body: body.toString("utf8") });
    },
    async upload(request, response) {
      const hash = createHash("sha256");
      let bytes = 0;
      for await (const chunk of request) {
        hash.update(chunk);
        bytes += chunk.length;
      }
      json(response, { bytes, sha256: hash.digest("hex"), chunked: request.headers["transfer-encoding"] ?? null });
    },
    download(_request, response, rest) {
      const chunk = Buffer.alloc(64 * 1024, "molt");
      let left = Number(rest);
      response.setHeader("content-type", "application/octet-stream");
      const write = () => {
        while (left > 0) {
          const part = chunk.subarray(0, Math.min(left, chunk.length));
          left -= part.length;
          if (!response.write(part)) return void response.once("drain", write);
        }
        response.end();
      };
      write();
    },
    /** A status line as it is asked for, past what Node would let through. */
    status(request, _response, rest) {
      request.socket.end(`HTTP/1.1 ${rest} Odd\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    },
    /** The body of the request, as it is, in place of a response; then the end, nothing, or a reset of the connection. */
    async raw(request, _response, rest) {
      const bytes = await buffer(request);
      const { socket } = request;
      const then = new URLSearchParams(rest).get("then");
      if (then === "hold") return void socket.write(bytes);
      if (then === "reset") return void socket.write(bytes, () => socket.resetAndDestroy());
      socket.end(bytes);
    },
    /** For as long as somebody takes it. */
    endless(_request, response) {
      response.once("close", () => note("left"));
      const chunk = Buffer.alloc(64 * 1024, "molt");
      const write = () => {
        if (!response.destroyed) response.write(chunk, () => setImmediate(write));
      };
      write();
    },
    seen(_request, response) {
      json(response, { seen });
    },
    /** From now on the body is what is served at the rest of the path. */
    async files(request, response, rest) {
      const type = request.headers["content-type"] ?? "text/html; charset=utf-8";
      files.set(`/${rest}`, { type, body: await buffer(request) });
      json(response, {});
    },
    bodyless(_request, response, rest) {
      response.writeHead(Number(rest), { "x-agent": "yes" }).end();
    },
    headers(_request, response) {
      response.writeHead(200, [
        ...["content-type", "text/plain; charset=utf-8", "x-agent", "yes", "x-frame-options", "DENY"],
        ...["strict-transport-security", "max-age=1", "clear-site-data", '"*"', "alt-svc", 'h3=":443"'],
        ...[
          "service-worker-allowed",
          "/",
          "nel",
          "{}",
          "report-to",
          "{}",
          "reporting-endpoints",
          'a="https://x.example"',
        ],
        ...["proxy-authenticate", "Basic", "te", "x"],
        ...["set-cookie", "theme=dark; Path=/; HttpOnly", "set-cookie", "tab=2; SameSite=Lax"],
        ...["set-cookie", "wide=1; Domain=localhost; Path=/", "set-cookie", "wide2=1; domain = .localhost"],
        ...[
          "set-cookie",
          "__Host-molt_agent=forged; Path=/; Secure",
          "set-cookie",
          "__host-MOLT_session=forged; Path=/",
        ],
      ]);
      response.end("headers");
    },
    redirect(_request, response) {
      response.writeHead(302, { location: "/echo" }).end();
    },
    /** One event at once; the next when told. */
    stream(_request, response) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: first\n\n");
      waiting.add(response);
    },
    next(_request, response) {
      for (const stream of waiting) stream.end("data: second\n\n");
      waiting.clear();
      json(response, {});
    },
    /** Never answers. */
    async silence() {
      await note("silence");
    },
    drop(request) {
      request.socket.destroy();
    },
    async memory(request, response) {
      if (request.method === "PUT") writeFileSync(memory, await buffer(request));
      json(response, { memory: existsSync(memory) ? readFileSync(memory, "utf8") : null });
    },
    /** What its channel has taken. */
    updates(_request, response) {
      const file = join(state, "updates");
      const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
      json(
        response,
        lines.map((line) => JSON.parse(line)),
      );
    },
    /** Answers what a channel that ends at the edge has it asked, and remembers that it was. */
    async v1(request, response, rest) {
      if (rest !== "chat/completions") return void response.end("<h1>agent</h1>");
      const asked = JSON.parse((await buffer(request)).toString());
      const [context, said] = asked.messages;
      const { status = 200, exit = false, silent = false } = await knobs("turn");
      const scopes = request.headers["x-openclaw-scopes"];
      appendFileSync(
        turns,
        `${JSON.stringify({ user: asked.user, text: said.content, context: context.content, scopes })}\n`,
      );
      if (exit) process.exit(7);
      // Until the test tells otherwise.
      while ((await knobs("turn")).hold) await delay(20);
      if (status !== 200) return void response.writeHead(status).end(`{"error":{"message":"told to fail"}}`);
      const content = silent ? "No response from OpenClaw." : `Echo: ${said.content}`;
      json(response, { object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content } }] });
    },
    /** What it was asked so. */
    turns(_request, response) {
      const lines = existsSync(turns) ? readFileSync(turns, "utf8").split("\n").filter(Boolean) : [];
      json(
        response,
        lines.map((line) => JSON.parse(line)),
      );
    },
    crash() {
      process.exit(7);
    },
    /** As the real one when its gateway ends: the container stays, and something else answers in its place. */
    end(_request, response) {
      ended = true;
      response.destroy();
    },
    /** Answers nothing more. */
    mute(_request, response) {
      muted = true;
      response.destroy();
    },
    page(_request, response) {
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>agent</h1>");
    },
  };

  // The same from outside, where no request comes through.
  process.on("SIGUSR2", () => {
    ended = true;
    server.closeAllConnections();
  });

  const sockets = new WebSocketServer({ noServer: true, handleProtocols: ([first]) => first ?? false });
  const server = createServer((request, response) => {
    if (muted) return;
    if (ended) return void response.writeHead(503, { "x-agent-ended": "7" }).end("ended\n");
    const [name = "", rest = ""] = (request.url ?? "/").slice(1).split(/[/?](.*)/s);
    if (name !== "seen" && name !== "startupz" && name !== "healthz") seen.push(`${request.method} ${request.url}`);
    const file = files.get(request.url?.split("?")[0] ?? "");
    if (file) return void response.writeHead(200, { "content-type": file.type }).end(file.body);
    const handler = Object.hasOwn(paths, name) ? paths[name] : paths.page;
    Promise.resolve(handler?.(request, response, rest)).catch(() => response.destroy());
  });
  server.on("upgrade", (request, socket, head) => {
    // A status 101 that switches nothing, and one that nobody asked for, are made of raw bytes.
    if (request.url === "/refuse") return void socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    const [, what, told = ""] = /^\/(raw|frames)\?(.*)$/.exec(request.url ?? "") ?? [];
    seen.push(`UPGRADE ${request.url}`);
    if (what === "raw") return void socket.end(Buffer.from(told, "base64url"));
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on("error", () => {});
      client.on("close", (code, reason) => seen.push(`CLOSE ${code} ${reason}`));
      // Bytes as they are, whether or not they are frames.
      if (what === "frames") return void socket.write(Buffer.from(told, "base64url"));
      client.send(JSON.stringify({ headers: pairs(request.rawHeaders) }));
      client.on("message", (data, binary) => {
        const [, what, told] = (!binary && /^(close|leave|drop) ?(\d*)$/.exec(data.toString())) || [];
        if (what === "close") client.close(Number(told || 4001), "as asked");
        else if (what === "leave") client.close();
        else if (what === "drop") client.terminate();
        else client.send(data, { binary });
      });
    });
  });
  await new Promise((listening) => server.listen(port, address, () => listening(undefined)));
}

/** @param {Response} response @param {unknown} value */
function json(response, value) {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** @param {string[]} raw @returns {[string, string][]} */
function pairs(raw) {
  /** @type {[string, string][]} */
  const out = [];
  for (let at = 0; at + 1 < raw.length; at += 2) out.push([(raw[at] ?? "").toLowerCase(), raw[at + 1] ?? ""]);
  return out;
}
