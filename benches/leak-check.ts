// What the leak check costs a snapshot (C14): one state, staged with twelve values to look for and with none, turn by turn in
// the same run. The check must keep at least half of the throughput.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { pack } from "../container/lib/archive.mjs";
import { FORMAT } from "../container/lib/manifest.mjs";
import { stageState } from "../container/lib/stage.mjs";

const MIB = 1024 * 1024;
const ROUNDS = 5;
const VALUES = Array.from({ length: 12 }, (_, index) => {
  const mark = ["sk-ant-api03-", "sk-or-v1-", "sk-proj-", `77123456${10 + index}:AA`][index % 4] ?? "";
  return mark + randomBytes(30).toString("base64url");
});
const WORDS =
  'the agent writes a note for you and reads it again tomorrow { } " , : \n 1 2 {"role":"user"} https://'.split(" ");

const root = mkdtempSync(join(tmpdir(), "leak-check-"));
after(() => rmSync(root, { recursive: true, force: true }));

/** Text as agents have it, and the same in every run. */
function text(bytes: number, seed: number): Buffer {
  const parts: string[] = [];
  let length = 0;
  for (let index = 0; length < bytes; index += 32) {
    for (const byte of createHash("sha256").update(`${seed} ${index}`).digest()) {
      const word = `${WORDS[byte % WORDS.length] ?? ""} `;
      parts.push(word);
      length += word.length;
    }
  }
  return Buffer.from(parts.join("")).subarray(0, bytes);
}

function put(part: string, name: string, content: Buffer): void {
  const file = join(root, part, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

function database(part: string, name: string, rows: number, rowBytes: number): void {
  const file = join(root, part, name);
  mkdirSync(dirname(file), { recursive: true });
  const opened = new DatabaseSync(file);
  opened.exec("CREATE TABLE said (id INTEGER PRIMARY KEY, at INTEGER, session TEXT, body TEXT, embedding BLOB); BEGIN");
  opened.exec("CREATE VIRTUAL TABLE found USING fts5(body)");
  const say = opened.prepare("INSERT INTO said (at, session, body, embedding) VALUES (?, ?, ?, ?)");
  const index = opened.prepare("INSERT INTO found VALUES (?)");
  const all = text(rows * rowBytes, rows).toString();
  for (let row = 0; row < rows; row += 1) {
    const body = all.slice(row * rowBytes, (row + 1) * rowBytes);
    say.run(row, `session-${row % 50}`, body, row % 4 === 0 ? randomBytes(1536) : null);
    if (row % 4 === 0) index.run(body);
  }
  opened.exec("COMMIT");
  opened.close();
}

/** By what they hold; "all of it" is one state with everything. */
const PARTS: Record<string, (part: string) => void> = {
  text: (part) => {
    for (let file = 0; file < 400; file += 1) put(part, `workspace/notes/${file}.md`, text(64 * 1024, file));
    for (let file = 0; file < 12; file += 1)
      put(part, `agents/main/sessions/${file}.jsonl`, text(8 * MIB, 1000 + file));
  },
  incompressible: (part) => {
    for (let file = 0; file < 50; file += 1) put(part, `media/inbound/${file}.jpg`, randomBytes(2 * MIB));
  },
  SQLite: (part) => {
    database(part, "agents/main/agent/openclaw-agent.sqlite", 40_000, 1_500);
    database(part, "workspace/own.db", 10_000, 3_000);
  },
  compressed: (part) => {
    put(part, "agents/main/sessions/cold/1.jsonl.zst", zstdCompressSync(text(16 * MIB, 1)));
    put(part, "workspace/log.gz", gzipSync(text(8 * MIB, 2)));
  },
};

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

const median = (times: number[]): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;

/** Stages (and where asked packs) a state in turns; gives the check's throughput as a share of that without. */
async function measure(part: string, packed: boolean): Promise<{ bytes: number; without: number; checked: number }> {
  const copy = join(root, "copy");
  let bytes = 0;
  const once = async (values: string[]) => {
    rmSync(copy, { recursive: true, force: true });
    mkdirSync(join(copy, "state"), { recursive: true });
    return await seconds(async () => {
      const staged = await stageState(join(root, part), join(copy, "state"), values);
      assert.deepEqual([staged.leftOut, staged.masked], [[], []]);
      bytes = staged.bytes;
      if (!packed) return;
      const { entries, files, links } = staged;
      const manifest = { format: FORMAT, openclaw: "2026.9.6", created: new Date().toISOString(), files, bytes, links };
      await pack(manifest, entries, copy, join(copy, "archive"));
    });
  };
  await once(VALUES);
  const times: { without: number[]; checked: number[] } = { without: [], checked: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    times.without.push(await once([]));
    times.checked.push(await once(VALUES));
  }
  return { bytes, without: median(times.without), checked: median(times.checked) };
}

test("c14 the leak check holds at least half the throughput of the same path without it", async () => {
  for (const [part, fill] of Object.entries(PARTS)) {
    fill(part);
    fill("all of it");
  }
  const columns = ["MB", "without", "checked", "ratio"].map((name) => name.padStart(12)).join("");
  console.log(`\nStaging a state, ${VALUES.length} values, median of ${ROUNDS}\n${"".padEnd(26)}${columns}`);
  const ratios = new Map<string, number>();
  const runs: [string, string, boolean][] = [...Object.keys(PARTS), "all of it"].map((part) => [part, part, false]);
  runs.push(["all of it, and packed", "all of it", true]);
  for (const [title, part, packed] of runs) {
    const { bytes, without, checked } = await measure(part, packed);
    const speed = (time: number): string => `${(bytes / 1e6 / time).toFixed(0)} MB/s`.padStart(12);
    const ratio = without / checked;
    ratios.set(title, ratio);
    console.log(
      `${title.padEnd(26)}${(bytes / 1e6).toFixed(0).padStart(12)}${speed(without)}${speed(checked)}${ratio.toFixed(2).padStart(12)}`,
    );
  }
  assert.ok((ratios.get("all of it") ?? 0) >= 0.5, "half of the throughput of staging");
  assert.ok((ratios.get("all of it, and packed") ?? 0) >= 0.5, "half of the throughput of a snapshot");
});
