// Account bytes are equal to those that the Metaplex Core program and its npm package write.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { assetOwner, BURNED_DATA, encodeAsset, encodeCollection, rentExemption, withOwner } from "./core-layout.ts";

interface Fixture {
  name: string;
  account: { data_base64: string; data_len: number; lamports: number };
}

const FIXTURES = new URL("../../tests/vectors/core-fixtures.json", import.meta.url);
const { fixtures, keys } = JSON.parse(readFileSync(FIXTURES, "utf8")) as {
  fixtures: Fixture[];
  keys: Record<"owner1" | "owner2" | "collection" | "collection_update_authority", string>;
};
const ALICE = { owner: keys.owner1, name: "alice.molt", uri: "https://meta.example/alice.molt.json" };

function fixture(name: string): Fixture["account"] {
  const found = fixtures.find((candidate) => candidate.name === name);
  assert.ok(found, `fixture ${name}`);
  return found.account;
}

function assertBytes(actual: Uint8Array, name: string): void {
  assert.equal(Buffer.from(actual).toString("base64"), fixture(name).data_base64);
}

test("an asset of a collection", () => {
  const asset = encodeAsset({ ...ALICE, updateAuthority: { kind: "collection", address: keys.collection } });
  assertBytes(asset, "asset_in_collection_plain");
  assert.equal(rentExemption(asset.length), fixture("asset_in_collection_plain").lamports);
});

test("an asset outside of any collection", () => {
  const updateAuthority = { kind: "address", address: keys.collection_update_authority } as const;
  assertBytes(encodeAsset({ ...ALICE, updateAuthority }), "asset_no_collection_address_ua");
});

test("a collection key as plain update authority is not membership", () => {
  const updateAuthority = { kind: "address", address: keys.collection } as const;
  assertBytes(encodeAsset({ ...ALICE, updateAuthority }), "asset_address_ua_equals_collection_key");
});

test("a collection", () => {
  const collection = {
    updateAuthority: keys.collection_update_authority,
    name: "Molt Domains",
    uri: "https://meta.example/collection.json",
    numMinted: 3,
    currentSize: 2,
  };
  assertBytes(encodeCollection(collection), "collection_plain");
});

test("a burned asset is one zero byte", () => {
  assertBytes(BURNED_DATA, "asset_burned");
  assert.equal(rentExemption(BURNED_DATA.length), fixture("asset_burned").lamports);
});

test("a new owner changes the owner's bytes alone", () => {
  const before = Buffer.from(fixture("asset_attributes").data_base64, "base64");
  const after = withOwner(before, keys.owner2);
  assert.equal(assetOwner(before), keys.owner1);
  assert.equal(assetOwner(after), keys.owner2);
  assert.deepEqual(after.subarray(33), new Uint8Array(before.subarray(33)));
});
