// Values as the owner reads them.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatAgo,
  formatCount,
  formatDateTime,
  formatDay,
  formatDuration,
  formatElapsed,
  formatMinutes,
  formatSize,
  shortAddress,
  slug,
} from "./format.ts";

test("sizes keep two or three digits and never print a thousand", () => {
  assert.deepEqual([0, 999, 1000, 9_949, 12_345_678, 999_600, 3.2e9].map(formatSize), [
    "0 B",
    "999 B",
    "1.0 kB",
    "9.9 kB",
    "12 MB",
    "1.0 MB",
    "3.2 GB",
  ]);
});

test("counts have their thousands separated", () => {
  assert.equal(formatCount(500), "500");
  for (const count of [1_234, 1_234_567]) {
    assert.notEqual(formatCount(count), String(count));
    assert.equal(formatCount(count).replace(/\D/g, ""), String(count));
  }
});

test("elapsed time is never negative and has minutes from a minute on", () => {
  assert.deepEqual([-5_000, 0, 8_400, 59_999, 64_000].map(formatElapsed), [
    "0 s",
    "0 s",
    "8 s",
    "1 min 00 s",
    "1 min 04 s",
  ]);
});

test("measured time has tenths below ten seconds", () => {
  assert.deepEqual([-5, 0, 449, 9_949, 9_960, 64_000].map(formatDuration), [
    "0.0 s",
    "0.0 s",
    "0.4 s",
    "9.9 s",
    "10 s",
    "1 min 04 s",
  ]);
});

test("minutes become hours from sixty on", () => {
  assert.deepEqual([-1, 0, 59.4, 59.6, 65, 1_440].map(formatMinutes), [
    "0 min",
    "0 min",
    "59 min",
    "1 h 00 min",
    "1 h 05 min",
    "24 h 00 min",
  ]);
});

test("a day is the same day wherever it is read", () => {
  assert.match(formatDay("2026-01-15"), /15/);
  assert.equal(formatDay("some day"), "some day");
});

test("a time that cannot be read is shown as it came", () => {
  assert.equal(formatDateTime("soon"), "soon");
  assert.equal(formatAgo("soon", 0), "");
});

test("what is seconds old is just now", () => {
  assert.equal(formatAgo("2026-01-15T12:00:00.000Z", Date.parse("2026-01-15T12:00:40.000Z")), "just now");
});

test("wallet names become plain test hooks", () => {
  assert.equal(slug("Development wallet (owner)"), "development-wallet-owner");
  assert.equal(slug("Phantom"), "phantom");
  assert.equal(slug("钱包"), "wallet");
});

test("addresses are shortened in the middle", () => {
  assert.equal(shortAddress("GWjU6QgSN6uHpnehN98d5J8kXnGKMCKgDFdLesrVhd5J"), "GWjU…hd5J");
});
