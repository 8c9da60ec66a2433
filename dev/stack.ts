// Everything that a local run consists of, in one Node process plus workerd's: the Solana RPC, the echo model, Telegram's, Slack's and Discord's
// APIs, the host of the stand-in containers, and the Worker itself. Used by `npm run dev` and by the black-box tests.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bundled } from "./bundle.ts";
import { devConfig, type WranglerConfig } from "./config.ts";
import { type Containers, type Engine, onEngine, standIn } from "./containers.ts";
import { Discord } from "./discord/server.ts";
import { type EchoModel, startEchoModel } from "./echo-model/server.ts";
import { forward } from "./forward.ts";
import { LocalWorker } from "./local-worker.ts";
import { LOOPBACK, ownPort } from "./ports.ts";
import { newSecrets, type Secrets, writeSecrets } from "./secrets.ts";
import { Slack } from "./slack/server.ts";
import { devAccounts } from "./solana/accounts.ts";
import { type SolanaRpc, startSolanaRpc } from "./solana/rpc.ts";
import { BotApi } from "./telegram/server.ts";

export interface StackOptions {
  /** Everything the run keeps lies below this directory. */
  stateDir: string;
  /** A free one where none is given. */
  port?: number;
  wranglerArgs?: readonly string[];
  /** By `wrangler dev`, which starts the Worker anew when its code changes; else as dev/workerd.ts does, where that can. */
  watched?: boolean;
  /** What wrangler runs, made of the run's configuration: that of the Worker that is asked from outside, and by name others. */
  workers?: (config: WranglerConfig) => { outer: WranglerConfig; others: Readonly<Record<string, WranglerConfig>> };
  /** Over those of the run; an empty text is a value too. */
  vars?: Readonly<Record<string, string>>;
  /** Over random ones; undefined takes one away. */
  secrets?: Readonly<Record<string, string | undefined>>;
  /** By default the development console. */
  consoleDir?: string;
  /** What the image has at /opt/agent; by default the real agent. Of the stand-in alone. */
  agentDir?: string;
  /** Real containers in place of the stand-in. */
  engine?: Engine | undefined;
  onLog?: (line: string) => void;
}

export interface Stack {
  readonly appOrigin: string;
  /** Suffix of the agents' hosts, with the port. */
  readonly agentDomain: string;
  /** Where agents call models without a key. */
  readonly modelsOrigin: string;
  readonly rpc: SolanaRpc;
  readonly echo: EchoModel;
  readonly telegram: BotApi;
  readonly slack: Slack;
  readonly discord: Discord;
  readonly containers: Containers;
  /** What the Worker and what runs it have printed so far. */
  readonly logs: readonly string[];
  /**
   * Ends the Worker where it stands and starts another on the same storage. The stand-in's containers go on; those on an
   * engine end with it.
   */
  replaceWorker(meanwhile?: () => void | Promise<void>): Promise<void>;
  /** Has its configuration, which was changed, read anew. It says when it is updated and ready. */
  reloadWorker(): void;
  stop(): Promise<void>;
}

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");

export async function startStack(options: StackOptions): Promise<Stack> {
  const stateDir = resolve(options.stateDir);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const port = await usablePort(options.port ?? 0);
  const closing: (() => Promise<void>)[] = [claim(stateDir)];
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= closeAll(closing);
    return stopped;
  };
  closing.push(onSignals(stop));

  try {
    const rpc = await startSolanaRpc();
    closing.push(() => rpc.close());
    const containers = options.engine
      ? await onEngine(join(stateDir, "image"), options.engine)
      : await standIn(join(stateDir, "sandboxes"), resolve(options.agentDir ?? join(ROOT, "container")));
    closing.push(() => containers.close());
    const echo = await startEchoModel({ address: containers.hostAddress });
    closing.push(() => echo.close());
    const telegram = await BotApi.start({ address: containers.hostAddress });
    closing.push(() => telegram.close());
    const slack = await Slack.start({ address: containers.hostAddress });
    closing.push(() => slack.close());
    const discord = await Discord.start({ address: containers.hostAddress });
    closing.push(() => discord.close());

    const agentDomain = `localhost:${port}`;
    const appOrigin = `http://${agentDomain}`;
    const { collection } = await devAccounts();
    let modelsOrigin = appOrigin;
    if (containers.hostAddress !== LOOPBACK) {
      const door = await forward(containers.hostAddress, port);
      closing.push(() => door.close());
      modelsOrigin = `http://${door.host}`;
    }
    const vars = {
      APP_ORIGINS: appOrigin,
      AGENT_DOMAIN: agentDomain,
      SOLANA_RPC_URLS: `${rpc.endpoint("/a")},${rpc.endpoint("/b")}`,
      SOLANA_CLUSTER: "localnet",
      MOLT_COLLECTION: collection,
      MODELS_ORIGIN: modelsOrigin,
      OPENAI_BASE_URL: `${echo.url}/v1`,
      TELEGRAM_API_URL: telegram.url,
      SLACK_API_URL: slack.url,
      DISCORD_API_URL: discord.url,
      ...containers.vars,
      ...options.vars,
    };
    const consoleDir = options.consoleDir ?? ".cache/dev/console";
    const { entry, dockerfile } = containers;
    const generated = devConfig({ root: ROOT, entry, consoleDir, vars, ...(dockerfile && { dockerfile }) });
    const { outer, others } = options.workers?.(generated) ?? { outer: generated, others: {} };
    const written = (name: string, content: WranglerConfig): string => {
      const file = join(stateDir, `${name}.json`);
      writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
      chmodSync(file, 0o600);
      return file;
    };
    const made = (name: string, content: WranglerConfig): Promise<WranglerConfig> =>
      options.watched ? Promise.resolve(content) : bundled(content, join(stateDir, "workers", name));
    const config = written("wrangler", await made("wrangler", outer));
    const otherConfigs: string[] = [];
    for (const [name, content] of Object.entries(others)) otherConfigs.push(written(name, await made(name, content)));
    // The secrets are read beside the configuration: they appear on no command line and in no environment.
    writeSecrets(join(stateDir, ".dev.vars"), withSecrets({ ...newSecrets(), ...containers.secrets }, options.secrets));

    const logs: string[] = [];
    let worker: LocalWorker | undefined;
    closing.push(async () => worker?.stop());
    const alone = !options.watched && !options.engine && otherConfigs.length === 0;
    const startWorker = async (): Promise<void> => {
      worker = new LocalWorker({
        root: ROOT,
        program: alone ? "workerd" : "wrangler",
        config,
        otherConfigs,
        storage: join(stateDir, "storage"),
        port,
        args: options.wranglerArgs ?? [],
        env: containers.env,
        onLine(line) {
          logs.push(line);
          options.onLog?.(line);
        },
      });
      await worker.ready(`http://${LOOPBACK}:${port}/healthz`);
    };
    await startWorker();
    const replaceWorker = async (meanwhile?: () => void | Promise<void>): Promise<void> => {
      // One that is killed leaves its containers on the engine, where no other finds them.
      await (options.engine ? worker?.stop() : worker?.kill());
      await meanwhile?.();
      await startWorker();
    };
    return {
      appOrigin,
      agentDomain,
      modelsOrigin,
      rpc,
      echo,
      telegram,
      slack,
      discord,
      containers,
      logs,
      replaceWorker,
      reloadWorker: () => worker?.reload(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function withSecrets(base: Secrets, over: StackOptions["secrets"] = {}): Secrets {
  const all = Object.entries({ ...base, ...over });
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Last opened, first closed; one that fails keeps none of the others open. */
async function closeAll(closing: (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closing.splice(0).reverse()) {
    await close().catch((error: unknown) => errors.push(error));
  }
  if (errors.length > 0) throw new AggregateError(errors, "not everything could be stopped");
}

/** Ends the process in order on the signals that ask for it. Returns what takes the handlers away again. */
export function onSignals(stop: () => Promise<void>): () => Promise<void> {
  const handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal, index) => {
    const code = 128 + ([2, 15, 1][index] ?? 0);
    const end = (): never => process.exit(code);
    let asked = false;
    const handler = (): void => {
      // Asked twice, it does not wait any longer: leaving kills what is still there.
      if (asked) end();
      asked = true;
      stop().then(end, end);
    };
    process.on(signal, handler);
    return { signal, handler };
  });
  return async () => {
    for (const { signal, handler } of handlers) process.removeListener(signal, handler);
  };
}

/** Two runs on one directory would delete each other's sandboxes. Returns what gives the directory back. */
export function claim(stateDir: string): () => Promise<void> {
  const file = join(stateDir, "run.pid");
  const holder = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  if (holder > 0 && isAlive(holder))
    throw new Error(
      `process ${holder} already runs on ${stateDir}: end it first (if that is another program, delete run.pid there)`,
    );
  writeFileSync(file, String(process.pid), { mode: 0o600 });
  return async () => rmSync(file, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The port itself, or one of our own for 0; a clear word when something already listens there. */
export async function usablePort(wanted: number): Promise<number> {
  if (wanted === 0) return ownPort();
  const server = createServer();
  return new Promise((done, fail) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const busy = error.code === "EADDRINUSE";
      fail(busy ? new Error(`port ${wanted} is in use: end what listens there, or choose another with --port`) : error);
    });
    server.listen(wanted, LOOPBACK, () => server.close(() => done(wanted)));
  });
}
