// The agent's log: the last lines of what the gateway prints, bounded in lines and in length, injected values masked.
import { appendFileSync, renameSync, writeFileSync } from "node:fs";

const KEEP_LINES = 200;
const MAX_LINE = 4096;

export class LogTail {
  /** @type {string[]} */
  #lines = [];
  #written = 0;
  #file;
  #mask;

  /**
   * @param {string} file
   * @param {(text: string) => string} mask
   */
  constructor(file, mask = (text) => text) {
    this.#file = file;
    this.#mask = mask;
  }

  /** @param {string} line */
  write(line) {
    const text = this.#mask(line).slice(0, MAX_LINE);
    this.#lines.push(text);
    if (this.#lines.length > KEEP_LINES) this.#lines.shift();
    try {
      if (this.#written >= KEEP_LINES * 2 || this.#written === 0) {
        writeFileSync(`${this.#file}.new`, `${this.#lines.join("\n")}\n`, { mode: 0o600 });
        renameSync(`${this.#file}.new`, this.#file);
        this.#written = this.#lines.length;
      } else {
        appendFileSync(this.#file, `${text}\n`, { mode: 0o600 });
        this.#written += 1;
      }
    } catch {
      // A full disk must not end the gateway.
    }
  }

  /**
   * Takes the lines of a stream. A line without end is cut, not collected.
   * @param {NodeJS.ReadableStream} stream
   */
  follow(stream) {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (/** @type {string} */ chunk) => {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) this.write(part);
      // Twice the length, so that a value that a cut would halve is still whole when it is masked.
      if (rest.length > MAX_LINE * 2) {
        this.write(rest);
        rest = "";
      }
    });
    stream.on("end", () => {
      if (rest !== "") this.write(rest);
    });
    stream.on("error", () => {});
  }
}
