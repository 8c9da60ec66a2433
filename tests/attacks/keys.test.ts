// Names in R2: whatever a caller, an archive or a container calls a snapshot or a pack, what it reaches is its own tenant's (C16).
// Another tenant's is not there, and what is no identifier is no name of anything.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import bs58 from "bs58";
import { devKeypair, devWalletAddress } from "../../dev/solana/accounts.ts";
import { Owned } from "../support/agent.ts";
import type { Answer } from "../support/http.ts";
import { objectRows } from "../support/objects.ts";
import { r2Keys } from "../support/storage.ts";
import { until } from "../support/wait.ts";
import { Battle, check, type Gets, type Sent, status } from "./support.ts";

const PATIENCE = { within: 180_000 };
const battle = await Battle.on("keys", "c16", { vars: { SNAPSHOT_PERIOD: "2" } });
const { stack, victim, attacker } = battle;
const wallet = await devWalletAddress("owner");
const prefix = `tenants/${victim.asset}/${wallet}/`;

/** The packs of a domain whose agent runs, once it has any. */
const packsOf = (asset: string): string[] =>
  r2Keys(stack, `tenants/${asset}/`).filter((key) => key.includes("/chunks/"));
const keptBy = (asset: string): string[] => r2Keys(stack, `tenants/${asset}/`);

// The victim has a pack as well, and sleeps again.
await victim.start(PATIENCE);
await until("a pack of the victim's", () => packsOf(victim.asset).length > 0, PATIENCE);
await victim.ask("stop");
await victim.in("asleep", PATIENCE);
const [pack = ""] = packsOf(victim.asset).map((key) => key.split("/").at(-1) ?? "");
const [{ id } = assert.fail("no snapshot")] = await victim.snapshots();

// A domain that the attacker bought, with all that its owner before left there.
const before = await Owned.ofNew(stack, "sold.molt");
await before.start(PATIENCE);
await before.ask("stop");
await before.in("asleep", PATIENCE);
const [{ id: left } = assert.fail("no snapshot")] = await before.snapshots();
const theirs = keptBy(before.asset);
stack.rpc.control.transfer(before.asset, (await devKeypair("buyer")).address);
const bought = await Owned.of(stack, before.asset, "buyer");
battle.begin();

const DOORS: [string, (path: string, id: string) => Sent][] = [
  ["read", (path, id) => ({ path: `${path}/snapshots/${id}` })],
  ["deleted", (path, id) => ({ method: "DELETE", path: `${path}/snapshots/${id}` })],
  ["restored", (path, id) => ({ method: "POST", path: `${path}/snapshots/${id}/restore` })],
];
const ID: Gets = [400, "invalid_field", "id"];
const NOT_FOUND: Gets = [404, "not_found"];

function through(title: string, path: string, id: string, as: Owned, gets: Gets): void {
  for (const [what, door] of DOORS)
    battle.attack(`${title} ${what}`, async () => {
      check(await battle.send({ ...door(path, id), as }), gets);
      assert.deepEqual(keptBy(before.asset), theirs);
    });
}

// Another tenant's, each by its true name.
through("the victim's snapshot under one's own domain", attacker.path, id, attacker, NOT_FOUND);
through("the victim's pack under one's own domain", attacker.path, pack, attacker, NOT_FOUND);
through("the victim's snapshot where it is", victim.path, id, attacker, [403, "forbidden"]);
through("a pack of one's own as a snapshot", victim.path, pack, victim, NOT_FOUND);
through("a snapshot that there is not", attacker.path, randomBytes(16).toString("hex"), attacker, NOT_FOUND);
through("the former owner's snapshot", bought.path, left, bought, NOT_FOUND);
through("the snapshot of one's former domain", before.path, left, before, [401, "unauthenticated"]);
battle.attack("a list of snapshots shows none of another tenant's", async () => {
  for (const owned of [attacker, bought]) {
    const answer = await battle.send({ path: `${owned.path}/snapshots`, as: owned });
    assert.deepEqual([answer.status, answer.json().snapshots], [200, []]);
  }
});

/** No name of a snapshot: refused, or by the runtime's reading of the path another route's business. */
const unnamed = (answer: Answer): void => {
  if (answer.status === 404) return check(answer, NOT_FOUND);
  if (answer.status === 405) return check(answer, [405, "method_not_allowed"]);
  check(answer, ID);
};
const full = (digits: string): string =>
  [...digits].map((one) => String.fromCodePoint(one.charCodeAt(0) + 0xfee0)).join("");
const HOSTILE: [string, string][] = [
  ["in upper case", id.toUpperCase()],
  ["with a digit more", `${id}0`],
  ["with a digit less", id.slice(1)],
  ["with another's letter", id.replace(/.$/, "g")],
  ["as a number", `0x${id}`],
  ["with dashes", id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")],
  ["in base58", bs58.encode(Buffer.from(id, "hex"))],
  ["in base64", Buffer.from(id, "hex").toString("base64url")],
  ["twice", id + id],
  ["two of them", `${id},${id}`],
  ["with its first digit encoded", `%${id.charCodeAt(0).toString(16)}${id.slice(1)}`],
  ["with a blank", `${id}%20`],
  ["with a line feed", `${id}%0a`],
  ["with NUL", `${id}%00`],
  ["with NUL and more", `${id}%00.zst`],
  ["with a file's ending", `${id}.tar.zst`],
  ["with a parameter", `${id};v=1`],
  ["with a dot", `${id}.`],
  ["in digits of full width", encodeURIComponent(full(id))],
  ["with a joiner of no width", `${id.slice(0, 9)}%e2%80%8d${id.slice(9)}`],
  ["with a mark of direction", `%e2%80%ae${id}`],
  ["with a combining mark", `${id}%cc%81`],
  ["with half a letter", `${id}%c3`],
  ["of a dot", "%2e"],
  ["of two dots", "%2e%2e"],
  ["of a star", "*"],
  ["of nothing", "%20"],
  ["of 4000 digits", "0".repeat(4000)],
  ["as a key", encodeURIComponent(`${prefix}snapshots/${id}`)],
  ["as the end of a key", encodeURIComponent(`snapshots/${id}`)],
  ["up from one's own", encodeURIComponent(`../../../${victim.asset}/${wallet}/snapshots/${id}`)],
  ["up by a backslash", encodeURIComponent(`..\\..\\${wallet}\\snapshots\\${id}`)],
  ["up by dots spelled twice", `%252e%252e%252f${id}`],
  ["up to a pack", encodeURIComponent(`../chunks/${pack}`)],
  ["of a pack's key", encodeURIComponent(`${prefix}chunks/${pack}`)],
  ["of the prefix", encodeURIComponent(prefix)],
];
// To the victim's own cookie: no second spelling leads anywhere either.
for (const [title, name] of HOSTILE) through(`a snapshot's name ${title}`, victim.path, name, victim, unnamed);

// What else may carry a name.
const archive = Buffer.from(`an archive that calls itself ${prefix}snapshots/${id}`);
const upload = (headers: Record<string, string>, path = `${attacker.path}/snapshots`): Sent => ({
  method: "POST",
  path,
  as: attacker,
  body: archive,
  headers: {
    "content-type": "application/zstd",
    "repr-digest": `sha-256=:${createHash("sha256").update(archive).digest("base64")}:`,
    ...headers,
  },
});
const caller = { asset: victim.asset, session: "0".repeat(32), wallet };
const SAID: [string, Record<string, string>, string?][] = [
  ["a file's name", { "content-disposition": `attachment; filename="../${victim.asset}/${wallet}/snapshots/${id}"` }],
  ["a name of an object of ours", { "x-molt-upload": JSON.stringify({ caller, size: 1, sha256: "00".repeat(32) }) }],
  ["a query", {}, `?id=${id}&key=${encodeURIComponent(`${prefix}snapshots/${id}`)}`],
];
for (const [title, headers, query = ""] of SAID)
  battle.attack(`an upload that names the victim's by ${title} is the sender's own`, async () => {
    const kept = keptBy(attacker.asset);
    const answer = await battle.send(upload(headers, `${attacker.path}/snapshots${query}`));
    status(201)(answer);
    const own = answer.json().id;
    assert.notEqual(own, id);
    const mine = `tenants/${attacker.asset}/${await devWalletAddress("buyer")}/`;
    const added = keptBy(attacker.asset).filter((key) => !kept.includes(key));
    assert.deepEqual(added, [`${mine}snapshots/${own}`]);
    // And its own again is what it gets.
    const sent = await battle.send({ path: `${attacker.path}/snapshots/${own}`, as: attacker });
    assert.ok(sent.body.equals(archive));
    assert.match(
      String(sent.headers["content-disposition"]),
      new RegExp(`^attachment; filename="${own}\\.tar\\.zst"$`),
    );
    status(204)(await battle.send({ method: "DELETE", path: `${attacker.path}/snapshots/${own}`, as: attacker }));
  });

// What a container says of itself. It names packs by their identifiers alone, and of those that it was given.
const NAMES: [string, string][] = [
  ["the victim's pack", pack],
  ["the victim's pack up from its own", `../../../${victim.asset}/${wallet}/chunks/${pack}`],
];
let started: Promise<unknown> | undefined;
// Not before: what it saves from time to time is none of what the attacks above look at.
const savedOnce = async (): Promise<void> => {
  started ??= attacker.start(PATIENCE);
  await started;
  await until("a pack of the attacker's", () => packsOf(attacker.asset).length > 0, PATIENCE);
};
for (const [index, [title, name]] of NAMES.entries())
  battle.attack(`a container that names ${title} saves nothing by it`, async () => {
    await savedOnce();
    stack.agent.behaveAt(attacker.asset, { snapshot: { claim: { packs: [name] } } });
    const tried = stack.agent.notesOf(attacker.asset, "snapshot").length;
    await attacker.learn(stack, `changed once more: ${index}`);
    const failed = async () =>
      stack.agent.notesOf(attacker.asset, "snapshot").length > tried &&
      (await attacker.status()).problem?.code === "snapshot_failed";
    await until("it was tried, and refused", failed, { within: 90_000 });
    const rows = JSON.stringify(objectRows(stack, attacker.asset, "SELECT row FROM snapshots"));
    for (const foreign of [pack, id, wallet]) assert.ok(!rows.includes(foreign), foreign);
    stack.agent.behaveAt(attacker.asset);
    const well = async () => (await attacker.status()).problem === null;
    await until("it is saved again", well, { within: 120_000 });
  });

battle.afterwards();
