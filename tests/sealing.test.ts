// Sealed rows that do not open, and what a change of owner leaves to who has the service's key and the database's files
// (C10).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import { editObject, objectFile, objectRows } from "./support/objects.ts";
import { entryOf, put, remove, saltOf, sealedRows, unseal } from "./support/sealed.ts";
import { until } from "./support/wait.ts";

const SEALING_KEY = randomBytes(32).toString("base64");
const stack = await fakeAgentStack({ secrets: { SEALING_KEY } });
const { agent, rpc } = stack;
const buyer = await devKeypair("buyer");
const key = (what: string): string => `sk-${what}-${"0123456789abcdef".repeat(3)}`;

/** Sets the row of `openai` to another blob. */
const blob = (sealed: string): string => `UPDATE secrets SET sealed = '${sealed}' WHERE name = 'openai'`;
/** The same blob but for this. */
const changed = (owned: Owned, change: (bytes: Buffer) => Uint8Array): string => {
  const row = sealedRows(stack, owned.asset).find(({ name }) => name === "openai");
  return blob(Buffer.from(change(Buffer.from(row?.sealed, "base64"))).toString("base64"));
};

const stranger = await Owned.ofNew(stack, "stranger.molt");
await put(stranger, "openai", key("of-another-domain"));

/** What happened to the row of `openai`, how, and whether agents are started with it: the others differ in opening alone. */
const DAMAGES: [string, (owned: Owned) => string, "start"?][] = [
  [
    "a bit of it is another",
    (owned) => changed(owned, (bytes) => bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte))),
    "start",
  ],
  ["its format is another", (owned) => changed(owned, (bytes) => bytes.fill(2, 0, 1))],
  ["its end is cut off", (owned) => changed(owned, (bytes) => bytes.subarray(0, -1))],
  ["little of it is left", (owned) => changed(owned, (bytes) => bytes.subarray(0, 5))],
  ["it is no base64", () => blob("not base64!")],
  ["it is empty", () => blob("")],
  [
    "it is another secret's",
    () => "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'anthropic') WHERE name = 'openai'",
  ],
  ["it is another domain's", () => blob(sealedRows(stack, stranger.asset)[0]?.sealed)],
  ["its tenant's salt is another", () => `UPDATE tenants SET salt = '${randomBytes(32).toString("hex")}'`],
  ["its tenant's salt is none", () => "UPDATE tenants SET salt = 'pepper'"],
  ["its tenant's salt is gone", () => "DELETE FROM tenants", "start"],
];
const damaged: [string, Owned, string, boolean][] = [];
for (const [what, damage, start] of DAMAGES) {
  const owned = await Owned.ofNew(stack, `damaged-${damaged.length}.molt`);
  await put(owned, "anthropic", key("ant-beside-it"));
  await put(owned, "openai", key("damaged"));
  damaged.push([what, owned, damage(owned), start === "start"]);
}
await stack.replaceWorker(() => {
  for (const [, { asset }, sql] of damaged) editObject(stack, asset, sql);
});

for (const [what, owned, , starts] of damaged) {
  const then = starts ? ", and an agent starts without it" : "";
  test(`c10 a sealed row that does not open, as ${what}: its owner is told, and may set it anew${then}`, async () => {
    const content = () =>
      ["secrets", "tenants"].map((table) => objectRows(stack, owned.asset, `SELECT * FROM ${table}`));
    const before = content();
    const entry = await entryOf(owned, "openai");
    assert.deepEqual([entry.source, entry.prefix, entry.unreadable], ["user", "sk-damag", true]);
    if (starts) {
      assert.equal((await owned.start()).problem, null);
      assert.equal(agent.injected().secrets.openai, undefined, "nor with the platform's key in its place");
    }
    assert.deepEqual(content(), before, "nothing is overwritten");

    const set = await put(owned, "openai", key("anew"));
    assert.ok(!set.unreadable && !(await entryOf(owned, "openai")).unreadable);
    if (starts) {
      await owned.stop();
      await owned.start();
      assert.equal(agent.injected().secrets.openai, key("anew"));
    }
    await remove(owned, "anthropic");
    assert.equal((await entryOf(owned, "anthropic")).source, "none");
  });
}

test("c10 c08 who has the key, the files and an old copy of a blob opens nothing that a change of owner shredded", async () => {
  const old = await Owned.ofNew(stack, "shredded.molt");
  await put(old, "openrouter", key("or-replaced-once"));
  await put(old, "openrouter", key("or-shredded"));
  const [copy] = sealedRows(stack, old.asset);
  const salt = saltOf(stack, old.asset);
  assert.ok(copy);
  assert.equal(unseal(SEALING_KEY, salt, old.asset, copy), key("or-shredded"), "until then it is all it takes");

  rpc.control.transfer(old.asset, buyer.address);
  const next = await Owned.of(stack, old.asset, "buyer");
  await put(next, "openrouter", key("or-of-the-buyer"));
  const file = objectFile(stack, old.asset);
  await until("the object rests, and its database is one file", () => !existsSync(`${file}-wal`));
  const candidates = stack
    .filesWith("")
    .flatMap((path) => [...readFileSync(path, "latin1").matchAll(/(?=([0-9a-f]{64}))/g)]);
  assert.ok(
    candidates.some(([, found]) => found === saltOf(stack, old.asset)),
    "the search finds the buyer's salt",
  );
  for (const [, found = ""] of candidates) assert.equal(unseal(SEALING_KEY, found, old.asset, copy), undefined);
  // Nor enough of it to guess the rest.
  for (let at = 0; at + 16 <= salt.length; at++) assert.deepEqual(stack.filesWith(salt.slice(at, at + 16)), []);
});
