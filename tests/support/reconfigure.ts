// Changes what a running service is configured with: its files are read anew and the Worker reloaded.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { type Secrets, writeSecrets } from "../../dev/secrets.ts";
import type { TestStack } from "./stack.ts";
import { until } from "./wait.ts";

export interface Change {
  vars?: Record<string, string>;
  /** Undefined takes one away. */
  secrets?: Record<string, string | undefined>;
  /** Sections of the configuration that are missing, for example "kv_namespaces". */
  without?: string[];
}

const READY = "Local server updated and ready";
const original = new WeakMap<TestStack, { config: Record<string, unknown>; secrets: Secrets }>();
let revisions = 0;

/** The first configuration with this change alone; without one the first configuration itself. */
export async function reconfigure(stack: TestStack, { vars, secrets, without = [] }: Change = {}): Promise<void> {
  const [configFile, secretsFile] = [join(stack.dir, "wrangler.json"), join(stack.dir, ".dev.vars")];
  const base = original.get(stack) ?? {
    config: JSON.parse(readFileSync(configFile, "utf8")) as Record<string, unknown>,
    secrets: parseEnv(readFileSync(secretsFile, "utf8")) as Secrets,
  };
  original.set(stack, base);
  const kept = Object.entries({ ...base.secrets, ...secrets }).filter((entry): entry is [string, string] => {
    return entry[1] !== undefined;
  });
  writeSecrets(secretsFile, Object.fromEntries(kept));

  const ready = (): number => stack.logs.filter((line) => line.includes(READY)).length;
  const before = ready();
  const sections = Object.entries(base.config).filter(([name]) => !without.includes(name));
  // The secrets are read with the configuration: it must differ each time for both to be.
  const revised = { ...(base.config.vars as object), ...vars, TEST_REVISION: String(++revisions) };
  writeFileSync(configFile, JSON.stringify({ ...Object.fromEntries(sections), vars: revised }));
  stack.reloadWorker();
  await until("the reload", () => ready() > before);
}
