// The fake agent seen from a test: what it is told to do wrong, what it noted, and waiting for its owner's view of it.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { build } from "esbuild";
import { devAssetAddress, devKeypair } from "../../dev/solana/accounts.ts";
import { ROOT, type StackOptions } from "../../dev/stack.ts";
import { images } from "../../scripts/lib/images.mjs";
import type { Client } from "./client.ts";
import { Events } from "./events.ts";
import { login } from "./login.ts";
import { objectId } from "./objects.ts";
import { buildImage, onDocker, type TestStack, testStack } from "./stack.ts";
import { type Patience, until } from "./wait.ts";

export interface Status {
  asset: string;
  domain: string;
  state: "asleep" | "starting" | "running" | "stopping" | "failed";
  phase: string | null;
  since: string;
  lastSnapshot: { id: string; createdAt: string; size: number } | null;
  problem: { code: string; detail: string; lines?: string[] } | null;
  nextWakeAt?: string;
  renewal: "reload" | "restart" | null;
  agentUrl: string;
}

export interface Snapshot {
  id: string;
  createdAt: string;
  cause: string;
  size: number;
  files: number;
  sha256: string;
}

/** By command, what goes wrong: see tests/agents/fake/main.mjs. "boot" is the server's. */
export type Knobs = Record<string, Record<string, unknown>>;

export interface Noted {
  command: string;
  /** One run of a container. */
  sandbox: string;
  /** Of the stand-in alone: which domain's. */
  place?: string;
  at: number;
  /** With the environment in the note of a command's beginning. */
  argv?: string[];
  env?: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: OpenClaw's configuration is wide; tests look at what they mean.
  input?: { config: any; secrets: Record<string, string> };
  done?: boolean;
}

const HERE = join(ROOT, "tests/agents/fake");
/** What the stand-in calls a domain's sandbox. */
export const placeOf = (asset: string): string => objectId(asset).slice(0, 16);

/** Of an agent: how it is to behave, for the record, or that it lives. */
interface Question {
  knobs?: string;
  note?: Noted;
  life?: string;
  place?: string;
}

export class FakeAgent {
  #knobs: Knobs = {};
  readonly #own = new Map<string, Knobs>();
  readonly #journal: Noted[] = [];
  /** By container, whose it is. */
  readonly #living = new Map<string, string>();
  readonly #most = new Map<string, number>();

  /** The server that the agents ask, and what they tell: lines of JSON, each answered with one. */
  static async start(): Promise<{ agent: FakeAgent; host: string; port: number }> {
    const agent = new FakeAgent();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {}).once("close", () => sockets.delete(socket));
      let received = "";
      socket.setEncoding("utf8").on("data", (chunk) => {
        const lines = (received + chunk).split("\n");
        // What one that is killed was about to say is no question.
        received = lines.pop() ?? "";
        for (const line of lines) socket.write(`${JSON.stringify(agent.#answer(JSON.parse(line), socket))}\n`);
      });
    });
    const host = onDocker ? images().gateway : "127.0.0.1";
    await new Promise<void>((listening) => server.listen(0, host, listening));
    after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return { agent, host, port: (server.address() as AddressInfo).port };
  }

  #answer({ knobs, note, life, place = "" }: Question, socket: Socket): object {
    if (note) this.#journal.push(note);
    if (life !== undefined) {
      this.#live(life, place);
      // A container's main process holds this connection as long as it lives.
      socket.once("close", () => this.#living.delete(life));
    }
    return knobs === undefined ? {} : { ...this.#knobs, ...this.#own.get(knobs) };
  }

  /** From now on, and until the next call, the agents behave so. */
  behave(knobs: Knobs = {}): void {
    this.#knobs = knobs;
  }

  /** Likewise the agent of this domain alone; of real containers all, as none of them knows whose it is. */
  behaveAt(asset: string, knobs: Knobs = {}): void {
    if (onDocker) this.behave(knobs);
    else this.#own.set(placeOf(asset), knobs);
  }

  lives(sandbox: string): boolean {
    return this.#living.has(sandbox);
  }

  /** How many containers of this domain there ever were at the same moment. */
  most(asset: string): number {
    return this.#most.get(placeOf(asset)) ?? 0;
  }

  #live(sandbox: string, place: string): void {
    this.#living.set(sandbox, place);
    const now = [...this.#living.values()].filter((one) => one === place).length;
    this.#most.set(place, Math.max(now, this.#most.get(place) ?? 0));
  }

  /** What the agents noted, oldest first. */
  notes(command?: string): Noted[] {
    return this.#journal.filter((note) => command === undefined || note.command === command);
  }

  /** What the agent of this domain noted of a command, on the stand-in. */
  notesOf(asset: string, command: string): Noted[] {
    return this.notes(command).filter(({ place }) => place === placeOf(asset));
  }

  /** The beginnings of a command, oldest first. */
  begun(command: string, since = 0): Noted[] {
    return this.notes(command).filter(({ argv, at }) => argv !== undefined && at >= since);
  }

  /** What the last start was given on standard input; of the agent of this address alone, as others may start by themselves. */
  injected(agentUrl = ""): NonNullable<Noted["input"]> {
    const origin = agentUrl.slice(0, -1);
    const inputs = this.notes("inject").flatMap(({ input }) => input ?? []);
    const input = inputs.findLast(({ config }) => JSON.stringify(config).includes(origin));
    assert.ok(input, "nothing was injected");
    return input;
  }
}

export async function fakeAgentStack(
  options: Omit<StackOptions, "stateDir" | "agentDir" | "engine"> = {},
  program = readFileSync(join(HERE, "agent"), "utf8"),
): Promise<TestStack & { agent: FakeAgent }> {
  const { agent, ...control } = await FakeAgent.start();
  const agentDir = mkdtempSync(join(tmpdir(), "multiclaw-fake-agent-"));
  after(() => rmSync(agentDir, { recursive: true, force: true }));
  cpSync(join(HERE, "Dockerfile"), join(agentDir, "Dockerfile"));
  writeFileSync(join(agentDir, "agent"), program, { mode: 0o755 });
  writeFileSync(join(agentDir, "control.json"), JSON.stringify(control));
  await build({
    entryPoints: [join(HERE, "main.mjs"), join(HERE, "gateway.mjs")],
    outdir: agentDir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    external: ["./gateway.mjs"],
    platform: "node",
    format: "esm",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    logLevel: "error",
  });
  const image = onDocker ? await buildImage(agentDir) : undefined;
  const stack = await testStack({ ...options, agentDir }, image);
  return { ...stack, agent };
}

/** What an owner does with their agent. */
export class Owned {
  readonly client: Client;
  readonly path: string;

  readonly asset: string;

  constructor(client: Client, asset: string) {
    this.client = client;
    this.asset = asset;
    this.path = `/v1/agents/${asset}`;
  }

  /** The owner of a domain that nobody used before. `label` names a development key. */
  static async ofNew(stack: TestStack, name: string, label = "owner"): Promise<Owned> {
    const asset = await devAssetAddress(name);
    stack.rpc.control.mint({ asset, name, owner: (await devKeypair(label)).address });
    return Owned.of(stack, asset, label);
  }

  /** The owner of a domain, newly signed in. */
  static async of(stack: TestStack, asset: string, label = "owner"): Promise<Owned> {
    const client = stack.client();
    await login(client, label, asset);
    return new Owned(client, asset);
  }

  async status(): Promise<Status> {
    const answer = await this.client.get(this.path);
    assert.equal(answer.status, 200, answer.text);
    return answer.json();
  }

  /** Asks for `start`, `stop` or `restart`. */
  async ask(what: "start" | "stop" | "restart"): Promise<Status> {
    const answer = await this.client.post(`${this.path}/${what}`);
    assert.equal(answer.status, 202, answer.text);
    return answer.json();
  }

  /** The status once the agent is in one of these states. */
  in(states: Status["state"] | Status["state"][], patience?: Patience): Promise<Status> {
    const wanted = [states].flat();
    let last: Status | undefined;
    return until(
      `state ${wanted}`,
      async () => {
        last = await this.status();
        return wanted.includes(last.state) && last;
      },
      patience,
    ).catch((error) => {
      throw new Error(`${error.message}; last seen ${JSON.stringify(last)}`);
    });
  }

  /** Its gateway is being waited for: from then on no command begins in its container until it is ready. */
  boots(patience?: Patience): Promise<boolean> {
    return until("it boots", async () => (await this.status()).phase === "boot", patience);
  }

  async start(patience?: Patience): Promise<Status> {
    return this.#carriedOut("start", "running", patience);
  }

  async stop(): Promise<Status> {
    return this.#carriedOut("stop", "asleep");
  }

  /** An agent that had failed before is shown so until what was asked for begins. */
  async #carriedOut(what: "start" | "stop", wanted: Status["state"], patience?: Patience): Promise<Status> {
    const { since } = await this.status();
    await this.ask(what);
    const carriedOut = async (): Promise<Status | false> => {
      const status = await this.status();
      const failed = status.state === "failed" && status.since !== since;
      assert.ok(!failed, JSON.stringify(status));
      return status.state === wanted && status;
    };
    return until(`${what}: ${wanted}`, carriedOut, patience);
  }

  async events(): Promise<Events<Status>> {
    return new Events(await this.client.open("GET", `${this.path}/events`));
  }

  /** Writes what the agent remembers, by its own origin. */
  async learn(stack: TestStack, what: string): Promise<Client> {
    const visitor = await this.enter(stack);
    const answer = await visitor.request("PUT", "/memory", { body: what });
    assert.equal(answer.status, 200, answer.text);
    return visitor;
  }

  async snapshots(): Promise<Snapshot[]> {
    const answer = await this.client.get(`${this.path}/snapshots`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json().snapshots;
  }

  /** A visitor of the agent's origin who came in with a ticket. */
  async enter(stack: TestStack): Promise<Client> {
    const opened = await this.client.post(`${this.path}/open`);
    assert.equal(opened.status, 200, opened.text);
    const url = new URL(opened.json().url);
    const visitor = stack.visitor(url.origin);
    const entered = await visitor.request("POST", url.pathname, { body: url.hash.slice(1) });
    assert.equal(entered.status, 204, entered.text);
    return visitor;
  }
}
