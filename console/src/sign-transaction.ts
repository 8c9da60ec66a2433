// Has a wallet of this browser sign a transaction, and takes nothing back but exactly that.
import type { SolanaSignTransactionFeature } from "@solana/wallet-standard-features";
import bs58 from "bs58";
import { base64, fromBase64 } from "./base64.ts";
import { shortAddress } from "./format.ts";
import { ChangedTransaction } from "./transaction-report.ts";
import { connect, type Wallet, type WalletAccount } from "./wallets.ts";

const FEATURE = "solana:signTransaction";
/** Of a transaction with one signature: their number, and the signature. The message is the rest. */
const BEFORE_MESSAGE = 1 + 64;

type Signing = SolanaSignTransactionFeature[typeof FEATURE];

function signingOf(wallet: Wallet): Signing | undefined {
  return (wallet.features as Partial<SolanaSignTransactionFeature>)[FEATURE];
}

/** Whether it says that it signs transactions of the version that the service prepares. Not every wallet keeps to the types. */
export function canSign(wallet: Wallet): boolean {
  const signing: Partial<Signing> | undefined = signingOf(wallet);
  return signing?.supportedTransactionVersions?.includes(0) === true;
}

/** The wallets that can sign, the one first that has already shared the account of this address. */
export function bySharing(wallets: readonly Wallet[], owner: string): Wallet[] {
  const shares = (wallet: Wallet) => wallet.accounts.some(({ address }) => address === owner);
  const able = wallets.filter(canSign);
  return [...able.filter(shares), ...able.filter((wallet) => !shares(wallet))];
}

/** The transaction signed by `owner`'s account in this wallet, which may ask its owner. */
export async function signTransaction(
  wallet: Wallet,
  owner: string,
  { transaction, chain }: { readonly transaction: string; readonly chain: string },
): Promise<string> {
  const account = await accountOf(wallet, owner);
  const signing = signingOf(wallet);
  if (signing === undefined) throw new Error(`${wallet.name} signs no transactions`);
  const bytes = fromBase64(transaction);
  const named = account.chains.find((name) => name === chain || name === `solana:${chain}`);
  const asked = { account, transaction: bytes, ...(named !== undefined && { chain: named }) };
  const [output] = await signing.signTransaction(asked);
  if (output === undefined) throw new Error(`${wallet.name} returned no transaction`);
  if (!isSameMessage(bytes, output.signedTransaction)) {
    throw new ChangedTransaction(
      `${wallet.name} changed the transaction, so it is not sent. Switch off what it adds to transactions (such as priority fees or guards), or sign with another wallet.`,
    );
  }
  return base64(output.signedTransaction);
}

/** By which the network knows the transaction. */
export function signatureOf(signed: string): string {
  return bs58.encode(fromBase64(signed).slice(1, BEFORE_MESSAGE));
}

async function accountOf(wallet: Wallet, owner: string): Promise<WalletAccount> {
  const isOwners = ({ address }: WalletAccount) => address === owner;
  const account = wallet.accounts.find(isOwners) ?? (await connect(wallet)).find(isOwners);
  if (account === undefined) {
    throw new Error(
      `${wallet.name} does not share the account ${shortAddress(owner)}, which holds the domain. Choose it there`,
    );
  }
  return account;
}

function isSameMessage(left: Uint8Array, right: Uint8Array): boolean {
  const same = (byte: number, at: number) => byte === right[at];
  return (
    left.length === right.length &&
    left[0] === right[0] &&
    left.slice(BEFORE_MESSAGE).every((byte, at) => same(byte, at + BEFORE_MESSAGE))
  );
}
