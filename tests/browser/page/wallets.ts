// Runs in the page, as a wallet extension's script does: registers Wallet Standard wallets, and passes what they are asked
// to the test, which holds the keys and decides. Bytes travel as base64.
import type { IdentifierString, Wallet, WalletAccount } from "@wallet-standard/base";
import { registerWallet } from "@wallet-standard/wallet";

/** A wallet as the test describes it. */
export interface Described {
  readonly name: string;
  readonly address: string;
  readonly publicKey: string;
  readonly chains: readonly IdentifierString[];
  /** Of the wallet, `solana:` left out. */
  readonly features: readonly string[];
  /** Of its one account. */
  readonly accountFeatures: readonly string[];
}

/** An answer, or the error that the wallet throws. */
export type Said =
  | { readonly output: unknown }
  | { readonly error: { readonly message: string; readonly code?: number } };

/** What the test put into the page before. */
const { describedWallets, askWallet } = globalThis as unknown as {
  readonly describedWallets: readonly Described[];
  askWallet(wallet: string, feature: string, input: unknown): Promise<Said>;
};

const ICON = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=";

function described({ name, address, publicKey, chains, features, accountFeatures }: Described): Wallet {
  const account: WalletAccount = {
    address,
    publicKey: fromBase64(publicKey),
    chains,
    features: accountFeatures.map((feature) => `solana:${feature}` as const),
  };
  let accounts: readonly WalletAccount[] = [];
  const connect = async () => {
    accounts = [account];
    return { accounts };
  };
  const ask = (feature: string) => async (input: unknown) => {
    const said = await askWallet(name, feature, JSON.parse(JSON.stringify(input, toBase64)));
    // The page gets to go on with the answer before a test that waits for this does.
    setTimeout(() => (globalThis as { walletAnswered?: () => void }).walletAnswered?.(), 0);
    if ("error" in said) throw Object.assign(new Error(said.error.message), { code: said.error.code });
    return [{ account, ...JSON.parse(JSON.stringify(said.output), fromTagged) }];
  };
  const signing = features.map((feature) => [
    `solana:${feature}`,
    {
      version: "1.0.0",
      [feature]: ask(feature),
      ...(feature === "signTransaction" && { supportedTransactionVersions: ["legacy", 0] }),
    },
  ]);
  return {
    version: "1.0.0",
    name,
    icon: ICON,
    chains,
    features: {
      "standard:connect": { version: "1.0.0", connect },
      "standard:events": { version: "1.0.0", on: () => () => {} },
      ...Object.fromEntries(signing),
    },
    get accounts() {
      return accounts;
    },
  };
}

function toBase64(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { base64: btoa(String.fromCharCode(...value)) } : value;
}

function fromTagged(_key: string, value: unknown): unknown {
  const tagged = typeof value === "object" && value !== null && "base64" in value;
  return tagged ? fromBase64(String(value.base64)) : value;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

for (const wallet of describedWallets) registerWallet(described(wallet));
