// One domain that is brought to a point, struck by a fault there, and looked at until it is well again. What it must not lose
// is what its agent or its owner was told to be kept before.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type FakeAgent, fakeAgentStack, type Knobs, Owned, type Snapshot } from "./agent.ts";
import type { Client } from "./client.ts";
import { Faults, withFaults } from "./faults.ts";
import { placeIn, processesIn, sandboxOf } from "./kill.ts";
import type { TestStack } from "./stack.ts";
import { r2Keys } from "./storage.ts";
import { until } from "./wait.ts";

export type FaultStack = TestStack & { agent: FakeAgent; faults: Faults };

/** A service whose faults are ordered. Nothing is saved by itself within a test unless `vars` say so. */
export async function faultStack(vars: Record<string, string> = {}, program?: string): Promise<FaultStack> {
  const { faults, url } = await Faults.start();
  const all = { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400", ...vars };
  const stack = await fakeAgentStack({ vars: all, ...withFaults(url) }, program);
  return { ...stack, faults };
}

/** The longest that anything may take to be well again, on a machine with little to spare. */
const PATIENCE = { within: 240_000, every: 200 };
let domains = 0;

export class Stage {
  readonly stack: FaultStack;
  /** What its agent acknowledged since, in order: the last of it is what it remembers. */
  readonly sayings: string[] = [];
  /** What the newest snapshot that counted before the fault holds. */
  saved: string | null = null;
  owned!: Owned;
  visitor!: Client;
  /** Asleep is where it is to end. */
  asleep = false;
  /** What it must not remember less of, where not the obvious. */
  expected: (string | null)[] | undefined;
  /** What is done after the fault, before it is looked at. */
  afterwards: (() => Promise<void>) | undefined;
  readonly #before: Snapshot[] = [];
  readonly #name: string;

  private constructor(stack: FaultStack, name: string) {
    this.stack = stack;
    this.#name = `${name.replaceAll(/[^a-z]+/g, "-")}-${++domains}`;
  }

  /** Runs, with something saved, and something said since. */
  static async running(stack: FaultStack, name: string): Promise<Stage> {
    const stage = new Stage(stack, name);
    stage.owned = await Owned.ofNew(stack, `${stage.#name}.molt`);
    await stage.owned.start();
    stage.saved = `saved by ${stage.#name}`;
    stage.visitor = await stage.owned.learn(stack, stage.saved);
    const taken = await stage.owned.client.post(`${stage.owned.path}/snapshots`);
    assert.equal(taken.status, 201, taken.text);
    await stage.says(`said last by ${stage.#name}`);
    await stage.note();
    return stage;
  }

  /** Sleeps, with all saved. */
  static async sleeping(stack: FaultStack, name: string): Promise<Stage> {
    const stage = await Stage.running(stack, name);
    await stage.owned.stop();
    stage.saved = stage.said;
    await stage.note();
    return stage;
  }

  get asset(): string {
    return this.owned.asset;
  }

  get said(): string {
    return this.sayings.at(-1) ?? assert.fail("it said nothing");
  }

  async says(what: string): Promise<void> {
    const answer = await this.visitor.request("PUT", "/memory", { body: what });
    assert.equal(answer.status, 200, answer.text);
    this.sayings.push(what);
  }

  /** The snapshots that there are now must be there at the end. */
  async note(): Promise<void> {
    this.#before.splice(0, Infinity, ...(await this.owned.snapshots()));
  }

  /** Another's snapshots are none that its owner could see. */
  forget(): void {
    this.#before.splice(0);
  }

  get oldest(): Snapshot {
    return this.#before.at(-1) ?? assert.fail("nothing was saved");
  }

  /** From now on the commands of its container do so. */
  behave(knobs: Knobs): void {
    this.stack.agent.behaveAt(this.asset, knobs);
  }

  /** Does something after which a command of its container begins, and does not end. */
  async stuckIn(command: string, begin: () => unknown): Promise<void> {
    const begun = this.#begun(command);
    this.behave({ [command]: { hold: true } });
    // Its end may be long in coming, and need not be good.
    Promise.resolve(begin()).catch(() => {});
    await until(`${command} to begin`, () => this.#begun(command) > begun);
  }

  /** Likewise an operation on R2 or the container. */
  async stuckAt(operation: string, begin: () => unknown): Promise<void> {
    this.stack.faults.hold(this.asset, operation);
    Promise.resolve(begin()).catch(() => {});
    await this.stack.faults.held(this.asset, operation);
  }

  #begun(command: string): number {
    return this.stack.agent.notesOf(this.asset, command).filter(({ argv }) => argv !== undefined).length;
  }

  /** All that was held or told to go wrong goes on, and well. */
  release(): void {
    this.behave({});
    this.stack.faults.clear(this.asset);
  }

  /** Waits until it is where it is to be, by itself or with the one click that its status asks for; tells how it came back. */
  async back(): Promise<string> {
    let clicked: string | undefined;
    let failed: string | undefined;
    const remembers = await until(
      "it is back",
      async () => {
        const status = await this.owned.status();
        if (status.state === "failed" && failed === status.since && clicked === undefined) {
          assert.ok(status.problem && status.problem.detail !== "", "a failure says why");
          clicked = status.problem.code;
          await this.owned.ask("start");
          return false;
        }
        failed = status.state === "failed" ? status.since : undefined;
        if (this.asleep && clicked === undefined) return status.state === "asleep" && { memory: undefined };
        // Not before the fault was noticed: until then it does not answer.
        const answer = status.state === "running" ? await this.visitor.get("/memory") : undefined;
        return answer?.status === 200 && (answer.json() as { memory: string | null });
      },
      PATIENCE,
    ).catch(async (error) => {
      throw new Error(`${error.message}; last seen ${JSON.stringify(await this.owned.status())}`);
    });
    const how = clicked === undefined ? "by itself" : `one click (${clicked})`;
    if (remembers.memory === undefined) {
      await this.gone();
      await this.owned.start();
      this.remembersEnough((await this.visitor.get("/memory")).json().memory);
      return `asleep ${how}`;
    }
    this.remembersEnough(remembers.memory);
    return `running ${how}`;
  }

  remembersEnough(memory: string | null): void {
    const allowed = this.expected ?? [this.said];
    assert.ok(
      allowed.includes(memory),
      `it remembers "${memory}", not ${allowed.map((one) => `"${one}"`).join(" or ")}`,
    );
  }

  /** Whatever counted before counts now, nothing is stuck, and nothing is left that nobody knows. */
  async sound(): Promise<void> {
    const { stack, owned } = this;
    await owned.stop();
    await this.gone();
    const [rows, keys] = [await owned.snapshots(), r2Keys(stack, `tenants/${this.asset}/`)];
    for (const { id } of this.#before) {
      assert.ok(
        rows.some((row) => row.id === id),
        "a snapshot that counted is listed",
      );
    }
    for (const { id } of rows) {
      assert.ok(
        keys.some((key) => key.endsWith(`/${id}`)),
        "the archive of a snapshot is there",
      );
    }
    assert.ok(stack.agent.most(this.asset) <= 1, "never two containers of one domain");
  }

  /** No container, nor any process of one. */
  async gone(): Promise<void> {
    assert.equal(await sandboxOf(this.stack, this.asset), undefined, "nothing of a container is left");
    assert.deepEqual(processesIn(await placeIn(this.stack, this.asset)), [], "no process of one is left");
  }
}

/**
 * One line of the table that the suite ends with. What `work` gives says how it came back; the time is that since it called
 * what it is given, which it does with the fault.
 */
export async function point(
  fault: string,
  at: string,
  work: (struck: (at?: number) => void) => Promise<string>,
): Promise<void> {
  let began = performance.now();
  let how = "FAILED";
  try {
    how = await work((at = performance.now()) => {
      began = at;
    });
  } catch (error) {
    // The runner tells its reasons at the end alone, which may be long in coming.
    console.log(`FAILED: ${fault}: ${at}: ${error instanceof Error ? error.stack : error}`);
    throw error;
  } finally {
    const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
    const file = process.env.FAULTS_TABLE;
    if (file) appendFileSync(file, `${JSON.stringify({ fault, at, how, seconds })}\n`);
  }
}

/** Works on so many at a time. */
export function turns(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = limit;
  return async (work) => {
    while (free === 0) await delay(50);
    free -= 1;
    try {
      return await work();
    } finally {
      free += 1;
    }
  };
}
