// Databases that a Worker has open, seen from outside: of each a copy is read, as whoever opens the file itself takes locks
// that its Worker would run into. A copy serves until its file changes.
import { copyFileSync, mkdtempSync, rmSync, type Stats, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

interface Look {
  readonly database: DatabaseSync;
  readonly copy: string;
  /** Of the file at the time; none when it was written so lately that a further change would not show. */
  readonly state: string | undefined;
}

/** What the file system's clock may hide, milliseconds: two writes within one tick have the same time. */
const TICK_MS = 50;
/** A file that is written to without a pause is read as well as any that is not, after this many tries. */
const TRIES = 1000;
const looks = new Map<string, Look>();
let place: string | undefined;
let copies = 0;

/** Reads the database as it is now; what it gives must not keep the database. */
export function look<T>(file: string, read: (database: DatabaseSync) => T): T {
  const last = looks.get(file);
  if (last?.state !== undefined && last.state === stateOf(file).text) return read(last.database);
  if (last) {
    last.database.close();
    remove(last.copy);
    looks.delete(file);
  }
  const next = copied(file);
  looks.set(file, next);
  return read(next.database);
}

function copied(file: string): Look {
  if (place === undefined) {
    const made = mkdtempSync(join(tmpdir(), "multiclaw-looks-"));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    place = made;
  }
  for (let tries = 0; tries < TRIES; tries++) {
    const copy = join(place, `${copies++}.sqlite`);
    const before = stateOf(file);
    copyFileSync(file, copy);
    copyIfThere(`${file}-wal`, `${copy}-wal`);
    // What changed meanwhile may be torn.
    if (stateOf(file).text === before.text) {
      const state = Date.now() - before.newest > TICK_MS ? before.text : undefined;
      return { database: new DatabaseSync(copy), copy, state };
    }
    remove(copy);
  }
  throw new Error(`${file} is written to without a pause`);
}

function stateOf(file: string): { text: string; newest: number } {
  const parts = [file, `${file}-wal`].map((name) => statSync(name, { throwIfNoEntry: false }));
  const one = (part: Stats | undefined): string => (part ? `${part.ino} ${part.size} ${part.mtimeMs}` : "none");
  return { text: parts.map(one).join(", "), newest: Math.max(...parts.map((part) => part?.mtimeMs ?? 0)) };
}

function copyIfThere(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function remove(copy: string): void {
  for (const name of [copy, `${copy}-wal`, `${copy}-shm`]) rmSync(name, { force: true });
}
