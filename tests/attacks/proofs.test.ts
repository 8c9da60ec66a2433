// Proofs that do not prove it: replayed, for something else, by somebody else, or of a text that only looks like ours
// (C02, C03). Each would make a session of the victim's if it were taken.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import bs58 from "bs58";
import { type DevKeypair, devAssetAddress, devKeypair } from "../../dev/solana/accounts.ts";
import { ROOT } from "../../dev/stack.ts";
import type { Answer } from "../support/http.ts";
import { buildText, type Challenge, challenge, envelope, verify } from "../support/login.ts";
import { memo, signed } from "../support/memo.ts";
import { Battle, check, type Gets, status } from "./support.ts";

const battle = await Battle.on("proofs", "c02 c03");
const { victim, attacker, stack } = battle;
const owner = await devKeypair("owner");
const buyer = await devKeypair("buyer");
const utf8 = (text: string): Buffer => Buffer.from(text);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const INVALID: Gets = [401, "signature_invalid"];
const SPENT: Gets = [401, "challenge_invalid"];
const field = (name: string): Gets => [400, "invalid_field", name];

const asked = (asset = victim.asset, wallet = owner.address): Promise<Challenge> =>
  challenge(stack.client(), asset, wallet);
const send = (body: Record<string, unknown>): Promise<Answer> => stack.client().post("/v1/auth/verify", body);

/** Made with the wallets' own library, and attacks on it. */
interface Vector {
  name: string;
  public_key: string;
  signature_base58: string;
  signed_message_base64: string;
}
const { vectors }: { vectors: Vector[] } = JSON.parse(
  readFileSync(join(ROOT, "tests/vectors/siws-vectors.json"), "utf8"),
);
/** By wallet, an asset of its own. */
const assets = new Map<string, string>();
for (const wallet of new Set(vectors.map(({ public_key }) => public_key))) {
  const name = `of-${wallet}.molt`;
  assets.set(wallet, await devAssetAddress(name));
  stack.rpc.control.mint({ asset: assets.get(wallet) ?? "", name, owner: wallet });
}

const by = async (wallet: DevKeypair, bytes: string) => ({ signature: bs58.encode(await wallet.sign(utf8(bytes))) });
const spent = await asked();
assert.equal((await verify(stack.client(), spent, owner)).status, 200, "what is replayed was good");
const failed = await asked();
check(await verify(stack.client(), failed, buyer), INVALID);
const kept = await asked();
battle.begin();

/** A body of the victim's fresh challenge. */
function attack(name: string, body: (made: Challenge) => Promise<Record<string, unknown>>, gets: Gets): void {
  battle.attack(name, async () => {
    const made = await asked();
    check(await send({ nonce: made.nonce, ...(await body(made)) }), gets);
  });
}

/** Bytes that the victim was made to sign, in place of what was asked. */
function text(name: string, change: (made: Challenge) => string | Uint8Array): void {
  attack(
    name,
    async (made) => {
      const bytes = Buffer.from(change(made) as string);
      return { signature: bs58.encode(await owner.sign(bytes)), signedMessage: base64(bytes) };
    },
    INVALID,
  );
}

/** Something done to the right signature. */
function signature(name: string, change: (right: Buffer) => unknown, gets: Gets = INVALID): void {
  attack(name, async ({ message }) => ({ signature: change(Buffer.from(await owner.sign(utf8(message)))) }), gets);
}

// Every vector that other implementations were tested with, most of which a wallet's own library takes, under a live nonce.
for (const vector of vectors) {
  battle.attack(`vector ${vector.name}`, async () => {
    const wallet = vector.public_key;
    const made = await asked(assets.get(wallet), wallet);
    const { signature_base58, signed_message_base64 } = vector;
    check(
      await send({ nonce: made.nonce, signature: signature_base58, signedMessage: signed_message_base64 }),
      INVALID,
    );
  });
}

// Texts that a person, or a lenient reader, takes for the one that was asked.
text("a line feed at the end", ({ message }) => `${message}\n`);
text("a line feed at the beginning", ({ message }) => `\n${message}`);
text("a blank at the end", ({ message }) => `${message} `);
text("NUL at the end", ({ message }) => `${message}\0`);
text("CRLF between lines", ({ message }) => message.replaceAll("\n", "\r\n"));
text("CR between lines", ({ message }) => message.replaceAll("\n", "\r"));
text("a byte order mark", ({ message }) => `\ufeff${message}`);
text("UTF-16", ({ message }) => Buffer.from(message, "utf16le"));
text("a blank that does not break", ({ message }) => message.replace(" wants", "\u00a0wants"));
text("two blanks", ({ message }) => message.replace("Nonce: ", "Nonce:  "));
text("no blank", ({ message }) => message.replace("Nonce: ", "Nonce:"));
text("labels in lower case", ({ message }) => message.replace("URI:", "uri:"));
text("fields in another order", ({ message }) => message.replace(/(Version: 1)\n(Chain ID: \w+)/, "$2\n$1"));
text("the nonce twice", ({ message }) => message.replace(/(Nonce: \w+)/, "$1\n$1"));
text("two nonces", ({ message }) => message.replace(/(Nonce: )(\w+)/, `$1${"0".repeat(32)}\n$1$2`));
text("an empty list of resources", ({ message }) => `${message}\nResources:`);
text("a field that there is not", ({ message }) => `${message}\nScope: all`);
text("no blank line before the fields", ({ message }) => message.replace("\n\nURI", "\nURI"));
text("one more blank line", ({ message }) => message.replace("\n\nURI", "\n\n\nURI"));
text("a statement with a field in it", ({ message }) =>
  message.replace("\n\nURI", "\nURI: http://evil.example\n\nURI"),
);
text("a statement in front that hides the rest", ({ message }) => `Hello!\n\n${message}`);
text("nothing but the nonce", ({ nonce }) => nonce);
text("nothing", () => "");
text("the sign-in input as JSON", ({ input }) => JSON.stringify(input));
text("the domain in upper case", ({ input }) => buildText({ ...input, domain: String(input.domain).toUpperCase() }));
text("the domain with a dot at the end", ({ message }) => message.replace(/^localhost/, "localhost."));
text("the domain in letters that look alike", ({ message }) => message.replace(/^localhost/, "l\u043ecalhost"));
text("the domain with a user in front", ({ message }) => message.replace(/^localhost/, "evil@localhost"));
text("the domain as a part of another", ({ message }) => message.replace(/^localhost/, "localhost.evil.example"));
text("the URI with a slash", ({ input }) => buildText({ ...input, uri: `${input.uri}/` }));
text("the URI with a user", ({ input }) => buildText({ ...input, uri: String(input.uri).replace("//", "//evil@") }));
text("the chain by its full name", ({ input }) => buildText({ ...input, chainId: "solana:localnet" }));
text("another chain", ({ input }) => buildText({ ...input, chainId: "devnet" }));
text("the version with a fraction", ({ input }) => buildText({ ...input, version: "1.0" }));
text("the nonce in upper case", ({ input, nonce }) => buildText({ ...input, nonce: nonce.replace(/./g, "A") }));
text("the nonce cut by one", ({ input, nonce }) => buildText({ ...input, nonce: nonce.slice(1) }));
text("the time in another zone's form", ({ message }) => message.replace(/(Issued At: .*)Z/, "$1+00:00"));
text("the time without milliseconds", ({ message }) => message.replace(/(Issued At: .*)\.\d+Z/, "$1Z"));
text("an end an hour later", ({ input, expiresAt }) =>
  buildText({ ...input, expirationTime: new Date(Date.parse(expiresAt) + 3_600_000).toISOString() }),
);
text("another asset as the request", ({ input }) => buildText({ ...input, requestId: attacker.asset }));
text("a statement about another asset", ({ input }) =>
  buildText({ ...input, statement: String(input.statement).replace(victim.asset, attacker.asset) }),
);

// Envelopes.
const raw = (...bytes: (number[] | Uint8Array)[]): Buffer => Buffer.concat(bytes.map((part) => Buffer.from(part)));
const MARK = raw([0xff], utf8("solana offchain"));
const length16 = (text: string): number[] => [utf8(text).length & 0xff, utf8(text).length >> 8];
text("an envelope for two", ({ message }) =>
  raw(MARK, [0], new Uint8Array(32), [0, 2], owner.publicKey, buyer.publicKey, length16(message), utf8(message)),
);
text("an envelope for nobody", ({ message }) =>
  raw(MARK, [0], new Uint8Array(32), [0, 0], length16(message), utf8(message)),
);
text("an envelope of version 1 for two", ({ message }) =>
  raw(MARK, [1, 2], owner.publicKey, buyer.publicKey, utf8(message)),
);
text("an envelope of version 2", ({ message }) => raw(MARK, [2, 1], owner.publicKey, utf8(message)));
text("an envelope of format 3", ({ message }) => raw(MARK, [0, 3], length16(message), utf8(message)));
text("an envelope in an envelope", ({ message }) => raw(MARK, [1, 1], owner.publicKey, envelope.legacy(message)));
text("an envelope's length too short", ({ message }) => raw(MARK, [0, 0], length16(message.slice(1)), utf8(message)));
text("an envelope's length too long", ({ message }) => raw(MARK, [0, 0], length16(`${message}x`), utf8(message)));
text("the mark alone", () => MARK);
text("the mark spelled otherwise", ({ message }) =>
  raw([0xfe], utf8("solana offchain"), [0, 0], length16(message), utf8(message)),
);

// Signatures.
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const number = (bytes: Buffer): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
const bytes32 = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, "0"), "hex").reverse();
const flipped = (right: Buffer, at: number): string => {
  const changed = Buffer.from(right);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return bs58.encode(changed);
};
const identity = Buffer.alloc(32);
identity[0] = 1;
const withS = (right: Buffer, s: bigint): string => bs58.encode(raw(right.subarray(0, 32), bytes32(s)));
signature("one bit of R", (right) => flipped(right, 0));
signature("the sign of R", (right) => {
  const changed = Buffer.from(right);
  changed[31] = (changed[31] ?? 0) ^ 0x80;
  return bs58.encode(changed);
});
signature("one bit of S", (right) => flipped(right, 32));
signature("S and the group's order", (right) => withS(right, number(right.subarray(32)) + L));
signature("S and eight times the order", (right) => withS(right, number(right.subarray(32)) + 8n * L));
signature("S zero", (right) => withS(right, 0n));
signature("all zeros", () => bs58.encode(new Uint8Array(64)));
signature("all ones", () => bs58.encode(new Uint8Array(64).fill(0xff)));
signature("the neutral element and zero", () => bs58.encode(raw(identity, new Uint8Array(32))));
signature("R and S exchanged", (right) => bs58.encode(raw(right.subarray(32), right.subarray(0, 32))));
signature("63 bytes", (right) => bs58.encode(right.subarray(1)), field("signature"));
signature("65 bytes", (right) => bs58.encode(raw(right, [0])), field("signature"));
signature("65 bytes of which the first is zero", (right) => `1${bs58.encode(right)}`, field("signature"));
signature("in hexadecimal", (right) => right.toString("hex"), field("signature"));
signature("in base64", (right) => right.toString("base64"), field("signature"));
signature("as a list of bytes", (right) => [...right], field("signature"));
signature("as bytes by number", (right) => ({ ...right }), field("signature"));
signature("with a blank behind it", (right) => `${bs58.encode(right)} `, field("signature"));
signature("with a line feed before it", (right) => `\n${bs58.encode(right)}`, field("signature"));
signature("with zero for one", (right) => bs58.encode(right).replace(/.$/, "0"), field("signature"));
signature("with l for 1", (right) => bs58.encode(right).replace(/.$/, "l"), field("signature"));
signature("with a digit of another script", (right) => bs58.encode(right).replace(/.$/, "\uff11"), field("signature"));
signature("larger than 64 bytes hold", () => "z".repeat(88), field("signature"));
signature("twice", (right) => bs58.encode(raw(right, right)), field("signature"));

// By whom, over what, and when.
attack("the attacker's over the victim's challenge", ({ message }) => by(buyer, message), INVALID);
attack("the victim's over another of their challenges", async () => by(owner, kept.message), INVALID);
attack("the victim's over the nonce alone", ({ nonce }) => by(owner, nonce), INVALID);
attack(
  "signed bytes that are not those sent",
  async ({ message }) => ({
    ...(await by(owner, message)),
    signedMessage: base64(utf8(`${message}\n`)),
  }),
  INVALID,
);
attack(
  "signed bytes as a URL of data",
  async ({ message }) => ({
    ...(await by(owner, message)),
    signedMessage: `data:text/plain;base64,${base64(utf8(message))}`,
  }),
  field("signedMessage"),
);
attack(
  "signed bytes in lines, as of mail",
  async ({ message }) => ({
    ...(await by(owner, message)),
    signedMessage: base64(utf8(message)).replace(/.{76}/g, "$&\r\n"),
  }),
  field("signedMessage"),
);
attack(
  "a signature and a transaction",
  async ({ message, transaction }) => ({
    ...(await by(owner, message)),
    transaction,
  }),
  field("signature"),
);
attack("the transaction as it was given, not signed", async ({ transaction }) => ({ transaction }), INVALID);
attack(
  "a transaction of the attacker's with the victim's text",
  async ({ message }) => ({
    transaction: base64(await signed({ payer: buyer.address, instructions: [memo(message)] }, buyer)),
  }),
  INVALID,
);
attack(
  "the signature over the text put into the transaction",
  async ({ message, transaction }) => {
    const unsigned = Buffer.from(transaction, "base64");
    return { transaction: base64(raw([1], await owner.sign(utf8(message)), unsigned.subarray(65))) };
  },
  INVALID,
);
attack(
  "the transaction's signature over the text",
  async ({ transaction }) => ({
    signature: bs58.encode(await owner.sign(new Uint8Array(Buffer.from(transaction, "base64").subarray(65)))),
  }),
  INVALID,
);

battle.attack("the same proof a second time", async () => check(await verify(stack.client(), spent, owner), SPENT));
battle.attack("the same proof a third time, ten at once", async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => verify(stack.client(), spent, owner)));
  for (const answer of answers) check(answer, SPENT);
});
battle.attack("a good proof after a bad one of the same nonce", async () =>
  check(await verify(stack.client(), failed, owner), SPENT),
);
battle.attack("a spent nonce in place of a live one's", async () => {
  const made = await asked();
  check(await verify(stack.client(), { ...made, nonce: spent.nonce }, owner), SPENT);
});
battle.attack("the attacker's own wallet for the victim's asset", async () => {
  const made = await asked(victim.asset, buyer.address);
  check(await verify(stack.client(), made, buyer), [403, "forbidden"]);
});
battle.attack("the victim's wallet for the attacker's asset", async () => {
  const made = await asked(attacker.asset, owner.address);
  check(await verify(stack.client(), made, owner), [403, "forbidden"]);
});
battle.attack("an asset and a wallet named at the end", async () => {
  const made = await asked(attacker.asset, buyer.address);
  const body = { nonce: made.nonce, ...(await by(buyer, made.message)), asset: victim.asset, wallet: owner.address };
  const answer = await send(body);
  assert.deepEqual([answer.status, answer.json().asset, answer.json().wallet], [200, attacker.asset, buyer.address]);
});

for (const [name, change] of [
  ["upper case", (nonce: string) => nonce.toUpperCase().replace(/^./, "A")],
  ["a blank", (nonce: string) => ` ${nonce}`],
  ["one digit less", (nonce: string) => nonce.slice(1)],
  ["one digit more", (nonce: string) => `${nonce}0`],
  ["its key in the store", (nonce: string) => `challenge:${nonce}`],
  ["a path to it", (nonce: string) => `./${nonce}`],
  ["NUL behind it", (nonce: string) => `${nonce}\0`],
  ["digits of another script", (nonce: string) => nonce.replace(/^./, "\uff11")],
  ["a pattern", () => "*".repeat(32)],
] as const) {
  battle.attack(`the nonce as ${name}`, async () => {
    const made = await asked();
    check(await send({ nonce: change(made.nonce), ...(await by(owner, made.message)) }), field("nonce"));
  });
}
battle.attack("the nonce as a list", async () => {
  const made = await asked();
  check(await send({ nonce: [made.nonce], ...(await by(owner, made.message)) }), field("nonce"));
});
battle.attack("a nonce that was never given", async () => {
  const made = await asked();
  check(await send({ nonce: "0".repeat(32), ...(await by(owner, made.message)) }), SPENT);
});
battle.attack("a challenge in somebody's name", async () => {
  const answer = await stack.client().post("/v1/auth/challenge", { asset: victim.asset, wallet: owner.address });
  status(201)(answer);
});

battle.afterwards();
