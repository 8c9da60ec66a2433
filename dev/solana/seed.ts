// Development stand-in: the ledger that a fresh development node starts with.
// It holds the `.molt` collection, the development domains and wallets with some SOL.
import { devAccounts } from "./accounts.ts";
import { Ledger, type LedgerOptions } from "./ledger.ts";

const LAMPORTS_PER_SOL = 1_000_000_000;

export async function devLedger(options: LedgerOptions = {}): Promise<Ledger> {
  const { collection, authority, wallets, assets } = await devAccounts();
  return new Ledger(options).genesis((ledger) => {
    ledger.createCollection(collection, {
      name: "Molt Domains",
      uri: "https://meta.example/collection.json",
      updateAuthority: authority,
    });
    for (const { address, name, owner } of assets) ledger.mint({ asset: address, name, owner });
    for (const wallet of Object.values(wallets)) ledger.setBalance(wallet, 10 * LAMPORTS_PER_SOL);
  });
}
