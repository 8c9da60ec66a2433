// Incremental snapshots between container and R2: what they are made of is there as long as a row needs it, whatever happens
// on the way, and no longer (C16, C19).
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { devKeypair } from "../dev/solana/accounts.ts";
import { contracts } from "./fixtures/contracts.mjs";
import { fakeAgentStack, type Knobs, Owned, type Snapshot } from "./support/agent.ts";
import type { Client } from "./support/client.ts";
import { editObject, objectRows } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { onDocker } from "./support/stack.ts";
import { editR2, r2Keys } from "./support/storage.ts";
import { until } from "./support/wait.ts";

const stack = await fakeAgentStack({ vars: { SNAPSHOT_PERIOD: "2", OWNERSHIP_MAX_AGE: "1" } });
const { agent } = stack;
/** Those that a test started: what the next one sees called is to be of its own. */
const running: Owned[] = [];
afterEach(async () => {
  agent.behave();
  for (const owned of running.splice(0)) await owned.stop();
});

async function started(name: string): Promise<Owned> {
  const owned = await Owned.ofNew(stack, name);
  await owned.start();
  running.push(owned);
  return owned;
}

/** Nothing more is saved from time to time. */
const UNCHANGED: Knobs = { snapshot: { print: `${JSON.stringify({ unchanged: true })}\n` } };
/** On an engine the container ends with the Worker, and an engine may take half a minute to say that one has ended. */
const HEALS = { within: 240_000 };
/** A failed one is tried again after a minute. */
const AGAIN = { within: 90_000 };

interface Row extends Snapshot {
  readonly packs?: readonly { readonly id: string; readonly size: number }[];
}

/** As they are kept, newest first. */
function rowsOf({ asset }: Owned): Row[] {
  const rows = objectRows(stack, asset, "SELECT row FROM snapshots ORDER BY created_at DESC, id");
  return rows.map(({ row }) => JSON.parse(row));
}

const keysOf = ({ asset }: Owned): string[] => r2Keys(stack, `tenants/${asset}/`);
const packsOf = (owned: Owned): string[] => keysOf(owned).filter((key) => key.includes("/chunks/"));
const named = (rows: readonly Row[]): string[] => [
  ...new Set(rows.flatMap(({ packs = [] }) => packs.map(({ id }) => id))),
];
const lastOf = (key: string): string => key.split("/").at(-1) ?? "";

/** What any row refers to is in R2. */
function assertWhole(owned: Owned): void {
  const there = new Set(keysOf(owned).map(lastOf));
  const rows = rowsOf(owned);
  for (const id of [...rows.map((row) => row.id), ...named(rows)]) assert.ok(there.has(id), `${id} is gone`);
}

/** And nothing else is. */
async function assertTidy(owned: Owned): Promise<void> {
  await until("nothing in R2 that no row refers to", () => {
    const rows = rowsOf(owned);
    return keysOf(owned).length === rows.length + named(rows).length;
  });
  assertWhole(owned);
}

/** Writes what the agent remembers, and gives the periodic snapshot of that. */
async function saved(owned: Owned, what: string): Promise<Snapshot> {
  const before = (await owned.snapshots())[0]?.id;
  await owned.learn(stack, what);
  return until("it is saved", async () => {
    const [newest] = await owned.snapshots();
    return newest?.id !== before && newest;
  });
}

async function remembered(owned: Owned): Promise<string> {
  return (await (await owned.enter(stack)).get("/memory")).json().memory;
}

/** Its container goes without a word; what comes back is the newest that can be restored. */
async function comesBack(owned: Owned, visitor?: Client): Promise<string> {
  const before = await owned.status();
  await (visitor ?? (await owned.enter(stack))).request("POST", "/crash");
  await until("it runs again", async () => {
    const status = await owned.status();
    return status.state === "running" && status.since !== before.since;
  });
  return remembered(owned);
}

async function manual(owned: Owned): Promise<Snapshot> {
  const answer = await owned.client.post(`${owned.path}/snapshots`);
  assert.equal(answer.status, 201, answer.text);
  return answer.json();
}

const lastTaking = () => agent.begun("snapshot").at(-1)?.argv ?? [];

test("c19 what is saved from time to time builds on what was saved before, and comes back", async () => {
  const owned = await started("builds.molt");
  const first = await saved(owned, "a line that stays\nthe first");
  assert.ok(!lastTaking().some((option) => option.startsWith("--base")), String(lastTaking()));
  assert.equal(packsOf(owned).length, 1);
  const second = await saved(owned, "a line that stays\nthe second");
  assert.equal(packsOf(owned).length, 2);
  const [row] = rowsOf(owned);
  assert.equal(row?.packs?.length, 2);
  assert.ok(
    agent.notes("snapshot").some((note) => "known" in note && note.known === 2),
    "it was given the index",
  );
  for (const key of packsOf(owned)) assert.match(key, /^tenants\/\w+\/\w+\/chunks\/[0-9a-f]{32}$/);

  const [listed] = (await owned.client.get(`${owned.path}/snapshots`)).json().snapshots;
  const size = (row?.size ?? 0) + (row?.packs ?? []).reduce((sum, pack) => sum + pack.size, 0);
  assert.deepEqual([listed.id, listed.incremental, listed.size, listed.packs], [second.id, true, size, undefined]);
  assert.equal((await owned.status()).lastSnapshot?.size, size);

  assert.equal(await comesBack(owned), "a line that stays\nthe second");
  const [wake] = (await owned.client.get(`${owned.path}/wakes`)).json().wakes;
  assert.equal(wake.restoredBytes, size);
  const answer = await owned.client.post(`${owned.path}/snapshots/${first.id}/restore`);
  assert.equal(answer.status, 202, answer.text);
  await owned.in("starting");
  await owned.in("running");
  assert.equal(await remembered(owned), "a line that stays\nthe first");
  const full = await manual(owned);
  assert.deepEqual([full.cause, "incremental" in full], ["manual", false]);
});

test("c19 what the Worker calls for them is what the newest version of the command line says", async () => {
  const { commands } = contracts().at(-1)?.incremental ?? assert.fail("the newest version knows none");
  const owned = await started("says.molt");
  const since = Date.now();
  await saved(owned, "one");
  await saved(owned, "two");
  await comesBack(owned);
  const shape = (argv: readonly string[] = []) =>
    argv
      .join(" ")
      .replaceAll(/[0-9a-f]{32,64}/g, "HEX")
      .replaceAll(/\d+/g, "N");
  const said = (command: string) => agent.begun(command, since).map(({ argv }) => `${command} ${shape(argv)}`);
  assert.ok(said("snapshot").includes(shape(commands.snapshot.argv)), String(said("snapshot")));
  for (const part of ["index", "pack"] as const) {
    assert.ok(said("send").includes(shape(commands[`send ${part}`].argv)), String(said("send")));
  }
  const restore = shape(commands.restore.argv);
  const several = said("restore").map((one) => one.replace(/(HEX:N:HEX)(,\1)+$/, "$1"));
  assert.ok(several.includes(restore), String(several));
});

test("c19 one is no download, can be deleted, and takes along only what no other needs", async () => {
  const owned = await started("deletes.molt");
  const first = await saved(owned, "shared\nof the first alone");
  const second = await saved(owned, "shared\nof the second");
  const third = await saved(owned, "shared\nof the third");
  const refused = await owned.client.get(`${owned.path}/snapshots/${first.id}`);
  assertProblem(refused, 409, "wrong_state");
  assert.match(refused.json().detail, /incremental/);
  assertProblem(await owned.client.request("DELETE", `${owned.path}/snapshots/${third.id}`), 409, "wrong_state");
  for (const { id } of [second, first]) {
    const gone = await owned.client.request("DELETE", `${owned.path}/snapshots/${id}`);
    assert.equal(gone.status, 204, gone.text);
    await assertTidy(owned);
  }
  assert.deepEqual(stack.filesWith("of the first alone").length, 1, "the pack that holds what is shared stays");
  assert.equal(stack.filesWith("of the second").length, 0);
  assert.equal(await comesBack(owned), "shared\nof the third");
});

test("c19 of many some are kept, and R2 holds what those need", async () => {
  const owned = await started("keeps.molt");
  for (let count = 0; count < 7; count++) await saved(owned, `line ${count}\nline ${count + 1}\nline ${count + 2}`);
  await assertTidy(owned);
  const rows = rowsOf(owned);
  assert.ok(rows.length <= 4, `${rows.length} rows`);
  assert.ok(packsOf(owned).length < 7);
  assert.equal(await comesBack(owned), "line 6\nline 7\nline 8");
});

const HASH = "ab".repeat(32);
const LIES: [string, Knobs][] = [
  ["names a pack that it was not given", { snapshot: { claim: { packs: [HASH.slice(32)] } } }],
  ["tells another hash of its pack", { snapshot: { claim: { pack: { size: 10, sha256: HASH } } } }],
  ["tells another hash of its index", { snapshot: { claim: { sha256: HASH } } }],
  ["sends no index", { send: { failPart: "index" } }],
];

for (const [index, [what, knobs]] of LIES.entries()) {
  test(`c19 an incremental snapshot of a container that ${what} does not count, and leaves nothing`, async () => {
    const owned = await started(`lies-${index}.molt`);
    const good = await saved(owned, "the truth");
    agent.behave(knobs);
    const since = Date.now();
    await owned.learn(stack, "changed since");
    await until("it was tried", async () => (await owned.status()).problem?.code === "snapshot_failed");
    assert.ok(agent.begun("snapshot", since).length > 0);
    assert.deepEqual(
      (await owned.snapshots()).map(({ id }) => id),
      [good.id],
    );
    await assertTidy(owned);
    assert.equal(await comesBack(owned), "the truth");
  });
}

for (const part of ["pack", "index"]) {
  test(`c19 a Worker that dies while the ${part} is sent leaves all that a row needs`, async () => {
    const owned = await started(`dies-${part}.molt`);
    await saved(owned, "stays\nbefore");
    agent.behave({ send: { hangPart: part } });
    const begun = agent.begun("send").length;
    await owned.learn(stack, "stays\nmeanwhile");
    await until(`the ${part} is sent`, () =>
      agent
        .begun("send")
        .slice(begun)
        .some(({ argv }) => argv?.includes(`--part=${part}`)),
    );
    await stack.replaceWorker();
    agent.behave();
    assertWhole(owned);
    await until("it is saved after all", async () => (await owned.snapshots()).length >= 2, AGAIN);
    assertWhole(owned);
    // On an engine the container ends with the Worker, and with it goes what was not saved.
    assert.equal(await comesBack(owned), onDocker ? "stays\nbefore" : "stays\nmeanwhile");
  });
}

test("c19 what was left in R2 is swept once nobody can need it, and nothing that a row refers to ever is", async () => {
  const owned = await started("sweeps.molt");
  await saved(owned, "stays\none");
  await saved(owned, "stays\ntwo");
  await owned.stop();
  // As a Worker leaves it that dies after it has deleted a row.
  const incremental = rowsOf(owned).filter(({ cause }) => cause === "period");
  const [gone, kept] = incremental;
  assert.ok(gone && kept);
  const orphans = named([gone]).filter((id) => !named([kept]).includes(id));
  assert.equal(orphans.length, 1);
  const forget = (): void => editObject(stack, owned.asset, `DELETE FROM snapshots WHERE id = '${gone.id}'`);
  await stack.replaceWorker(forget);
  await owned.start();
  await manual(owned);
  assert.ok(
    orphans.every((id) => packsOf(owned).map(lastOf).includes(id)),
    "not while it may be somebody's",
  );
  await stack.replaceWorker(() =>
    editR2(stack, `UPDATE _mf_objects SET uploaded = uploaded - 7200000 WHERE key LIKE 'tenants/${owned.asset}/%'`),
  );
  await until(
    "it is saved once more",
    async () => (await owned.client.post(`${owned.path}/snapshots`)).status === 201,
    HEALS,
  );
  await assertTidy(owned);
  assert.ok(!orphans.some((id) => packsOf(owned).map(lastOf).includes(id)));
  const answer = await owned.client.post(`${owned.path}/snapshots/${kept.id}/restore`);
  assert.equal(answer.status, 202, answer.text);
  await owned.in("starting");
  await owned.in("running");
  assert.equal(await remembered(owned), "stays\none");
});

test("c19 what a snapshot under way builds on can be deleted: then it does not count, and the next one does", async () => {
  const owned = await started("races.molt");
  const base = await saved(owned, "stays\nof the base");
  await manual(owned);
  agent.behave({ snapshot: { delayMs: 3000 } });
  const begun = agent.begun("snapshot").length;
  await owned.learn(stack, "stays\nbuilt on it");
  await until("one builds on it", () =>
    agent
      .begun("snapshot")
      .slice(begun)
      .some(({ argv }) => argv?.some((option) => option.startsWith("--base"))),
  );
  const gone = await owned.client.request("DELETE", `${owned.path}/snapshots/${base.id}`);
  assert.equal(gone.status, 204, gone.text);
  agent.behave();
  await until("the next one counts", async () => (await owned.snapshots())[0]?.cause === "period", AGAIN);
  assert.ok(stack.logs.some((line) => line.includes("what the snapshot builds on was deleted meanwhile")));
  await assertTidy(owned);
  assert.equal(await comesBack(owned), "stays\nbuilt on it");
});

test("c19 one whose pack is damaged is passed over, and the next is made anew", async () => {
  const owned = await started("damaged-pack.molt");
  await owned.learn(stack, "the good old state");
  await manual(owned);
  await saved(owned, "stays\na pack to be damaged");
  const [file = ""] = stack.filesWith("a pack to be damaged").filter((name) => name.includes("blobs"));
  const bytes = readFileSync(file);
  bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  agent.behave(UNCHANGED);
  assert.equal(await comesBack(owned), "the good old state");
  assert.equal((await owned.status()).problem?.code, "restored_older");

  agent.behave();
  await saved(owned, "stays\nafter the damage");
  assert.ok(!lastTaking().some((option) => option.startsWith("--base")), "nothing is built on what was refused");
  assert.equal(await comesBack(owned), "stays\nafter the damage");
});

test("c19 one whose pack is missing is passed over, and the next is made anew", async () => {
  const owned = await started("lost-pack.molt");
  await owned.learn(stack, "the good old state");
  await manual(owned);
  await saved(owned, "stays\na pack to be lost");
  agent.behave(UNCHANGED);
  await stack.replaceWorker(() =>
    editR2(stack, `DELETE FROM _mf_objects WHERE key LIKE 'tenants/${owned.asset}/%/chunks/%'`),
  );
  assert.equal(await comesBack(owned), "the good old state");
  assert.equal((await owned.status()).problem?.code, "restored_older");
  agent.behave();
  await saved(owned, "stays\nmade anew");
  assert.ok(!lastTaking().some((option) => option.startsWith("--base")), String(lastTaking()));
  assert.equal(await comesBack(owned), "stays\nmade anew");
});

test("c19 an image that knows nothing of this saves archives, and passes over what it can't restore", async () => {
  const owned = await started("older-image.molt");
  await owned.learn(stack, "an archive of it");
  await manual(owned);
  await saved(owned, "incremental");
  const older = { plain: true };
  agent.behave({ snapshot: older, restore: older });
  const full = await saved(owned, "an archive, from time to time");
  assert.equal(full.cause, "period");
  const got = await owned.client.get(`${owned.path}/snapshots/${full.id}`);
  assert.match(got.text, /an archive, from time to time/);
  const gone = await manual(owned);
  assert.ok(gone.id);

  agent.behave({ restore: older });
  // More than lies between the two of them: it ends while there is more to come.
  await saved(owned, "what only a newer one restores ".repeat(100_000));
  agent.behave({ restore: older, ...UNCHANGED });
  assert.equal(await comesBack(owned), "an archive, from time to time");
  assert.equal((await owned.status()).problem?.code, "restored_older");
});

test("c08 c16 a new owner's builds on nothing of the old one's", async () => {
  const owned = await started("sold-packs.molt");
  await saved(owned, "the first owner's memory");
  const theirs = keysOf(owned);
  stack.rpc.control.transfer(owned.asset, (await devKeypair("buyer")).address);
  const next = await Owned.of(stack, owned.asset, "buyer");
  running.splice(0, running.length, next);
  await next.start();
  const since = agent.begun("snapshot").length;
  await saved(next, "the next owner's");
  const takings = agent.begun("snapshot").slice(since);
  assert.ok(takings.every(({ argv }) => !argv?.some((option) => option.startsWith("--base"))));
  assert.equal(await comesBack(next), "the next owner's");
  assert.deepEqual(
    keysOf(owned).filter((key) => theirs.includes(key)),
    theirs,
    "and theirs lie where they lay",
  );
});
