// Numbered steps with elapsed time. On a terminal the running step has one live line; elsewhere it says every few
// seconds how far it is, so that no long step is silent.

const LIVE_INTERVAL = 100;
const PLAIN_INTERVAL = 10_000;
const TITLE_WIDTH = 30;

/** @param {number} ms */
export function duration(ms) {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** @typedef {(detail: string) => void} Report */

export class Progress {
  #number;
  #total;
  #out;

  /** @param {number} total @param {{first?: number, out?: NodeJS.WriteStream}} options */
  constructor(total, { first = 1, out = process.stdout } = {}) {
    this.#number = first - 1;
    this.#total = total;
    this.#out = out;
  }

  /**
   * Runs one step. What `work` returns, if text, is shown as its outcome.
   * @template T
   * @param {string} title
   * @param {(report: Report) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async step(title, work) {
    this.#number += 1;
    const label = `[${this.#number}/${this.#total}] ${title}`;
    const line = this.#out.isTTY ? new LiveLine(label, this.#out) : new PlainLines(label, this.#out);
    try {
      const outcome = await work((detail) => line.report(detail));
      line.end(typeof outcome === "string" ? outcome : "done");
      return outcome;
    } catch (error) {
      line.end("FAILED");
      throw error;
    }
  }
}

class LiveLine {
  #started = Date.now();
  #detail = "";
  #timer;

  /** @param {string} label @param {NodeJS.WriteStream} out */
  constructor(label, out) {
    this.label = label.padEnd(TITLE_WIDTH);
    this.out = out;
    this.#draw();
    this.#timer = setInterval(() => this.#draw(), LIVE_INTERVAL);
  }

  /** @param {string} detail */
  report(detail) {
    this.#detail = detail;
  }

  #draw() {
    const text = `${this.label} ${duration(Date.now() - this.#started).padStart(7)}  ${this.#detail}`;
    this.out.write(`\r\x1b[2K${text.slice(0, (this.out.columns || 80) - 1)}`);
  }

  /** @param {string} outcome */
  end(outcome) {
    clearInterval(this.#timer);
    this.out.write(`\r\x1b[2K${this.label} ${duration(Date.now() - this.#started).padStart(7)}  ${outcome}\n`);
  }
}

class PlainLines {
  #started = Date.now();
  #detail = "working";
  #timer;

  /** @param {string} label @param {NodeJS.WriteStream} out */
  constructor(label, out) {
    this.label = label.padEnd(TITLE_WIDTH);
    this.out = out;
    this.#timer = setInterval(() => this.#write(`... ${this.#detail}`), PLAIN_INTERVAL);
  }

  /** @param {string} detail */
  report(detail) {
    this.#detail = detail;
  }

  /** @param {string} text */
  #write(text) {
    this.out.write(`${this.label} ${duration(Date.now() - this.#started).padStart(7)}  ${text}\n`);
  }

  /** @param {string} outcome */
  end(outcome) {
    clearInterval(this.#timer);
    this.#write(outcome);
  }
}
