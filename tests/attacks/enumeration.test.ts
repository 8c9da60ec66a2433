// Who asks about what is not theirs learns nothing: not whether there is such an agent, nor whose it is, nor in which state
// (C04, C06). Each answer is, in status, headers and body, the one about an asset that there is not at all.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import bs58 from "bs58";
import { devAccounts, devAssetAddress, devKeypair } from "../../dev/solana/accounts.ts";
import { Owned } from "../support/agent.ts";
import type { Answer } from "../support/http.ts";
import { challenge, verify } from "../support/login.ts";
import { sessionId } from "../support/tokens.ts";
import { Battle, check } from "./support.ts";

const battle = await Battle.on("enumeration", "c04 c06");
const { victim, attacker, stack } = battle;
const { collection, wallets } = await devAccounts();
const buyer = await devKeypair("buyer");
const mint = async (name: string, more: Record<string, unknown> = {}): Promise<string> => {
  const asset = await devAssetAddress(name);
  stack.rpc.control.mint({ asset, name, owner: wallets.owner, ...more });
  return asset;
};
const running = await Owned.ofNew(stack, "running.molt");
await running.start();
const burned = await mint("burned.molt");
stack.rpc.control.burn(burned);
const sold = await Owned.ofNew(stack, "sold.molt", "owner");
const ASSETS: [string, string][] = [
  ["an agent that sleeps", victim.asset],
  ["an agent that runs", running.asset],
  ["a domain that nobody signed in to", await mint("quiet.molt")],
  [
    "a domain of another collection",
    await mint("other.molt", { collection: await devAssetAddress("another collection") }),
  ],
  ["a domain of no collection", await mint("alone.molt", { collection: null })],
  ["a domain that was burned", burned],
  ["a domain that its owner signed in to", sold.asset],
  ["the collection", collection],
  ["a wallet", wallets.owner],
  ["the attacker's own wallet", wallets.buyer],
  ["the system's program", "1".repeat(32)],
];
const nobodys = bs58.encode(randomBytes(32));
const ROUTES: [string, string, unknown?][] = [
  ["GET", ""],
  ["POST", "/start"],
  ["POST", "/open"],
  ["GET", "/events"],
  ["GET", "/secrets"],
  ["DELETE", "/channels/slack/people/U0FRIEND"],
  ["PUT", "/secrets/openai", { value: "sk-of-the-attacker-0123456789abcdef" }],
  ["GET", "/snapshots"],
];
const [{ id: session }] = (await victim.client.get("/v1/auth/sessions")).json().sessions;
const [snapshot] = await victim.snapshots();
const mine = attacker.path;
battle.begin();

/** RFC 4648, in lower case and without padding, as hosts of agents have it. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(group.padEnd(5, "0"), 2)]).join("");
}

/** Of an answer, all that its caller sees but the moment. */
function seen({ status, headers, text }: Answer): unknown {
  const { date: _date, ...rest } = headers;
  return { status, headers: rest, text };
}

for (const [name, asset] of ASSETS) {
  battle.attack(`${name}, to another owner`, async () => {
    for (const [method, path, json] of ROUTES) {
      const ask = (asset: string) => battle.send({ method, path: `/v1/agents/${asset}${path}`, json, as: attacker });
      const answer = await ask(asset);
      check(answer, [403, "forbidden"]);
      assert.deepEqual(seen(answer), seen(await ask(nobodys)), `${method} ${path}`);
    }
  });
  battle.attack(`${name}, to nobody`, async () => {
    for (const [method, path, json] of ROUTES) {
      const ask = (asset: string) => battle.send({ method, path: `/v1/agents/${asset}${path}`, json });
      const answer = await ask(asset);
      check(answer, [401, "unauthenticated"]);
      assert.deepEqual(seen(answer), seen(await ask(nobodys)), `${method} ${path}`);
    }
  });
  battle.attack(`${name}, by its host`, async () => {
    for (const [method, path] of [
      ["GET", "/"],
      ["GET", "/.edge/status"],
      ["GET", "/.edge/enter"],
      ["POST", "/.edge/enter"],
    ] as const) {
      const ask = (asset: string) => {
        const host = `${base32(bs58.decode(asset))}.${stack.agentDomain}`;
        const headers = { origin: method === "POST" ? `http://${host}` : [] };
        return battle.send({ method, path, host, headers, ...(method === "POST" && { body: "0".repeat(64) }) });
      };
      assert.deepEqual(seen(await ask(asset)), seen(await ask(nobodys)), `${method} ${path}`);
    }
  });
  battle.attack(`${name}, by a challenge`, async () => {
    // Each has a nonce and times of its own.
    const made = await challenge(stack.client(), asset, wallets.buyer);
    const other = await challenge(stack.client(), nobodys, wallets.buyer);
    const plain = (text: string, { nonce, issuedAt, expiresAt }: typeof made, asset: string): string =>
      [nonce, issuedAt, expiresAt, wallets.buyer, asset].reduce((rest, part) => rest.replaceAll(part, ""), text);
    assert.equal(plain(made.message, made, asset), plain(other.message, other, nobodys));
    assert.deepEqual(Object.keys(made), Object.keys(other));
  });
  battle.attack(`${name}, by a proof of another's`, async () => {
    const tried = async (asset: string): Promise<Answer> => {
      const client = stack.client();
      return verify(client, await challenge(client, asset, buyer.address), buyer);
    };
    const answer = await tried(asset);
    check(answer, [403, "forbidden"]);
    assert.deepEqual(seen(answer), seen(await tried(nobodys)));
  });
}

// Of what belongs to others by a name of its own.
for (const [name, method, there, nowhere] of [
  ["a session of another's", "DELETE", `/v1/auth/sessions/${session}`, `/v1/auth/sessions/${sessionId()}`],
  ["an archive of another's", "GET", `${mine}/snapshots/${snapshot?.id}`, `${mine}/snapshots/${sessionId()}`],
  [
    "deleting an archive of another's",
    "DELETE",
    `${mine}/snapshots/${snapshot?.id}`,
    `${mine}/snapshots/${sessionId()}`,
  ],
  [
    "restoring an archive of another's",
    "POST",
    `${mine}/snapshots/${snapshot?.id}/restore`,
    `${mine}/snapshots/${sessionId()}/restore`,
  ],
] as const) {
  battle.attack(name, async () => {
    const answer = await battle.send({ method, path: there, as: attacker });
    check(answer, [404, "not_found"]);
    assert.deepEqual(seen(answer), seen(await battle.send({ method, path: nowhere, as: attacker })));
  });
}
battle.attack("a nonce that is somebody's", async () => {
  const made = await challenge(stack.client(), victim.asset, wallets.owner);
  const tried = (nonce: string) => verify(stack.client(), { ...made, nonce }, buyer);
  // A live one is told from one that there is not, to whom has it: 128 random bits.
  check(await tried(made.nonce), [401, "signature_invalid"]);
  check(await tried(made.nonce), [401, "challenge_invalid"]);
  check(await tried(sessionId()), [401, "challenge_invalid"]);
});

battle.afterwards();
