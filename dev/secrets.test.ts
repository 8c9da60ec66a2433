// The secrets of local runs: fresh, private, and kept from run to run.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadSecrets, newSecrets, writeSecrets } from "./secrets.ts";

const dir = mkdtempSync(join(tmpdir(), "secrets-"));
after(() => rmSync(dir, { recursive: true }));

test("two runs share nothing, and the keys have their lengths", () => {
  const [one, two] = [newSecrets(), newSecrets()];
  for (const name of ["JWT_SECRET", "SEALING_KEY", "OPENAI_API_KEY"]) assert.notEqual(one[name], two[name]);
  assert.ok(Buffer.from(one.JWT_SECRET ?? "", "base64url").length >= 32);
  assert.equal(Buffer.from(one.SEALING_KEY ?? "", "base64").length, 32);
});

test("the file is made once, and only its owner can read it", () => {
  const file = join(dir, "first");
  const secrets = loadSecrets(file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(loadSecrets(file), secrets);
});

test("what a person has set stays; what is empty or missing is filled in", () => {
  const file = join(dir, "partial");
  writeFileSync(file, "JWT_SECRET=\nANTHROPIC_API_KEY=mine\n", { mode: 0o644 });
  const secrets = loadSecrets(file);
  assert.equal(secrets.ANTHROPIC_API_KEY, "mine");
  assert.ok((secrets.JWT_SECRET ?? "").length >= 43);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("a value comes back as it was, whatever it contains", () => {
  const file = join(dir, "quotes");
  const secrets = { ...newSecrets(), A: "it's", B: `"'`, C: "a=b # c $HOME", D: "back\\slash" };
  writeSecrets(file, secrets);
  assert.deepEqual(loadSecrets(file), secrets);
});

test("a value that the format cannot hold is refused without showing it", () => {
  const file = join(dir, "refused");
  const show = (error: Error) => error.message.includes("NAME") && !error.message.includes("one");
  assert.throws(() => writeSecrets(file, { NAME: "one\ntwo" }), show);
  assert.throws(() => writeSecrets(file, { NAME: `one'"\`` }), show);
  assert.throws(() => readFileSync(file));
});
