// What the sources may do with a secret's value, and where they reach out: read as text, because a comparison that tells by
// its time where two values differ, and a request to an address that a caller gave, look like any other line.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { test } from "node:test";
import { filesUnder } from "./lib/inputs.mjs";
import { fromRoot, ROOT } from "./lib/project.mjs";

/** Every file that reads a secret's value, and what for: none of them compares it with what a caller sent. */
const READ_BY = {
  "core/src/door.rs": "makes the address of a channel that ends here",
  "core/src/edge.rs": "judges the form of what an owner sets",
  "core/src/hook.rs": "reads a bot's number out of its token, makes a webhook's URL and the mark of it",
  "core/src/keyless.rs":
    "puts it into the header of a provider's request; looks at a public prefix of an owner's own key",
  "core/src/messages.rs": "carries it from the Worker to the object",
  "core/src/redaction.rs": "looks for it in texts that leave",
  "core/src/sealing.rs": "seals and opens it, with AES-GCM's own check",
  "core/src/secrets.rs": "judges the form of what an owner sets",
  "core/src/slack.rs": "keys the signature, which is compared by the MAC's own check",
  "core/src/session.rs": "makes the key that tokens are signed with",
  "core/src/webhook.rs": "its length, at the start",
  "durable_objects/src/bot_api.rs": "puts it into the URL of Telegram's Bot API, which wants it there",
  "durable_objects/src/channels.rs": "tells Telegram and the agent what opens their webhook",
  "durable_objects/src/discord.rs": "tells Discord and its own memory of a channel's address",
  "durable_objects/src/discord_api.rs":
    "puts it into the header of a call of Discord's API, or an interaction's into its path",
  "durable_objects/src/edge.rs": "shows an owner the address of their channel",
  "durable_objects/src/inbox.rs": "puts it into the header of a message to the agent",
  "durable_objects/src/injection.rs": "writes it to the container's standard input",
  "durable_objects/src/models.rs": "puts it into the header of a provider's request",
  "durable_objects/src/turns.rs": "makes the path of an interaction's answer",
  "durable_objects/src/slack_api.rs": "puts it into the header of a call of Slack's Web API",
};
/** Where a caller's text is compared with a secret, each time by `Secret::ct_eq`. */
const COMPARED_BY = ["core/src/door.rs", "core/src/hook.rs", "core/src/webhook.rs"];
/** What compares early, or looks within. */
const COMPARES =
  /==|!=|\.(?:eq|ne|cmp|partial_cmp|starts_with|ends_with|contains|strip_prefix|strip_suffix|find)\(|\bmatches!/;
/** Whether a key is a setup token: what its owner's own value begins with, which every such token does. */
const PUBLIC_PREFIX = "value.expose().starts_with(SETUP_TOKEN)";
/** The only files that send requests, and what they send them to. */
const SENDERS = {
  "durable_objects/src/bot_api.rs": "Telegram's Bot API, or the operator's TELEGRAM_API_URL",
  "durable_objects/src/discord_api.rs": "Discord's API, or the operator's DISCORD_API_URL",
  "durable_objects/src/models.rs": "a provider of models: the operator's base URL, or the catalogue's",
  "durable_objects/src/slack_api.rs": "Slack's Web API, or the operator's SLACK_API_URL",
  "durable_objects/src/solana.rs": "an RPC endpoint of SOLANA_RPC_URLS",
};

/** By name, what is compiled into the bundle: without comments and tests. */
const sources = new Map(
  ["core/src", "src", "durable_objects/src"]
    .flatMap((dir) => filesUnder(fromRoot(dir)))
    .filter((file) => file.endsWith(".rs") && !/[/\\]tests([/\\]|\.rs$)/.test(file))
    .map((file) => {
      const [code = ""] = readFileSync(file, "utf8").split(/^#\[cfg\(test\)\]$/m);
      return [relative(ROOT, file), code.replaceAll(/\/\/.*/g, "")];
    }),
);
const holding = (/** @type {RegExp} */ pattern) =>
  [...sources].filter(([, code]) => pattern.test(code)).map(([name]) => name);

test("every file that reads a secret's value is known, with what it does with it", () => {
  const reading = holding(/\bexpose(?:\(\)|\b(?=[,)]))/).filter((name) => name !== "core/src/secret.rs");
  // The endpoints of the chain may hold a key in their URLs: they are passed as a function.
  const known = [...Object.keys(READ_BY), "core/src/redaction.rs", "durable_objects/src/solana.rs"];
  assert.deepEqual(
    reading.filter((name) => !known.includes(name)),
    [],
  );
  for (const name of Object.keys(READ_BY)) assert.ok(reading.includes(name), `${name} no longer does`);
});

test("no secret's value is compared but in constant time", () => {
  for (const [name, code] of sources) {
    for (const statement of code.split(/[;{}]/).filter((text) => /\bexpose\(\)/.test(text))) {
      const rest = statement.replaceAll(PUBLIC_PREFIX, "");
      assert.doesNotMatch(rest.replaceAll(/[<>]=|=>/g, ""), COMPARES, `${name}: ${statement.trim()}`);
    }
  }
});

test("what a caller sends is compared with a secret by one function, and nobody else has it", () => {
  assert.deepEqual(holding(/\.ct_eq\(/).sort(), ["core/src/secret.rs", ...COMPARED_BY].sort());
  assert.deepEqual(holding(/\bsubtle::/), ["core/src/secret.rs"]);
  const text = sources.get("core/src/secret.rs") ?? "";
  assert.match(text, /self\.0\.as_bytes\(\)\.ct_eq\(other\.0\.as_bytes\(\)\)\.into\(\)/);
  assert.doesNotMatch(text, /PartialEq\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*pub struct Secret\b/);
});

test("a token's signature is checked by its library alone, and a ticket is looked up by its hash", () => {
  const session = sources.get("core/src/session.rs") ?? "";
  assert.match(session, /Hs256\.validator::<Session>\(key\)\.validate\(&untrusted\)/);
  assert.deepEqual(holding(/\b(?:Hs256|Hmac|Mac)\b/).sort(), ["core/src/session.rs", "core/src/slack.rs"]);
  assert.match(sources.get("core/src/slack.rs") ?? "", /mac\.verify_slice\(&self\.signature\)\.is_ok\(\)/);
  assert.match(sources.get("core/src/ticket.rs") ?? "", /Sha256::digest\(ticket\.as_bytes\(\)\)/);
  assert.match(sources.get("durable_objects/src/store/access.rs") ?? "", /DELETE FROM tickets WHERE hash = \?/);
});

test("requests are sent by five files, to the operator's addresses, and follow no redirect", () => {
  assert.deepEqual(
    holding(/\bFetch::|\bfetch_with_str\b|\bfetch_with_request\b(?!.*stub)/).filter((name) => !(name in SENDERS)),
    [
      // To an object, by its stub.
      "src/ports/objects.rs",
    ],
  );
  for (const name of Object.keys(SENDERS)) {
    const code = sources.get(name) ?? "";
    assert.equal(code.match(/\bFetch::/g)?.length, 1, name);
    assert.equal(code.match(/RequestRedirect::Manual/g)?.length, 1, name);
  }
});
