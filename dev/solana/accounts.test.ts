// The development keys: fixed, distinct and usable for signing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEV_DOMAINS, devAccounts, devAssetAddress, devKeypair } from "./accounts.ts";

test("a label always gives the same key", async () => {
  // Fixed: other parts of the project and developers' notes rely on these addresses.
  assert.equal((await devKeypair("owner")).address, "DB8UouGHMf1ji2VaRskp4PbVnm8dPZYBA9VWDBn86X2H");
  assert.equal(await devAssetAddress("alice.molt"), "GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J");
});

test("a signature verifies under the published key only", async () => {
  const [owner, buyer] = [await devKeypair("owner"), await devKeypair("buyer")];
  const message = new TextEncoder().encode("localhost wants you to sign in");
  const signature = await owner.sign(message);
  const verify = async (publicKey: Uint8Array<ArrayBuffer>, text: Uint8Array<ArrayBuffer>): Promise<boolean> => {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return crypto.subtle.verify("Ed25519", key, signature, text);
  };
  assert.equal(signature.length, 64);
  assert.equal(await verify(owner.publicKey, message), true);
  assert.equal(await verify(buyer.publicKey, message), false);
  assert.equal(await verify(owner.publicKey, message.slice(1)), false);
});

test("all development addresses differ", async () => {
  const { collection, authority, wallets, assets } = await devAccounts();
  const all = [collection, authority, ...Object.values(wallets), ...assets.map(({ address }) => address)];
  assert.equal(new Set(all).size, 4 + DEV_DOMAINS.length);
  assert.deepEqual(
    assets.map(({ name, owner }) => [name, owner]),
    [
      ["alice.molt", wallets.owner],
      ["bob.molt", wallets.buyer],
    ],
  );
});
