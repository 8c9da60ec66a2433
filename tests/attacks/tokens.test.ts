// Forged, changed and misused tokens, each sent where it would start the victim's agent if it were taken (C05, C06).
import { createHmac, generateKeyPairSync, sign as signAsymmetric } from "node:crypto";
import { Owned } from "../support/agent.ts";
import { AGENT_COOKIE, base64url, claimsOf, nowSeconds, SESSION_COOKIE, sessionId } from "../support/tokens.ts";
import { type Attack, Battle, type Gets } from "./support.ts";

const SEALING_KEY = Buffer.alloc(32, 7).toString("base64");
const PREVIOUS = "the-key-before-this-one-0123456789abcdef";
const HOOK = "the-secret-of-the-webhook-0123456789abcdef";
const battle = await Battle.on("tokens", "c05 c06", {
  secrets: { JWT_SECRET_PREVIOUS: PREVIOUS, SEALING_KEY, SOLANA_WEBHOOK_SECRET: HOOK },
});
const { victim, attacker, stack } = battle;
const elsewhere = await Owned.ofNew(stack, "elsewhere.molt");
battle.begin();
const bought = claimsOf(attacker.client);
const KEY = stack.secrets.JWT_SECRET;
const good = battle.token(victim);
const [header = "", payload = "", signature = ""] = good.split(".");
const { kid } = JSON.parse(Buffer.from(header, "base64url").toString());
const claims = claimsOf(victim.client);
const now = nowSeconds();
const HEADER = { alg: "HS256", typ: "JWT" };

type Hash = "sha256" | "sha384" | "sha512";
const mac = (signed: string, key: string | Buffer, hash: Hash = "sha256"): string =>
  createHmac(hash, key).update(signed).digest("base64url");

/** A token of these texts or bytes; all else is written as JSON. */
function token(head: unknown, body: unknown, key: string | Buffer = KEY, hash: Hash = "sha256"): string {
  const part = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString("base64url") : base64url(value));
  const signed = `${part(head)}.${part(body)}`;
  return `${signed}.${mac(signed, key, hash)}`;
}

const UNAUTHENTICATED: Gets = [401, "unauthenticated"];
function attack(name: string, sent: string, gets: Gets = UNAUTHENTICATED, cookie = SESSION_COOKIE): Attack {
  return { name, method: "POST", path: `${victim.path}/start`, headers: { cookie: `${cookie}=${sent}` }, gets };
}
/** Claims as text, so that they can be what no writer of JSON makes. */
const text = (changed: string): string => `{${changed},${JSON.stringify(claims).slice(1)}`;
const without = (name: keyof typeof claims) => {
  const { [name]: _, ...rest } = claims;
  return rest;
};

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const own = generateKeyPairSync("ed25519");
const publicPem = pair.publicKey.export({ type: "spki", format: "pem" });
const rsa = (head: unknown): string => {
  const signed = `${base64url(head)}.${payload}`;
  return `${signed}.${signAsymmetric("sha256", Buffer.from(signed), pair.privateKey).toString("base64url")}`;
};
const eddsa = (head: unknown): string => {
  const signed = `${base64url(head)}.${payload}`;
  return `${signed}.${signAsymmetric(null, Buffer.from(signed), own.privateKey).toString("base64url")}`;
};

// Algorithms: what a token says of itself decides nothing.
battle.all([
  ...["none", "None", "NONE", "nOnE", ""].map((alg) =>
    attack(`algorithm "${alg}" without a signature`, `${base64url({ alg })}.${payload}.`),
  ),
  attack("algorithm none with the old signature", `${base64url({ alg: "none", kid })}.${payload}.${signature}`),
  attack("algorithm none, signed all the same", token({ alg: "none", kid }, claims)),
  attack("no algorithm", token({ typ: "JWT", kid }, claims)),
  attack("algorithm null", token({ alg: null, kid }, claims)),
  attack("a list of algorithms", token({ alg: ["HS256"], kid }, claims)),
  attack("algorithm in lower case", token({ ...HEADER, alg: "hs256" }, claims)),
  attack("algorithm with a blank", token({ ...HEADER, alg: "HS256 " }, claims)),
  attack("HS384 with the right key", token({ ...HEADER, alg: "HS384" }, claims, KEY, "sha384")),
  attack("HS512 with the right key", token({ ...HEADER, alg: "HS512" }, claims, KEY, "sha512")),
  attack("says HS256, signed as HS512", token(HEADER, claims, KEY, "sha512")),
  attack("says HS512, signed as HS256", token({ ...HEADER, alg: "HS512" }, claims)),
  attack("RS256 of a key of the attacker's", rsa({ alg: "RS256", typ: "JWT" })),
  attack("RS256 that brings its key along", rsa({ alg: "RS256", jwk: pair.publicKey.export({ format: "jwk" }) })),
  attack("RS256 that says where its key is", rsa({ alg: "RS256", jku: "https://evil.example/keys", kid })),
  attack("says HS256, signed as RS256", rsa({ ...HEADER, kid })),
  attack("RS256 signed as HS256, a public key as the secret", token({ alg: "RS256" }, claims, String(publicPem))),
  attack("HS256 with a public key as the secret", token(HEADER, claims, String(publicPem))),
  attack("EdDSA of a key of the attacker's", eddsa({ alg: "EdDSA", typ: "JWT" })),
  attack("says HS256, signed as EdDSA", eddsa(HEADER)),
  attack("says RS256, signed with the right key", token({ ...HEADER, alg: "RS256" }, claims)),
]);

// Keys: each secret of the service opens what it is for and nothing else.
battle.all([
  attack("the empty key", token(HEADER, claims, "")),
  attack("a key of zeros", token(HEADER, claims, Buffer.alloc(32))),
  attack("the key's name as the key", token({ ...HEADER, kid }, claims, kid)),
  attack("the asset as the key", token(HEADER, claims, victim.asset)),
  attack("the right key cut by one", token(HEADER, claims, KEY.slice(0, -1))),
  attack("the right key's bytes", token(HEADER, claims, Buffer.from(KEY, "base64url"))),
  attack("the sealing key", token(HEADER, claims, SEALING_KEY)),
  attack("the sealing key's bytes", token(HEADER, claims, Buffer.alloc(32, 7))),
  attack("the webhook's secret", token(HEADER, claims, HOOK)),
  attack("a provider's key", token(HEADER, claims, stack.secrets.OPENAI_API_KEY)),
  attack("the present key's name, signed with the previous one", token({ ...HEADER, kid }, claims, PREVIOUS)),
  attack("the name of a key that there is not", token({ ...HEADER, kid: "00000000" }, claims)),
  attack("an empty name of a key", token({ ...HEADER, kid: "" }, claims)),
  attack("the present key's name and more", token({ ...HEADER, kid: `${kid}0` }, claims)),
  attack("a name that is a path to nothing", token({ ...HEADER, kid: "../../../dev/null" }, claims, "")),
  attack("a name that is SQL", token({ ...HEADER, kid: "x' UNION SELECT 'k" }, claims, "k")),
  attack("a name that is a number", token({ ...HEADER, kid: 1 }, claims)),
  attack("a name that is a list", token({ ...HEADER, kid: [kid] }, claims)),
]);

// Form: a token has one spelling.
const [asStandard, unusedBits] = [
  Buffer.from(signature, "base64url").toString("base64"),
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
];
const lastAt = unusedBits.indexOf(signature.at(-1) ?? "");
battle.all([
  attack("empty", ""),
  attack("one dot", "."),
  attack("two dots", ".."),
  attack("three dots", "..."),
  attack("without a signature", `${header}.${payload}`),
  attack("with an empty signature", `${header}.${payload}.`),
  attack("without a header", `.${payload}.${signature}`),
  attack("without claims", `${header}..${signature}`),
  attack("the signature cut by one", good.slice(0, -1)),
  attack("the signature cut by half", `${header}.${payload}.${signature.slice(0, 21)}`),
  attack("the signature longer by one", `${good}A`),
  attack("the signature twice", `${good}.${signature}`),
  attack("five parts, as an encrypted one", `${good}.${payload}.${signature}`),
  attack("padded", `${good}=`),
  attack("claims padded", `${header}.${payload}=.${signature}`),
  attack("unused bits of the signature set", good.slice(0, -1) + unusedBits[lastAt ^ 1]),
  attack("the signature in the other base64", `${header}.${payload}.${asStandard}`),
  attack("the signature in hexadecimal", `${header}.${payload}.${Buffer.from(signature, "base64url").toString("hex")}`),
  attack("a blank before", ` ${good}`),
  attack("a blank before the signature", `${header}.${payload}. ${signature}`),
  attack("a tab within", `${header}.\t${payload}.${signature}`),
  attack("in quotes", `"${good}"`),
  attack("as a bearer", `Bearer ${good}`),
  attack("dots encoded", good.replaceAll(".", "%2E")),
  attack("two tokens", `${good},${good}`),
  attack(
    "one bit of the claims",
    `${header}.${payload.slice(0, -2)}${payload.at(-2) === "A" ? "B" : "A"}.${signature}`,
  ),
  attack("parts in another order", `${payload}.${header}.${signature}`),
  attack("upper case", good.toUpperCase()),
  attack(
    "the header of JSON with a blank, not signed",
    `${base64url(` ${JSON.stringify(HEADER)}`)}.${payload}.${signature}`,
  ),
]);

// Headers are read before a signature is looked at.
battle.all([
  attack("a header that is no JSON", `${base64url("{")}.${payload}.${signature}`),
  attack("a header that is a list", `${base64url([])}.${payload}.${signature}`),
  attack(
    "a header nested 200 deep",
    `${base64url(`{"alg":"HS256","x":${"[".repeat(200)}${"]".repeat(200)}}`)}.${payload}.x`,
  ),
  attack("a header that is no UTF-8", `${Buffer.from([0x7b, 0xff, 0xfe, 0x7d]).toString("base64url")}.${payload}.x`),
  attack("a header with an algorithm twice", token('{"alg":"HS256","alg":"none"}', claims)),
  attack("a header of numbers without an end", `${base64url(`{"alg":"HS256","x":${"9".repeat(600)}}`)}.${payload}.x`),
  attack("a header of a kilobyte of nothing", `${base64url(`{${" ".repeat(700)}"alg":"HS256"}`)}.${payload}.x`),
  attack("claims in CBOR, by the header", token({ ...HEADER, cty: "CBOR" }, Buffer.from([0xa0]))),
]);

// Claims, with the right key: what a mistake elsewhere may sign, and what is meant for another place.
battle.all([
  attack("the attacker's own session", battle.token(attacker), [403, "forbidden"]),
  attack("the same owner's session of another domain", battle.token(elsewhere), [403, "forbidden"]),
  attack("the attacker's session, signed for the victim", token(HEADER, { ...bought, sub: victim.asset })),
  attack("the victim's session by the attacker's wallet", token(HEADER, { ...claims, wallet: bought.wallet }), [
    403,
    "forbidden",
  ]),
  attack("for the agent's origin", token(HEADER, { ...claims, aud: "agent" })),
  attack("an agent's pass", token(HEADER, { ...claims, aud: "models" })),
  attack("the agent's cookie at the app", good, UNAUTHENTICATED, AGENT_COOKIE),
  attack("the audience in another case", token(HEADER, { ...claims, aud: "App" })),
  attack("a list of audiences", token(HEADER, { ...claims, aud: ["app"] })),
  attack("no audience", token(HEADER, without("aud"))),
  attack("another issuer", token(HEADER, { ...claims, iss: "multiclaw-edge.evil.example" })),
  attack("issuer null", token(HEADER, { ...claims, iss: null })),
  attack("no subject", token(HEADER, without("sub"))),
  attack("a list of subjects", token(HEADER, { ...claims, sub: [victim.asset] })),
  attack("the subject with a blank", token(HEADER, { ...claims, sub: ` ${victim.asset}` })),
  attack("subject given twice", token(HEADER, text(`"sub":"${attacker.asset}"`))),
  attack("audience given twice", token(HEADER, text(`"aud":"agent"`))),
  attack("end given twice", token(HEADER, text(`"exp":${now - 10}`))),
  attack("session given twice, once by its older name", token(HEADER, text(`"sid":"${sessionId()}"`))),
  attack("ended a second ago", token(HEADER, { ...claims, iat: now - 60, exp: now - 1 })),
  attack("ended in 1970", token(HEADER, { ...claims, iat: 0, exp: 1 })),
  attack("ends before it begins", token(HEADER, { ...claims, iat: now - 5, exp: now - 50 })),
  attack("without an end", token(HEADER, without("exp"))),
  attack("ends never", token(HEADER, text('"x":1').replace(/"exp":\d+/, '"exp":1e300'))),
  attack("ends at the last second there is", token(HEADER, { ...claims, exp: 9_007_199_254_740_991 })),
  attack("its end is a text", token(HEADER, { ...claims, exp: String(claims.exp) })),
  attack("its end is negative", token(HEADER, { ...claims, exp: -1 })),
  attack("lives longer than a week", token(HEADER, { ...claims, exp: (claims.iat ?? 0) + 604_801 + 60 })),
  attack("issued in an hour", token(HEADER, { ...claims, iat: now + 3600, exp: now + 7200 })),
  attack("without a beginning", token(HEADER, without("iat"))),
  attack("not to be used for another hour", token(HEADER, { ...claims, nbf: now + 3600 })),
  attack("a session that never was", token(HEADER, { ...claims, jti: sessionId() })),
  attack("the session in upper case", token(HEADER, { ...claims, jti: String(claims.jti).replace(/./g, "A") })),
  attack("a session that is a path", token(HEADER, { ...claims, jti: "../../sessions/x" })),
  attack("a session that is SQL", token(HEADER, { ...claims, jti: "' OR 1=1; --" })),
  attack("no session", token(HEADER, without("jti"))),
  attack("the tenancy to come", token(HEADER, { ...claims, epoch: (claims.epoch ?? 0) + 1 })),
  attack("a tenancy below zero", token(HEADER, { ...claims, epoch: -1 })),
  attack("a tenancy and a half", token(HEADER, { ...claims, epoch: 0.5 })),
  attack("a tenancy beyond 32 bits", token(HEADER, { ...claims, epoch: 2 ** 32 })),
  attack("claims longer than any of ours", token(HEADER, { ...claims, more: "x".repeat(800) })),
  attack("claims of 60 KB", token(HEADER, { ...claims, more: "x".repeat(30_000) })),
  attack("claims nested 300 deep", token(HEADER, text(`"x":${"[".repeat(150)}${"]".repeat(150)}`))),
  attack("claims that are a list", token(HEADER, [claims])),
  attack("claims that are a text", token(HEADER, '"x"')),
  attack("claims that are nothing", token(HEADER, "{}")),
  attack("claims with more behind them", token(HEADER, `${JSON.stringify(claims)}{}`)),
]);

battle.afterwards();
