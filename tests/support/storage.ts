// What lies in the local KV and R2, read from their databases on disk.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { look } from "./looks.ts";
import { openDatabase } from "./objects.ts";
import type { TestStack } from "./stack.ts";

type Row = Record<string, unknown>;

/** KV's entry under this key. */
export function kvEntry(stack: TestStack, key: string): Row | undefined {
  return read(stack, "KVNamespaceObject", "_mf_entries", key)[0];
}

/** R2's keys that begin so. */
export function r2Keys(stack: TestStack, prefix: string): string[] {
  return read(stack, "R2BucketObject", "_mf_objects", `${prefix}%`).map(({ key }) => String(key));
}

/** Runs SQL on what R2 knows of its objects, while no Worker has it open. */
export function editR2({ dir }: TestStack, sql: string): void {
  for (const file of filesOf(dir, "R2BucketObject")) {
    const database = openDatabase(file);
    const there = database.prepare("SELECT 1 FROM sqlite_master WHERE name = '_mf_objects'").get();
    if (there) database.exec(sql);
    database.close();
  }
}

function filesOf(dir: string, kind: string): string[] {
  const storage = join(dir, "storage");
  const files = readdirSync(storage, { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.includes(kind) && file.endsWith(".sqlite")).map((file) => join(storage, file));
}

function read({ dir }: TestStack, kind: string, table: string, pattern: string): Row[] {
  return filesOf(dir, kind).flatMap((file) =>
    look(file, (database) => {
      const there = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(table);
      return there ? database.prepare(`SELECT * FROM ${table} WHERE key LIKE ?`).all(pattern) : [];
    }),
  );
}
