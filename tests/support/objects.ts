// The objects' databases on disk: where workerd keeps the one of a domain, and a look into it.
import { createHash, createHmac } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parse } from "smol-toml";
import { ROOT } from "../../dev/stack.ts";
import { look } from "./looks.ts";
import type { TestStack } from "./stack.ts";

/** Of the Worker's name and the class's, as miniflare makes it. */
const NAMESPACE = `${parse(readFileSync(join(ROOT, "wrangler.toml"), "utf8")).name}-Agent`;
/** Half of an object's ID is made of its name, half of the first half. */
const HALF = 16;

/** The name that the runtime gives a domain's object. */
export function objectId(asset: string): string {
  const key = createHash("sha256").update(NAMESPACE).digest();
  const half = (data: string | Buffer): Buffer => createHmac("sha256", key).update(data).digest().subarray(0, HALF);
  const name = half(asset);
  return Buffer.concat([name, half(name)]).toString("hex");
}

/** The database of a domain's object, whether or not it is there. */
export function objectFile({ dir }: Pick<TestStack, "dir">, asset: string): string {
  return join(dir, "storage", "v3", "do", NAMESPACE, `${objectId(asset)}.sqlite`);
}

/** How many objects there are. */
export function objectCount({ dir }: Pick<TestStack, "dir">): number {
  const files = readdirSync(join(dir, "storage"), { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.includes("Agent") && file.endsWith(".sqlite")).length;
}

/** How many objects hold anything: one that is only asked has a file as well. */
export function inhabitedCount({ dir }: Pick<TestStack, "dir">): number {
  const place = join(dir, "storage", "v3", "do", NAMESPACE);
  const files = readdirSync(place).filter((file) => /^[0-9a-f]+\.sqlite$/.test(file));
  const first = "SELECT 1 FROM sqlite_master WHERE name NOT GLOB '_*'";
  return files.filter((file) => look(join(place, file), (database) => database.prepare(first).get()) !== undefined)
    .length;
}

/** A runtime that ends holds its databases for a moment longer. */
const LOCKED_MS = 10_000;

/** For writing, while no Worker has it open. */
export function openDatabase(file: string): DatabaseSync {
  return new DatabaseSync(file, { timeout: LOCKED_MS });
}

/** Runs SQL on a domain's database while no Worker has it open. */
export function editObject(stack: TestStack, asset: string, sql: string): void {
  const database = openDatabase(objectFile(stack, asset));
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what a row holds is for each test to check.
export type Row = Record<string, any>;

/** What a query finds in a domain's database now. */
export function objectRows(stack: TestStack, asset: string, query: string): Row[] {
  // As plain objects, which is what they are compared with.
  return look(objectFile(stack, asset), (database) => database.prepare(query).all()).map((row) => ({ ...row }));
}

/** The tables and their texts, but for the runtime's own. */
export function schemaOf(stack: TestStack, asset: string): Record<string, string> {
  const tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_*' ORDER BY name";
  return Object.fromEntries(objectRows(stack, asset, tables).map(({ name, sql }) => [name, sql]));
}

/** All that a domain's database holds, but for the runtime's own. */
export function contentOf(stack: TestStack, asset: string): Record<string, Row[]> {
  const tables = Object.keys(schemaOf(stack, asset));
  return Object.fromEntries(tables.map((name) => [name, objectRows(stack, asset, `SELECT * FROM ${name}`)]));
}
