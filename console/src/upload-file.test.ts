// Which files are sent, and the hash that goes with them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_UPLOAD_BYTES, readUpload, refusal } from "./upload-file.ts";

test("c19 a file that is empty or too large is refused by name before it is read", () => {
  const name = "alice.tar.zst";
  assert.equal(refusal({ name, size: 0 }), "alice.tar.zst is empty.");
  assert.equal(refusal({ name, size: 1 }), null);
  assert.equal(refusal({ name, size: MAX_UPLOAD_BYTES }), null);
  assert.equal(
    refusal({ name, size: MAX_UPLOAD_BYTES + 1 }),
    "alice.tar.zst is too large: at most 256 MiB can be uploaded.",
  );
});

test("c19 what is sent is what was hashed", async () => {
  let reads = 0;
  const file = {
    arrayBuffer: async () => {
      reads += 1;
      return new TextEncoder().encode("abc").buffer;
    },
  };
  const { bytes, type, digest } = await readUpload(file);
  assert.equal(reads, 1);
  assert.equal(new TextDecoder().decode(bytes), "abc");
  assert.equal(type, "application/zstd");
  // FIPS 180-4's own example.
  const known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(digest, `sha-256=:${Buffer.from(known, "hex").toString("base64")}:`);
});
