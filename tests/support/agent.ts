// The fake agent seen from a test: what it is told to do wrong, what it noted, and waiting for its owner's view of it.
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { devAssetAddress, devKeypair } from "../../dev/solana/accounts.ts";
import { ROOT, type StackOptions } from "../../dev/stack.ts";
import type { Client } from "./client.ts";
import { Events } from "./events.ts";
import { login } from "./login.ts";
import { type TestStack, testStack } from "./stack.ts";
import { type Patience, until } from "./wait.ts";

export interface Status {
  asset: string;
  domain: string;
  state: "asleep" | "starting" | "running" | "stopping" | "failed";
  phase: string | null;
  since: string;
  lastSnapshot: { id: string; createdAt: string; size: number } | null;
  problem: { code: string; detail: string } | null;
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
  root: string;
  at: number;
  /** With the environment in the note of a command's beginning. */
  argv?: string[];
  env?: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: OpenClaw's configuration is wide; tests look at what they mean.
  input?: { config: any; secrets: Record<string, string> };
  done?: boolean;
}

export class FakeAgent {
  readonly #dir: string;

  constructor(stack: TestStack) {
    this.#dir = stack.dir;
  }

  /** From now on, and until the next call, the agents behave so. */
  behave(knobs: Knobs = {}): void {
    const file = join(this.#dir, "fake-agent.knobs.json");
    writeFileSync(`${file}.part`, JSON.stringify(knobs));
    renameSync(`${file}.part`, file);
  }

  /** What the agents noted, oldest first. */
  notes(command?: string): Noted[] {
    const file = join(this.#dir, "fake-agent.journal");
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
    const all = lines.map((line) => JSON.parse(line) as Noted);
    return all.filter((note) => command === undefined || note.command === command);
  }

  /** The beginnings of a command, oldest first. */
  begun(command: string, since = 0): Noted[] {
    return this.notes(command).filter(({ argv, at }) => argv !== undefined && at >= since);
  }

  /** What the last start was given on standard input. */
  injected(): NonNullable<Noted["input"]> {
    const input = this.notes("inject").findLast((note) => note.input !== undefined)?.input;
    assert.ok(input, "nothing was injected");
    return input;
  }
}

export async function fakeAgentStack(
  options: Omit<StackOptions, "stateDir" | "agentDir"> = {},
): Promise<TestStack & { agent: FakeAgent }> {
  const stack = await testStack({ ...options, agentDir: join(ROOT, "tests/agents/fake") });
  return { ...stack, agent: new FakeAgent(stack) };
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

  async start(): Promise<Status> {
    await this.ask("start");
    const status = await this.in(["running", "failed"]);
    assert.equal(status.state, "running", JSON.stringify(status));
    return status;
  }

  async stop(): Promise<Status> {
    await this.ask("stop");
    const status = await this.in(["asleep", "failed"]);
    assert.equal(status.state, "asleep", JSON.stringify(status));
    return status;
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
