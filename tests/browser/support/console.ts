// The owner's console as a person uses it: by what is written on it, found by its test ids.
import assert from "node:assert/strict";
import type { Locator, Page } from "playwright-core";
import { until } from "../../support/wait.ts";

/** Booting an agent takes 10 to 40 s, and much longer on a busy machine. */
const START_WITHIN_MS = 240_000;
const STOP_WITHIN_MS = 90_000;

export class Console {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  at(testId: string): Locator {
    return this.page.getByTestId(testId);
  }

  /** Fills the sign-in form with a development wallet and domain, and sends it. */
  async askToSignIn(wallet: string, domain: string): Promise<void> {
    await this.at("asset-list").selectOption({ label: domain });
    await this.at(`wallet-development-wallet-${wallet}`).click();
    await this.at("sign-in").click();
  }

  /** The steps of a start or stop that stand in this status. */
  steps(status: "pending" | "active" | "done" | "failed"): Promise<(string | null)[]> {
    const items = this.at("agent-progress").locator(`li[data-status=${status}]`);
    return items.evaluateAll((all) => all.map((item) => item.getAttribute("data-phase")));
  }

  async state(): Promise<string> {
    return (await this.at("agent-state").textContent()) ?? "";
  }

  /** Waits for a state; a failed agent ends the wait with the reason that the page shows. */
  async reaches(wanted: string, within: number): Promise<void> {
    const state = await until(
      `the page shows "${wanted}"`,
      async () => {
        const shown = await this.state();
        return (shown === wanted || shown === "Failed") && shown;
      },
      { within },
    );
    assert.equal(state, wanted, (await this.at("agent-problem").textContent()) ?? "");
  }

  /** Starts the agent and looks at the progress on the way. */
  async start(): Promise<void> {
    await this.at("start").click();
    await until("the boot is shown as the step under way", async () => (await this.steps("active")).includes("boot"));
    assert.equal(await this.state(), "Starting");
    assert.deepEqual(await this.steps("pending"), ["ready"]);
    assert.equal(await this.at("open").isDisabled(), true);
    await this.reaches("Running", START_WITHIN_MS);
    assert.deepEqual(await this.steps("done"), ["allocate", "restore", "inject", "boot", "ready"]);
  }

  async stop(): Promise<void> {
    await this.at("stop").click();
    await this.reaches("Asleep", STOP_WITHIN_MS);
    assert.deepEqual(await this.steps("done"), ["quiesce", "upload", "destroy"]);
  }

  /** The tab that "Open" opens, and the ticket that took it there. */
  async open(): Promise<{ tab: Page; url: URL; ticket: string }> {
    const opened = this.page.context().waitForEvent("page");
    const answered = this.page.waitForResponse((answer) => answer.url().endsWith("/open"));
    await this.at("open").click();
    const [tab, answer] = await Promise.all([opened, answered]);
    const { url: text } = await answer.json();
    const url = new URL(text);
    return { tab, url, ticket: url.hash.slice(1) };
  }
}
