// Messages of Telegram's to the real OpenClaw that boots and is killed: none is lost or doubled (C20).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Owned } from "./support/agent.ts";
import { killContainer } from "./support/kill.ts";
import { objectRows } from "./support/objects.ts";
import { talkTo } from "./support/openclaw.ts";
import { Sandbox } from "./support/sandbox.ts";
import { testStack } from "./support/stack.ts";
import { channelOf, connect, FRIEND, FRIENDS, newToken } from "./support/telegram.ts";
import { type Patience, until } from "./support/wait.ts";

const TIMEOUT_MS = 900_000;
const [WHILE_IT_BOOTS, AS_IT_DIES] = [200, 20];
const PATIENCE: Patience = { within: 240_000, every: 250 };
const stack = await testStack({ vars: { IDLE_TIMEOUT: "20" } });
const { telegram } = stack;

test("c20 200 messages while it boots, and it is killed twice on the way: OpenClaw is given each once and in order", {
  timeout: TIMEOUT_MS,
}, async () => {
  const owned = await Owned.ofNew(stack, "many.molt");
  const token = await connect(stack, owned, newToken(), FRIENDS);
  // What it answers in a turn of its own each would take far longer than what is tested.
  const release = stack.echo.hold();
  const sent = Array.from({ length: WHILE_IT_BOOTS + AS_IT_DIES }, (_, at) => `message ${at}.`);
  await owned.ask("start");
  const write = (from: number, to?: number): void => {
    for (const text of sent.slice(from, to)) telegram.write(token, FRIEND, text);
  };
  write(0, WHILE_IT_BOOTS);
  await owned.boots(PATIENCE);
  await killContainer(stack, owned.asset);
  const accepted = () => objectRows(stack, owned.asset, "SELECT 1 FROM inbox WHERE state = 'accepted'").length;
  await until("some are handed over", () => accepted() >= 20, { ...PATIENCE, every: 10 });
  const [container = assert.fail("no container")] = await stack.containers.list();
  // However fast it is with the others: these come as it dies.
  write(WHILE_IT_BOOTS);
  new Sandbox(container).crash();
  assert.ok(accepted() < sent.length, "it was killed in the middle");
  await until("it is noticed", async () => (await owned.status()).state !== "running", PATIENCE);
  await until("all are handed over", async () => (await channelOf(owned)).waiting === 0, PATIENCE);
  assert.equal(telegram.pending(token), 0);
  assert.ok((await owned.snapshots()).some(({ cause }) => cause === "crash"));
  release();
  const isLast = async () => (await heard(owned)).at(-1) === sent.at(-1);
  await until("it has the last one", isLast, { ...PATIENCE, every: 1000 });
  assert.deepEqual(withoutBegunAgain(await heard(owned), sent.length), sent);
});

/** What OpenClaw's own history says that people wrote, in order: several messages may be of one turn. */
async function heard(owned: Owned): Promise<string[]> {
  const client = await talkTo(await owned.enter(stack));
  try {
    const { messages } = await client.call("chat.history", { sessionKey: "main", limit: 1000 });
    const said = messages.filter(({ role }: { role: string }) => role === "user");
    return said.flatMap(({ content }: { content: unknown }) => JSON.stringify(content).match(/message \d+\./g) ?? []);
  } finally {
    client.close();
  }
}

/**
 * What was under way as the gateway died OpenClaw itself begins again, from its own queue (decision 59): once, whole, and in
 * its place.
 */
function withoutBegunAgain(heard: string[], count: number): string[] {
  const more = Math.max(heard.length - count, 0);
  const isTwice = (at: number) => heard.slice(at, at + more).every((text, index) => text === heard[at + more + index]);
  const from = heard.findIndex((_, at) => isTwice(at));
  return from < 0 ? heard : heard.toSpliced(from, more);
}
