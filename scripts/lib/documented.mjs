// What the code asks its environment for, compared with what is listed (deployment.mjs) and what people read: the README's
// tables and .dev.vars.example.

import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { BINDINGS, SECRETS, VARIABLES } from "./deployment.mjs";
import { filesUnder } from "./inputs.mjs";
import { fromRoot, ROOT } from "./project.mjs";

const SOURCES = ["src", "core/src", "durable_objects/src"];
/** Cargo's, read while compiling; and what an agent finds in its own environment. */
const NOT_OURS = /^CARGO_|^MOLT_PROPOSALS_URL$/;

/** @typedef {import("./lint.mjs").Finding} Finding */
/** @typedef {{names: Set<string>, bindings: Map<string, string>, classes: Map<string, string>}} Asked */

/** Names of variables, secrets and bindings are the only such literals in the code. @returns {Asked} */
export function asked(files = SOURCES.flatMap((dir) => filesUnder(fromRoot(dir)))) {
  /** @type {Asked} */
  const found = { names: new Set(), bindings: new Map(), classes: new Map() };
  for (const file of files.filter((name) => name.endsWith(".rs"))) {
    const text = readFileSync(file, "utf8");
    for (const [, call = "", name = ""] of text.matchAll(/\.(\w+)\("([A-Z][A-Z0-9_]*)"\)/g))
      if (BINDINGS.some((binding) => binding.asked === call)) found.bindings.set(name, call);
    for (const [, name = ""] of text.matchAll(/"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"/g))
      if (!NOT_OURS.test(name)) found.names.add(name);
    for (const [, name = ""] of text.matchAll(/#\[durable_object\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*pub struct (\w+)/g))
      found.classes.set(name, relative(ROOT, file));
  }
  for (const name of found.bindings.keys()) found.names.delete(name);
  return found;
}

/** The names in the first column of the README's tables. @param {string} text */
export function readmeTables(text) {
  const column = (/** @type {string} */ title) => {
    const table = text.match(new RegExp(`^\\| ${title} \\|.*\n\\|[-|]+\n((?:\\|.*\n?)+)`, "m"))?.[1] ?? "";
    return table
      .split("\n")
      .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
  };
  return { variables: column("variable"), secrets: column("secret") };
}

/** Those set and those commented out: one way or the other they are documented. @param {string} text */
export function exampleSecrets(text) {
  return [...text.matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=/gm)].map(([, name = ""]) => name);
}

/** @param {string} field @param {string} what @param {Iterable<string>} given @param {string[]} known @returns {Finding[]} */
function compare(field, what, given, known) {
  const names = [...given];
  return [
    ...known.filter((name) => !names.includes(name)).map((name) => ({ field, text: `${what} ${name} is missing` })),
    ...names.filter((name) => !known.includes(name)).map((name) => ({ field, text: `${what} ${name} is not known` })),
  ];
}

/** @param {{code?: Asked, readme?: string, example?: string}} [given] by default what the project holds */
export function lintDocuments({
  code = asked(),
  readme = readFileSync(fromRoot("README.md"), "utf8"),
  example = readFileSync(fromRoot(".dev.vars.example"), "utf8"),
} = {}) {
  const [variables, secrets] = [Object.keys(VARIABLES), SECRETS.map(({ name }) => name)];
  const tables = readmeTables(readme);
  return [
    ...compare("The code (as scripts/lib/deployment.mjs lists it)", "name", code.names, [...variables, ...secrets]),
    ...compare(
      "The code (as scripts/lib/deployment.mjs lists it)",
      "binding",
      code.bindings.keys(),
      BINDINGS.map(({ name }) => name),
    ),
    ...compare("README.md", "variable", tables.variables, variables),
    ...compare("README.md", "secret", tables.secrets, secrets),
    ...compare(".dev.vars.example", "secret", exampleSecrets(example), secrets),
  ];
}
