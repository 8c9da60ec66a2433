// A bucket that fails, lies and dawdles as it is ordered, over the real one.
import type { Order, Orders } from "./orders.ts";

type Body = ReadableStream<Uint8Array>;

const told = (what: string): Error => new Error(`${what}: We encountered an internal error. Please try again. (10001)`);

/** `bucket` with orders before each operation that the service uses. */
export function faultyBucket(bucket: R2Bucket, orders: Orders): object {
  // The `worker` crate takes a binding by its class's name.
  const named = { R2Bucket: class {} };
  return Object.assign(new named.R2Bucket(), {
    async put(key: string, value: Body, options?: R2PutOptions) {
      return put(bucket, await orders.ask("r2.put", key), key, value, options);
    },
    async get(key: string) {
      return get(bucket, await orders.ask("r2.get", key), key);
    },
    async head(key: string) {
      const { kind } = await orders.ask("r2.head", key);
      if (kind === "throw") throw told("head");
      return kind === "null" ? null : bucket.head(key);
    },
    async list(options?: R2ListOptions) {
      if ((await orders.ask("r2.list")).kind === "throw") throw told("list");
      return bucket.list(options);
    },
    async delete(keys: string | string[]) {
      if ((await orders.ask("r2.delete")).kind === "throw") throw told("delete");
      return bucket.delete(keys);
    },
  });
}

async function put(bucket: R2Bucket, { kind }: Order, key: string, value: Body, options?: R2PutOptions) {
  const bytes = async (): Promise<Uint8Array> => new Uint8Array(await new Response(value).arrayBuffer());
  switch (kind) {
    case "throw":
      throw told("put");
    case "mid-stream": {
      const reader = value.getReader();
      await reader.read();
      await reader.cancel("told to fail");
      throw told("put");
    }
    case "at-end":
      await bucket.put(key, value, options);
      throw told("put");
    case "null":
      await bytes();
      return null;
    case "nothing": {
      const stored = await bucket.put(key, value, options);
      await bucket.delete(key);
      return stored;
    }
    case "shorter":
      return bucket.put(key, (await bytes()).slice(0, -1));
    case "longer":
      return bucket.put(key, new Uint8Array([...(await bytes()), 0]));
    case "other":
      return bucket.put(key, flipped(await bytes()));
    default:
      return bucket.put(key, value, options);
  }
}

async function get(bucket: R2Bucket, { kind, key: other }: Order, key: string) {
  if (kind === "throw") throw told("get");
  if (kind === "null") return null;
  const object = await bucket.get(kind === "another" && other !== undefined ? other : key);
  if (!object || kind === undefined) return object;
  const bytes = new Uint8Array(await object.arrayBuffer());
  const { size } = (await bucket.head(key)) ?? object;
  switch (kind) {
    case "cut":
      return withBody(object, bytes.slice(0, -1), bytes.length - 1);
    case "cut-unsaid":
      return withBody(object, bytes.slice(0, -1), size);
    case "flipped":
      return withBody(object, flipped(bytes), size);
    case "another":
      return withBody(object, bytes, size);
    case "broken":
      return withBody(object, bytes.slice(0, bytes.length / 2), size, told("get"));
    default:
      throw new Error(`no such order: ${kind}`);
  }
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length - 3] = (copy[copy.length - 3] ?? 0) ^ 1;
  return copy;
}

/** The object as it is but for its body. */
function withBody(object: R2ObjectBody, bytes: Uint8Array, size: number, end?: Error): R2ObjectBody {
  const body = new ReadableStream({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      if (end) controller.error(end);
      else controller.close();
    },
  });
  const changed: Record<string | symbol, unknown> = { body, size, bodyUsed: false };
  return new Proxy(object, {
    get(target, name) {
      const value = name in changed ? changed[name] : Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
