// Runs the Worker as a child with a process group of its own, so that workerd never outlives it: `wrangler dev`, or the same
// workerd without what wrangler has around it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";

export interface LocalWorkerOptions {
  root: string;
  /** What runs: `wrangler dev`, or workerd.ts beside this file. */
  program?: "wrangler" | "workerd";
  config: string;
  /** Of Workers that run beside it and can't be asked from outside. */
  otherConfigs?: readonly string[];
  storage: string;
  port: number;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  onLine: (line: string) => void;
}

const READY_WITHIN_MS = 120_000;
const POLL_MS = 150;
const STOP_WITHIN_MS = 5_000;
const SHOWN_LINES = 60;

export class LocalWorker {
  readonly #program: string;
  readonly #child: ChildProcess;
  readonly #last: string[] = [];
  readonly #ended: Promise<string>;
  #running = true;
  readonly #killNow = (): void => this.#signal("SIGKILL");

  constructor({ root, program = "wrangler", storage, env = {}, onLine, ...how }: LocalWorkerOptions) {
    const bin = join(root, "node_modules");
    this.#program = program;
    this.#child = spawn(
      process.execPath,
      program === "wrangler"
        ? wranglerDev(bin, storage, how)
        : [join(import.meta.dirname, "workerd.ts"), how.config, storage, String(how.port)],
      {
        cwd: root,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          PATH: [join(bin, ".bin"), process.env.PATH ?? ""].join(delimiter),
          WRANGLER_SEND_METRICS: "false",
          // Only the file beside the configuration gives secrets: no .env of the surroundings.
          CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false",
          // No look-ups, no records elsewhere, no meeting with other runs on the machine.
          CLOUDFLARE_CF_FETCH_ENABLED: "false",
          // It would keep the URL of every request on disk, a bot's token among them.
          X_LOCAL_OBSERVABILITY: "false",
          WRANGLER_HIDE_BANNER: "true",
          WRANGLER_LOG_PATH: join(dirname(storage), "logs"),
          WRANGLER_REGISTRY_PATH: join(dirname(storage), "registry"),
          NO_COLOR: "1",
          FORCE_COLOR: "0",
          ...env,
        },
      },
    );
    const take = (text: string): void => {
      const line = stripVTControlCharacters(text).trimEnd();
      if (line === "") return;
      this.#last.push(line);
      if (this.#last.length > SHOWN_LINES) this.#last.shift();
      onLine(line);
    };
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream) eachLine(stream, take);
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(`could not be started: ${error.message}`));
      this.#child.once("exit", (code, signal) =>
        resolve(signal ? `was ended by ${signal}` : `ended with code ${code}`),
      );
    });
    void this.#ended.then(() => {
      this.#running = false;
    });
    // The last chance: whatever ends this process, its children go with it.
    process.once("exit", this.#killNow);
  }

  /** Resolves when the Worker answers; rejects with the program's own words when it does not come up. */
  async ready(url: string): Promise<void> {
    const failed = this.#ended.then((how) => {
      throw new Error(`${this.#program} ${how}${this.#words()}`);
    });
    const patience = new AbortController();
    const tooLate = delay(READY_WITHIN_MS, undefined, { signal: patience.signal }).then(() => {
      throw new Error(`no answer from ${url} in ${READY_WITHIN_MS / 1000} s${this.#words()}`);
    });
    try {
      await Promise.race([failed, tooLate, answers(url, patience.signal)]);
    } finally {
      patience.abort();
      failed.catch(() => {});
      tooLate.catch(() => {});
    }
  }

  async stop(): Promise<void> {
    if (this.#running) {
      this.#signal("SIGTERM");
      const patience = new AbortController();
      const late = delay(STOP_WITHIN_MS, undefined, { signal: patience.signal }).catch(() => {});
      await Promise.race([this.#ended, late]);
      patience.abort();
    }
    await this.kill();
  }

  /** Ends it at once, with no farewell. */
  async kill(): Promise<void> {
    // Also when the child itself has gone: its group may still hold a workerd.
    this.#signal("SIGKILL");
    if (this.#running) await once(this.#child, "exit");
    process.removeListener("exit", this.#killNow);
  }

  /** Has the configuration read anew; wrangler sees by itself that it is another. */
  reload(): void {
    if (this.#program === "workerd") this.#child.kill("SIGUSR2");
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // ESRCH: nothing of the group is left, which is the aim.
    }
  }

  #words(): string {
    return this.#last.length > 0 ? `:\n${this.#last.join("\n")}` : " and it said nothing";
  }
}

function wranglerDev(
  bin: string,
  storage: string,
  { config, otherConfigs = [], port, args }: Pick<LocalWorkerOptions, "config" | "otherConfigs" | "port" | "args">,
): string[] {
  return [
    join(bin, "wrangler", "bin", "wrangler.js"),
    "dev",
    ...[config, ...otherConfigs].flatMap((file) => ["--config", file]),
    ...["--persist-to", storage],
    ...["--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0"],
    "--local-protocol=http",
    "--show-interactive-dev-session=false",
    ...args,
  ];
}

async function answers(url: string, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const status = await fetch(url, { signal: AbortSignal.any([stop, AbortSignal.timeout(5_000)]) }).then(
      async (response) => {
        await response.body?.cancel();
        return response.status;
      },
      () => 0,
    );
    if (status === 200) return;
    await delay(POLL_MS);
  }
}

function eachLine(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
  });
  stream.on("end", () => take(rest));
}
