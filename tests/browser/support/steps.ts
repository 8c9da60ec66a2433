// A long path in named steps: each with its time in the report, and with pictures and the last log lines of a failure.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Browser } from "playwright-core";

const LOG_LINES = 60;

export class Steps {
  readonly #test: TestContext;
  readonly #browser: Browser;
  readonly #logs: readonly string[];
  /** With BROWSER_SCREENSHOTS=<directory> every step leaves its pictures there. */
  readonly #everyStep = process.env.BROWSER_SCREENSHOTS;
  #count = 0;

  constructor(test: TestContext, browser: Browser, logs: readonly string[]) {
    this.#test = test;
    this.#browser = browser;
    this.#logs = logs;
  }

  async step<T>(title: string, run: () => Promise<T>): Promise<T> {
    const started = Date.now();
    this.#count += 1;
    const name = `${String(this.#count).padStart(2, "0")} ${title}`;
    try {
      const result = await run();
      this.#test.diagnostic(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${title}`);
      if (this.#everyStep) await this.#pictures(this.#everyStep, name);
      return result;
    } catch (error) {
      const kept = mkdtempSync(join(tmpdir(), "multiclaw-browser-"));
      await this.#pictures(kept, name);
      writeFileSync(join(kept, "service.log"), `${this.#logs.join("\n")}\n`);
      const logs = this.#logs.slice(-LOG_LINES).join("\n");
      this.#test.diagnostic(`failed at "${title}"; pictures and logs are in ${kept}. Last lines:\n${logs}`);
      throw error;
    }
  }

  /** Every open page. A page that cannot be shown must not hide what went wrong. */
  async #pictures(dir: string, name: string): Promise<void> {
    mkdirSync(dir, { recursive: true });
    const pages = this.#browser.contexts().flatMap((context) => context.pages());
    for (const [index, page] of pages.entries()) {
      const path = join(dir, `${name.replace(/\W+/g, "-")}-${index + 1}.png`);
      await page.screenshot({ path, timeout: 10_000 }).catch((error: unknown) => {
        this.#test.diagnostic(`no picture of page ${index + 1}: ${String(error).split("\n", 1)[0]}`);
      });
    }
  }
}
