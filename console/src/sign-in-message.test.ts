// The development wallet builds the Sign-In With Solana text as the standard's own library does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { signInMessage } from "./sign-in-message.ts";

const domain = "console.example";
const address = "GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J";

test("all fields come in the standard's order", () => {
  const text = signInMessage({
    resources: ["https://a.example/", "urn:b"],
    requestId: "r-1",
    notBefore: "2026-01-15T12:00:01.000Z",
    expirationTime: "2026-01-15T12:05:00.000Z",
    issuedAt: "2026-01-15T12:00:00.000Z",
    nonce: "0123456789abcdef",
    chainId: "mainnet",
    version: "1",
    uri: "https://console.example",
    statement: "Open the agent.",
    address,
    domain,
  });
  assert.equal(
    text,
    [
      "console.example wants you to sign in with your Solana account:",
      address,
      "",
      "Open the agent.",
      "",
      "URI: https://console.example",
      "Version: 1",
      "Chain ID: mainnet",
      "Nonce: 0123456789abcdef",
      "Issued At: 2026-01-15T12:00:00.000Z",
      "Expiration Time: 2026-01-15T12:05:00.000Z",
      "Not Before: 2026-01-15T12:00:01.000Z",
      "Request ID: r-1",
      "Resources:",
      "- https://a.example/",
      "- urn:b",
    ].join("\n"),
  );
});

test("absent fields leave nothing behind, not even a line feed", () => {
  assert.equal(
    signInMessage({ domain, address }),
    `${domain} wants you to sign in with your Solana account:\n${address}`,
  );
  assert.equal(
    signInMessage({ domain, address, nonce: "0123456789abcdef" }),
    `${domain} wants you to sign in with your Solana account:\n${address}\n\nNonce: 0123456789abcdef`,
  );
});
