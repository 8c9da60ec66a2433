// The catalogue of keys: what each kind takes and refuses, where it ends up, and what its owner is told of it (C11, C12).
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { afterEach, test } from "node:test";
import bs58 from "bs58";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";

const PLATFORM = {
  CLAWROUTER_API_KEY: "clawrouter-platform-0123456789abcdef",
  OPENROUTER_API_KEY: "sk-or-v1-platform-0123456789abcdef",
  ANTHROPIC_API_KEY: "sk-ant-platform-0123456789abcdef",
};
// Without a way for calls of models without keys, so that every value gets where the catalogue says.
const vars = { CLAWROUTER_BASE_URL: "https://router.example", MODELS_ORIGIN: "" };
const stack = await fakeAgentStack({ secrets: PLATFORM, vars });
const { agent, rpc } = stack;
afterEach(() => {
  rpc.control.reset();
  agent.behave();
});

const HEX = "0123456789abcdef".repeat(4);

/** A Solana keypair as wallets export it. */
function solanaKeypair(): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { d = "", x = "" } = privateKey.export({ format: "jwk" });
  return bs58.encode(Buffer.concat([Buffer.from(d, "base64url"), Buffer.from(x, "base64url")]));
}

/** Of each kind some that are keys of nobody. */
const GOOD: Record<string, string[]> = {
  clawrouter: [`cr_${HEX}`],
  openrouter: [`sk-or-v1-${HEX}`],
  anthropic: [`sk-ant-api03-${HEX}-${HEX}AA`, `sk-ant-oat01-${HEX}`],
  openai: [`sk-${HEX}`, `sk-proj-${HEX}T3BlbkFJ${HEX}`],
  telegram: [`7000000000:AAF-${"x".repeat(31)}`],
  wallet: [`0x${HEX}`, solanaKeypair()],
};
const kinds = Object.entries(GOOD);

interface Entry {
  name: string;
  source: string;
  prefix: string | null;
  setAt: string | null;
  usedAt: string | null;
}

async function list(owned: Owned): Promise<Map<string, Entry>> {
  const answer = await owned.client.get(`${owned.path}/secrets`);
  assert.equal(answer.status, 200, answer.text);
  const entries: Entry[] = answer.json().secrets;
  return new Map(entries.map((entry) => [entry.name, entry]));
}

test("c11 c12 every kind is taken in each of its forms, shown by its beginning, and given to the agent", async () => {
  const owned = await Owned.ofNew(stack, "each-kind.molt");
  for (const [name, values] of kinds) {
    for (const value of values) {
      const answer = await owned.client.put(`${owned.path}/secrets/${name}`, { value });
      assert.equal(answer.status, 200, answer.text);
      const { prefix, source } = answer.json();
      assert.equal(source, "user");
      assert.equal(prefix, value.slice(0, Math.min(8, Math.floor(value.length / 4))));
      assert.ok(!answer.text.includes(value.slice(0, 9)), name);
    }
  }
  assert.deepEqual([...(await list(owned)).keys()], Object.keys(GOOD), "in the order of the default model");
  await owned.start();
  const { config, secrets: given } = agent.injected();
  const { "telegram-secret": header, "telegram-hook": hook = "", ...secrets } = given;
  assert.deepEqual(secrets, Object.fromEntries(kinds.map(([name, values]) => [name, values.at(-1)])));
  const reference = (name: string) => ({ source: "file", provider: "host", id: `/${name}` });
  assert.deepEqual(config.channels, {
    telegram: {
      enabled: true,
      botToken: reference("telegram"),
      webhookUrl: `${stack.appOrigin}/hooks/telegram/${owned.asset}/${hook}`,
      webhookSecret: reference("telegram-secret"),
      apiRoot: stack.telegram.url,
      dmPolicy: "pairing",
    },
  });
  const { openai, ...providers } = config.models.providers;
  assert.deepEqual(openai.apiKey, reference("openai"));
  assert.deepEqual(providers, {
    clawrouter: { apiKey: reference("clawrouter"), baseUrl: "https://router.example" },
    openrouter: { apiKey: reference("openrouter") },
    anthropic: { apiKey: reference("anthropic") },
  });
  for (const value of [...Object.values(secrets), header]) {
    assert.ok(value && !JSON.stringify(config).includes(value));
  }
});

test("c12 a bot and a wallet are their owner's alone, and give no model", async () => {
  const owned = await Owned.ofNew(stack, "alone.molt");
  const entries = await list(owned);
  for (const name of ["telegram", "wallet"]) assert.equal(entries.get(name)?.source, "none");
  await owned.start();
  const { config, secrets } = agent.injected();
  assert.deepEqual(secrets, {
    clawrouter: PLATFORM.CLAWROUTER_API_KEY,
    openrouter: PLATFORM.OPENROUTER_API_KEY,
    anthropic: PLATFORM.ANTHROPIC_API_KEY,
    openai: stack.secrets.OPENAI_API_KEY,
  });
  assert.equal(config.channels, undefined);
});

test("c11 a value that breaks a rule is refused with the rule, is not repeated, and leaves the one before", async () => {
  const refuse = async (name: string, good: string) => {
    const owned = await Owned.ofNew(stack, `refused-${name}.molt`);
    const path = `${owned.path}/secrets/${name}`;
    assert.equal((await owned.client.put(path, { value: good })).status, 200);
    const before = objectRows(stack, owned.asset, "SELECT * FROM secrets");
    const foreign = Object.entries(GOOD).find(([other]) => other !== name && other !== "clawrouter")?.[1][0] ?? "";
    const cases: [string, string, RegExp][] = [
      ["nothing", "", /not be empty/],
      ["over 8 KiB", good + "x".repeat(8192), /at most 8192 bytes/],
      ["60 KB", "x".repeat(60_000), /at most 8192 bytes/],
      ["two lines", `${good}\n${good}`, /one line without control characters/],
      ["a line's end", `${good}\r\n`, /one line without control characters/],
      ["a line separator", `${good}\u2028`, /one line without control characters/],
      ["NUL", `${good}\u0000`, /one line without control characters/],
      ["an escape", `\u001b[31m${good}`, /one line without control characters/],
      ["a C1 control", `${good}\u009b`, /one line without control characters/],
      ["a space", `${good} `, /printable ASCII characters without spaces/],
      ["no-break space", `${good}\u00a0`, /printable ASCII characters without spaces/],
      ["a letter beyond ASCII", `${good}é`, /printable ASCII characters without spaces/],
      ["a bidirectional override", `${good}\u202e`, /printable ASCII characters without spaces/],
      ["too short", good.slice(0, 6), /must be an? /],
      ["quotes", `"${good}"`, /must be an? /],
      ["a variable", `${good}\${HOME}`, /must be an? /],
      ["1000 characters", good.padEnd(1000, "x"), /must be an? /],
      ["another kind's", foreign, /must be an? /],
    ];
    for (const [what, value, rule] of cases) {
      const answer = await owned.client.put(path, { value });
      assert.equal(answer.status, 422, `${name}, ${what}: ${answer.status}`);
      assertProblem(answer, 422, "invalid_value", "value");
      assert.match(answer.json().detail, rule, `${name}, ${what}`);
      const shown = answer.text + stack.logs.join("\n");
      for (const text of [value, good]) if (text.length > 8) assert.ok(!shown.includes(text.slice(0, 20)), what);
    }
    assert.deepEqual(objectRows(stack, owned.asset, "SELECT * FROM secrets"), before);
  };
  // The readings of one domain are paced; each kind has one of its own.
  await Promise.all(kinds.map(([name, [good = ""]]) => refuse(name, good)));
});

test("another vendor's key is named for what it is", async () => {
  const owned = await Owned.ofNew(stack, "mistaken.molt");
  for (const [name, of, said] of [
    ["openai", "anthropic", "`value` must be an OpenAI API key, not an Anthropic API key."],
    ["clawrouter", "openrouter", "`value` must be a ClawRouter key, not an OpenRouter API key."],
  ] as const) {
    const answer = await owned.client.put(`${owned.path}/secrets/${name}`, { value: GOOD[of]?.[0] });
    assertProblem(answer, 422, "invalid_value", "value");
    assert.equal(answer.json().detail, said);
  }
});

test("bytes that are no UTF-8 are malformed, and a body without end too large", async () => {
  const owned = await Owned.ofNew(stack, "bytes.molt");
  const path = `${owned.path}/secrets/openai`;
  const put = (body: Buffer | string) =>
    owned.client.request("PUT", path, { body, headers: { "content-type": "application/json" } });
  const around = (bytes: number[]) =>
    Buffer.concat([Buffer.from('{"value":"sk-'), Buffer.from(bytes), Buffer.from('"}')]);
  for (const bytes of [[0xff, 0xfe], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    assertProblem(await put(around(bytes)), 400, "malformed_body");
  }
  assertProblem(await put(JSON.stringify({ value: "x".repeat(64 * 1024) })), 413, "body_too_large");
  assert.equal((await list(owned)).get("openai")?.source, "platform");
});

test("a name that is no kind's does not exist, and the answer tells those that do", async () => {
  const owned = await Owned.ofNew(stack, "unknown.molt");
  for (const name of ["gateway", "discord", "OPENAI", "JWT_SECRET", "x", "openai%00", "constructor"]) {
    for (const method of ["PUT", "DELETE"]) {
      const path = `${owned.path}/secrets/${name}`;
      const answer = await owned.client.request(method, path, { json: { value: GOOD.openai?.[0] } });
      assertProblem(answer, 404, "not_found");
      for (const [known] of kinds) assert.ok(answer.json().detail.includes(known));
    }
  }
  assert.deepEqual(objectRows(stack, owned.asset, "SELECT name FROM secrets"), []);
});

test("c12 a secret tells which start last took it, and a new value has none yet", async () => {
  const owned = await Owned.ofNew(stack, "used.molt");
  const [value = ""] = GOOD.openai ?? [];
  await owned.client.put(`${owned.path}/secrets/openai`, { value });
  for (const { usedAt } of (await list(owned)).values()) assert.equal(usedAt, null);
  const before = Date.now();
  await owned.start();
  const taken = await list(owned);
  for (const name of ["openai", "anthropic", "openrouter", "clawrouter"]) {
    const at = Date.parse(taken.get(name)?.usedAt ?? "");
    assert.ok(at >= before - 1000 && at <= Date.now() + 1000, name);
  }
  for (const name of ["telegram", "wallet"]) assert.equal(taken.get(name)?.usedAt, null);

  // What the agent has is the value of then: of one in its place nothing was used.
  const changed = await owned.client.put(`${owned.path}/secrets/openai`, { value: GOOD.openai?.[1] });
  assert.equal(changed.json().usedAt, null);
  const removed = await owned.client.delete(`${owned.path}/secrets/openai`);
  assert.deepEqual([removed.json().source, removed.json().usedAt], ["platform", null]);
  // The running agent takes all of them anew.
  assert.ok(((await list(owned)).get("anthropic")?.usedAt ?? "") >= (taken.get("anthropic")?.usedAt ?? assert.fail()));
  await owned.stop();
  await owned.start();
  assert.ok(
    Date.parse((await list(owned)).get("openai")?.usedAt ?? "") > Date.parse(taken.get("openai")?.usedAt ?? ""),
  );
});

test("a start that failed before it took them has used no secret", async () => {
  agent.behave({ inject: { fail: true } });
  const owned = await Owned.ofNew(stack, "not-taken.molt");
  await owned.ask("start");
  await owned.in("failed", { within: 30_000 });
  for (const { name, usedAt } of (await list(owned)).values()) assert.equal(usedAt, null, name);
});

test("c08 a new owner finds nothing of what the old one set, used or chose", async () => {
  const old = await Owned.ofNew(stack, "sold-keys.molt");
  await old.client.put(`${old.path}/secrets/telegram`, { value: GOOD.telegram?.[0] });
  await old.client.put(`${old.path}/settings`, { model: "anthropic/claude-opus-4-6" });
  await old.start();
  for (const table of ["secrets", "uses", "choices"]) {
    assert.notDeepEqual(objectRows(stack, old.asset, `SELECT owner FROM ${table}`), [], table);
  }
  rpc.control.transfer(old.asset, (await devKeypair("buyer")).address);
  const next = await Owned.of(stack, old.asset, "buyer");
  for (const table of ["secrets", "uses", "choices"]) {
    assert.deepEqual(objectRows(stack, old.asset, `SELECT owner FROM ${table}`), [], table);
  }
  const entries = await list(next);
  for (const { usedAt, source } of entries.values()) assert.deepEqual([usedAt, source === "user"], [null, false]);
  assert.equal((await next.client.get(`${next.path}/settings`)).json().model, null);
});
