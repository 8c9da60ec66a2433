// Bodies that another reader might take for something else, sent with the victim's own cookie to where they would change
// something of theirs: each is refused whole.
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import bs58 from "bs58";
import { devWalletAddress } from "../../dev/solana/accounts.ts";
import type { Headers } from "../support/http.ts";
import { type Attack, Battle, check, type Gets, type Sent, status } from "./support.ts";

const SECRET = randomBytes(32).toString("base64url");
/** `src/input.rs`, `core/src/webhook.rs` */
const [MAX_JSON, MAX_NOTICE] = [64 * 1024, 1024 * 1024];
const battle = await Battle.on("bodies", "c11", { secrets: { SOLANA_WEBHOOK_SECRET: SECRET } });
const { victim, attacker } = battle;
const asset = victim.asset;
const wallet = await devWalletAddress("owner");
const agentHost = new URL((await victim.status()).agentUrl).host;
const [label = ""] = agentHost.split(".");
const secret = `${victim.path}/secrets/openai`;
const settings = `${victim.path}/settings`;
const VALUE = "sk-of-the-attacker-0123456789abcdef";
const MODEL = "anthropic/claude-opus-4-6";
const JSON_TYPE = { "content-type": "application/json" };
const MALFORMED: Gets = [400, "malformed_body"];
const MEDIA: Gets = [415, "unsupported_media_type"];
const LARGE: Gets = [413, "body_too_large"];
const field = (name: string): Gets => [400, "invalid_field", name];

const put = (
  name: string,
  body: string | Uint8Array,
  gets: Gets = MALFORMED,
  headers: Headers = JSON_TYPE,
): Attack => ({
  name,
  method: "PUT",
  path: secret,
  as: victim,
  headers,
  body,
  gets,
});
const choose = (name: string, body: string, gets: Gets): Attack => ({ ...put(name, body, gets), path: settings });

// One key, two values: which of them counts is not for readers to differ about.
const good = JSON.stringify({ value: VALUE });
battle.all([
  put("a key twice", `{"value":"x","value":"${VALUE}"}`),
  put("a key twice, once spelled with an escape", `{"value":"${VALUE}","v\\u0061lue":"x"}`),
  put("a key twice, the same value", `{"value":"${VALUE}","value":"${VALUE}"}`),
  put("a key twice that nobody reads", `{"value":"${VALUE}","x":1,"x":2}`),
  put("the key in another case", `{"Value":"${VALUE}"}`, field("value")),
  put("the key with a blank", `{"value ":"${VALUE}"}`, field("value")),
  put("the key with NUL", `{"value\\u0000":"${VALUE}"}`, field("value")),
  put("the key in letters that look alike", `{"v\u0430lue":"${VALUE}"}`, field("value")),
  put("the key of a prototype", `{"__proto__":{"value":"${VALUE}"}}`, field("value")),
  put("the key of a constructor", `{"constructor":{"prototype":{"value":"${VALUE}"}}}`, field("value")),
  put("the key as a path", `{"a.value":"${VALUE}","/value":"${VALUE}","$.value":"${VALUE}"}`, field("value")),
  put("an object within", `{"body":${good}}`, field("value")),
]);

// What only a lenient reader takes for JSON.
battle.all([
  put("nothing at all", ""),
  put("blanks", " \n\t "),
  put("two objects", `${good}${good}`),
  put("an object per line", `${good}\n${good}`),
  put("an object in a list", `[${good}]`),
  put("an object in a text", JSON.stringify(good)),
  put("a comment", `{"value":/**/"${VALUE}"}`),
  put("a line's comment", `{"value":"${VALUE}"//\n}`),
  put("a comma at the end", `{"value":"${VALUE}",}`),
  put("single quotes", `{'value':'${VALUE}'}`),
  put("a key without quotes", `{value:"${VALUE}"}`),
  put("a prefix against inclusion", `)]}',\n${good}`),
  put("a call, as of JSONP", `callback(${good})`),
  put("NaN", `{"value":"${VALUE}","x":NaN}`),
  put("Infinity", `{"value":"${VALUE}","x":Infinity}`),
  put("a hexadecimal number", `{"value":"${VALUE}","x":0x1}`),
  put("a number with a zero in front", `{"value":"${VALUE}","x":01}`),
  put("a number with a plus", `{"value":"${VALUE}","x":+1}`),
  put("a number beyond all", `{"value":"${VALUE}","x":1e400}`),
  put("a raw control character", `{"value":"${VALUE}\u0001"}`),
  put("a raw line feed", `{"value":"${VALUE}\n"}`),
  put("an escape that there is not", `{"value":"${VALUE}\\x41"}`),
  put("half a surrogate pair", `{"value":"${VALUE}\\ud83d"}`),
  put("the halves the wrong way round", `{"value":"${VALUE}\\ude00\\ud83d"}`),
  put("more closed than opened", `${good}}`),
  put("nested 127 levels and never closed", `{"value":${"[".repeat(127)}`),
  put("nested 200 levels", `{"value":"${VALUE}","x":${"[".repeat(200)}${"]".repeat(200)}}`),
  put("nested 32,000 levels", `{"x":${"[".repeat(32_000)}${"]".repeat(32_000)}}`),
  put("a form", `value=${VALUE}`),
  put("XML", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><value>&e;</value>`),
  put("YAML", `value: ${VALUE}`),
]);

// Bytes.
const around = (bytes: number[]): Buffer =>
  Buffer.concat([Buffer.from(`{"value":"${VALUE}`), Buffer.from(bytes), Buffer.from('"}')]);
battle.all([
  put("a byte order mark", `\ufeff${good}`),
  put("UTF-16, little end first", Buffer.from(good, "utf16le")),
  put("UTF-16 with its mark", Buffer.from(`\ufeff${good}`, "utf16le")),
  put("UTF-16 by the media type", Buffer.from(good, "utf16le"), MALFORMED, {
    "content-type": "application/json; charset=utf-16le",
  }),
  put("UTF-7 by the media type", "+AHsAIg-value+ACI:+ACI-x+ACIAfQ-", MALFORMED, {
    "content-type": "application/json; charset=utf-7",
  }),
  put("a byte that is no UTF-8", around([0xff])),
  put("a letter spelled too long", around([0xc1, 0x81])),
  put("NUL spelled too long", around([0xc0, 0x80])),
  put("surrogates as bytes", around([0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80])),
  put("beyond Unicode", around([0xf4, 0x90, 0x80, 0x80])),
  put("cut off within a letter", around([0xe2, 0x82])),
  put("compressed, and saying so", gzipSync(good), MALFORMED, { ...JSON_TYPE, "content-encoding": "gzip" }),
]);

// Media types that a page can send without being asked for, or that mean something else.
battle.all([
  ...[
    "text/plain",
    "text/plain; application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=application/json",
    "text/json",
    "application/problem+json",
    "application/vnd.api+json",
    "application/x-ndjson",
    "application/json5",
    "application/json, text/plain",
    "text/plain, application/json",
    "application/ json",
    "application",
    "*/*",
    "",
  ].map((type) => put(`media type "${type}"`, good, MEDIA, { "content-type": type })),
  put("no media type", good, MEDIA, {}),
]);

// Sizes.
battle.all([
  put("a value of 70 KB", JSON.stringify({ value: "x".repeat(70_000) }), LARGE),
  put("70 KB of blanks around a good one", `${" ".repeat(70_000)}${good}`, LARGE),
  put(
    "70 KB of keys",
    JSON.stringify(Object.fromEntries(Array.from({ length: 7000 }, (_, at) => [`key${at}`, 1]))),
    LARGE,
  ),
  put("a million bytes", "x".repeat(1_000_000), LARGE),
  put("a number of 60,000 digits", `{"value":${"9".repeat(60_000)}}`),
  put("a list of 30,000", `{"value":[${"1,".repeat(29_999)}1]}`, field("value")),
]);

// Sizes of what goes in chunks and tells no length, at each door that reads a body. A little beyond is enough: it is counted.
const origin = `http://${agentHost}`;
const zstd = { "content-type": "application/zstd", "repr-digest": `sha-256=:${"A".repeat(43)}=:` };
const DOORS: [string, Sent, number, Gets][] = [
  ["a challenge", { path: "/v1/auth/challenge", headers: JSON_TYPE }, MAX_JSON, LARGE],
  ["a proof", { path: "/v1/auth/verify", headers: JSON_TYPE }, MAX_JSON, LARGE],
  ["a key", { method: "PUT", path: secret, headers: JSON_TYPE, as: victim }, MAX_JSON, LARGE],
  ["settings", { method: "PUT", path: settings, headers: JSON_TYPE, as: victim }, MAX_JSON, LARGE],
  ["a ticket", { path: "/.edge/enter", host: agentHost, headers: { origin } }, MAX_JSON, LARGE],
  ["a notice", { path: "/hooks/solana", headers: { ...JSON_TYPE, authorization: SECRET } }, MAX_NOTICE, LARGE],
  ["an archive", { path: `${victim.path}/snapshots`, headers: zstd, as: victim }, 1000, field("content-length")],
];
for (const [name, sent, most, gets] of DOORS)
  battle.attack(`no length told: ${name}`, async () => {
    const pieces = Array.from({ length: 9 }, () => Buffer.alloc(Math.floor(most / 8), " "));
    check(await battle.send({ method: "POST", ...sent, body: Readable.from(pieces) }), gets);
  });

// Values of other types than the one that is read.
battle.all([
  ...[null, true, 0, [], {}, [VALUE], { value: VALUE }, { toString: VALUE }].map((value) =>
    put(`the value ${JSON.stringify(value)}`, JSON.stringify({ value }), field("value")),
  ),
  choose("a model in a list", JSON.stringify({ model: [MODEL] }), field("model")),
  choose("a model in an object", JSON.stringify({ model: { $ne: null } }), field("model")),
  choose("a model that is false", JSON.stringify({ model: false }), field("model")),
  choose("no known setting", JSON.stringify({ models: MODEL }), field("model")),
  choose("a good model and bad providers", JSON.stringify({ model: MODEL, keyless: ["openai", 1] }), field("keyless")),
  choose("providers as an object", JSON.stringify({ model: MODEL, keyless: { 0: "openai" } }), field("keyless")),
  choose("a provider that there is not", JSON.stringify({ model: MODEL, keyless: ["telegram"] }), field("keyless")),
]);

// Addresses in base58: one spelling each.
const ask = (name: string, body: Record<string, unknown>, gets: Gets): Attack => ({
  name: `address: ${name}`,
  method: "POST",
  path: "/v1/auth/challenge",
  json: { asset, wallet, ...body },
  gets,
});
const bytes = Buffer.from(bs58.decode(asset));
battle.all([
  ask("a zero byte in front", { asset: `1${asset}` }, field("asset")),
  ask("one byte more", { asset: bs58.encode(Buffer.concat([bytes, Buffer.of(0)])) }, field("asset")),
  ask("one byte less", { asset: bs58.encode(bytes.subarray(1)) }, field("asset")),
  ask("zero for o", { asset: asset.replace(/.$/, "0") }, field("asset")),
  ask("a capital O", { asset: asset.replace(/.$/, "O") }, field("asset")),
  ask("a capital I", { asset: asset.replace(/.$/, "I") }, field("asset")),
  ask("a small L", { asset: asset.replace(/.$/, "l") }, field("asset")),
  ask("a letter of another script", { asset: asset.replace(/.$/, "\u0430") }, field("asset")),
  ask("a letter of full width", { asset: asset.replace(/.$/, "\uff21") }, field("asset")),
  ask("a combining mark", { asset: `${asset}\u0301` }, field("asset")),
  ask("a mark of direction", { asset: `\u202e${asset}` }, field("asset")),
  ask("a joiner of no width", { asset: `${asset.slice(0, 9)}\u200d${asset.slice(9)}` }, field("asset")),
  ask("hexadecimal", { asset: bytes.toString("hex") }, field("asset")),
  ask("base64", { asset: bytes.toString("base64") }, field("asset")),
  ask("its host's label", { asset: label }, field("asset")),
  ask("two of them", { asset: `${asset},${attacker.asset}` }, field("asset")),
  ask("a list of one", { asset: [asset] }, field("asset")),
  ask("a wallet with a chain in front", { wallet: `solana:${wallet}` }, field("wallet")),
  ask("a wallet as a URL", { wallet: `solana:pay/${wallet}` }, field("wallet")),
  ask("a wallet of Ethereum", { wallet: `0x${"ab".repeat(20)}` }, field("wallet")),
  ask("a wallet of 60,000 digits", { wallet: "1".repeat(60_000) }, field("wallet")),
  ask("a name in place of a wallet", { wallet: "owner" }, field("wallet")),
]);

battle.attack("the same value in another spelling is the control of these", async () => {
  const answer = await battle.send({ method: "POST", path: "/v1/auth/challenge", json: { wallet, asset, more: [] } });
  status(201)(answer);
});

battle.afterwards();
