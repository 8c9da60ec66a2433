// What is sealed at rest, by an implementation that is not ours (node:crypto): who has the keys and the files opens so
// much. And an owner's secrets by the API.
import assert from "node:assert/strict";
import { createDecipheriv, hkdfSync } from "node:crypto";
import type { Owned } from "./agent.ts";
import { objectRows, type Row } from "./objects.ts";
import type { TestStack } from "./stack.ts";

export interface Entry {
  name: string;
  source: "user" | "platform" | "none";
  prefix: string | null;
  setAt: string | null;
  unreadable?: boolean;
}

export async function entryOf(owned: Owned, name: string): Promise<Entry> {
  const answer = await owned.client.get(`${owned.path}/secrets`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json().secrets.find((entry: Entry) => entry.name === name) ?? assert.fail(name);
}

export async function put(owned: Owned, name: string, value: string): Promise<Entry> {
  const answer = await owned.client.put(`${owned.path}/secrets/${name}`, { value });
  assert.equal(answer.status, 200, answer.text.replaceAll(value, "(the value)"));
  return answer.json();
}

export async function remove(owned: Owned, name: string): Promise<Entry> {
  const answer = await owned.client.delete(`${owned.path}/secrets/${name}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

/** A domain's rows of sealed secrets. */
export function sealedRows(stack: TestStack, asset: string): Row[] {
  return objectRows(stack, asset, "SELECT * FROM secrets ORDER BY owner, name");
}

/** The salt of the domain's only tenant, as it is kept. */
export function saltOf(stack: TestStack, asset: string): string {
  return objectRows(stack, asset, "SELECT salt FROM tenants")[0]?.salt ?? assert.fail("no salt");
}

const NONCE = 12;
const TAG = 16;

/** The value of a row, if this is the key and the salt that it was sealed with (docs/storage.md). */
export function unseal(key: string, salt: string, asset: string, { owner, name, sealed }: Row): string | undefined {
  const blob = Buffer.from(sealed, "base64");
  const [format, rest] = [blob.subarray(0, 1), blob.subarray(1)];
  assert.deepEqual([...format], [1]);
  const [nonce, body, tag] = [rest.subarray(0, NONCE), rest.subarray(NONCE, -TAG), rest.subarray(-TAG)];
  const info = `multiclaw secrets tenants/${asset}/${owner}/`;
  const derived = hkdfSync("sha256", Buffer.from(key, "base64"), Buffer.from(salt, "hex"), info, 32);
  const cipher = createDecipheriv("aes-256-gcm", Buffer.from(derived), nonce);
  cipher.setAAD(Buffer.from(name)).setAuthTag(tag);
  try {
    return Buffer.concat([cipher.update(body), cipher.final()]).toString();
  } catch {
    return undefined;
  }
}
