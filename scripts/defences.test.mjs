// The list of defences that `npm run test:defences` takes away fits the code as it is.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { DEFENCES } from "./lib/defences.mjs";
import { fromRoot } from "./lib/project.mjs";
import { cargoVerdicts } from "./lib/verdicts.mjs";

const all = Object.entries(DEFENCES);

test("there are at least 25 defences, each with a title of its own and one change of one line", () => {
  assert.ok(all.length >= 25, String(all.length));
  for (const of of [({ title = "" }) => title, ({ file = "", old = "", gone = "" }) => `${file}\n${old}\n${gone}`])
    assert.equal(new Set(all.map(([, defence]) => of(defence))).size, all.length);
  for (const [name, { old, gone, cases }] of all) {
    assert.ok(old !== gone && !/\n/.test(old + gone), name);
    assert.ok(cases.length > 0, `${name} has no case`);
  }
});

test("each defence is in its file once, as it is now", () => {
  const counts = all.map(([name, { file, old }]) => [name, readFileSync(fromRoot(file), "utf8").split(old).length - 1]);
  assert.deepEqual(
    counts.filter(([, count]) => count !== 1),
    [],
  );
});

test("each promise is one of the contract's, and most of the tests are attacks from outside", () => {
  const contract = readFileSync(fromRoot("docs/contract.md"), "utf8");
  for (const [name, { promise, test }] of all) {
    assert.match(contract, new RegExp(`^\\| ${promise} `, "m"), name);
    assert.ok(existsSync(fromRoot(test)), test);
  }
  const outside = all.filter(([, { test }]) => test.startsWith("tests/"));
  assert.ok(outside.length >= 25, String(outside.length));
});

test("the native tests that are named exist", () => {
  for (const [name, { test, cases }] of all.filter(([, { test }]) => test.endsWith(".rs"))) {
    const source = readFileSync(fromRoot(test), "utf8");
    for (const part of cases) assert.match(source, new RegExp(`fn \\w*${part}`), name);
  }
});

test("a failed test of cargo's is told from one that passed, and from an error of the compiler's", () => {
  const output =
    "error: x\ntest a::b ... ok\ntest a::c ... FAILED\ntest d ... ignored\ntest result: FAILED. 1 passed\n";
  assert.deepEqual(cargoVerdicts(output), [
    { name: "a::b", ok: true, asserted: false },
    { name: "a::c", ok: false, asserted: true },
  ]);
});
