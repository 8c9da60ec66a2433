// Development stand-in for wallet extensions: two Wallet Standard wallets with publicly known keys that sign without
// asking. Only the development build of the console holds it.
import type {
  SolanaSignInFeature,
  SolanaSignInInput,
  SolanaSignInOutput,
  SolanaSignMessageFeature,
  SolanaSignMessageInput,
  SolanaSignMessageOutput,
  SolanaSignTransactionFeature,
  SolanaSignTransactionInput,
  SolanaSignTransactionOutput,
} from "@solana/wallet-standard-features";
import type { Wallet, WalletAccount, WalletIcon } from "@wallet-standard/base";
import { registerWallet } from "@wallet-standard/wallet";
import {
  DEV_WALLETS,
  type DevKeypair,
  type DevWalletLabel,
  devAccounts,
  devKeypair,
} from "../../dev/solana/accounts.ts";
import { signInMessage } from "./sign-in-message.ts";

const CHAINS = ["solana:mainnet", "solana:devnet", "solana:testnet", "solana:localnet"] as const;
const COLORS: Readonly<Record<DevWalletLabel, string>> = { owner: "#0d6b3c", buyer: "#7d4a00" };

const SIGNATURE_BYTES = 64;

type ChangeListener = (properties: { readonly accounts: readonly WalletAccount[] }) => void;

type StandardFeatures = {
  readonly "standard:connect": {
    readonly version: "1.0.0";
    connect(): Promise<{ readonly accounts: readonly WalletAccount[] }>;
  };
  readonly "standard:events": { readonly version: "1.0.0"; on(event: "change", listener: ChangeListener): () => void };
};

type Features = StandardFeatures & SolanaSignInFeature & SolanaSignMessageFeature & SolanaSignTransactionFeature;

class DevelopmentWallet implements Wallet {
  readonly version = "1.0.0";
  readonly name: string;
  readonly icon: WalletIcon;
  readonly chains = CHAINS;
  readonly features: Features;
  #label: DevWalletLabel;
  #accounts: readonly WalletAccount[] = [];
  #keypair: Promise<DevKeypair> | null = null;
  #listeners = new Set<ChangeListener>();

  constructor(label: DevWalletLabel) {
    this.#label = label;
    this.name = `Development wallet (${label})`;
    this.icon = icon(COLORS[label]);
    this.features = {
      "standard:connect": { version: "1.0.0", connect: () => this.#connect() },
      "standard:events": { version: "1.0.0", on: (_event, listener) => this.#on(listener) },
      "solana:signIn": {
        version: "1.0.0",
        signIn: (...inputs) => Promise.all(inputs.map((input) => this.#signIn(input))),
      },
      "solana:signMessage": {
        version: "1.0.0",
        signMessage: (...inputs) => Promise.all(inputs.map((input) => this.#signMessage(input))),
      },
      "solana:signTransaction": {
        version: "1.0.0",
        supportedTransactionVersions: ["legacy", 0],
        signTransaction: (...inputs) => Promise.all(inputs.map((input) => this.#signTransaction(input))),
      },
    };
  }

  get accounts(): readonly WalletAccount[] {
    return this.#accounts;
  }

  async #connect(): Promise<{ readonly accounts: readonly WalletAccount[] }> {
    await this.#account();
    return { accounts: this.#accounts };
  }

  #keys(): Promise<DevKeypair> {
    this.#keypair ??= devKeypair(this.#label);
    return this.#keypair;
  }

  async #account(): Promise<WalletAccount> {
    const { address, publicKey } = await this.#keys();
    const [known] = this.#accounts;
    if (known !== undefined) return known;
    const features = ["solana:signIn", "solana:signMessage", "solana:signTransaction"] as const;
    const account: WalletAccount = { address, publicKey, chains: CHAINS, features, label: this.name };
    this.#accounts = [account];
    for (const listener of this.#listeners) listener({ accounts: this.#accounts });
    return account;
  }

  #on(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #signIn(input: SolanaSignInInput = {}): Promise<SolanaSignInOutput> {
    const account = await this.#account();
    if (input.domain !== undefined && input.domain !== location.host) {
      throw new Error(`the message is for ${input.domain}, this page is ${location.host}`);
    }
    if (input.address !== undefined && input.address !== account.address) {
      throw new Error(`the message is for the account ${input.address}, this wallet holds ${account.address}`);
    }
    const text = signInMessage({ ...input, domain: input.domain ?? location.host, address: account.address });
    return { account, ...(await this.#sign(new TextEncoder().encode(text))) };
  }

  async #signMessage({ account, message }: SolanaSignMessageInput): Promise<SolanaSignMessageOutput> {
    if (account.address !== (await this.#account()).address) throw new Error("this wallet does not hold the account");
    return this.#sign(message);
  }

  /** Of one that needs this account's signature first, as what this service prepares does. */
  async #signTransaction({ account, transaction }: SolanaSignTransactionInput): Promise<SolanaSignTransactionOutput> {
    if (account.address !== (await this.#account()).address) throw new Error("this wallet does not hold the account");
    const count = transaction[0] ?? 0;
    const { signature } = await this.#sign(transaction.slice(1 + count * SIGNATURE_BYTES));
    const signedTransaction = transaction.slice();
    signedTransaction.set(signature, 1);
    return { signedTransaction };
  }

  async #sign(message: Uint8Array) {
    const keys = await this.#keys();
    return { signedMessage: message, signature: await keys.sign(message), signatureType: "ed25519" as const };
  }
}

export function registerDevelopmentWallets(): void {
  for (const label of DEV_WALLETS) registerWallet(new DevelopmentWallet(label));
}

/** The domains of the development ledger. */
export async function developmentAssets(): Promise<readonly { readonly name: string; readonly address: string }[]> {
  return (await devAccounts()).assets;
}

function icon(color: string): WalletIcon {
  const path = `<path d="M7 11h18v12H7z" fill="#fff"/><circle cx="21" cy="17" r="2" fill="${color}"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" fill="${color}"/>${path}</svg>`;
  return `data:image/svg+xml;base64,${btoa(svg)}`;
}
