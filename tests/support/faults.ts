// Faults on order: what R2, the container and the objects of a service with tests/faults/worker do wrong, by domain.
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after } from "node:test";
import { ROOT, type StackOptions } from "../../dev/stack.ts";
import type { Order } from "../faults/worker/orders.ts";
import { objectId } from "./objects.ts";
import { inTime, until } from "./wait.ts";

/** `r2.put` and the like, `container.COMMAND`, `container.destroy`. */
type Operation = string;
type Fault = Order & {
  /** So often, then all is well again. */
  times?: number;
};

export class Faults {
  readonly #orders = new Map<string, Fault | "hold">();
  /** What waits for its answer. */
  readonly #waiting = new Map<string, Set<ServerResponse>>();
  readonly #asked = new Map<string, number>();

  /** The server that the objects ask. */
  static async start(): Promise<{ faults: Faults; url: string }> {
    const faults = new Faults();
    const server = createServer((request, response) => faults.#answer((request.url ?? "").slice(1), response));
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    after(() => void server.close().closeAllConnections());
    return { faults, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  #answer(asked: string, response: ServerResponse): void {
    const [what = "", of = ""] = asked.split("?");
    this.#asked.set(what, (this.#asked.get(what) ?? 0) + 1);
    const order = this.#orders.get(what);
    if (order === "hold" || what.endsWith("/evict")) {
      const waiting = this.#waiting.get(what) ?? new Set();
      this.#waiting.set(what, waiting.add(response));
      return void response.once("close", () => waiting.delete(response));
    }
    if (order?.only !== undefined && !of.includes(`/${order.only}/`)) return void response.end("{}");
    if (order?.times !== undefined && --order.times <= 0) this.#orders.delete(what);
    response.end(JSON.stringify(order ?? {}));
  }

  /** From now on this operation for this domain goes so wrong. */
  order(asset: string, operation: Operation, fault: Fault): void {
    this.#orders.set(`${objectId(asset)}/${operation}`, { ...fault });
  }

  /** From now on this operation for this domain waits; to be seen by `held`, and ended by `clear`. */
  hold(asset: string, operation: Operation): void {
    this.#orders.set(`${objectId(asset)}/${operation}`, "hold");
  }

  held(asset: string, operation: Operation): Promise<unknown> {
    const waiting = () => this.#waiting.get(`${objectId(asset)}/${operation}`)?.size;
    return until(`${operation} to be held`, () => (waiting() ?? 0) > 0, { every: 20 });
  }

  /** How often this operation was asked for. */
  asked(asset: string, operation: Operation): number {
    return this.#asked.get(`${objectId(asset)}/${operation}`) ?? 0;
  }

  /** All is well again for this domain, and what was held goes on. */
  clear(asset: string): void {
    const ofDomain = (what: string): boolean => what.startsWith(`${objectId(asset)}/`) && !what.endsWith("/evict");
    for (const what of [...this.#orders.keys()].filter(ofDomain)) this.#orders.delete(what);
    for (const [what, waiting] of this.#waiting) {
      if (ofDomain(what)) for (const response of waiting) response.end("{}");
    }
  }

  /** The domain's object goes away where it stands, with all that it has under way. */
  async evict(asset: string): Promise<void> {
    const objects = [...(this.#waiting.get(`${objectId(asset)}/evict`) ?? [])];
    const [object] = objects;
    if (!object || objects.length > 1) throw new Error(`${objects.length} objects of one domain wait to be told to go`);
    // It goes at the first line; with it goes the connection that the rest would come by.
    object.writeHead(200).flushHeaders();
    await inTime("end of the object", once(object, "close"));
  }
}

/** `startStack`'s Worker with the entry that asks these faults. */
export function withFaults(url: string): Required<Pick<StackOptions, "workers">> {
  return {
    workers: (config) => ({
      outer: {
        ...config,
        main: join(ROOT, "tests/faults/worker/entry.ts"),
        vars: { ...(config.vars as object), FAULTS_URL: url },
      },
      others: {},
    }),
  };
}
