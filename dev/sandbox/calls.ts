// The sandbox host's calls: everything about one sandbox except its ports. Bodies are small JSON, except that a
// process's stdin, stdout and stderr are byte streams of any length with backpressure from end to end.
import type http from "node:http";
import { pipeline } from "node:stream";
import { text } from "node:stream/consumers";
import type { TrackedSandbox } from "./activity.ts";
import { sendSignal } from "./processes.ts";
import { type Exec, type ExecOptions, SandboxError } from "./sandbox.ts";

const MAX_JSON_BYTES = 1024 * 1024;
const STATUS_OF = { "already-running": 409, "not-running": 409, "no-port": 503, invalid: 400, gone: 410 } as const;

export async function answerCall(
  req: http.IncomingMessage,
  res: http.ServerResponse,
  tracked: TrackedSandbox,
  rest: string,
): Promise<void> {
  try {
    await dispatch(req, res, tracked, rest);
  } catch (error) {
    sendFailure(res, error);
  }
}

async function dispatch(req: http.IncomingMessage, res: http.ServerResponse, tracked: TrackedSandbox, rest: string) {
  const { sandbox } = tracked;
  const [path = "", query = ""] = rest.split("?");
  const [, noun = "", id = "", verb = ""] = path.split("/");
  switch (`${req.method} ${noun}${id && `/*/${verb}`}`) {
    case "GET ":
      return send(res, sandbox.state);
    case "DELETE ":
      await sandbox.destroy();
      return send(res, {});
    case "POST start": {
      const { entrypoint, env } = await readJson(req);
      return send(res, {
        generation: await sandbox.start({ entrypoint: optional(entrypoint, strings), env: optional(env, record) }),
      });
    }
    case "POST signal":
      sandbox.signal(integer((await readJson(req)).signal));
      return send(res, {});
    case "PUT inactivity-timeout":
      tracked.setInactivityTimeout(integer((await readJson(req)).durationMs));
      return send(res, {});
    case "GET exit":
      return send(res, { exitCode: await sandbox.exitCode(new URLSearchParams(query).get("generation") ?? "") });
    case "POST exec": {
      const exec = sandbox.exec(execOptions(await readJson(req)));
      return send(res, { id: exec.id, pid: exec.child.pid ?? 0 });
    }
    case "PUT exec/*/stdin":
      return writeInput(req, res, sandbox.findExec(id));
    case "GET exec/*/stdout":
      return sendOutput(res, sandbox.findExec(id).stdout);
    case "GET exec/*/stderr":
      return sendOutput(res, sandbox.findExec(id).stderr);
    case "GET exec/*/exit":
      return send(res, { exitCode: await sandbox.findExec(id).exitCode });
    case "POST exec/*/kill": {
      const { child } = sandbox.findExec(id);
      const signal = integer((await readJson(req)).signal);
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        sendSignal(child.pid, signal);
      return send(res, {});
    }
    default:
      res.writeHead(404).end();
  }
}

function send(res: http.ServerResponse, value: unknown): void {
  res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function sendFailure(res: http.ServerResponse, error: unknown): void {
  const known = error instanceof SandboxError;
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const code = known ? error.code : "failed";
  const message = error instanceof Error ? error.message : "the sandbox host failed";
  res
    .writeHead(known ? STATUS_OF[error.code] : 500, { "content-type": "application/json" })
    .end(JSON.stringify({ code, message }));
}

function writeInput(req: http.IncomingMessage, res: http.ServerResponse, exec: Exec): void {
  const { child } = exec;
  const input = child.stdin;
  if (!input) throw new SandboxError("invalid", "the process was started without stdin");
  // The process has closed its stdin: the rest goes nowhere.
  input.once("error", () => req.unpipe(input).resume());
  req.pipe(input);
  req.once("end", () => send(res, {}));
  req.once("close", () => {
    // Cut off half-way, not ended: the process must not take what it has got for the whole.
    if (!req.complete && !exec.ended && child.pid !== undefined) sendSignal(-child.pid, "SIGKILL");
  });
  void exec.exitCode.then(() => req.complete || req.destroy());
}

function sendOutput(res: http.ServerResponse, output: Exec["stdout"]): void {
  if (!output) throw new SandboxError("invalid", "that output of the process is not a pipe");
  res.writeHead(200, { "content-type": "application/octet-stream" });
  res.flushHeaders();
  pipeline(output, res, () => {});
}

async function readJson(req: http.IncomingMessage): Promise<Record<string, unknown>> {
  if (Number(req.headers["content-length"] ?? MAX_JSON_BYTES + 1) > MAX_JSON_BYTES) {
    throw new SandboxError("invalid", "the body has no length or is too long");
  }
  try {
    return object(JSON.parse(await text(req)));
  } catch {
    throw new SandboxError("invalid", "the body is not a JSON object");
  }
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new SandboxError("invalid", "not an object");
  return value as Record<string, unknown>;
}

function execOptions(body: Record<string, unknown>): ExecOptions {
  return {
    cmd: strings(body.cmd),
    env: optional(body.env, record),
    cwd: optional(body.cwd, string),
    stdin: body.stdin === true,
    stdout: body.stdout === "ignore" ? "ignore" : "pipe",
    stderr: body.stderr === "ignore" || body.stderr === "combined" ? body.stderr : "pipe",
  };
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}

function string(value: unknown): string {
  if (typeof value !== "string" || value.includes("\0")) throw new SandboxError("invalid", "a text is expected");
  return value;
}

function strings(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0) throw new SandboxError("invalid", "a list of texts is expected");
  return value.map(string);
}

function record(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(object(value)).map(([name, one]) => [string(name), string(one)]));
}

function integer(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) <= 0)
    throw new SandboxError("invalid", "a positive integer is expected");
  return value as number;
}
