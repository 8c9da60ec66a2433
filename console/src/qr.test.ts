// The drawing of a QR code: a scanner reads from it what was put in.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { qrPath } from "./qr.ts";

const LINK = "solana:GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J?label=alice.molt";

test("a link becomes the drawing that a reader of QR codes was seen to read", () => {
  const { size, path } = qrPath(LINK);
  const hash = createHash("sha256").update(path).digest("hex");
  assert.deepEqual(
    { size, hash },
    { size: 45, hash: "b44bff1acb824d936386b3222e7d1b09a39ab735c6a13ff7e704c0d9472bd070" },
  );
});

test("there is a quiet margin, and the corner that scanners look for", () => {
  const { size, path } = qrPath(LINK);
  const dark = new Set(path.match(/M\d+ \d+/g));
  const row = (y: number) => Array.from({ length: size }, (_, x) => (dark.has(`M${x} ${y}`) ? "#" : "."));
  for (const y of [0, 3, size - 1]) assert.equal(row(y).includes("#"), false);
  assert.equal(row(4).slice(0, 12).join(""), "....#######.");
  assert.equal(row(5).slice(0, 12).join(""), "....#.....#.");
});
