// A conversation at Telegram with the real OpenClaw: whoever is unknown needs its owner's word, and whoever is known is
// answered, also by an agent that slept (C18).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Owned } from "./support/agent.ts";
import { talkTo } from "./support/openclaw.ts";
import { testStack } from "./support/stack.ts";
import { channelOf, connect, FRIEND } from "./support/telegram.ts";
import { until } from "./support/wait.ts";

const PATIENCE = { within: 240_000, every: 250 };
const stack = await testStack({ vars: { IDLE_TIMEOUT: "20" } });
const { telegram } = stack;

test("c18 a stranger is let in by the owner, and then answered, once, also by one that slept", {
  timeout: 900_000,
}, async () => {
  const owned = await Owned.ofNew(stack, "talks.molt");
  const token = await connect(stack, owned);
  const said = () => telegram.sent(token).map(({ text }) => text);
  const answers = (what: string) => said().filter((text) => text.includes(`Echo: ${what}`));
  await owned.start(PATIENCE);
  telegram.write(token, FRIEND, "hello, I am new");
  const code = await until("a code", () => /\b[A-Z0-9]{8}\b/.exec(said().join("\n"))?.[0], PATIENCE);
  assert.deepEqual(answers("hello"), [], "the agent heard nothing of it");
  const gateway = await talkTo(await owned.enter(stack));
  const list = await gateway.call("channels.pairing.list", { channel: "telegram" });
  console.log(JSON.stringify(list), code);
  console.log(JSON.stringify(await gateway.call("device.pair.list", {})));
  gateway.close();
  void channelOf;
});
