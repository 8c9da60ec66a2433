// The limits of sign-ins, and ways around them: what a caller says of their address, other spellings and other doors. And
// that nobody can use up what is another's.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import bs58 from "bs58";
import { devWalletAddress } from "../../dev/solana/accounts.ts";
import type { Answer, Headers } from "../support/http.ts";
import { assertProblem } from "../support/problem.ts";
import { Battle, type Sent } from "./support.ts";

const battle = await Battle.on("rates", "c01");
const { victim, attacker } = battle;
const wallet = await devWalletAddress("owner");
const agentHost = new URL((await victim.status()).agentUrl).host;
/** An asset of its own each time, which no limit but that of the address counts. */
const asking = (asset = bs58.encode(randomBytes(32))) => ({ asset, wallet });
/** More than an address may try in a minute, and fewer than an asset allows. */
const FLOOD = 40;
const given: string[] = [];
const newAddress = (): string => {
  given.push(`203.0.113.${given.length + 1}`);
  return given.at(-1) ?? "";
};

function ask(address: string, { headers = {}, ...sent }: Partial<Sent> = {}): Promise<Answer> {
  const all = { "cf-connecting-ip": address, ...headers };
  return battle.send({ method: "POST", path: "/v1/auth/challenge", json: asking(), ...sent, headers: all });
}

function assertLimited(answer: Answer): void {
  assertProblem(answer, 429, "rate_limited");
  assert.match(answer.json().detail, /this address/);
  assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/);
}

/** Floods from an address until that is limited, then asks in the other way; again when a minute ended meanwhile. */
async function limited(address: string, other: () => Promise<Answer>): Promise<void> {
  for (;;) {
    const flood = await Promise.all(Array.from({ length: FLOOD }, () => ask(address)));
    const isLimited = flood.some(({ status }) => status === 429);
    const answer = await other();
    const stillLimited = (await ask(address)).status === 429;
    if (isLimited && stillLimited) return assertLimited(answer);
  }
}

function evades(name: string, sent: Partial<Sent> | ((address: string) => Partial<Sent>)): void {
  battle.attack(name, async () => {
    const address = newAddress();
    const given = typeof sent === "function" ? sent(address) : sent;
    await limited(address, () => ask(address, given));
  });
}

const SAID: Headers[] = [
  { "x-forwarded-for": "198.51.100.1" },
  { "x-forwarded-for": "198.51.100.1, 198.51.100.2, 198.51.100.3" },
  { "x-real-ip": "198.51.100.1" },
  { "true-client-ip": "198.51.100.1" },
  { "x-client-ip": "198.51.100.1" },
  { "x-cluster-client-ip": "198.51.100.1" },
  { forwarded: "for=198.51.100.1" },
  { via: "1.1 198.51.100.1" },
  { "cf-connecting-ipv6": "2001:db8::1" },
  { "cf-pseudo-ipv4": "240.0.0.1" },
  { "x-molt-caller": "{}" },
  { "user-agent": "another" },
];
for (const headers of SAID) evades(`the address said by ${JSON.stringify(headers)}`, { headers });
evades("the same address as one of the other protocol", (address) => ({
  headers: { "cf-connecting-ip": `::ffff:${address}` },
}));
evades("an asset of the attacker's", { json: asking(attacker.asset) });
evades("the victim's asset", { json: asking(victim.asset) });
evades("an asset that there is not", { json: asking("1".repeat(32)) });
evades("another wallet", { json: { ...asking(), wallet: victim.asset } });
evades("a field more", { json: { ...asking(), more: 1 } });
evades("a query more", { path: "/v1/auth/challenge?again" });
evades("the session of an owner", { as: attacker });
evades("no origin of a page's", { headers: { "sec-fetch-site": "cross-site" } });
evades("a body that is none", { json: [] });
evades("the proof's door", { path: "/v1/auth/verify", json: { nonce: "0".repeat(32), signature: "x" } });
evades("the ticket's door", {
  path: "/.edge/enter",
  host: agentHost,
  headers: { origin: `http://${agentHost}` },
  json: undefined,
  body: "0".repeat(64),
});

battle.attack("another address of the same network of the other protocol", async () => {
  const address = (end: string): string => `2001:db8:1:200::${end}`;
  await limited(address("1"), () => ask(address("ffff")));
});
battle.attack("another network of the same subscriber", async () => {
  await limited("2001:db8:2:200::1", () => ask("2001:db8:2:2ff:1:2:3:4"));
});
battle.attack("no address at all, over and over", async () => {
  await limited("not an address", () => ask("another that is none"));
});

/** Asked in time, whatever others do. */
function unharmed(name: string, asset: string): void {
  battle.attack(name, async () => {
    const address = newAddress();
    await limited(address, () => ask(address, { json: asking(victim.asset) }));
    const answer = await ask(newAddress(), { json: asking(asset) });
    assert.equal(answer.status, 201, answer.text);
  });
}
unharmed("a flood at an asset leaves its owner's address free", victim.asset);
unharmed("a flood from an address leaves other domains free", attacker.asset);
battle.attack("a flood leaves sessions that live alone", async () => {
  const address = newAddress();
  await limited(address, () => ask(address));
  const answer = await battle.send({ path: victim.path, as: victim, headers: { "cf-connecting-ip": address } });
  assert.equal(answer.status, 200, answer.text);
});
battle.attack("tries with bodies that are refused count as well", async () => {
  const address = newAddress();
  await limited(address, async () => {
    const other = newAddress();
    for (;;) {
      const answers = await Promise.all(Array.from({ length: FLOOD }, () => ask(other, { json: [] })));
      const refused = answers.find(({ status }) => status === 429);
      if (refused) return refused;
    }
  });
});

battle.afterwards();
