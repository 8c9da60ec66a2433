// Looks for secrets in every file of the project that git knows or would add: secretlint's rules, and the forms that this
// service handles and it does not know. A program of its own: secretlint needs the project's Node.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./project.mjs";

/** @typedef {{file: string, line: number, what: string, mark: string}} Finding */

/** Where the text begins and ends, and what it is. @typedef {{from: number, to: number, what: string}} Hit */

/** @type {[string, RegExp][]} */
const FORMS = [
  ["an OpenRouter key", /\bsk-or-v1-[0-9a-f]{64}\b/g],
  ["an Anthropic key", /\bsk-ant-[a-z0-9]+-[\w-]{20,}/g],
  ["a Telegram bot's token", /\b\d{8,12}:[\w-]{35}\b/g],
  ["a signed token", /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}/g],
  ["a private key of 32 bytes", /\b0x[0-9a-fA-F]{64}\b/g],
  ["a Solana keypair", /\[\s*(?:\d{1,3}\s*,\s*){63}\d{1,3}\s*\]/g],
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----/g],
];
/** Files that hold secrets by their name alone. */
const FILES = /^(\.dev\.vars(?!\.example$)|\.env(\.(?!example$).*)?$|id_(rsa|ed25519)$|.*\.(pem|p12|pfx)$)/;

/** What looks like a secret and is none, by its mark. @type {Record<string, string>} */
const KNOWN = {
  "45595e751d508056": "made up, typed into an agent's page: container/tests/gateway.test.mjs",
  "95e33b6a50ad6d77": "the largest private key that there can be: core/src/shape/tests.rs",
  "5702e826aaa3bc66": "the order of the curve, one more than that: core/src/shape/tests.rs",
  a4a367eeeb4f235c: "made up: core/src/typed.rs",
  "0e2b52da2eaa9c79": "made up: tests/secrets.test.ts",
};

/** Tells a text without repeating it. @param {string} text */
export const markOf = (text) => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** @param {string} file @param {string} text @returns {Promise<Hit[]>} */
async function hitsOfSecretlint(file, text) {
  const { lintSource } = await import("@secretlint/core");
  const { creator } = await import("@secretlint/secretlint-rule-preset-recommend");
  const { messages } = await lintSource({
    source: { filePath: file, content: text, ext: file.split(".").at(-1) ?? "", contentType: "text" },
    options: { config: { rules: [{ id: "@secretlint/secretlint-rule-preset-recommend", rule: creator }] } },
  });
  return messages.map(({ range: [from, to], ruleId }) => ({ from, to, what: ruleId }));
}

/** @param {string} file as it is called within the project @param {Buffer} content @returns {Promise<Finding[]>} */
export async function secretsIn(file, content) {
  if (FILES.test(basename(file))) return [{ file, line: 1, what: "a file for secrets", mark: markOf(file) }];
  // Binary files of the project are made of text ones that are looked at.
  if (content.includes(0)) return [];
  const text = content.toString("utf8");
  const hits = FORMS.flatMap(([what, form]) =>
    [...text.matchAll(form)].map((found) => ({ from: found.index, to: found.index + found[0].length, what })),
  );
  return [...hits, ...(await hitsOfSecretlint(file, text))]
    .map(({ from, to, what }) => {
      const line = text.slice(0, from).split("\n").length;
      return { file, line, what, mark: markOf(text.slice(from, to)) };
    })
    .filter(({ mark }) => !(mark in KNOWN));
}

/** @returns {string[]} */
export function projectFiles() {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  return listed.split("\0").filter((file) => file !== "" && existsSync(join(ROOT, file)));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const files = projectFiles();
  for (const file of files) {
    for (const { line, what, mark } of await secretsIn(file, readFileSync(join(ROOT, file)))) {
      process.exitCode = 1;
      console.log(`${file}:${line}: looks like ${what}. Take it out, or name it in scripts/lib/leaked.mjs: ${mark}`);
    }
  }
  console.log(`${files.length} files`);
}
