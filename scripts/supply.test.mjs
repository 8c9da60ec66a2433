// What is made of npm's own words: a finding is one, and an answer that is no report is not taken for a good one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findingsOf } from "./lib/supply.mjs";

test("a weakness is told with its package and its reason", () => {
  const vulnerabilities = {
    left: { name: "left", severity: "high", via: [{ title: "Reads too far", url: "https://example.com/1" }] },
    right: { name: "right", severity: "low", via: ["left"] },
  };
  assert.deepEqual(findingsOf(JSON.stringify({ auditReportVersion: 2, vulnerabilities })), [
    "left (high): Reads too far https://example.com/1",
    "right (low): by way of left",
  ]);
});

test("a report without weaknesses has none", () => {
  assert.deepEqual(findingsOf('{"auditReportVersion":2,"vulnerabilities":{}}'), []);
});

test("what is no report is not asked, and not good", () => {
  for (const text of [
    "",
    "<html>",
    "null",
    "[]",
    '{"statusCode":405,"error":{"summary":""}}',
    '{"vulnerabilities":null}',
  ])
    assert.equal(findingsOf(text), null, text);
});
