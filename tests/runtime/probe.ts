// A Worker that does with `ctx.container` what a test asks, and nothing of its own: so that the stand-in and the real
// runtime are held to the same answers.
import { DurableObject } from "cloudflare:workers";
import type { Ask } from "./ask.ts";

interface Process {
  stdin: WritableStream<Uint8Array> | null;
  stdout: ReadableStream<Uint8Array> | null;
  stderr: ReadableStream<Uint8Array> | null;
  exitCode: Promise<number>;
  output(): Promise<{ stdout: ArrayBuffer; stderr: ArrayBuffer; exitCode: number }>;
  kill(signal?: number): void;
}

interface Container {
  running: boolean;
  start(options: object): void;
  exec(cmd: string[], options?: object): Promise<Process>;
  getTcpPort(port: number): { fetch(input: string | Request, init?: RequestInit): Promise<Response> };
  monitor(): Promise<void>;
  signal(signo: number): void;
  destroy(reason?: unknown): Promise<void>;
}

const text = (bytes: ArrayBuffer) => new TextDecoder().decode(bytes);
const PATIENCE_MS = 2000;
const CHUNK = new Uint8Array(64 * 1024).fill(109);

export class Probe extends DurableObject {
  override async fetch(request: Request): Promise<Response> {
    const container = (this.ctx as unknown as { container: Container }).container;
    try {
      return Response.json(await perform(container, await request.json<Ask>()));
    } catch (error) {
      return Response.json({ error: String(error) });
    }
  }
}

async function perform(container: Container, ask: Ask): Promise<object> {
  const { cmd = [], env, cwd, port = 0, path = "/", signal = 15, bytes = 0 } = ask;
  switch (ask.do) {
    case "state":
      return { running: container.running };
    case "start":
      container.start({ entrypoint: ask.entrypoint, enableInternet: false, ...(env && { env }) });
      return { running: container.running };
    case "exec": {
      const stdin = ask.stdin === undefined ? {} : { stdin: new Response(ask.stdin).body };
      const stderr = ask.stderr ?? "pipe";
      const process = await container.exec(cmd, {
        stdout: "pipe",
        stderr,
        ...stdin,
        ...(env && { env }),
        ...(cwd && { cwd }),
      });
      if (ask.killAfterMs !== undefined) setTimeout(() => process.kill(signal), ask.killAfterMs);
      const { stdout, stderr: errors, exitCode } = await process.output();
      return { stdout: text(stdout), stderr: text(errors), exitCode };
    }
    case "half-read": {
      const process = await container.exec(cmd, { stdout: "pipe", stderr: "pipe" });
      const stdout = new Response(process.stdout).text();
      const late = new Promise<null>((told) => setTimeout(() => told(null), PATIENCE_MS));
      const unread = await Promise.race([stdout, late]);
      const errors = new Response(process.stderr).text();
      return { unread, stdout: await stdout, stderr: await errors, exitCode: await process.exitCode };
    }
    case "pour": {
      const process = await container.exec(cmd, { stdout: "pipe", stderr: "ignore" });
      const digest = new crypto.DigestStream("SHA-256");
      const counted = { bytes: 0 };
      const counter = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, out) {
          counted.bytes += chunk.byteLength;
          out.enqueue(chunk);
        },
      });
      await process.stdout?.pipeThrough(counter).pipeTo(digest);
      return { ...counted, sha256: hex(await digest.digest), exitCode: await process.exitCode };
    }
    case "drain": {
      const { readable, writable } = new FixedLengthStream(bytes);
      const process = await container.exec(cmd, { stdin: readable, stdout: "pipe", stderr: "pipe" });
      const writer = writable.getWriter();
      for (let left = bytes; left > 0; left -= CHUNK.length) await writer.write(CHUNK.subarray(0, left));
      await writer.close();
      const { stdout, exitCode } = await process.output();
      return { stdout: text(stdout), exitCode };
    }
    case "fetch": {
      const answer = await container.getTcpPort(port).fetch(`http://inside${path}`, { redirect: "manual" });
      return { status: answer.status, body: await answer.text() };
    }
    case "upgrade": {
      const answer = await container
        .getTcpPort(port)
        .fetch(`http://inside${path}`, { headers: { upgrade: "websocket" } });
      const socket = answer.webSocket;
      if (!socket) return { status: answer.status };
      socket.accept();
      const heard = new Promise((told) => socket.addEventListener("message", ({ data }) => told(data)));
      socket.send("hello");
      return { status: answer.status, heard: await heard };
    }
    case "monitor":
      await container.monitor();
      return { ended: true };
    case "signal":
      container.signal(signal);
      return {};
    case "destroy":
      await container.destroy(ask.reason);
      return { running: container.running };
  }
}

const hex = (bytes: ArrayBuffer) =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export default {
  /** The path names the object. */
  fetch(request: Request, env: { PROBE: DurableObjectNamespace }): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return Promise.resolve(new Response("ok"));
    return env.PROBE.get(env.PROBE.idFromName(pathname)).fetch(request);
  },
};
