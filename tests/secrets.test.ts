// An owner's secrets: write-only for them, sealed at rest, fresh in the container at every start (C10 to C13).
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { canariesBelow, canariesIn } from "./support/canaries.ts";
import { assertProblem } from "./support/problem.ts";
import { assertPass } from "./support/tokens.ts";
import { until } from "./support/wait.ts";

const ANTHROPIC_API_KEY = "sk-ant-platform-0123456789abcdef0123456789abcdef";
const stack = await fakeAgentStack({ secrets: { ANTHROPIC_API_KEY } });
const { agent } = stack;
const platformKey = stack.secrets.OPENAI_API_KEY;

interface Entry {
  name: string;
  source: "user" | "platform" | "none";
  prefix: string | null;
  setAt: string | null;
  usedAt: string | null;
}

async function list(owned: Owned): Promise<Entry[]> {
  const answer = await owned.client.get(`${owned.path}/secrets`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json().secrets;
}

async function put(owned: Owned, name: string, value: string): Promise<Entry> {
  const answer = await owned.client.put(`${owned.path}/secrets/${name}`, { value });
  assert.equal(answer.status, 200, answer.text.replaceAll(value, "(the value)"));
  assert.ok(!answer.text.includes(value));
  return entryOf(answer.json());
}

async function remove(owned: Owned, name: string): Promise<Entry> {
  const answer = await owned.client.delete(`${owned.path}/secrets/${name}`);
  assert.equal(answer.status, 200, answer.text);
  return entryOf(answer.json());
}

/** What the list shows too; when it takes effect is tested in reload.test.ts. */
function entryOf({ effect, ...entry }: Entry & { effect: string }): Entry {
  assert.match(effect, /^(reloading|restarting|nextStart)$/);
  return entry;
}

/** Of OpenAI's form, which other kinds of key do not all have. */
const key = (what: string): string => `sk-${what}-${"0123456789abcdef".repeat(3)}`;
const routerKey = (what: string): string => key(`or-${what}`);
const unset = { prefix: null, setAt: null, usedAt: null };
/** The platform's stay out of agents. */
const platform = { source: "platform", ...unset, keyless: true };

test("c12 at first the platform's keys are in force where there are any, and are not shown", async () => {
  const owned = await Owned.ofNew(stack, "first.molt");
  const entries = (await list(owned)).sort((a, b) => a.name.localeCompare(b.name));
  assert.deepEqual(entries, [
    { name: "anthropic", ...platform },
    { name: "clawrouter", source: "none", ...unset },
    { name: "openai", ...platform },
    { name: "openrouter", source: "none", ...unset },
    { name: "telegram", source: "none", ...unset },
    { name: "wallet", source: "none", ...unset },
  ]);
});

test("c11 a key is shown as its first 8 characters, fewer where that would be most of it", async () => {
  const owned = await Owned.ofNew(stack, "prefixes.molt");
  for (const length of [16, 17, 24, 31, 32, 33, 48, 512]) {
    const value = `sk-live-${"abcdefgh".repeat(64)}`.slice(0, length);
    const entry = await put(owned, "openai", value);
    const shown = entry.prefix ?? "";
    assert.ok(value.startsWith(shown) && shown.length <= Math.min(8, length / 4), `${length}: ${shown}`);
    assert.equal(entry.source, "user");
    assert.ok(Math.abs(Date.parse(entry.setAt ?? "") - Date.now()) < 60_000);
    assert.deepEqual(
      (await list(owned)).find(({ name }) => name === "openai"),
      entry,
    );
  }
  assert.equal((await put(owned, "openai", key("eight"))).prefix, "sk-eight");
});

test("c12 the user's own key goes before the platform's, and its removal brings that back", async () => {
  const owned = await Owned.ofNew(stack, "order.molt");
  const own = key("own");
  await put(owned, "openai", own);
  await put(owned, "openrouter", routerKey("own"));
  await owned.start();
  const { anthropic, proposals: _proposals, ...others } = agent.injected().secrets;
  assertPass(anthropic, owned.asset);
  assert.deepEqual(others, { openai: own, openrouter: routerKey("own") });
  await owned.stop();
  assert.deepEqual(await remove(owned, "openai"), { name: "openai", ...platform });
  assert.deepEqual(await remove(owned, "openrouter"), { name: "openrouter", source: "none", ...unset });
  await owned.start();
  const { proposals: _other, ...passes } = agent.injected().secrets;
  assert.deepEqual(Object.keys(passes).sort(), ["anthropic", "openai"]);
  for (const pass of Object.values(passes)) assertPass(pass, owned.asset);
});

test("c13 every start injects what holds then, and the configuration only refers to it", async () => {
  const owned = await Owned.ofNew(stack, "fresh.molt");
  await owned.start();
  assertPass(agent.injected().secrets.openai, owned.asset);
  for (const round of ["one", "two"]) {
    await put(owned, "openai", key(round));
    await owned.stop();
    await owned.start();
    const { config, secrets } = agent.injected();
    assert.equal(secrets.openai, key(round));
    assert.ok(!JSON.stringify(config).includes(key(round)));
    assert.equal(config.models.providers.openai.apiKey.id, "/openai");
  }
});

test("removing what is not set changes nothing", async () => {
  const owned = await Owned.ofNew(stack, "nothing.molt");
  const before = await list(owned);
  assert.equal((await remove(owned, "openrouter")).source, "none");
  assert.equal((await remove(owned, "openai")).source, "platform");
  assert.deepEqual(await list(owned), before);
});

test("c10 c11 no key lies readable in storage, nor in a log, an answer, an argument or an environment", async () => {
  const owned = await Owned.ofNew(stack, "hidden.molt");
  const own = key("ant-hidden");
  await put(owned, "anthropic", own);
  await owned.start();
  await owned.learn(stack, "something to save");
  await owned.client.post(`${owned.path}/snapshots`);
  await owned.stop();
  const shown = [
    ...stack.logs,
    ...(await Promise.all(["", "/snapshots", "/secrets"].map((path) => owned.client.get(owned.path + path)))).map(
      ({ text }) => text,
    ),
    ...agent.notes().map(({ argv, env }) => JSON.stringify([argv, env])),
  ].join("\n");
  assert.ok(stack.filesWith(owned.asset).length > 0);
  const canaries = Object.entries({ own, platformKey, ANTHROPIC_API_KEY }).map(([name, value]) => ({ name, value }));
  assert.deepEqual(canariesIn(Buffer.from(shown), canaries), []);
  assert.deepEqual(canariesBelow(join(stack.dir, "storage"), canaries), []);
});

test("c11 what a container says of a failure reaches the log without the tenant's and the service's secrets", async () => {
  const owned = await Owned.ofNew(stack, "talkative.molt");
  const own = routerKey("talkative");
  await put(owned, "openrouter", own);
  await owned.start();
  const before = stack.logs.length;
  const encoded = Buffer.from(own).toString("base64");
  agent.behave({ snapshot: { fail: `of ${own} ${own.slice(0, 20)} ${encoded} ${platformKey} nothing is left` } });
  assertProblem(await owned.client.post(`${owned.path}/snapshots`), 503, "storage_unavailable");
  const said = (): string | undefined => stack.logs.slice(before).find((line) => line.includes("nothing is left"));
  await until("the reason in the log", () => said() !== undefined);
  assert.match(said() ?? "", /of \[secret\] \[secret\] \[secret\]\S* \[secret\] nothing is left/);
  agent.behave({});
});

test("c10 one owner's two domains keep their secrets apart", async () => {
  const [one, other] = [await Owned.ofNew(stack, "one.molt"), await Owned.ofNew(stack, "two.molt")];
  await put(one, "openrouter", routerKey("of-one"));
  assert.equal((await list(other)).find(({ name }) => name === "openrouter")?.source, "none");
  await other.start();
  assert.equal(agent.injected().secrets.openrouter, undefined);
});

test("secrets outlive the session that set them", async () => {
  const owned = await Owned.ofNew(stack, "kept.molt");
  const entry = await put(owned, "openai", key("kept"));
  await owned.client.post("/v1/auth/logout");
  assertProblem(await owned.client.get(`${owned.path}/secrets`), 401, "unauthenticated");
  const again = await Owned.of(stack, owned.asset);
  assert.deepEqual(
    (await list(again)).find(({ name }) => name === "openai"),
    entry,
  );
});
