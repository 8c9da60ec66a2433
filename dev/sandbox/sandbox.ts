// One sandbox of the development stand-in: a directory, a port and the processes of what would be one container.
// NOT isolated, unlike a container: every process runs as this user (`user` is ignored), sees the host's files and
// memory, and has the host's whole network (`enableInternet: false` is ignored). For your own agents on your own machine.
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, rm, symlink } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { PassThrough, pipeline, type Readable } from "node:stream";
import {
  AGENT_PORT,
  AGENT_PORT_VARIABLE,
  HOOK_PORT,
  HOOK_PORT_BEHIND,
  HOOK_PORT_VARIABLE,
  type PortPool,
} from "./ports.ts";
import { endProcesses, exitCodeOf, launch, sendSignal } from "./processes.ts";

export interface SandboxSettings {
  /** Holds one directory per sandbox. No other host uses it. */
  dir: string;
  /** What the image has at /opt/agent. */
  agentDir: string;
  /** Node's on-disk compile cache, shared by all sandboxes so that boots after the first are faster. */
  compileCache: string;
  /** Tells this host's generations from those of an earlier one. */
  run: string;
  ports: PortPool;
  onOutput: (id: string, chunk: Buffer) => void;
}

export interface StartOptions {
  entrypoint?: string[] | undefined;
  env?: Record<string, string> | undefined;
}

export interface ExecOptions {
  cmd: string[];
  env?: Record<string, string> | undefined;
  cwd?: string | undefined;
  stdin: boolean;
  stdout: "pipe" | "ignore";
  stderr: "pipe" | "ignore" | "combined";
}

export interface Exec {
  id: string;
  child: ChildProcess;
  stdout: PassThrough | null;
  stderr: PassThrough | null;
  exitCode: Promise<number>;
  ended: boolean;
}

/** An expected refusal; `code` is for the Worker side. */
export class SandboxError extends Error {
  readonly code: "already-running" | "not-running" | "no-port" | "invalid" | "gone";
  constructor(code: SandboxError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

interface Main {
  child: ChildProcess;
  generation: string;
  port: number;
  env: Record<string, string>;
  stopping: boolean;
  /** Answers when the main process has ended and nothing of the sandbox is left. */
  gone: Promise<number>;
}

const IMAGE_AGENT_DIR = "/opt/agent/";
const DEFAULT_ENTRYPOINT = [`${IMAGE_AGENT_DIR}agent`, "init"];
const MAX_ENDED_EXECS = 64;

export class Sandbox {
  readonly id: string;
  readonly root: string;
  readonly #settings: SandboxSettings;
  #main: Main | undefined;
  #last: { generation: string; exitCode: number } | undefined;
  #starts = 0;
  #execs = new Map<string, Exec>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(id: string, settings: SandboxSettings) {
    this.id = id;
    // Cut short: a Unix socket's path has room for 107 bytes.
    this.root = join(settings.dir, id.slice(0, 16));
    this.#settings = settings;
  }

  get state() {
    return {
      running: this.#main !== undefined,
      generation: this.#main?.generation ?? this.#last?.generation ?? null,
      exitCode: this.#main === undefined ? (this.#last?.exitCode ?? null) : null,
    };
  }

  start(options: StartOptions): Promise<string> {
    return this.#inTurn(async () => {
      if (this.#main) throw new SandboxError("already-running", "the sandbox is running already");
      const port = await this.#settings.ports.acquire();
      if (port === undefined) throw new SandboxError("no-port", "no port is free: stop another sandbox first");
      await this.#prepareDirectory();
      const env = options.env ?? {};
      const child = launch({
        cmd: this.#resolve(options.entrypoint ?? DEFAULT_ENTRYPOINT),
        // The host keeps stdin open: its end tells the main process that the host is gone.
        env: { ...this.#environment(port, env), AGENT_EXIT_WITH_STDIN: "1" },
        cwd: this.root,
        stdin: "pipe",
        stdout: "pipe",
        stderr: "pipe",
      });
      child.stdin?.on("error", () => {});
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on("data", (chunk: Buffer) => this.#settings.onOutput(this.id, chunk));
      }
      const generation = `${this.#settings.run}.${++this.#starts}`;
      const main: Main = { child, generation, port, env, stopping: false, gone: Promise.resolve(0) };
      main.gone = exitCodeOf(child).then((exitCode) => this.#clear(main, exitCode));
      main.gone.catch(() => {});
      this.#main = main;
      return generation;
    });
  }

  /** To the main process alone, as to a container's PID 1. */
  signal(signo: number): void {
    const { child } = this.#running();
    if (child.pid !== undefined) sendSignal(child.pid, signo);
  }

  /** Ends everything at once and removes the directory: a container's disk is ephemeral. */
  destroy(): Promise<void> {
    return this.#inTurn(async () => {
      const main = this.#main;
      if (!main) return;
      if (main.child.pid !== undefined) sendSignal(-main.child.pid, "SIGKILL");
      await main.gone;
    });
  }

  /** Answers when that start's main process has ended. */
  exitCode(generation: string): Promise<number> {
    if (this.#main?.generation === generation) return this.#main.gone;
    if (this.#last?.generation === generation) return Promise.resolve(this.#last.exitCode);
    throw new SandboxError("gone", "the host does not know that run of the sandbox");
  }

  exec(options: ExecOptions): Exec {
    const main = this.#running();
    const child = launch({
      cmd: this.#resolve(options.cmd),
      env: { ...this.#environment(main.port, { ...main.env, ...options.env }) },
      cwd: options.cwd ? this.#inside(options.cwd) : this.root,
      stdin: options.stdin ? "pipe" : "ignore",
      stdout: options.stdout,
      stderr: options.stderr,
    });
    child.stdin?.on("error", () => {});
    const exec: Exec = {
      id: randomBytes(16).toString("hex"),
      child,
      stdout: held(child.stdout),
      stderr: held(child.stderr),
      exitCode: exitCodeOf(child),
      ended: false,
    };
    void exec.exitCode.then(() => {
      exec.ended = true;
    });
    this.#forgetEndedExecs();
    this.#execs.set(exec.id, exec);
    return exec;
  }

  findExec(id: string): Exec {
    const exec = this.#execs.get(id);
    if (!exec) throw new SandboxError("gone", "the host does not know that process");
    return exec;
  }

  /** The local port that stands for one inside the container; undefined for those that nothing can listen on. */
  localPort(port: number): number | undefined {
    const main = this.#running();
    if (port === AGENT_PORT) return main.port;
    return port === HOOK_PORT ? main.port + HOOK_PORT_BEHIND : undefined;
  }

  #running(): Main {
    if (!this.#main || this.#main.stopping) throw new SandboxError("not-running", "the sandbox is not running");
    return this.#main;
  }

  async #clear(main: Main, exitCode: number): Promise<number> {
    main.stopping = true;
    const open = [...this.#execs.values()].filter((exec) => !exec.ended);
    const groups = [main.child, ...open.map((exec) => exec.child)].flatMap((child) => child.pid ?? []);
    try {
      await endProcesses(groups, this.root);
      await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
    } finally {
      this.#settings.ports.release(main.port);
      this.#last = { generation: main.generation, exitCode };
      this.#main = undefined;
    }
    return exitCode;
  }

  async #prepareDirectory(): Promise<void> {
    this.#execs.clear();
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
    await mkdir(join(this.root, "home"), { recursive: true, mode: 0o700 });
    await mkdir(join(this.root, "tmp"), { mode: 0o700 });
    await symlink(this.#settings.compileCache, join(this.root, "tmp", "node-compile-cache"));
  }

  /** Nothing of the host's own environment; the caller's may replace the first lines, not the last. */
  #environment(port: number, env: Record<string, string>): Record<string, string> {
    return {
      PATH: `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: join(this.root, "home"),
      TMPDIR: join(this.root, "tmp"),
      ...env,
      AGENT_ROOT: this.root,
      AGENT_HOST: "127.0.0.1",
      [AGENT_PORT_VARIABLE]: String(port),
      [HOOK_PORT_VARIABLE]: String(port + HOOK_PORT_BEHIND),
      AGENT_COMPILE_CACHE: this.#settings.compileCache,
    };
  }

  /** The image's /opt/agent is a folder of the project here. */
  #resolve(cmd: string[]): string[] {
    const [name = "", ...rest] = cmd;
    const path = normalize(name);
    return path.startsWith(IMAGE_AGENT_DIR)
      ? [join(this.#settings.agentDir, path.slice(IMAGE_AGENT_DIR.length)), ...rest]
      : cmd;
  }

  #inside(path: string): string {
    return join(this.root, normalize(join("/", path)));
  }

  #forgetEndedExecs(): void {
    const ended = [...this.#execs.values()].filter((exec) => exec.ended);
    for (const exec of ended.slice(0, Math.max(0, ended.length - MAX_ENDED_EXECS))) this.#execs.delete(exec.id);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/**
 * Passes a process's output on, from the first moment: what is left in an unread stdout when the process ends, Node
 * throws away. A reader that leaves closes the pipe, as in a shell.
 */
function held(output: Readable | null): PassThrough | null {
  if (!output) return null;
  const stream = new PassThrough();
  pipeline(output, stream, () => {});
  return stream;
}
