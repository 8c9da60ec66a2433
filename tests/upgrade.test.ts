// What other versions left or will leave: their databases, archives, tokens and running containers (docs/upgrades.md).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { devAssetAddress, devKeypair } from "../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "./support/agent.ts";
import type { Client } from "./support/client.ts";
import type { Answer } from "./support/http.ts";
import { buildText, challenge, verify } from "./support/login.ts";
import { contentOf, editObject, objectRows, schemaOf } from "./support/objects.ts";
import { assertProblem } from "./support/problem.ts";
import { reconfigure } from "./support/reconfigure.ts";
import { onDocker } from "./support/stack.ts";
import { place, type Stored, storedDomains, storedKeys } from "./support/stored.ts";
import {
  assertPass,
  type Claims,
  claimsOf,
  nowSeconds,
  SESSION_COOKIE,
  sessionId,
  sign,
  WEEK_SECONDS,
} from "./support/tokens.ts";
import { until } from "./support/wait.ts";

const DAY_SECONDS = 24 * 60 * 60;
const stack = await fakeAgentStack({ secrets: storedKeys });
const { agent } = stack;
afterEach(() => agent.behave());

const stored = storedDomains(stack);
const oldest = stored.at(0) ?? assert.fail("no version is kept");
const newest = stored.at(-1) ?? assert.fail("no version is kept");
const known = (newest.sql.match(/^INSERT INTO schema/gm) ?? []).length;

/** The same for another domain, for which the sealed secret is not. */
async function elsewhere(domain: Stored, name: string, change = ""): Promise<Stored> {
  const asset = await devAssetAddress(name);
  const moved: Stored = JSON.parse(
    JSON.stringify(domain).replaceAll(domain.asset, asset).replaceAll(domain.name, name),
  );
  const other = { ...moved.challenge, nonce: sessionId() };
  return { ...moved, challenge: other, sql: `${moved.sql}DELETE FROM secrets;\n${change}` };
}

const broken = await elsewhere(
  oldest,
  "broken.molt",
  "CREATE TRIGGER full BEFORE INSERT ON schema BEGIN SELECT RAISE(ABORT, 'told to fail'); END;",
);
/** As a Worker with one more migration leaves it, with fields, phases and causes that are not known here. */
const ahead = await elsewhere(
  newest,
  "ahead.molt",
  `ALTER TABLE domain ADD COLUMN added TEXT NOT NULL DEFAULT 'as before';
   ALTER TABLE secrets ADD COLUMN added TEXT NOT NULL DEFAULT 'as before';
   CREATE TABLE added (id TEXT PRIMARY KEY);
   INSERT INTO added VALUES ('kept');
   INSERT INTO schema (version) VALUES (${known});
   UPDATE life SET row = json_set(row, '$.added', json('{"x":1}'), '$.phase', 'added', '$.trouble',
     json('{"code":"added","detail":"x"}'));
   UPDATE snapshots SET row = json_set(row, '$.added', 1, '$.cause', 'added');`,
);
Object.assign(ahead.challenge, { added: "1" });
const farAhead = await elsewhere(
  newest,
  "far-ahead.molt",
  `INSERT INTO schema (version) VALUES (${known}), (${known + 1});`,
);
await stack.replaceWorker(() => place(stack, [...stored, broken, ahead, farAhead]));

/** Its owner, with the token of then. */
async function ownerOf({ asset, claims }: Stored, added: Claims = {}): Promise<Owned> {
  const iat = nowSeconds() - DAY_SECONDS;
  const client = stack.client();
  const token = await sign({ ...claims, ...added, iat, exp: iat + WEEK_SECONDS }, storedKeys.JWT_SECRET);
  client.cookies.set(SESSION_COOKIE, token);
  return new Owned(client, asset);
}

async function remembered(owned: Owned): Promise<string> {
  return (await (await owned.enter(stack)).get("/memory")).json().memory;
}

/** Answers a challenge with the text as wallets build it. */
async function signIn(client: Client, { nonce = "", ...given }: Stored["challenge"]): Promise<Answer> {
  const { domain = "", wallet = "", statement = "", uri = "", chain_id: chainId = "" } = given;
  const { issued_at: issuedAt = "", expires_at: expirationTime = "", request_id: requestId = "" } = given;
  const fields = { domain, address: wallet, statement, uri, version: "1", chainId, nonce, issuedAt, expirationTime };
  const message = buildText({ ...fields, requestId });
  return verify(client, { nonce, message }, await devKeypair("owner"));
}

const logged = (text: string) => until(`"${text}" in the log`, () => stack.logs.some((line) => line.includes(text)));

for (const domain of stored) {
  test(`version ${domain.version}: session, status, snapshot and secret are as they were left`, async () => {
    const owned = await ownerOf(domain);
    const session = await owned.client.get("/v1/auth/session");
    assert.equal(session.status, 200, session.text);
    const { asset, owner: wallet, name } = domain;
    assert.deepEqual({ ...session.json(), expiresAt: "" }, { asset, wallet, domain: name, expiresAt: "" });
    const status = await owned.status();
    assert.deepEqual([status.state, status.problem], ["asleep", null]);
    assert.equal(status.lastSnapshot?.id, domain.snapshot.id);
    assert.deepEqual(await owned.snapshots(), [domain.snapshot]);

    await owned.start();
    assert.equal(await remembered(owned), domain.memory);
    const held = agent.injected(status.agentUrl).secrets[domain.secret.name];
    const { keyless } = (await owned.client.get(`${owned.path}/settings`)).json();
    if (keyless.includes(domain.secret.name)) assertPass(held, domain.asset);
    else assert.equal(held, domain.secret.value);
    await owned.learn(stack, "newer than that");
    await owned.stop();
    assert.deepEqual((await owned.snapshots()).slice(1), [domain.snapshot]);
    const chosen = await owned.client.post(`${owned.path}/snapshots/${domain.snapshot.id}/restore`);
    assert.equal(chosen.status, 202, chosen.text);
    await owned.in("running");
    assert.equal(await remembered(owned), domain.memory);
  });

  test(`version ${domain.version}: who has its challenge can sign in with it`, async () => {
    const client = stack.client();
    const answer = await signIn(client, domain.challenge);
    assert.equal(answer.status, 200, answer.text);
    const { jti, epoch, ...claims } = timeless(claimsOf(client));
    assert.match(String(jti), /^[0-9a-f]{32}$/);
    assert.equal(epoch, domain.claims.epoch ?? 0);
    assert.deepEqual(claims, { iss: "multiclaw-edge", sub: domain.asset, aud: "app", wallet: domain.owner });
  });

  test(`version ${domain.version}: its database has the schema of a new one afterwards`, async () => {
    await (await ownerOf(domain)).status();
    const fresh = await Owned.ofNew(stack, `fresh-${domain.version}.molt`);
    assert.deepEqual(schemaOf(stack, domain.asset), schemaOf(stack, fresh.asset));
    const versions = (asset: string) => objectRows(stack, asset, "SELECT version FROM schema ORDER BY version");
    assert.deepEqual(versions(domain.asset), versions(fresh.asset));
  });
}

test("the newest fixture holds what this version writes: another form of a row asks for another fixture", async () => {
  const owned = await Owned.ofNew(stack, "written-now.molt");
  const { name, value } = newest.secret;
  assert.equal((await owned.client.put(`${owned.path}/secrets/${name}`, { value })).status, 200);
  const model = "openrouter/openai/gpt-5.4";
  assert.equal((await owned.client.put(`${owned.path}/settings`, { model, keyless: [name] })).status, 200);
  await owned.start();
  await owned.stop();
  const there = await elsewhere(newest, "never-opened.molt");
  await stack.replaceWorker(() => place(stack, [there]));
  const form = (asset: string) => {
    const rows = ["life", "snapshots", "choices"].map(
      (table) => objectRows(stack, asset, `SELECT row FROM ${table}`)[0]?.row,
    );
    return rows.map((row) => Object.keys(JSON.parse(row)).sort());
  };
  assert.deepEqual(form(there.asset), form(owned.asset));
  assert.deepEqual(schemaOf(stack, there.asset), schemaOf(stack, owned.asset));
  assert.deepEqual(Object.keys(newest.claims).sort(), Object.keys(timeless(claimsOf(owned.client))).sort());
  await challenge(owned.client, owned.asset, newest.owner);
  const [given = ""] = stack.filesWith(`Open the agent of ${owned.asset}.`);
  assert.deepEqual(Object.keys(newest.challenge), Object.keys(JSON.parse(readFileSync(given, "utf8"))));
});

function timeless({ iat: _iat, exp: _exp, ...claims }: Claims): Claims {
  return claims;
}

test("a migration that fails in its middle leaves nothing of itself, and is done whole at the next try", async () => {
  const owned = await ownerOf(broken);
  const before = contentOf(stack, broken.asset);
  for (let round = 0; round < 2; round++) {
    assertProblem(await owned.client.get(owned.path), 500, "internal");
    assert.deepEqual(contentOf(stack, broken.asset), before);
  }
  await logged("told to fail");
  await stack.replaceWorker(() => editObject(stack, broken.asset, "DROP TRIGGER full"));
  assert.equal((await owned.status()).state, "asleep");
  assert.equal(objectRows(stack, broken.asset, "SELECT * FROM schema").length, known);
  await owned.start();
  assert.equal(await remembered(owned), broken.memory);
});

test("a Worker that was rolled back by one migration works, and keeps what it does not know", async () => {
  const owned = await ownerOf(ahead, { added: "a claim of the newer version" });
  const status = await owned.status();
  assert.deepEqual([status.state, status.phase, status.problem], ["asleep", null, null]);
  // A challenge that only the newer one can read is an unknown one.
  assertProblem(await signIn(stack.client(), ahead.challenge), 401, "challenge_invalid");
  await logged("stored challenge: ");
  const [left] = await owned.snapshots();
  assert.deepEqual(left, { ...ahead.snapshot, cause: "other" });
  const { name, value } = ahead.secret;
  assert.equal((await owned.client.put(`${owned.path}/secrets/${name}`, { value })).status, 200);
  assert.equal((await owned.client.put(`${owned.path}/settings`, { keyless: [] })).status, 200);
  await owned.start();
  assert.equal(agent.injected(status.agentUrl).secrets[name], value);
  assert.equal(await remembered(owned), ahead.memory);
  await owned.stop();

  const { schema, added, domain, secrets, snapshots } = contentOf(stack, ahead.asset);
  assert.equal(schema?.length, known + 1);
  assert.deepEqual(added, [{ id: "kept" }]);
  for (const row of [...(domain ?? []), ...(secrets ?? [])]) assert.equal(row.added, "as before");
  const older = snapshots?.find(({ id }) => id === ahead.snapshot.id) ?? assert.fail();
  assert.deepEqual(JSON.parse(older.row), { ...ahead.snapshot, added: 1, cause: "added" });
});

test("a database that is further ahead is refused, and nothing in it is touched", async () => {
  const owned = await ownerOf(farAhead);
  const before = contentOf(stack, farAhead.asset);
  assertProblem(await owned.client.get(owned.path), 503, "storage_unavailable");
  assertProblem(await owned.client.post(`${owned.path}/start`), 503, "storage_unavailable");
  assert.deepEqual(contentOf(stack, farAhead.asset), before);
  await logged(`has had ${known + 2} migrations, this Worker knows ${known}`);
});

/**
 * How a Worker is replaced. On an engine only by wrangler's own reload: the containers of each run of wrangler have names of
 * their own, by which no other run finds them.
 */
const REPLACEMENTS: Record<string, (meanwhile: () => void) => Promise<void>> = {
  "is reloaded": () => reconfigure(stack),
  ...(!onDocker && { "dies and another comes": (meanwhile) => stack.replaceWorker(meanwhile) }),
};

for (const [how, replace] of Object.entries(REPLACEMENTS)) {
  test(`c20 a running container goes on when the Worker ${how}, and a stop saves what it holds`, async () => {
    const owned = await Owned.ofNew(stack, `replaced-${how.length}.molt`);
    const { since } = await owned.start();
    const visitor = await owned.learn(stack, "before the deploy");
    const { sandbox } = agent.begun("init").at(-1) ?? assert.fail();
    const starts = agent.begun("init").length;
    await replace(() => assert.ok(agent.lives(sandbox), "it runs with no Worker there"));

    const status = await owned.status();
    assert.deepEqual([status.state, status.since, status.problem], ["running", since, null]);
    assert.equal((await visitor.get("/memory")).json().memory, "before the deploy");
    assert.equal((await visitor.request("PUT", "/memory", { body: "after the deploy" })).status, 200);
    await owned.stop();
    await until("its end", () => !agent.lives(sandbox));
    assert.equal(agent.begun("init").length, starts, "no other was started");
    assert.equal(agent.begun("snapshot").at(-1)?.sandbox, sandbox);
    await owned.start();
    assert.equal((await visitor.get("/memory")).json().memory, "after the deploy");
  });
}

test("c20 a start that the Worker before began is finished by the one after it", async () => {
  agent.behave({ boot: { never: true } });
  const owned = await Owned.ofNew(stack, "replaced-while-it-starts.molt");
  await owned.ask("start");
  await owned.boots();
  await stack.replaceWorker(() => agent.behave());
  assert.equal((await owned.in("running")).problem, null);
});
