// Two instances of the Worker, as two places of the platform run them: each an isolate of its own, with the same KV and
// the same objects.
import { join } from "node:path";
import type { WranglerConfig } from "../../dev/config.ts";
import { ROOT, type StackOptions } from "../../dev/stack.ts";

export const INSTANCES = ["FIRST", "SECOND"] as const;
/** Of a request: the instance that answers it, and of how many it is one that come in together. */
export const asks = (instance: (typeof INSTANCES)[number], crowd = 0): Record<string, string> => ({
  "x-instance": instance,
  "x-crowd": String(crowd),
});

// biome-ignore lint/suspicious/noExplicitAny: the sections are those of wrangler.toml.
type Entries = Record<string, any>[];

/** `startStack`'s Worker twice. `limit` is how often one key may try to sign in. */
export function twice(limit: number): NonNullable<StackOptions["workers"]> {
  return (config) => {
    const { name, containers, migrations, ...common } = config;
    const shared: WranglerConfig = {
      ...common,
      kv_namespaces: (config.kv_namespaces as Entries).map((entry) => ({ ...entry, id: entry.binding })),
      ratelimits: (config.ratelimits as Entries).map((entry) => ({
        ...entry,
        simple: { ...entry.simple, limit },
      })),
    };
    const { bindings } = config.durable_objects as { bindings: Entries };
    const of = bindings.map((binding) => ({ ...binding, script_name: name }));
    return {
      outer: {
        name: "front",
        main: join(ROOT, "tests/instances/front.mjs"),
        compatibility_date: config.compatibility_date,
        services: INSTANCES.map((binding) => ({ binding, service: binding === "FIRST" ? name : "second" })),
      },
      others: {
        first: { ...shared, name, migrations, ...(containers !== undefined && { containers }) },
        second: { ...shared, name: "second", durable_objects: { bindings: of } },
      },
    };
  };
}
