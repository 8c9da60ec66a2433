// The development stand-in for `ctx.container`, Worker side: the surface and the errors of the runtime's own object,
// carried out by the sandbox host (dev/sandbox/). It isolates nothing, and the production bundle does not contain it.
import { HostClient, HostError } from "./sandbox/client.ts";
import { type ExecOptions, ExecProcess, requireSignal } from "./sandbox/client-exec.ts";

export interface StartOptions {
  entrypoint?: string[];
  enableInternet?: boolean;
  env?: Record<string, string>;
  [other: string]: unknown;
}

/** What getTcpPort() gives. */
export interface TcpPort {
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  connect(): never;
}

/** One run of the container, from start() to the end of its main process. */
interface Run {
  running: boolean;
  generation: Promise<string>;
  exitCode: Promise<number>;
  destroyReason: unknown;
}

const UNAVAILABLE_START_OPTIONS = ["image", "directorySnapshots", "containerSnapshot"];

export class EmbeddedContainer {
  readonly #host: HostClient;
  #run: Run | undefined;

  constructor(host: HostClient) {
    this.#host = host;
  }

  /** Takes over a sandbox that runs already. The runtime knows this before it constructs the object. */
  async attach(): Promise<void> {
    const { running, generation } = await this.#host.state();
    if (running && generation !== null) this.#run = this.#observe(Promise.resolve(generation));
  }

  get running(): boolean {
    return this.#run?.running ?? false;
  }

  start(options: StartOptions = {}): void {
    if (this.running) throw new Error("start() cannot be called on a container that is already running.");
    for (const name of UNAVAILABLE_START_OPTIONS) {
      if (options[name] !== undefined) unavailable(`start() with \`${name}\``);
    }
    const env = environment(options.env);
    const entrypoint = options.entrypoint ? Array.from(options.entrypoint, String) : undefined;
    this.#run = this.#observe(this.#host.start({ entrypoint, env }));
  }

  async monitor(): Promise<void> {
    const run = this.#run;
    if (!run) throw new Error("monitor() cannot be called on a container that is not running.");
    const exitCode = await run.exitCode;
    const reason = run.destroyReason;
    if (reason !== undefined && run === this.#run) {
      run.destroyReason = undefined;
      throw reason;
    }
    if (exitCode !== 0) {
      throw Object.assign(new Error(`Container exited with unexpected exit code: ${exitCode}`), { exitCode });
    }
  }

  async destroy(error?: unknown): Promise<void> {
    const run = this.#run;
    if (!run?.running) return;
    run.destroyReason ??= error;
    await run.generation.catch(() => {});
    await this.#host.destroy();
    await run.exitCode.catch(() => {});
  }

  signal(signo: number): void {
    requireSignal(signo);
    if (!this.running) throw new Error("signal() cannot be called on a container that is not running.");
    this.#started()
      .then(() => this.#host.signal(signo))
      .catch(() => {});
  }

  async exec(cmd: string[], options: ExecOptions = {}): Promise<ExecProcess> {
    if (!this.running) throw new Error("exec() cannot be called on a container that is not running.");
    const env = environment(options.env);
    await this.#started();
    try {
      return await ExecProcess.start(this.#host, Array.from(cmd, String), { ...options, env });
    } catch (error) {
      const stopped = error instanceof HostError && error.code === "not-running";
      throw stopped ? new Error("exec() requires a running container.") : error;
    }
  }

  getTcpPort(port: number): TcpPort {
    if (!(port > 0 && port < 65536)) throw new TypeError(`Invalid port number: ${port}`);
    return {
      fetch: async (input, init) => {
        const request = new Request(input, init);
        await this.#started();
        return this.#host.fetchPort(port, request);
      },
      connect: () => unavailable("connect()"),
    };
  }

  async setInactivityTimeout(durationMs: number): Promise<void> {
    if (!(durationMs > 0)) throw new TypeError("setInactivityTimeout() cannot be called with a durationMs <= 0");
    await this.#started();
    await this.#host.setInactivityTimeout(Math.ceil(durationMs));
  }

  /** Taken, so that what starts behind a wall starts; but nothing is kept from anything here. */
  async interceptOutboundHttp(_to: string, _by: unknown): Promise<void> {}

  async interceptAllOutboundHttp(): Promise<never> {
    return unavailable("interceptAllOutboundHttp()");
  }

  async interceptOutboundHttps(_to: string, _by: unknown): Promise<void> {}

  async snapshotDirectory(): Promise<never> {
    return unavailable("snapshotDirectory()");
  }

  async snapshotContainer(): Promise<never> {
    return unavailable("snapshotContainer()");
  }

  /** The runtime sends calls in order, so what follows a start() waits for it. */
  async #started(): Promise<void> {
    if (this.running) await this.#run?.generation;
  }

  #observe(generation: Promise<string>): Run {
    const exitCode = generation.then((known) => this.#host.exitCode(known));
    const run: Run = { running: true, generation, exitCode, destroyReason: undefined };
    const stopped = () => {
      run.running = false;
    };
    exitCode.then(stopped, stopped);
    return run;
  }
}

interface ObjectContext {
  readonly id: { toString(): string };
  blockConcurrencyWhile<T>(callback: () => Promise<T>): Promise<T>;
}

type Handler = (...args: unknown[]) => unknown;
type ObjectClass = new (ctx: never, env: never) => object;

const HANDLERS = ["fetch", "alarm", "webSocketMessage", "webSocketClose", "webSocketError"];

/**
 * The same Durable Object class with the stand-in as its `ctx.container`. `ctx` stays the runtime's own object (its
 * `container` is an ordinary writable property), and the values that lead to the sandbox host are left out of `env`.
 */
export function withEmbeddedContainer(
  Inner: ObjectClass,
): new (
  ctx: ObjectContext,
  env: Record<string, unknown>,
) => object {
  class WithEmbeddedContainer {
    inner: Record<string, Handler> = {};

    constructor(ctx: ObjectContext, env: Record<string, unknown>) {
      const { SANDBOX_HOST_URL: url, SANDBOX_HOST_TOKEN: token, ...rest } = env;
      if (typeof url !== "string" || typeof token !== "string") {
        throw new Error(
          "SANDBOX_HOST_URL and SANDBOX_HOST_TOKEN are not set: start the whole stack with `npm run dev`",
        );
      }
      const container = new EmbeddedContainer(new HostClient(url, token, ctx.id.toString()));
      Object.defineProperty(ctx, "container", {
        value: container,
        writable: true,
        enumerable: true,
        configurable: true,
      });
      // No event reaches the object before this ends, and its constructor may ask what is running.
      ctx.blockConcurrencyWhile(async () => {
        await container.attach();
        this.inner = new Inner(ctx as never, rest as never) as Record<string, Handler>;
      });
    }
  }
  // Only what the class has: the runtime looks at the prototype to know which events an object takes.
  for (const name of HANDLERS.filter((one) => one in Inner.prototype)) {
    Object.defineProperty(WithEmbeddedContainer.prototype, name, {
      value(this: WithEmbeddedContainer, ...args: unknown[]) {
        return this.inner[name]?.(...args);
      },
    });
  }
  return WithEmbeddedContainer;
}

function environment(env: Record<string, string> = {}): Record<string, string> {
  const entries = Object.entries(env).map(([name, value]): [string, string] => [name, String(value)]);
  for (const [name, value] of entries) {
    if (name.includes("=")) throw new Error(`Environment variable names cannot contain '=': ${name}`);
    if (name.includes("\0")) throw new Error(`Environment variable names cannot contain '\\0': ${name}`);
    if (value.includes("\0")) throw new Error(`Environment variable values cannot contain '\\0': ${name}`);
  }
  return Object.fromEntries(entries);
}

function unavailable(what: string): never {
  throw new Error(`${what} is not available in the stand-in container.`);
}
