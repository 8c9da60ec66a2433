// The entry of `npm run dev` around the same bundle, in which a request can be told to end in a panic: what the runtime
// gives to the Rust code then fails where that code can't go on. The bundle itself has nothing for it.
import { Agent as BundledAgent, default as BundledWorker } from "../../../build/index.js";
import { withEmbeddedContainer } from "../../../dev/embedded-container.ts";

export * from "../../../build/index.js";

/** In which of the two it panics: "worker" or "object". Or that no object answers, and time goes faster: "silence". */
const TOLD = "x-test-trap";

/** So that nobody who tests it waits for minutes. */
const FASTER = 60;

const told = (): never => {
  throw new Error("told to fail");
};

interface Handler {
  env: object;
  ctx: object;
  fetch(request: Request): Promise<Response>;
}
const Bundled = BundledWorker as unknown as new (ctx: object, env: object) => Handler;

/** Objects take every call and never answer. Of each wait the answer tells how long it was to be, in milliseconds. */
async function unanswered({ env, ctx }: Handler, request: Request): Promise<Response> {
  const silent = { fetch: () => new Promise(() => {}) };
  const real = (env as { AGENT: object }).AGENT;
  const AGENT = new Proxy(real, {
    get: (target, name) => {
      if (name === "get") return () => silent;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" && name !== "constructor" ? value.bind(target) : value;
    },
  });
  const waits: number[] = [];
  const { setTimeout } = globalThis;
  globalThis.setTimeout = ((act: () => void, delay = 0) => {
    waits.push(delay);
    return setTimeout(act, delay / FASTER);
  }) as typeof globalThis.setTimeout;
  try {
    const { status, headers, body } = await Bundled.prototype.fetch.call({ env: { ...env, AGENT }, ctx }, request);
    const told = new Headers(headers);
    told.set("x-test-waits", waits.join());
    return new Response(body, { status, headers: told });
  } finally {
    globalThis.setTimeout = setTimeout;
  }
}

export default class Worker extends Bundled {
  override fetch(request: Request): Promise<Response> {
    if (request.headers.get(TOLD) === "silence") return unanswered(this, request);
    if (request.headers.get(TOLD) !== "worker") return super.fetch(request);
    return Bundled.prototype.fetch.call({ env: this.env, ctx: { props: {}, waitUntil: told } } as Handler, request);
  }
}

type Context = ConstructorParameters<typeof Inner>[0] & { readonly storage: unknown };
const Inner = withEmbeddedContainer(BundledAgent);
/** What the stand-in's class has for each event. */
type Events = { fetch(request: Request): Promise<Response> };

export class Agent extends Inner {
  #armed = false;

  constructor(ctx: Context, env: Record<string, unknown>) {
    const { storage } = ctx;
    super(ctx, env);
    const get = (): unknown => {
      if (!this.#armed) return storage;
      this.#armed = false;
      return told();
    };
    Object.defineProperty(ctx, "storage", { get, configurable: true });
  }

  fetch(request: Request): Promise<Response> {
    this.#armed ||= request.headers.get(TOLD) === "object";
    return (Inner.prototype as unknown as Events).fetch.call(this, request);
  }
}
