// Development stand-in: the ledger that a fresh development node starts with.
// It holds the `.molt` collection, the development domains and wallets with some SOL.
import { devAccounts } from "./accounts.ts";
import { SYSTEM_PROGRAM } from "./core-layout.ts";
import { Ledger, type LedgerOptions } from "./ledger.ts";
import { MEMO_PROGRAM } from "./programs.ts";
import { ASSOCIATED_TOKEN_PROGRAM, TOKEN_PROGRAMS } from "./token-layout.ts";

const NATIVE_LOADER = "NativeLoader1111111111111111111111111111111";
const PROGRAMS = [SYSTEM_PROGRAM, MEMO_PROGRAM, ASSOCIATED_TOKEN_PROGRAM, ...TOKEN_PROGRAMS];
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
    for (const program of PROGRAMS) {
      ledger.setAccount(program, { lamports: 1, owner: NATIVE_LOADER, data: new Uint8Array(), executable: true });
    }
    for (const wallet of Object.values(wallets)) ledger.setBalance(wallet, 10 * LAMPORTS_PER_SOL);
  });
}
