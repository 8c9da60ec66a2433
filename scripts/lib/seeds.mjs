// What fuzzing starts from: the test vectors in the form that each target reads, and examples of what has no vectors.

import { hkdfSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromRoot } from "./project.mjs";

/** @typedef {Buffer | string} Seed */

/** @param {string} name */
const vectors = (name) => JSON.parse(readFileSync(fromRoot(`tests/vectors/${name}.json`), "utf8"));
/** @param {string} text */
const fromBase64 = (text) => Buffer.from(text, "base64");

/** @returns {Seed[]} */
const signedBytes = () =>
  vectors("siws-vectors").vectors.map((/** @type {{signed_message_base64: string}} */ { signed_message_base64 }) =>
    fromBase64(signed_message_base64),
  );

/** @typedef {{owner_program: string, data_base64: string, lamports: number, executable: boolean}} Account */

/** @returns {(Account | null)[]} */
const accounts = () =>
  vectors("core-fixtures").fixtures.map((/** @type {{account: Account | null}} */ { account }) => account);

/** @param {Account | null} account */
function answer(account) {
  const value = account && {
    data: [account.data_base64, "base64"],
    executable: account.executable,
    lamports: account.lamports,
    owner: account.owner_program,
    rentEpoch: 18446744073709551615n,
    space: fromBase64(account.data_base64).length,
  };
  const result = { context: { apiVersion: "3.1.2", slot: 388_000_000 }, value };
  // As providers write it: the largest of the 64-bit numbers.
  const text = (/** @type {unknown} */ of) => (typeof of === "bigint" ? "u64::MAX" : of);
  return JSON.stringify({ jsonrpc: "2.0", id: 1, result }, (_, of) => text(of)).replace(
    '"u64::MAX"',
    "18446744073709551615",
  );
}

/** The key of the target `token`, and how tokens name it. */
const KEY = "0123456789abcdef0123456789abcdef";
const KID = Buffer.from(hkdfSync("sha256", KEY, "", "molt session key name", 4)).toString("hex");
const HEADER = JSON.stringify({ alg: "HS256", typ: "JWT", kid: KID });
const CLAIMS = {
  iss: "multiclaw-edge",
  sub: "85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6",
  aud: "app",
  jti: "02".repeat(16),
  wallet: "2rsDK346A2DPxKk1QEe5Y29huaXucV9kDQWe9J4dLVMy",
  epoch: 1,
  iat: 1_768_478_400,
  exp: 1_768_480_000,
};
/** As tokens were at first. */
const { sub, aud, iat, exp } = CLAIMS;
const FIRST_CLAIMS = { sub, aud, sid: CLAIMS.jti, wal: CLAIMS.wallet, iat, exp };

/** What comes to a door of the targets `slack` and `discord`: two headers, and a body. @param {unknown} body */
const sent = (body) => `${CLAIMS.iat + 60}\nv0=${"00".repeat(32)}\n${JSON.stringify(body)}`;
const SAID = {
  type: "message",
  channel_type: "im",
  user: "U0FRIEND",
  channel: "D0FRIEND",
  text: "hi",
  ts: "1768478400.000100",
};
/** @param {object} event */
const slackEvent = (event) => ({
  type: "event_callback",
  event_id: "Ev1",
  team_id: "T0SEED",
  event: { ...SAID, ...event },
});
const ASKED = {
  type: 2,
  id: "1234567890123456789",
  application_id: "41771983423143938",
  token: "aW50-_.x",
  channel_id: "41771983423143937",
  user: { id: "4242", username: "friend", global_name: "Friend" },
  data: { name: "ask", options: [{ name: "text", value: "hi" }] },
};

const CORE = "CoREENxT6tW1HoK8ypY1SxRMZTcVPm7R94rH4PZNhX7d";

/** By target. @type {Record<string, () => Seed[]>} */
const SEEDS = {
  siws: signedBytes,
  proof: signedBytes,
  asset: () => accounts().flatMap((account) => (account ? [fromBase64(account.data_base64)] : [])),
  rpc: () => [
    ...accounts().map(answer),
    '{"jsonrpc":"2.0","error":{"code":-32005,"message":"Node is behind by 42 slots","data":{"numSlotsBehind":42}},"id":1}',
    '{"jsonrpc":"2.0","result":null,"id":1}',
  ],
  cookies: () => [
    "__Host-molt_session=a.b.c",
    "theme=dark; __Host-molt_session=a.b.c; __Host-molt_agent=d.e.f",
    "__Host-molt_session=a; __Host-molt_session=b",
    " __Host-molt_agent ; =; x=y=z;;",
  ],
  token: () => [
    ...[CLAIMS, { ...CLAIMS, aud: "agent" }, { ...CLAIMS, exp: iat }].map(
      (claims) => `${HEADER}\n${JSON.stringify(claims)}`,
    ),
    `{"alg":"HS256","typ":"JWT"}\n${JSON.stringify(FIRST_CLAIMS)}`,
    `{"alg":"none"}\n${JSON.stringify(CLAIMS)}`,
    `${Buffer.from(HEADER).toString("base64url")}.${Buffer.from(JSON.stringify(CLAIMS)).toString("base64url")}.AAAA`,
  ],
  memo: () => {
    const { unsigned, vectors: signed, text } = vectors("memo-vectors");
    const transactions = signed.map((/** @type {{transaction: string}} */ { transaction }) => transaction);
    return [text, ...[unsigned, ...transactions].map(fromBase64)];
  },
  wallet: () =>
    vectors("execute-vector").vectors.map((/** @type {{tx_base64: string}} */ { tx_base64 }) => fromBase64(tx_base64)),
  slack: () =>
    [
      { type: "url_verification", challenge: "3eZbrw1aB" },
      slackEvent({}),
      slackEvent({ text: "<@U0BOT> a &lt;b&gt; &amp;amp;", thread_ts: "1768478000.000100", files: [] }),
      slackEvent({ type: "app_mention", channel: "C0GENERAL", text: "<@U0BOT> hi" }),
      slackEvent({ bot_id: "B1", subtype: "message_changed" }),
      { type: "app_rate_limited", team_id: "T0SEED" },
    ].map(sent),
  discord: () =>
    [
      { type: 1 },
      ASKED,
      { ...ASKED, user: undefined, guild_id: "1", member: { user: { ...ASKED.user, global_name: "a\u202eb" } } },
      { ...ASKED, type: 3 },
    ].map(sent),
  answer: () => [
    "one two\nthree",
    `${"word ".repeat(900)}\n${"x".repeat(2500)}`,
    "\u{1f980}".repeat(2100),
    `<!channel> @everyone &lt; ${"&".repeat(4000)}`,
    JSON.stringify({ choices: [{ message: { content: " Hello " } }] }),
  ],
  webhook: () =>
    [
      [],
      [{ slot: 1, instructions: [{ programId: CORE, accounts: [sub], innerInstructions: [] }] }],
      [{ instructions: [{ programId: KEY, innerInstructions: [{ programId: CORE, accounts: [sub] }] }] }],
      [
        {
          transaction: {
            message: { accountKeys: [sub, CORE], instructions: [{ programIdIndex: 1, accounts: [0] }] },
          },
          meta: {
            innerInstructions: [{ instructions: [{ programIdIndex: 1, accounts: [2] }] }],
            loadedAddresses: { writable: [CLAIMS.wallet], readonly: [] },
          },
        },
      ],
    ].map((notice) => JSON.stringify(notice)),
};

/** Adds a target's seeds to what fuzzing has found before. @param {string} target @param {string} corpus */
export function writeSeeds(target, corpus) {
  mkdirSync(corpus, { recursive: true });
  const seeds = SEEDS[target]?.() ?? [];
  for (const [index, seed] of seeds.entries()) writeFileSync(join(corpus, `seed-${index}`), seed);
  return seeds.length;
}
