// The Sign-In With Solana text, as a wallet builds it from the input of `solana:signIn`. For the development wallet.
import type { SolanaSignInInput } from "@solana/wallet-standard-features";

export function signInMessage(
  input: SolanaSignInInput & { readonly domain: string; readonly address: string },
): string {
  const fields: readonly (readonly [string, string | undefined])[] = [
    ["URI", input.uri],
    ["Version", input.version],
    ["Chain ID", input.chainId],
    ["Nonce", input.nonce],
    ["Issued At", input.issuedAt],
    ["Expiration Time", input.expirationTime],
    ["Not Before", input.notBefore],
    ["Request ID", input.requestId],
  ];
  const lines = fields.filter(([, value]) => value).map(([label, value]) => `${label}: ${value}`);
  if (input.resources) lines.push("Resources:", ...input.resources.map((resource) => `- ${resource}`));
  const parts = [`${input.domain} wants you to sign in with your Solana account:\n${input.address}`];
  if (input.statement) parts.push(input.statement);
  if (lines.length > 0) parts.push(lines.join("\n"));
  return parts.join("\n\n");
}
