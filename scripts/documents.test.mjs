// The documents about promises and threats name files: each of them exists.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fromRoot } from "./lib/project.mjs";

const OURS = /^(benches|console|container|core|dev|docs|durable_objects|fuzz|scripts|src|tests)\//;

/** Every path that `a/{b,c}.x` stands for. @param {string} text @returns {string[]} */
function expanded(text) {
  const braces = text.match(/^(.*?)\{([^}]*)\}(.*)$/);
  if (!braces) return [text];
  const [, before = "", choices = "", after = ""] = braces;
  return choices.split(",").flatMap((choice) => expanded(`${before}${choice}${after}`));
}

for (const document of ["docs/contract.md", "docs/threat-model.md", "SECURITY.md"]) {
  test(`the files that ${document} names exist`, () => {
    const text = readFileSync(fromRoot(document), "utf8");
    const named = [...text.matchAll(/`([^`\s]+)`/g)].flatMap(([, path = ""]) =>
      OURS.test(path) ? expanded(path) : [],
    );
    const linked = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path = ""]) =>
      document.startsWith("docs/") ? `docs/${path}` : path,
    );
    const missing = [...named, ...linked].filter((path) => !existsSync(fromRoot(path)));
    assert.deepEqual(missing, []);
  });
}

test("the threat model has a row for every promise", () => {
  const rows = readFileSync(fromRoot("docs/threat-model.md"), "utf8").match(/^\| C\d\d /gm) ?? [];
  const promises = readFileSync(fromRoot("docs/contract.md"), "utf8").match(/^\| C\d\d /gm) ?? [];
  assert.ok(promises.length > 0);
  assert.deepEqual(rows, promises);
});
