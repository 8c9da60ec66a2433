// The ways in which a wallet proves a key, the best first: `solana:signIn`, with which the wallet can warn of a foreign
// domain; a signed message; and for hardware wallets that sign neither, a transaction that is never sent.
import type {
  SolanaSignInFeature,
  SolanaSignMessageFeature,
  SolanaSignTransactionFeature,
} from "@solana/wallet-standard-features";
import type { Wallet, WalletAccount } from "@wallet-standard/base";
import bs58 from "bs58";
import type { Challenge, Proof } from "./api.ts";
import { base64, fromBase64 } from "./base64.ts";
import { isRejection } from "./explain.ts";

type Features = Partial<SolanaSignInFeature & SolanaSignMessageFeature & SolanaSignTransactionFeature>;
type Signing = keyof Features;

/** What the owner sees in the wallet. */
export type Shown = "message" | "transaction";

/** A wallet's answer that no other way of asking would make good. */
class UnusableAnswer extends Error {}

interface Way {
  readonly feature: Signing;
  readonly shown: Shown;
  readonly prove: (wallet: Wallet, account: WalletAccount, challenge: Challenge) => Promise<Proof>;
}

const WAYS: readonly Way[] = [
  { feature: "solana:signIn", shown: "message", prove: bySignIn },
  { feature: "solana:signMessage", shown: "message", prove: byMessage },
  { feature: "solana:signTransaction", shown: "transaction", prove: byTransaction },
];

/** What this wallet can be asked to show. */
export function showable(wallet: Wallet): ReadonlySet<Shown> {
  return new Set(WAYS.filter(({ feature }) => feature in wallet.features).map(({ shown }) => shown));
}

interface Options {
  /** Learns what the wallet is about to show. */
  readonly onAsk?: (shown: Shown) => void;
  /** Nothing else is asked for. */
  readonly only?: Shown | undefined;
  /** Once it is aborted nothing more is asked for. */
  readonly signal?: AbortSignal;
}

/** Has the wallet sign the challenge, in the first way that works, and returns what the service verifies. */
export async function prove(
  wallet: Wallet,
  account: WalletAccount,
  challenge: Challenge,
  { onAsk, only, signal }: Options = {},
): Promise<Proof> {
  const ways = WAYS.filter(({ feature }) => canDo(wallet, account, feature));
  let failure: unknown = new Error(`${wallet.name} can sign nothing with this account that proves its key`);
  for (const way of ways.filter(({ shown }) => only === undefined || shown === only)) {
    signal?.throwIfAborted();
    onAsk?.(way.shown);
    try {
      return await way.prove(wallet, account, challenge);
    } catch (error) {
      // A refusal by the owner holds for every way. Anything else may mean that this account cannot do it, whatever the
      // wallet says: with hardware accounts many wallets find out only then.
      if (error instanceof UnusableAnswer || isRejection(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

function canDo(wallet: Wallet, { features }: WalletAccount, feature: Signing): boolean {
  if (!(feature in wallet.features)) return false;
  // Most wallets name `solana:signIn` for themselves only: it then goes with the account's messages.
  const named: readonly string[] = feature === "solana:signIn" ? [feature, "solana:signMessage"] : [feature];
  return features.length === 0 || features.some((name) => named.includes(name));
}

function using<Name extends Signing>(wallet: Wallet, name: Name): NonNullable<Features[Name]> {
  const feature = (wallet.features as Features)[name];
  if (feature === undefined) throw new Error(`${wallet.name} has no ${name}`);
  return feature;
}

async function bySignIn(wallet: Wallet, account: WalletAccount, challenge: Challenge): Promise<Proof> {
  // Every field is given, the domain and the address too: what is left out, wallets fill in as they like.
  const [output] = await using(wallet, "solana:signIn").signIn(challenge.input);
  if (output === undefined) throw new UnusableAnswer(`${wallet.name} returned no signature`);
  if (output.account.address !== account.address) {
    throw new UnusableAnswer(`${wallet.name} signed with another account; choose ${account.address} in the wallet`);
  }
  return message(challenge, output.signature, output.signedMessage);
}

async function byMessage(wallet: Wallet, account: WalletAccount, challenge: Challenge): Promise<Proof> {
  const asked = new TextEncoder().encode(challenge.message);
  const [output] = await using(wallet, "solana:signMessage").signMessage({ account, message: asked });
  if (output === undefined) throw new UnusableAnswer(`${wallet.name} returned no signature`);
  // A wallet may wrap the message, as hardware wallets do: what was signed is then not what was sent.
  return message(challenge, output.signature, equal(output.signedMessage, asked) ? undefined : output.signedMessage);
}

async function byTransaction(wallet: Wallet, account: WalletAccount, challenge: Challenge): Promise<Proof> {
  const { nonce, input } = challenge;
  const transaction = fromBase64(challenge.transaction);
  const chain = account.chains.find((name) => name === input.chainId || name === `solana:${input.chainId}`);
  const asked = chain === undefined ? { account, transaction } : { account, transaction, chain };
  const [output] = await using(wallet, "solana:signTransaction").signTransaction(asked);
  if (output === undefined) throw new UnusableAnswer(`${wallet.name} returned no transaction`);
  return { nonce, transaction: base64(output.signedTransaction) };
}

function message({ nonce }: Challenge, signature: Uint8Array, signedMessage: Uint8Array | undefined): Proof {
  const base = { nonce, signature: bs58.encode(signature) };
  return signedMessage === undefined ? base : { ...base, signedMessage: base64(signedMessage) };
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
