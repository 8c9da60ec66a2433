// Development stand-in for the chain: accounts as a history of versions over slots that advance with time.
// A reader sees the ledger as of one slot, which is how commitment levels and lagging nodes are told apart.
import {
  assetOwner,
  BURNED_DATA,
  CORE_PROGRAM,
  encodeAsset,
  encodeCollection,
  isAsset,
  pubkey,
  rentExemption,
  SYSTEM_PROGRAM,
  withOwner,
} from "./core-layout.ts";

export const COMMITMENTS = ["processed", "confirmed", "finalized"] as const;
export type Commitment = (typeof COMMITMENTS)[number];

export interface Account {
  readonly lamports: number;
  readonly owner: string;
  readonly data: Uint8Array;
  readonly executable: boolean;
}

export interface LedgerOptions {
  /** How long after a change the confirmed view shows it. Default 0. */
  readonly confirmedAfterMs?: number;
  /** How long after the confirmed view the finalized one follows. Default 12,800 (32 slots). */
  readonly finalizedAfterMs?: number;
  /** Milliseconds since the epoch; replaced in tests. */
  readonly now?: () => number;
}

export interface MintRequest {
  readonly asset: string;
  readonly name: string;
  readonly owner: string;
  /** The collection it becomes a member of; null for none. */
  readonly collection?: string | null;
  /** With no collection: the address that holds the update authority; without one it is None. */
  readonly updateAuthority?: string;
  readonly uri?: string;
}

interface Version {
  readonly slot: number;
  /** Null where the account does not exist. */
  readonly account: Account | null;
}

interface Collection {
  readonly name: string;
  readonly uri: string;
  readonly updateAuthority: string;
  numMinted: number;
  currentSize: number;
}

interface Asset {
  readonly name: string;
  readonly collection: string | null;
}

const SLOT_MS = 400;
/** Slot 0. Counting from a fixed day keeps slots growing over restarts: clients refuse a node that falls back. */
const EPOCH = Date.UTC(2024, 0, 1);
/** Genesis lies in the past, so that what it holds is finalized when the node starts. */
const GENESIS_AGE_MS = 60_000;

export class Ledger {
  /** The collection that `mint` uses when none is named. */
  defaultCollection: string | null = null;
  confirmedAfterMs: number;
  finalizedAfterMs: number;
  readonly #now: () => number;
  readonly #versions = new Map<string, Version[]>();
  readonly #collections = new Map<string, Collection>();
  readonly #assets = new Map<string, Asset>();
  /** Moments at which the slot count was set; between them it grows with time. */
  readonly #anchors: { time: number; slot: number }[];
  readonly #genesisSlot: number;
  #inGenesis = false;

  constructor(options: LedgerOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.confirmedAfterMs = options.confirmedAfterMs ?? 0;
    this.finalizedAfterMs = options.finalizedAfterMs ?? 32 * SLOT_MS;
    const genesis = this.#now() - GENESIS_AGE_MS;
    this.#genesisSlot = Math.floor((genesis - EPOCH) / SLOT_MS);
    this.#anchors = [{ time: genesis, slot: this.#genesisSlot }];
  }

  /** Changes made inside belong to the first slot and are visible at every commitment and to every lagging reader. */
  genesis(fill: (ledger: Ledger) => void): this {
    this.#inGenesis = true;
    try {
      fill(this);
    } finally {
      this.#inGenesis = false;
    }
    return this;
  }

  /** The slot that a node which is up to date answers from. */
  slot(commitment: Commitment = "finalized"): number {
    const delay = {
      processed: 0,
      confirmed: this.confirmedAfterMs,
      finalized: this.confirmedAfterMs + this.finalizedAfterMs,
    }[commitment];
    return this.#slotAt(this.#now() - delay);
  }

  /** The account as of a slot; slots before the first one count as the first. */
  account(address: string, atSlot: number): Account | null {
    const slot = Math.max(atSlot, this.#genesisSlot);
    return this.#versions.get(address)?.findLast((version) => version.slot <= slot)?.account ?? null;
  }

  createCollection(address: string, fields: { name: string; uri: string; updateAuthority: string }): number {
    if (this.#latest(address) !== null) throw new Error(`account exists: ${address}`);
    const slot = this.#nextSlot();
    this.#collections.set(address, { ...fields, numMinted: 0, currentSize: 0 });
    this.#writeCollection(address, slot);
    this.defaultCollection ??= address;
    return slot;
  }

  /** Creates an asset; returns the slot that first shows it (as all changes do). */
  mint(request: MintRequest): number {
    const collection = request.collection === undefined ? this.defaultCollection : request.collection;
    const data = encodeAsset({
      owner: request.owner,
      updateAuthority:
        collection !== null
          ? { kind: "collection", address: collection }
          : request.updateAuthority === undefined
            ? { kind: "none" }
            : { kind: "address", address: request.updateAuthority },
      name: request.name,
      uri: request.uri ?? `https://meta.example/${request.name}.json`,
    });
    if (this.#latest(request.asset) !== null) throw new Error(`account exists: ${request.asset}`);
    const slot = this.#nextSlot();
    this.#write(request.asset, slot, coreAccount(data));
    this.#assets.set(request.asset, { name: request.name, collection });
    this.#countMember(collection, slot, 1);
    return slot;
  }

  transfer(asset: string, newOwner: string): number {
    const account = this.#liveAsset(asset);
    const data = withOwner(account.data, newOwner);
    const slot = this.#nextSlot();
    this.#write(asset, slot, { ...account, data });
    return slot;
  }

  /** The account stays: one byte, still owned by the Core program. */
  burn(asset: string): number {
    this.#liveAsset(asset);
    const slot = this.#nextSlot();
    this.#write(asset, slot, coreAccount(BURNED_DATA));
    this.#countMember(this.#assets.get(asset)?.collection ?? null, slot, -1);
    this.#assets.delete(asset);
    return slot;
  }

  /** Puts any account at an address, or removes it with null. */
  setAccount(address: string, account: Account | null): number {
    pubkey(address);
    if (account !== null) pubkey(account.owner);
    const slot = this.#nextSlot();
    this.#write(address, slot, account && { ...account, data: new Uint8Array(account.data) });
    return slot;
  }

  setBalance(address: string, lamports: number): number {
    if (!Number.isSafeInteger(lamports) || lamports < 0) throw new Error("lamports must be a whole number from 0");
    const before = this.#latest(address);
    const empty = { owner: SYSTEM_PROGRAM, data: new Uint8Array(), executable: false };
    return this.setAccount(address, { ...(before ?? empty), lamports });
  }

  /** Every account as of a slot, with its address. */
  *accounts(atSlot: number): Generator<[string, Account]> {
    for (const address of this.#versions.keys()) {
      const account = this.account(address, atSlot);
      if (account !== null) yield [address, account];
    }
  }

  /** Changes several accounts in one slot. */
  setAccounts(changes: Iterable<readonly [string, Account | null]>): number {
    const slot = this.#nextSlot();
    for (const [address, account] of changes) this.#write(address, slot, account);
    return slot;
  }

  /** Assets that exist now, as the newest slot shows them. */
  assets(): { asset: string; name: string; owner: string; collection: string | null }[] {
    return [...this.#assets].flatMap(([asset, { name, collection }]) => {
      const account = this.#latest(asset);
      return account && isAsset(account.data) ? [{ asset, name, owner: assetOwner(account.data), collection }] : [];
    });
  }

  #slotAt(time: number): number {
    const anchor = this.#anchors.findLast((candidate) => candidate.time <= time);
    return anchor ? anchor.slot + Math.floor((time - anchor.time) / SLOT_MS) : this.#genesisSlot;
  }

  /** Each change opens a slot of its own, so that a slot number says exactly which changes a view holds. */
  #nextSlot(): number {
    if (this.#inGenesis) return this.#genesisSlot;
    const time = this.#now();
    const slot = this.#slotAt(time) + 1;
    this.#anchors.push({ time, slot });
    return slot;
  }

  #latest(address: string): Account | null {
    return this.#versions.get(address)?.at(-1)?.account ?? null;
  }

  #liveAsset(address: string): Account {
    const account = this.#latest(address);
    if (account === null || account.owner !== CORE_PROGRAM || !isAsset(account.data)) {
      throw new Error(`no such asset: ${address}`);
    }
    return account;
  }

  #write(address: string, slot: number, account: Account | null): void {
    pubkey(address);
    const versions = this.#versions.get(address);
    if (versions) versions.push({ slot, account });
    else this.#versions.set(address, [{ slot, account }]);
  }

  #countMember(address: string | null, slot: number, change: 1 | -1): void {
    const collection = address === null ? undefined : this.#collections.get(address);
    if (address === null || collection === undefined) return;
    if (change === 1) collection.numMinted += 1;
    collection.currentSize += change;
    this.#writeCollection(address, slot);
  }

  #writeCollection(address: string, slot: number): void {
    const collection = this.#collections.get(address);
    if (collection) this.#write(address, slot, coreAccount(encodeCollection(collection)));
  }
}

function coreAccount(data: Uint8Array): Account {
  return { lamports: rentExemption(data.length), owner: CORE_PROGRAM, data, executable: false };
}
