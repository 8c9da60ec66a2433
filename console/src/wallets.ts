// Wallets of this browser through the Wallet Standard: which there are, and the accounts that they share.
import { getWallets } from "@wallet-standard/app";
import type { Wallet, WalletAccount } from "@wallet-standard/base";
import bs58 from "bs58";
import { showable } from "./prove.ts";

export type { Wallet, WalletAccount };

interface ConnectFeature {
  readonly "standard:connect": { connect(): Promise<{ readonly accounts: readonly WalletAccount[] }> };
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

export function allWallets(): readonly Wallet[] {
  return getWallets().get();
}

function connectFeature(wallet: Wallet): ConnectFeature["standard:connect"] | undefined {
  return (wallet.features as Partial<ConnectFeature>)["standard:connect"];
}

function isSolana(chain: string): boolean {
  return chain.startsWith("solana:");
}

function canSignIn(wallet: Wallet): boolean {
  return wallet.chains.some(isSolana) && connectFeature(wallet) !== undefined && showable(wallet).size > 0;
}

/** Asks the wallet for its accounts; the wallet may ask its owner. */
export async function connect(wallet: Wallet): Promise<readonly WalletAccount[]> {
  const feature = connectFeature(wallet);
  if (feature === undefined) throw new Error(`${wallet.name} cannot connect to this page`);
  const { accounts } = await feature.connect();
  const usable = accounts.filter((account) => account.chains.some(isSolana) && isAddress(account.address));
  if (usable.length === 0) throw new Error(`${wallet.name} shared no Solana account with this page`);
  return usable;
}
