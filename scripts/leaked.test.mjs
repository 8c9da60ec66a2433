// What the search for secrets finds, and that it repeats nothing of it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { secretsIn } from "./lib/leaked.mjs";

const hex = (/** @type {number} */ bytes) => randomBytes(bytes).toString("hex");
const url = (/** @type {number} */ bytes) => randomBytes(bytes).toString("base64url");

/** Made anew each time, as this file is searched too. @type {[string, string][]} */
const SECRETS = [
  ["an OpenRouter key", `sk-or-v1-${hex(32)}`],
  ["an Anthropic key", `sk-ant-api03-${hex(24)}`],
  ["a bot's token", `7123456789:AA${hex(17).slice(0, 33)}`],
  ["a session's token", `eyJ${url(20)}.eyJ${url(60)}.${url(32)}`],
  ["a wallet's key", `0x${hex(32)}`],
  ["a keypair's file", JSON.stringify([...randomBytes(64)])],
  [
    "a private key",
    `-----BEGIN ${"PRIVATE"} KEY-----\n${randomBytes(48).toString("base64")}\n-----END ${"PRIVATE"} KEY-----`,
  ],
  [
    "an access key of AWS",
    // The rule wants a letter or a digit at the end.
    `AWS_SECRET_ACCESS_KEY = "${randomBytes(30).toString("base64").replace(/[+/]$/, "a")}"`,
  ],
];

for (const [what, secret] of SECRETS) {
  test(`${what} in a file is found, and not repeated`, async () => {
    const found = await secretsIn("docs/notes.md", Buffer.from(`First line.\nkeep: ${secret}\n`));
    assert.ok(found.length > 0);
    assert.ok(found.every(({ line }) => line === 2));
    assert.ok(!JSON.stringify(found).includes(secret.slice(-12)));
  });
}

test("a file that is for secrets is found by its name, and an example of one is not", async () => {
  for (const file of [
    ".dev.vars",
    "dev/.dev.vars.production",
    ".env",
    ".env.local",
    "keys/id_ed25519",
    "tls/server.pem",
  ])
    assert.equal((await secretsIn(file, Buffer.from("x"))).length, 1, file);
  for (const file of [".dev.vars.example", ".env.example", "docs/keys.md"])
    assert.equal((await secretsIn(file, Buffer.from("x"))).length, 0, file);
});

test("hashes, addresses and ids are no secrets", async () => {
  const text = [hex(32), hex(16), `sha512-${randomBytes(64).toString("base64")}`, `sha256:${hex(32)}`, `0x${hex(20)}`];
  assert.deepEqual(await secretsIn("notes.txt", Buffer.from(text.join("\n"))), []);
});
