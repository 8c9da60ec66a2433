// The secrets of a local run: made at random, kept in files that only their owner reads, never printed.
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseEnv } from "node:util";

export type Secrets = Record<string, string>;

export function newSecrets(): Secrets {
  return {
    JWT_SECRET: randomBytes(48).toString("base64url"),
    SEALING_KEY: randomBytes(32).toString("base64"),
    OPENAI_API_KEY: `sk-dev-${randomBytes(24).toString("base64url")}`,
  };
}

/** Reads the file; makes it on the first run, and adds what it lacks or leaves empty. */
export function loadSecrets(file: string): Secrets {
  const found = existsSync(file) ? (parseEnv(readFileSync(file, "utf8")) as Secrets) : {};
  const set = Object.fromEntries(Object.entries(found).filter(([, value]) => value !== ""));
  const missing = Object.fromEntries(Object.entries(newSecrets()).filter(([name]) => !(name in set)));
  const secrets = { ...set, ...missing };
  if (Object.keys(missing).length > 0) writeSecrets(file, secrets);
  return secrets;
}

export function writeSecrets(file: string, secrets: Secrets): void {
  const lines = Object.entries(secrets).map(([name, value]) => `${name}=${quote(name, value)}\n`);
  const unfinished = `${file}.part`;
  writeFileSync(unfinished, lines.join(""), { mode: 0o600 });
  chmodSync(unfinished, 0o600);
  renameSync(unfinished, file);
}

/** The file's readers know no escapes within these quotes; a value that none can hold is refused, unseen. */
function quote(name: string, value: string): string {
  const mark = ["'", '"', "`"].find((candidate) => !value.includes(candidate));
  if (!mark || /[\r\n\0]/.test(value) || (mark === '"' && value.includes("\\"))) {
    throw new Error(`the value of ${name} cannot be written to a .dev.vars file`);
  }
  return `${mark}${value}${mark}`;
}
