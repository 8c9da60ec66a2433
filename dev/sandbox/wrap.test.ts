// What the development entry makes of the bundle's class, with a class and a context of the shapes they have there.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { EmbeddedContainer, withEmbeddedContainer } from "../embedded-container.ts";
import { type SandboxHost, startSandboxHost } from "./host.ts";

const base = mkdtempSync(join(tmpdir(), "sandbox-wrap-"));
const token = randomBytes(24).toString("hex");
let host: SandboxHost;

before(async () => {
  host = await startSandboxHost({ dir: join(base, "sandboxes"), agentDir: base, token });
});
after(async () => {
  await host.close();
  assert.ok(!existsSync(join(base, "sandboxes")), "a closed host leaves no sandbox behind");
  rmSync(base, { recursive: true, force: true });
});

/** Like the runtime's: methods and getters refuse any other `this`, `container` is an own property. */
class FakeState {
  readonly #id = randomBytes(32).toString("hex");
  container: unknown = undefined;
  blocked: Promise<unknown> = Promise.resolve();

  get id() {
    return { toString: () => this.#id };
  }

  blockConcurrencyWhile<T>(callback: () => Promise<T>): Promise<T> {
    const result = callback();
    this.blocked = result;
    return result;
  }
}

class Bundled {
  readonly ctx: FakeState;
  readonly env: Record<string, unknown>;
  readonly seen: unknown;

  constructor(ctx: FakeState, env: Record<string, unknown>) {
    this.ctx = ctx;
    this.env = env;
    this.seen = ctx.container;
  }

  fetch(request: string): unknown[] {
    return [this, request];
  }

  webSocketClose(...args: unknown[]): unknown[] {
    return args;
  }
}

/** worker-build exports classes and their instances behind proxies. */
const exported = new Proxy(Bundled, {
  construct: (target, args) => new Proxy(Reflect.construct(target, args), {}),
}) as unknown as new (
  ctx: never,
  env: never,
) => object;

type Wrapped = Record<string, ((...args: unknown[]) => unknown[]) | undefined>;

test("the class gets the runtime's own context with the stand-in in it, and no way to the host", async () => {
  const Agent = withEmbeddedContainer(exported);
  const ctx = new FakeState();
  const agent = new Agent(ctx, { SANDBOX_HOST_URL: host.url, SANDBOX_HOST_TOKEN: token, KV: 1 }) as Wrapped;
  await ctx.blocked;
  const [inner, request] = (agent.fetch?.("request") ?? []) as [Bundled, string];
  assert.equal(request, "request");
  assert.equal(inner.ctx, ctx);
  assert.ok(inner.ctx instanceof FakeState);
  assert.ok(inner.seen instanceof EmbeddedContainer);
  assert.deepEqual(inner.env, { KV: 1 });
  assert.deepEqual(agent.webSocketClose?.("socket", 1000, "reason", true), ["socket", 1000, "reason", true]);
});

test("it takes exactly the events that the class takes", () => {
  const { prototype } = withEmbeddedContainer(exported);
  assert.ok("fetch" in prototype && "webSocketClose" in prototype);
  assert.ok(!("alarm" in prototype) && !("webSocketMessage" in prototype));
});

test("without the host's address it says what to do, without a word of the token", () => {
  const Agent = withEmbeddedContainer(exported);
  assert.throws(
    () => new Agent(new FakeState(), { SANDBOX_HOST_TOKEN: token }),
    (error: Error) => /npm run dev/.test(error.message) && !error.message.includes(token),
  );
});
