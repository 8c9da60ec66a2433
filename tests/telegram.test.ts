// A conversation at Telegram with the real OpenClaw: whoever is unknown needs its owner's word, and whoever is known is
// answered, also by an agent that slept (C18).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Owned } from "./support/agent.ts";
import { testStack } from "./support/stack.ts";
import { connect, FRIEND } from "./support/telegram.ts";
import { type Patience, until } from "./support/wait.ts";

const TIMEOUT_MS = 900_000;
const PATIENCE: Patience = { within: 240_000, every: 250 };
const stack = await testStack({ vars: { IDLE_TIMEOUT: "20" } });
const { telegram } = stack;

test("c18 a stranger is let in by the owner, and answered once, also by an agent that slept", {
  timeout: TIMEOUT_MS,
}, async () => {
  const owned = await Owned.ofNew(stack, "talks.molt");
  const { client, path } = owned;
  const token = await connect(stack, owned);
  const said = (): string[] => telegram.sent(token).map(({ text }) => text);
  // What came while it was not there it may answer together.
  const answers = (what: string): string[] =>
    said().filter((text) => text.startsWith("Echo: ") && text.split(/\n|^Echo: /).includes(what));
  await owned.start(PATIENCE);
  telegram.write(token, FRIEND, "hello, I am new");
  const code = await until("a code", () => /\b[A-Z0-9]{8}\b/.exec(said().join("\n"))?.[0], PATIENCE);
  assert.deepEqual(answers("hello, I am new"), [], `the agent heard nothing of it, and ${code} is a stranger's`);

  const listed = await client.get(`${path}/pairing`);
  assert.equal(listed.status, 200, listed.text);
  const [waiting, ...more] = listed.json().waiting;
  assert.deepEqual([waiting.kind, waiting.name, more], ["person", "Friend (telegram 4242)", []]);
  assert.equal(Date.parse(waiting.expiresAt) - Date.parse(waiting.askedAt), 3_600_000);
  const approved = await client.post(`${path}/pairing/${waiting.id}/approve`);
  assert.deepEqual([approved.status, approved.json()], [200, { waiting: [] }], approved.text);
  telegram.write(token, FRIEND, "and now?");
  await until("an answer", () => answers("and now?").length > 0, PATIENCE);

  await owned.in("asleep", PATIENCE);
  for (const text of ["are you awake?", "still there?"]) telegram.write(token, FRIEND, text);
  await owned.in("running", PATIENCE);
  await until("the last answer", () => answers("still there?").length > 0, PATIENCE);
  // Whatever it would have said twice it has said by the time it sleeps again.
  await owned.in("asleep", PATIENCE);
  for (const what of ["and now?", "are you awake?", "still there?"]) {
    assert.equal(answers(what).length, 1, JSON.stringify(said()));
  }
  assert.equal(telegram.pending(token), 0);
  const leaked = JSON.stringify((await client.get(`${path}/logs`)).json());
  for (const secret of [token, telegram.webhook(token)?.secret ?? "", telegram.webhook(token)?.url.slice(-116) ?? ""])
    assert.ok(secret && !leaked.includes(secret), "the agent's log shows none of its secrets");
});
