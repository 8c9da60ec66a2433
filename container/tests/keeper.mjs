// Keeps incremental snapshots for tests as the object and R2 do: packs and indexes by name, nothing else.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";

import { run } from "./support.mjs";

/**
 * @typedef {import("./support.mjs").Outcome} Outcome
 * @typedef {{env: Record<string, string>}} Sandbox
 * @typedef {{id: string, size: number, sha256: string}} Pack
 * @typedef {{index: Buffer, packs: Pack[], uploaded: number, told: any}} Row
 */

/** @param {Buffer} bytes */
export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

export class Keeper {
  /** @type {Map<string, Buffer>} */
  packs = new Map();
  /** @type {Row[]} */
  rows = [];

  /**
   * @param {Sandbox} sandbox
   * @param {Row | undefined} [base] what it builds on
   * @param {string[]} [options]
   * @returns {Promise<Row>}
   */
  async take(sandbox, base = this.rows.at(-1), options = []) {
    const id = randomBytes(16).toString("hex");
    const on = base ? [`--base=${sha256(base.index)}`] : [];
    const taken = await run(sandbox, ["snapshot", "--live", `--incremental=${id}`, ...on, ...options], base?.index);
    assert.equal(taken.code, 0, taken.stderr);
    const told = taken.json;
    assert.equal(told.format, 2);
    const [index, pack] = [await sent(sandbox, "index", told), await sent(sandbox, "pack", told.pack)];
    this.packs.set(id, pack);
    const known = [...(base?.packs ?? []), { id, ...told.pack }];
    const packs = told.packs.map((/** @type {string} */ name) => known.find((one) => one.id === name));
    const row = { index, packs, uploaded: index.length + pack.length, told };
    this.rows.push(row);
    await run(sandbox, ["resume"]);
    return row;
  }

  /** What `restore` is sent. @param {Row} row @returns {Buffer} */
  bytes({ index, packs }) {
    return Buffer.concat([index, ...packs.map(({ id }) => this.packs.get(id) ?? Buffer.alloc(0))]);
  }

  /**
   * @param {Sandbox} sandbox
   * @param {Row} row
   * @param {Buffer} [bytes]
   * @returns {Promise<Outcome>}
   */
  restore(sandbox, row, bytes = this.bytes(row)) {
    return run(sandbox, argumentsFor(row), bytes);
  }
}

/** @param {Pick<Row, "index" | "packs">} row */
export function argumentsFor({ index, packs }) {
  const named = packs.map((pack) => `${pack.id}:${pack.size}:${pack.sha256}`).join(",");
  return ["restore", "--sha256", sha256(index), "--size", String(index.length), `--packs=${named}`];
}

/**
 * @param {Sandbox} sandbox
 * @param {string} part
 * @param {{size: number, sha256: string}} told
 */
async function sent(sandbox, part, told) {
  const { code, stdout, stderr } = await run(sandbox, ["send", `--part=${part}`]);
  assert.equal(code, 0, stderr);
  assert.deepEqual([stdout.length, sha256(stdout)], [told.size, told.sha256]);
  return stdout;
}
