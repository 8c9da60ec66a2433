// What `npm run dev` runs once everything is built: starts the stack, says where to go, and shows what happens until Ctrl-C.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { duration, Progress } from "../scripts/lib/progress.mjs";
import { loadSecrets } from "./secrets.ts";
import { devAccounts, devWalletAddress } from "./solana/accounts.ts";
import { ROOT, startStack } from "./stack.ts";

const DEFAULT_PORT = 8787;

/** Takes --port out of what is meant for wrangler: the addresses in the configuration depend on it. */
function splitPort(args: readonly string[]): { port: number; rest: string[] } {
  const rest: string[] = [];
  let given = String(DEFAULT_PORT);
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? "";
    if (arg === "--port") {
      index += 1;
      given = args[index] ?? "";
    } else if (arg.startsWith("--port=")) {
      given = arg.slice("--port=".length);
    } else {
      rest.push(arg);
    }
  }
  const port = Number(given);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`--port needs a number from 1 to 65535, not "${given}"`);
  return { port, rest };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { step: { type: "string", default: "1" }, since: { type: "string", default: String(Date.now()) } },
    allowPositionals: true,
  });
  const { port, rest } = splitPort(positionals);
  const secrets = loadSecrets(join(ROOT, ".dev.vars"));
  const step = Number(values.step);
  let ready = false;
  const stack = await new Progress(step, { first: step }).step("Service", async (report) => {
    const onLog = (line: string): void => (ready ? console.log(line) : report(line));
    return startStack({
      stateDir: join(ROOT, ".cache", "dev"),
      port,
      wranglerArgs: rest,
      watched: true,
      secrets,
      onLog,
    });
  });
  ready = true;

  const { assets } = await devAccounts();
  const owners = await Promise.all(
    (["owner", "buyer"] as const).map(async (label) => ({ label, address: await devWalletAddress(label) })),
  );
  console.log(`\nReady in ${duration(Date.now() - Number(values.since))}: open ${stack.appOrigin}\n`);
  for (const { label, address } of owners) {
    const names = assets
      .filter(({ owner }) => owner === address)
      .map(({ name, address: asset }) => `${name} (${asset})`);
    console.log(`  development wallet "${label}" ${address} holds ${names.join(", ") || "nothing"}`);
  }
  console.log(
    `  Telegram's Bot API is at ${stack.telegram.url}, Slack's at ${stack.slack.url}, Discord's at ${stack.discord.url} (docs/life.md)`,
  );
  console.log("\nCtrl-C ends it.\n");
}

main().catch((error: unknown) => {
  console.error(`\n${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
