// Archives such as nobody should send, sent by the owner and chosen: the container's own scripts refuse them, and the agent
// goes on from what it had before (C19).
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { MAX_STATE_BYTES, MAX_STATE_ENTRIES } from "../../container/lib/limits.mjs";
import { archiveOf, compressed, tarOf } from "../../container/tests/archives.mjs";
import { WITH_REAL_SCRIPTS } from "../support/scripts.ts";
import { faultStack, point, Stage } from "../support/stage.ts";

/** Of a file that no archive may write, wherever it would lie. */
const EVIL = `evil-${randomBytes(8).toString("hex")}`;
const MEMORY = { path: "state/memory", body: "planted" };
const sound = zstdDecompressSync(archiveOf([MEMORY]));

/** Where the third entry's header is, after the manifest and the state's folder. */
const HEADER_AT = 3 * 512;

const ARCHIVES: Record<string, () => Buffer> = {
  "an absolute path": () => archiveOf([{ path: join(tmpdir(), EVIL), body: "x" }]),
  "a path upwards": () => archiveOf([MEMORY, { path: `state/../../../${EVIL}`, body: "x" }]),
  "a path beside the state": () => archiveOf([MEMORY, { path: `run/agent/${EVIL}`, body: "x" }]),
  "a link out": () => archiveOf([MEMORY, { path: "state/workspace", type: "SymbolicLink", linkpath: tmpdir() }]),
  "a link out, and a file behind it": () =>
    archiveOf([
      { path: "state/workspace", type: "SymbolicLink", linkpath: tmpdir() },
      { path: `state/workspace/${EVIL}`, body: "x" },
    ]),
  "a link out by the manifest": () => archiveOf([MEMORY], { links: [["workspace", "../../.."]] }),
  "a hard link out": () => archiveOf([MEMORY, { path: "state/passwd", type: "Link", linkpath: "/etc/passwd" }]),
  "a character device": () => archiveOf([MEMORY, { path: "state/zero", type: "CharacterDevice" }]),
  "a block device": () => archiveOf([MEMORY, { path: "state/disk", type: "BlockDevice" }]),
  "a pipe": () => archiveOf([MEMORY, { path: "state/pipe", type: "FIFO" }]),
  "the same path twice": () => archiveOf([MEMORY, MEMORY]),
  "a file in a file": () => archiveOf([MEMORY, { path: "state/memory/x", body: "x" }]),
  "deep nesting": () => archiveOf([MEMORY, { path: `state/${"d/".repeat(80)}x`, body: "x" }]),
  "a file larger than a state may be": () => archiveOf([{ path: "state/memory", size: MAX_STATE_BYTES + 1 }]),
  "a bomb of zeros": () =>
    archiveOf([MEMORY, { path: "state/media/zeros", body: "\0".repeat(64 << 20) }], { bytes: 7 }),
  "too many files": () =>
    archiveOf(Array.from({ length: MAX_STATE_ENTRIES + 1 }, (_, index) => ({ path: `state/media/${index}` }))),
  "no manifest": () => compressed(tarOf([MEMORY])),
  "a manifest of another format": () => archiveOf([MEMORY], { format: 99 }),
  "a manifest that counts otherwise": () => archiveOf([MEMORY], { files: 2 }),
  "a manifest that is no JSON": () => compressed(tarOf([{ path: "manifest.json", body: "{" }, MEMORY])),
  "only half of it": () => compressed(sound.subarray(0, 1700)),
  "half of its compression": () => archiveOf([MEMORY]).subarray(0, 60),
  "a flipped bit": () => {
    const tar = Buffer.from(sound);
    tar[HEADER_AT] = (tar[HEADER_AT] ?? 0) ^ 1;
    return compressed(tar);
  },
  "no compression": () => sound,
  "nothing of an archive": () => Buffer.from("an archive, they said"),
};

const stack = await faultStack({}, WITH_REAL_SCRIPTS);

describe("hostile archives", { concurrency: 6 }, () => {
  for (const [what, make] of Object.entries(ARCHIVES)) {
    test(`c19 an archive with ${what} is refused when it is chosen, and the agent goes on`, () =>
      point(`an archive with ${what}`, "restore of an upload", async (struck) => {
        const stage = await Stage.running(stack, "hostile");
        struck();
        const { id } = await send(stage, make());
        const chosen = await stage.owned.client.post(`${stage.owned.path}/snapshots/${id}/restore`);
        assert.equal(chosen.status, 202, chosen.text);
        const failed = await stage.owned.in("failed", { within: 120_000 });
        assert.equal(failed.problem?.code, "restore_failed");
        assert.match(failed.problem?.detail ?? "", /does not start empty/);
        const how = await stage.back();
        await stage.sound();
        return how;
      }));
  }

  test("c19 a sound archive that its owner sends is restored: the others are refused for what they are", async () => {
    const stage = await Stage.running(stack, "welcome");
    const { id } = await send(stage, archiveOf([MEMORY]));
    await stage.owned.client.post(`${stage.owned.path}/snapshots/${id}/restore`);
    await stage.owned.in("starting");
    stage.expected = [MEMORY.body];
    await stage.back();
  });
});

test("c19 nothing was written outside of a state", () => {
  assert.ok(!existsSync(join(tmpdir(), EVIL)));
  const names = readdirSync(stack.dir, { recursive: true, encoding: "utf8" });
  assert.deepEqual(
    names.filter((name) => name.includes(EVIL)),
    [],
  );
});

async function send({ owned }: Stage, archive: Buffer): Promise<{ id: string }> {
  const hash = createHash("sha256").update(archive).digest("base64");
  const headers = { "content-type": "application/zstd", "repr-digest": `sha-256=:${hash}:` };
  const sent = await owned.client.request("POST", `${owned.path}/snapshots`, { body: archive, headers });
  assert.equal(sent.status, 201, sent.text);
  return sent.json();
}
