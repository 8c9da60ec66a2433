// Signing in as a wallet does it, and as wallets that build or wrap the text themselves do it.
import assert from "node:assert/strict";
import bs58 from "bs58";
import { type DevKeypair, devKeypair } from "../../dev/solana/accounts.ts";
import type { Client } from "./client.ts";
import type { Answer } from "./http.ts";

export interface Challenge {
  nonce: string;
  message: string;
  input: Record<string, string>;
  /** Base64 of a memo transaction to sign. */
  transaction: string;
  issuedAt: string;
  expiresAt: string;
}

export async function challenge(client: Client, asset: string, wallet: string): Promise<Challenge> {
  const answer = await client.post("/v1/auth/challenge", { asset, wallet });
  assert.equal(answer.status, 201, answer.text);
  return answer.json();
}

export interface Signed {
  /** What is signed in place of the challenge's message. */
  bytes?: Uint8Array;
  /** Whether those bytes are sent along, as a wallet that built them would. */
  sendBytes?: boolean;
}

/** Signs a challenge with a wallet and asks for the session. */
export async function verify(
  client: Client,
  { nonce, message }: Pick<Challenge, "nonce" | "message">,
  wallet: DevKeypair,
  { bytes = new TextEncoder().encode(message), sendBytes = false }: Signed = {},
): Promise<Answer> {
  const signature = bs58.encode(await wallet.sign(bytes));
  const signedMessage = Buffer.from(bytes).toString("base64");
  return client.post("/v1/auth/verify", { nonce, signature, ...(sendBytes && { signedMessage }) });
}

/** The whole way: the client holds the session afterwards. `label` names a development key. */
export async function login(client: Client, label: string, asset: string): Promise<Answer> {
  const wallet = await devKeypair(label);
  const answer = await verify(client, await challenge(client, asset, wallet.address), wallet);
  assert.equal(answer.status, 200, answer.text);
  return answer;
}

/** The text of a sign-in input, put together as wallets do (SIWS). */
export function buildText(input: Record<string, string | string[]>): string {
  const lines = [`${input.domain} wants you to sign in with your Solana account:`, String(input.address)];
  if (input.statement) lines.push("", String(input.statement));
  const labels: [string, string][] = [
    ["uri", "URI"],
    ["version", "Version"],
    ["chainId", "Chain ID"],
    ["nonce", "Nonce"],
    ["issuedAt", "Issued At"],
    ["expirationTime", "Expiration Time"],
    ["notBefore", "Not Before"],
    ["requestId", "Request ID"],
  ];
  const fields = labels.flatMap(([key, label]) => (input[key] ? [`${label}: ${input[key]}`] : []));
  if (Array.isArray(input.resources)) fields.push("Resources:", ...input.resources.map((resource) => `- ${resource}`));
  return [...lines, "", ...fields].join("\n");
}

const MARK = [0xff, ...Buffer.from("solana offchain")];

/** Solana's off-chain message envelopes around a text, as hardware wallets sign them. */
export const envelope = {
  legacy: (text: string): Uint8Array => Buffer.from([...MARK, 0, 0, ...length(text), ...Buffer.from(text)]),
  v0: (text: string, signer: Uint8Array): Uint8Array =>
    Buffer.from([...MARK, 0, ...new Uint8Array(32), 0, 1, ...signer, ...length(text), ...Buffer.from(text)]),
  v1: (text: string, signer: Uint8Array): Uint8Array => Buffer.from([...MARK, 1, 1, ...signer, ...Buffer.from(text)]),
};

function length(text: string): number[] {
  const bytes = Buffer.byteLength(text);
  return [bytes & 0xff, bytes >> 8];
}
