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

/** Waits until the object's database is closed, and all of it in its one file. */
function rests({ asset }: Owned): Promise<unknown> {
  return until("an object that rests", () => !existsSync(`${objectFile(stack, asset)}-wal`));
}

test("c10 of a secret that was replaced or deleted its database keeps no copy", async () => {
  const owned = await Owned.ofNew(stack, "replaced.molt");
  /** As it is sealed. */
  const sealed = async (name: string, value: string): Promise<string> => {
    await put(owned, name, key(value));
    return sealedRows(stack, owned.asset).find((row) => row.name === name)?.sealed ?? assert.fail();
  };
  const gone = [await sealed("openrouter", `or-${"long".repeat(64)}`), await sealed("openai", "deleted")];
  await remove(owned, "openai");
  // What comes in its place does not cover all of it.
  const kept = await sealed("openrouter", "or-short");
  await rests(owned);
  const content = readFileSync(objectFile(stack, owned.asset), "latin1");
  assert.ok(content.includes(kept));
  for (const blob of gone) {
    for (let at = 0; at + 32 <= blob.length; at += 32) assert.ok(!content.includes(blob.slice(at, at + 32)), `${at}`);
  }
});

test("c10 c08 who has the key, the files and an old copy of a blob opens nothing that a change of owner shredded", async () => {
  const old = await Owned.ofNew(stack, "shredded.molt");
  await put(old, "openrouter", key("or-shredded"));
  const [copy] = sealedRows(stack, old.asset);
  const salt = saltOf(stack, old.asset);
  assert.ok(copy);
  assert.equal(unseal(SEALING_KEY, salt, old.asset, copy), key("or-shredded"), "until then it is all it takes");

  rpc.control.transfer(old.asset, buyer.address);
  // The buyer sets nothing: no row of theirs takes the place of what was deleted.
  await Owned.of(stack, old.asset, "buyer");
  assert.deepEqual(objectRows(stack, old.asset, "SELECT * FROM tenants"), []);
  await rests(old);
  const contents = stack.filesWith("").map((path) => readFileSync(path, "latin1"));
  const salts = contents.flatMap((text) => [...text.matchAll(/(?=([0-9a-f]{64}))/g)].map(([, found = ""]) => found));
  assert.ok(salts.includes(saltOf(stack, stranger.asset)), "a salt that is there is found");
  for (const found of salts) assert.equal(unseal(SEALING_KEY, found, old.asset, copy), undefined);
  // Nor is enough of it left to guess the rest.
  for (let at = 0; at + 16 <= salt.length; at++)
    assert.ok(contents.every((text) => !text.includes(salt.slice(at, at + 16))));
});
