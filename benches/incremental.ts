// What a periodic snapshot uploads of a large state of which a little changed (C19): bytes changed to bytes uploaded, which
// are the same on any machine. A state of 500 MB with 1 MB changed may upload 3 MB.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { Keeper } from "../container/tests/keeper.mjs";
import { sandboxAt } from "../container/tests/support.mjs";

const MB = 1_000_000;
const STATE = 500 * MB;
const CHANGED = MB;
const ALLOWED = 3 * MB;
const WORDS = 'the agent writes a note for you and reads it again tomorrow { } " , : \n 1 2 {"role":"user"}'.split(" ");

const root = mkdtempSync(join(tmpdir(), "incremental-"));
after(() => rmSync(root, { recursive: true, force: true }));
const sandbox = sandboxAt(root, {});
const { state } = sandbox.paths;

/** Text as agents have it, and the same in every run. */
function text(bytes: number, seed: string): string {
  const parts: string[] = [];
  let length = 0;
  for (let index = 0; length < bytes; index += 1) {
    for (const byte of createHash("sha256").update(`${seed} ${index}`).digest()) {
      // A number now and then, or it would all be one to a compressor.
      const word = byte < 40 ? `${seed}${index}${byte} ` : `${WORDS[byte % WORDS.length]} `;
      parts.push(word);
      length += word.length;
    }
  }
  return parts.join("").slice(0, bytes);
}

function put(name: string, content: string | Buffer): void {
  const file = join(state, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

const transcripts = join(state, "agents/main/agent/openclaw-agent.sqlite");

/** So many bytes of conversation, in rows of a kilobyte and a half. */
function say(bytes: number, seed: string): void {
  mkdirSync(dirname(transcripts), { recursive: true });
  const database = new DatabaseSync(transcripts);
  database.exec("CREATE TABLE IF NOT EXISTS said (id INTEGER PRIMARY KEY, session TEXT, body TEXT); BEGIN");
  database.exec("CREATE TABLE IF NOT EXISTS other (id INTEGER PRIMARY KEY, body TEXT)");
  const insert = database.prepare("INSERT INTO said (session, body) VALUES (?, ?)");
  const all = text(bytes, seed);
  for (let at = 0; at < bytes; at += 1500) insert.run(seed, all.slice(at, at + 1500));
  database.exec("COMMIT");
  database.close();
}

/** Overwrites so much of it in so many places. */
function scatter(name: string, size: number, places: number): void {
  const fd = openSync(join(state, name), "r+");
  for (let place = 0; place < places; place += 1) {
    const at = Math.floor((size / places) * (place + 0.5));
    writeSync(fd, randomBytes(CHANGED / places), 0, CHANGED / places, at);
  }
  closeSync(fd);
}

const MEDIA = 20;
const EACH = 15 * MB;

function fill(): void {
  for (let file = 0; file < MEDIA; file += 1) put(`media/inbound/${file}.jpg`, randomBytes(EACH));
  for (let file = 0; file < 2000; file += 1) put(`workspace/notes/${file}.md`, text(20_000, `note ${file}`));
  for (let file = 0; file < 20; file += 1) put(`agents/main/sessions/${file}.jsonl`, text(3 * MB, `session ${file}`));
  say(STATE - MEDIA * EACH - 2000 * 20_000 - 20 * 3 * MB, "before");
}

const CHANGES: Record<string, () => void> = {
  nothing: () => {},
  "1 MB said in the sessions' database": () => say(CHANGED, "after"),
  "1 MB appended to a transcript": () =>
    appendFileSync(join(state, "agents/main/sessions/7.jsonl"), text(CHANGED, "appended")),
  "a new file of 1 MB": () => put("media/inbound/new.jpg", randomBytes(CHANGED)),
  "1 MB overwritten in one place": () => scatter("media/inbound/3.jpg", EACH, 1),
  "1 MB overwritten in 10 places": () => scatter("media/inbound/4.jpg", EACH, 10),
  "50 notes of 20 KB each": () => {
    for (let file = 0; file < 50; file += 1) put(`workspace/notes/${file * 40}.md`, text(20_000, `again ${file}`));
  },
};

test("c19 a state of 500 MB of which 1 MB changed uploads at most 3 MB", async () => {
  fill();
  mkdirSync(sandbox.paths.run, { recursive: true });
  writeFileSync(sandbox.paths.secrets, JSON.stringify({ openai: `sk-${randomBytes(30).toString("hex")}` }));
  const keeper = new Keeper();
  const first = await keeper.take(sandbox);
  const mb = (bytes: number): string => `${(bytes / MB).toFixed(2).padStart(9)} MB`;
  console.log(`\n${"what changed".padEnd(40)}${"uploaded".padStart(12)}${"its index".padStart(12)}`);
  console.log(`${"all of it".padEnd(40)}${mb(first.uploaded)}${mb(first.index.length)}`);
  for (const [what, change] of Object.entries(CHANGES)) {
    change();
    const { uploaded, index } = await keeper.take(sandbox);
    console.log(`${what.padEnd(40)}${mb(uploaded)}${mb(index.length)}`);
    assert.ok(uploaded <= ALLOWED, what);
  }
});
