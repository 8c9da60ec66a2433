// One process started by exec() in the stand-in container, Worker side: the runtime's ExecProcess, over HTTP streams.
import type { HostClient } from "./client.ts";
import { multiplexed } from "./multiplexed.ts";

export interface ExecOptions {
  stdin?: ReadableStream<Uint8Array> | "pipe";
  stdout?: "pipe" | "ignore";
  stderr?: "pipe" | "ignore" | "combined";
  cwd?: string;
  env?: Record<string, string>;
  user?: string;
  signal?: AbortSignal;
  pty?: unknown;
}

export interface ExecOutput {
  readonly stdout: ArrayBuffer;
  readonly stderr: ArrayBuffer;
  readonly exitCode: number;
}

const SIGTERM = 15;
const SIGKILL = 9;

export class ExecProcess {
  readonly pid: number;
  readonly stdin: WritableStream<Uint8Array> | null;
  readonly #host: HostClient;
  readonly #path: string;
  readonly #stdout: Response | null;
  readonly #stderr: Response | null;
  #exitCode: Promise<number> | undefined;
  #outputCalled = false;

  static async start(host: HostClient, cmd: string[], options: ExecOptions): Promise<ExecProcess> {
    requireValid(cmd, options);
    const { cwd, env, user, signal, stdin, stdout = "pipe", stderr = "pipe" } = options;
    const body = { cmd, cwd, env, user, stdin: stdin !== undefined, stdout, stderr };
    const { id, pid } = await host.json<{ id: string; pid: number }>("POST", "/exec", body);
    const path = `/exec/${id}`;
    const input = connectInput(host, path, stdin);
    const open = (name: string, mode: string) =>
      mode === "pipe" ? host.send(`${path}/${name}`, { method: "GET" }) : null;
    const outputs = await Promise.all([open("stdout", stdout), open("stderr", stderr)]);
    const started = new ExecProcess(host, path, pid, input, outputs);
    if (signal?.aborted) started.kill(SIGKILL);
    else signal?.addEventListener("abort", () => started.kill(SIGKILL), { once: true });
    return started;
  }

  private constructor(
    host: HostClient,
    path: string,
    pid: number,
    stdin: WritableStream<Uint8Array> | null,
    outputs: [Response | null, Response | null],
  ) {
    this.#host = host;
    this.#path = path;
    this.pid = pid;
    this.stdin = stdin;
    [this.#stdout, this.#stderr] = together(outputs);
  }

  get stdout(): ReadableStream | null {
    return this.#stdout?.body ?? null;
  }

  get stderr(): ReadableStream | null {
    return this.#stderr?.body ?? null;
  }

  get exitCode(): Promise<number> {
    this.#exitCode ??= this.#host
      .json<{ exitCode: number }>("GET", `${this.#path}/exit`)
      .then(({ exitCode }) => exitCode);
    return this.#exitCode;
  }

  async output(): Promise<ExecOutput> {
    if (this.#outputCalled) throw new TypeError("output() can only be called once.");
    this.#outputCalled = true;
    for (const [name, stream] of [
      ["stdout", this.#stdout],
      ["stderr", this.#stderr],
    ] as const) {
      if (stream?.bodyUsed) throw new TypeError(`Cannot call output() after ${name} has started being consumed.`);
    }
    const read = async (stream: Response | null) => (await stream?.arrayBuffer()) ?? new ArrayBuffer(0);
    const [stdout, stderr, exitCode] = await Promise.all([read(this.#stdout), read(this.#stderr), this.exitCode]);
    return { stdout, stderr, exitCode };
  }

  kill(signal: number = SIGTERM): void {
    requireSignal(signal);
    this.#host.json("POST", `${this.#path}/kill`, { signal }).catch(() => {});
  }

  resize(): never {
    throw new TypeError("resize() can only be called on a process that was started with a PTY.");
  }
}

function together([stdout, stderr]: [Response | null, Response | null]): [Response | null, Response | null] {
  if (!stdout?.body || !stderr?.body) return [stdout, stderr];
  const [out, err] = multiplexed([stdout.body, stderr.body]);
  return [new Response(out), new Response(err)];
}

export function requireSignal(signo: number): void {
  if (!(signo > 0 && signo <= 64)) throw new RangeError("Invalid signal number.");
}

function requireValid(cmd: string[], options: ExecOptions): void {
  const { stdin, stdout = "pipe", stderr = "pipe", cwd, user, signal, pty } = options;
  if (cmd.length === 0) throw new TypeError("exec() requires a non-empty command array.");
  if (pty) throw new TypeError("exec(): `pty` is not available in the stand-in container.");
  if (!["pipe", "ignore"].includes(stdout)) throw new TypeError(`Invalid stdout option: ${stdout}`);
  if (!["pipe", "ignore", "combined"].includes(stderr)) throw new TypeError(`Invalid stderr option: ${stderr}`);
  if (stderr === "combined" && stdout !== "pipe") {
    throw new TypeError('stderr: "combined" requires stdout to be "pipe".');
  }
  if (typeof stdin === "string" && stdin !== "pipe") {
    throw new TypeError('stdin must be a ReadableStream or the string "pipe".');
  }
  if (cwd?.includes("\0")) throw new TypeError("cwd cannot contain '\\0' characters.");
  if (user?.includes("\0")) throw new TypeError("user cannot contain '\\0' characters.");
  signal?.throwIfAborted();
}

/** Without stdin the process reads the end at once. */
function connectInput(host: HostClient, path: string, stdin: ExecOptions["stdin"]): WritableStream<Uint8Array> | null {
  if (stdin === undefined) return null;
  const pipe = stdin === "pipe" ? new TransformStream<Uint8Array, Uint8Array>() : undefined;
  const body = pipe?.readable ?? (stdin as ReadableStream<Uint8Array>);
  // It fails when the process ends without reading all, and when the stream itself fails: then nothing may have reached
  // the host, and the process must not wait for ever.
  const upload = host.send(`${path}/stdin`, { method: "PUT", body, duplex: "half" } as RequestInit);
  upload.catch(() => host.json("POST", `${path}/kill`, { signal: SIGKILL })).catch(() => {});
  return pipe?.writable ?? null;
}
