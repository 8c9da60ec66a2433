// A hostile agent, and whoever got hold of its pass, at the door for proposals and behind it: nothing is approved, moved, seen or
// hurried there, and what it sends without end costs its owner a list of twenty.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { decodeJwt } from "jose";
import { devKeypair } from "../../dev/solana/accounts.ts";
import { objectRows } from "../support/objects.ts";
import { Proposing, propose, proposerOf } from "../support/proposals.ts";
import { AGENT_COOKIE, base64url, type Claims, SESSION_COOKIE, sign } from "../support/tokens.ts";
import { newWallet, SOL, signedBy } from "../support/wallet.ts";
import { type Attack, Battle, type Gets, status } from "./support.ts";

const PATH = "/v1/proposals";
const battle = await Battle.on("proposals", "c21");
const { victim, attacker, stack } = battle;
const owner = await devKeypair("owner");
const thief = await newWallet();
const plan = { operation: "transfer_sol", to: thief.address, amount: "1" };
const proposal = { operation: plan, reason: "Approved by your owner." };

/** An agent that runs and is hostile, with one proposal that waits and a transaction of it. */
const hostile = await Proposing.start(stack, "hostile.molt");
const { pass } = hostile.by;
const waiting = await hostile.taken(plan);
const { transaction } = await hostile.preparedOf(waiting);
const signed = await signedBy(owner, transaction);
const agentHost = new URL((await hostile.owned.status()).agentUrl).host;
const crowded = await Proposing.start(stack, "crowded.molt");
await attacker.start();
const attackers = await proposerOf(stack.agent, attacker);
/** That of the agent which its owner has stopped. */
const stopped = await proposerOf(stack.agent, victim);
const models = stack.agent.injected((await hostile.owned.status()).agentUrl).secrets.openai ?? assert.fail("no pass");
battle.begin();

const UNAUTHENTICATED: Gets = [401, "unauthenticated"];
const FOREIGN: Gets = [403, "origin_not_allowed"];
const post = (name: string, headers: Attack["headers"], gets: Gets = UNAUTHENTICATED, path = PATH): Attack => ({
  name,
  method: "POST",
  path,
  headers: { origin: [], "content-type": "application/json", ...headers },
  body: JSON.stringify(proposal),
  gets,
});
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const claims = decodeJwt<Claims>(pass);
const { epoch: _epoch, ...timeless } = claims;
const [header = "", payload = "", signature = ""] = pass.split(".");
const claimed = (changed: object): string => base64url({ ...claims, ...changed });
const strangers = await sign(claims, randomBytes(48).toString("base64url"));
const others: [string, Claims][] = [
  ["another start", { ...claims, jti: "0".repeat(32) }],
  ["an owner of before", { ...claims, wallet: thief.address }],
  ["another tenant's time", { ...claims, epoch: 7 }],
  ["no tenant's time", timeless],
  ["the victim's agent, which sleeps", { ...claims, sub: victim.asset }],
  ["the attacker's agent, with this start", { ...claims, sub: attacker.asset }],
  ["an agent that nobody signed in to", { ...claims, sub: thief.address }],
  ["a door that there is not", { ...claims, aud: "wallet" }],
];
const signing = others.map(async ([what, them]) => [what, await sign(them, stack.secrets.JWT_SECRET)] as const);
const forged = await Promise.all(signing);

// Whoever has no pass of an agent that runs.
battle.all([
  post("no pass", {}),
  post("an empty one", bearer("")),
  post("a word", bearer("proposals")),
  post("another scheme", { authorization: `Basic ${pass}` }),
  post("without a scheme", { authorization: pass }),
  post("in the header of a key", { "x-api-key": pass }),
  post("in the query", {}, UNAUTHENTICATED, `${PATH}?pass=${pass}`),
  post("twice, as two headers", { authorization: [`Bearer ${pass}`, `Bearer ${pass}`] }),
  post("the pass to models", bearer(models)),
  post("the session of its owner", bearer(battle.token(hostile.owned))),
  post("the victim's session", bearer(battle.token(victim))),
  post("cut at its end", bearer(pass.slice(0, -1))),
  post("without its signature", bearer(`${header}.${payload}.`)),
  post("with another's signature", bearer(`${header}.${payload}.${attackers.pass.split(".")[2]}`)),
  post("with no algorithm", bearer(`${base64url({ alg: "none", typ: "JWT" })}.${payload}.`)),
  post("its claims changed", bearer(`${header}.${claimed({ sub: victim.asset })}.${signature}`)),
  post("signed with another key", bearer(strangers)),
  post("of an agent that was stopped", bearer(stopped.pass)),
]);

// Whoever could sign as we do would still be held to the start that runs.
battle.all(forged.map(([what, token]) => post(`a pass of ${what}`, bearer(token))));

// Pages: of ours, of the agent's, of anybody's, with whatever cookies the browser has.
battle.all([
  post("a page of the console", { origin: stack.appOrigin, ...bearer(pass) }, FOREIGN),
  post("a page of the agent", { origin: `http://${agentHost}`, ...bearer(pass) }, FOREIGN),
  post("a page of anybody", { origin: "https://evil.example", ...bearer(pass) }, FOREIGN),
  post("a page that hides its origin", { "sec-fetch-site": "cross-site", ...bearer(pass) }, FOREIGN),
  post("with the owner's session beside it", { cookie: battle.cookie(hostile.owned), ...bearer(pass) }, FOREIGN),
  post("with the owner's session alone", { cookie: battle.cookie(hostile.owned) }, FOREIGN),
  { ...post("at the agent's own origin", bearer(pass)), host: agentHost },
  { ...post("at a host that is none of ours", bearer(pass), [404, "not_found"]), host: "evil.example" },
  {
    name: "a page asks whether it may",
    method: "OPTIONS",
    path: PATH,
    headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
    gets: (answer) => {
      assert.equal(answer.status, 405);
      assert.equal(answer.headers["access-control-allow-origin"], undefined);
    },
  },
]);

// An agent sees nothing of what it proposed, and changes nothing of it.
battle.all([
  ...["GET", "HEAD", "PUT", "PATCH", "DELETE"].map((method): Attack => {
    const gets: Gets = method === "HEAD" ? status(405) : [405, "method_not_allowed"];
    return { name: `by ${method}`, method, path: PATH, headers: { origin: [], ...bearer(pass) }, gets };
  }),
  ...[`${PATH}/`, `${PATH}/${waiting}`, `${PATH}/${waiting}/approve`, "/V1/proposals", "/v1//proposals"].map(
    (path): Attack => post(`at ${path}`, bearer(pass), status(404, 405), path),
  ),
]);
const { path } = hostile;
const routes: [string, string, object?][] = [
  ["GET", `${path}/proposals`],
  ["POST", `${path}/proposals/${waiting}/prepare`],
  ["POST", `${path}/proposals/${waiting}/reject`],
  ["GET", `${path}/transactions`],
  ["POST", `${path}/transactions`, plan],
  ["POST", `${path}/transactions/send`, { transaction: signed }],
  ["GET", `${hostile.owned.path}/channels`],
  ["GET", `${hostile.owned.path}/secrets`],
  ["PUT", `${hostile.owned.path}/settings`, { model: "openai/gpt-5.4" }],
];
for (const [method, path, json] of routes) {
  const what = `${method} ${path.replace(hostile.owned.asset, "{asset}").replace(waiting, "{id}")}`;
  const sent = { method, path, ...(json && { json }) };
  battle.all([
    { name: `${what} by the pass`, ...sent, headers: bearer(pass), gets: UNAUTHENTICATED },
    {
      name: `${what} by the pass as a session`,
      ...sent,
      headers: { cookie: `${SESSION_COOKIE}=${pass}` },
      gets: UNAUTHENTICATED,
    },
    {
      name: `${what} by the pass as a visitor`,
      ...sent,
      headers: { cookie: `${AGENT_COOKIE}=${pass}` },
      gets: UNAUTHENTICATED,
    },
    { name: `${what} by another owner`, ...sent, as: attacker, gets: [403, "forbidden"] },
  ]);
}
for (const what of ["prepare", "reject"]) {
  battle.attack(`another owner can't ${what} it as their own`, async () => {
    const answer = await attacker.client.post(`${attacker.path}/wallet/proposals/${waiting}/${what}`);
    assert.equal(answer.status, 404, answer.text);
  });
}

// Approvals that the agent makes itself.
battle.attack("an approval that nobody signed, or the agent did, is none", async () => {
  const changed = Buffer.from(signed, "base64");
  changed[1] = (changed[1] ?? 0) ^ 1;
  for (const none of [transaction, await signedBy(thief, transaction), changed.toString("base64")])
    assert.equal((await hostile.send(none)).status, 422);
  const approved = { ...proposal, approved: true, signature: "x", source: "owner", id: waiting, state: "sent" };
  const answer = await propose(crowded.by, approved);
  assert.equal(answer.status, 202);
  const [shown] = (await crowded.list()).proposals;
  assert.deepEqual([shown?.source, shown?.id === waiting], ["agent", false]);
  assert.equal(hostile.balance(thief.address), 0);
});

// What is no proposal, or is meant to deceive whoever reads it. Half of it to each agent: both have a pace.
const INVALID: Gets = [400, "invalid_field", "reason"];
const MALFORMED: Gets = [400, "malformed_body"];
const said = (reason: unknown): string => JSON.stringify({ operation: plan, reason });
const bodies: [string, Attack["body"], Gets, Attack["headers"]?][] = [
  ["no body", "", MALFORMED],
  ["no JSON", "transfer all", MALFORMED],
  ["a list", `[${JSON.stringify(proposal)}]`, MALFORMED],
  ["a key twice", `{"reason":"a","reason":"b","operation":${JSON.stringify(plan)}}`, MALFORMED],
  ["a deep one", `{"operation":${"[".repeat(4000)}${"]".repeat(4000)},"reason":"x"}`, MALFORMED],
  ["bytes that are no text", new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), MALFORMED],
  ["a form", "reason=x", [415, "unsupported_media_type"], { "content-type": "application/x-www-form-urlencoded" }],
  ["text that is JSON", said("x"), [415, "unsupported_media_type"], { "content-type": "text/plain" }],
  ["more than it may have", said("x".repeat(17_000)), [413, "body_too_large"]],
  [
    "more than a million bytes in pieces",
    Readable.from([Buffer.from(said("x".repeat(1_000_000)))]),
    [413, "body_too_large"],
  ],
  ["a reason of 281 letters", said("x".repeat(281)), INVALID],
  ["text that turns", said("Send 1 SOL to \u202eeciLA"), INVALID],
  ["text with lines of its own", said("Rent.\nApproved by the service."), INVALID],
  ["a terminal's commands", said("\u001b[2J\u001b[1;1H"), INVALID],
  ["text with letters that nobody sees", said("Al\u200bice"), INVALID],
  ["hidden text in tags", said(`Rent${String.fromCodePoint(0xe0061, 0xe0062)}`), INVALID],
  ["a number for a reason", said(7), INVALID],
  ["no reason", JSON.stringify({ operation: plan }), INVALID],
  ["no operation", said("x").replace('"operation"', '"operatiom"'), [400, "invalid_field", "operation"]],
  [
    "an operation that there is not",
    said("x").replace("transfer_sol", "sign_message"),
    [400, "invalid_field", "operation"],
  ],
  [
    "SQL for a recipient",
    said("x").replace(thief.address, "1'); DROP TABLE proposals; --"),
    [400, "invalid_field", "to"],
  ],
  ["a negative amount", said("x").replace('"1"', '"-1"'), [400, "invalid_field", "amount"]],
  ["more than there is in the world", said("x").replace('"1"', '"99999999999"'), [422, "invalid_value", "amount"]],
];
bodies.forEach(([name, body, gets, headers], at) => {
  const by = at % 2 === 0 ? hostile.by : crowded.by;
  battle.all([{ ...post(name, { ...bearer(by.pass), ...headers }, gets), ...(body !== undefined && { body }) }]);
});

battle.attack("a flood is twenty proposals and a number, and nobody else's", async () => {
  const before = await crowded.list();
  const answers = await Promise.all(Array.from({ length: 150 }, () => propose(crowded.by, proposal)));
  const statuses = answers.map(({ status }) => status);
  const taken = statuses.filter((status) => status === 202).length;
  assert.ok(
    statuses.every((status) => [202, 429].includes(status)),
    String(new Set(statuses)),
  );
  assert.ok(
    answers.some(({ headers }) => headers.get("retry-after") === "1"),
    "what comes too fast is not even read",
  );
  const list = await crowded.list();
  assert.ok(list.proposals.length <= 20);
  assert.equal(list.today, before.today + taken);
  assert.equal(list.refusedToday, before.refusedToday + 150 - taken, "each is counted");
  const { asset } = crowded.owned;
  const entries = objectRows(stack, asset, "SELECT entry FROM audit").map(({ entry }) => JSON.parse(entry).event);
  assert.equal(entries.filter((event) => event === "proposals_refused").length, 1, "its audit is not flooded");
  assert.equal((await crowded.owned.status()).state, "running", "its owner is answered");
  const [newest] = list.proposals;
  assert.equal((await crowded.reject(newest?.id ?? "")).status, 204);
});

battle.attack("what was approved is not repeated", async () => {
  const to = (await newWallet()).address;
  const id = await hostile.taken({ ...plan, to, amount: "0.1" });
  const prepared = await hostile.preparedOf(id);
  const signed = await signedBy(owner, prepared.transaction);
  assert.equal((await hostile.send(signed)).status, 202);
  for (let n = 0; n < 3; n += 1) assert.equal((await hostile.send(signed)).status, 202);
  assert.equal(hostile.balance(to), SOL / 10, "the network carries it out once");
  assert.equal((await hostile.askFor(id)).status, 404);
  // The same again is another proposal, for which nobody has signed.
  const again = await hostile.taken({ ...plan, to, amount: "0.1" });
  assert.notEqual(again, id);
  assert.equal(hostile.balance(to), SOL / 10);
  assert.equal((await hostile.reject(again)).status, 204);
});

battle.attack("after all of it what waited waits, nothing has moved, and no log tells the pass", async () => {
  assert.deepEqual(
    (await hostile.list()).proposals.map(({ id }) => id),
    [waiting],
  );
  assert.equal(hostile.balance(thief.address), 0);
  const kept = stack.logs.filter((line) => !line.includes("?pass="));
  for (const secret of [pass, stopped.pass, attackers.pass]) assert.ok(!kept.some((line) => line.includes(secret)));
});

battle.afterwards();
