// Wallets of this browser through the Wallet Standard, and the two ways they prove a key: `solana:signIn` where the
// wallet has it (it can then warn about a foreign domain), a signed message elsewhere.
import type { SolanaSignInFeature, SolanaSignMessageFeature } from "@solana/wallet-standard-features";
import { getWallets } from "@wallet-standard/app";
import type { Wallet, WalletAccount } from "@wallet-standard/base";
import bs58 from "bs58";
import type { Challenge } from "./api.ts";

export type { Wallet, WalletAccount };

interface ConnectFeature {
  readonly "standard:connect": { connect(): Promise<{ readonly accounts: readonly WalletAccount[] }> };
}

type Features = Partial<ConnectFeature & SolanaSignInFeature & SolanaSignMessageFeature>;

export interface Proof {
  readonly nonce: string;
  readonly signature: string;
  readonly signedMessage?: string;
}

const ADDRESS_BYTES = 32;

/** Whether the text is a Solana address: base58 of exactly 32 bytes. */
export function isAddress(text: string): boolean {
  return bs58.decodeUnsafe(text)?.length === ADDRESS_BYTES;
}

/** The wallets that can sign in, now and whenever one comes or goes. */
export function watchWallets(onChange: (wallets: readonly Wallet[]) => void): void {
  const { get, on } = getWallets();
  const notify = () => onChange(get().filter(canSignIn));
  on("register", notify);
  on("unregister", notify);
  notify();
}

function features(wallet: Wallet): Features {
  return wallet.features as Features;
}

function isSolana(chain: string): boolean {
  return chain.startsWith("solana:");
}

function canSignIn(wallet: Wallet): boolean {
  const { "standard:connect": connect, "solana:signIn": signIn, "solana:signMessage": sign } = features(wallet);
  return wallet.chains.some(isSolana) && connect !== undefined && (signIn !== undefined || sign !== undefined);
}

/** Asks the wallet for its accounts; the wallet may ask its owner. */
export async function connect(wallet: Wallet): Promise<readonly WalletAccount[]> {
  const feature = features(wallet)["standard:connect"];
  if (feature === undefined) throw new Error(`${wallet.name} cannot connect to this page`);
  const { accounts } = await feature.connect();
  const usable = accounts.filter((account) => account.chains.some(isSolana) && isAddress(account.address));
  if (usable.length === 0) throw new Error(`${wallet.name} shared no Solana account with this page`);
  return usable;
}

/** Has the wallet sign the challenge and returns what the service verifies. */
export async function prove(wallet: Wallet, account: WalletAccount, challenge: Challenge): Promise<Proof> {
  const signIn = features(wallet)["solana:signIn"];
  if (signIn !== undefined) {
    const [output] = await signIn.signIn(challenge.input);
    if (output === undefined) throw new Error(`${wallet.name} returned no signature`);
    if (output.account.address !== account.address) {
      throw new Error(`${wallet.name} signed with another account; choose ${account.address} in the wallet`);
    }
    return proof(challenge, output.signature, output.signedMessage);
  }
  const sign = features(wallet)["solana:signMessage"];
  if (sign === undefined) throw new Error(`${wallet.name} cannot sign messages`);
  const message = new TextEncoder().encode(challenge.message);
  const [output] = await sign.signMessage({ account, message });
  if (output === undefined) throw new Error(`${wallet.name} returned no signature`);
  // A wallet may wrap the message, as hardware wallets do: what was signed is then not what was sent.
  return proof(challenge, output.signature, equal(output.signedMessage, message) ? undefined : output.signedMessage);
}

function proof(challenge: Challenge, signature: Uint8Array, signedMessage: Uint8Array | undefined): Proof {
  const base = { nonce: challenge.nonce, signature: bs58.encode(signature) };
  return signedMessage === undefined ? base : { ...base, signedMessage: base64(signedMessage) };
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
