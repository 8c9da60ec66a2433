// Development stand-in: wallets and assets with publicly known keys. Never use them on a real cluster.
// Every key follows from a label, so the RPC, the console's development wallet and the tests agree without sharing a file.
// Runs in browsers and in Node: Web Crypto only.
import bs58 from "bs58";

const SEED_PREFIX = "multiclaw-dev:";
/** DER header of a PKCS#8 Ed25519 private key; the 32 seed bytes follow it (RFC 8410). */
const PKCS8_HEADER = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

export type DevWalletLabel = "owner" | "buyer";

export interface DevKeypair {
  readonly label: string;
  /** Base58 of the public key. */
  readonly address: string;
  readonly publicKey: Uint8Array<ArrayBuffer>;
  sign(message: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
}

export interface DevDomain {
  readonly name: string;
  readonly owner: DevWalletLabel;
}

export interface DevAccounts {
  readonly collection: string;
  /** Holds the update authority of the collection. */
  readonly authority: string;
  readonly wallets: Readonly<Record<DevWalletLabel, string>>;
  readonly assets: readonly { readonly name: string; readonly address: string; readonly owner: string }[];
}

export const DEV_WALLETS: readonly DevWalletLabel[] = ["owner", "buyer"];
export const DEV_DOMAINS: readonly DevDomain[] = [
  { name: "alice.molt", owner: "owner" },
  { name: "bob.molt", owner: "buyer" },
];

/** The key pair whose seed is sha256("multiclaw-dev:" + label). */
export async function devKeypair(label: string): Promise<DevKeypair> {
  const seed = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(SEED_PREFIX + label)));
  const pkcs8 = new Uint8Array(PKCS8_HEADER.length + seed.length);
  pkcs8.set(PKCS8_HEADER);
  pkcs8.set(seed, PKCS8_HEADER.length);
  // Extractable, because Web Crypto gives the public half of a private key only through its JWK.
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", privateKey);
  if (x === undefined) throw new Error("this platform's Ed25519 export has no public key");
  const publicKey = fromBase64Url(x);
  return {
    label,
    address: bs58.encode(publicKey),
    publicKey,
    async sign(message) {
      return new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, new Uint8Array(message)));
    },
  };
}

export async function devWalletAddress(label: DevWalletLabel): Promise<string> {
  return (await devKeypair(label)).address;
}

/** Address of the development asset that carries this name, for example "alice.molt". */
export async function devAssetAddress(name: string): Promise<string> {
  return (await devKeypair(`asset:${name}`)).address;
}

export async function devCollectionAddress(): Promise<string> {
  return (await devKeypair("collection")).address;
}

/** All addresses of the development ledger at its start. */
export async function devAccounts(): Promise<DevAccounts> {
  const wallets = { owner: await devWalletAddress("owner"), buyer: await devWalletAddress("buyer") };
  const assets = await Promise.all(
    DEV_DOMAINS.map(async ({ name, owner }) => ({ name, address: await devAssetAddress(name), owner: wallets[owner] })),
  );
  const authority = (await devKeypair("collection-authority")).address;
  return { collection: await devCollectionAddress(), authority, wallets, assets };
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}
