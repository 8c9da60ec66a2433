// OpenClaw's own page as a person uses it: a field to write in, and the conversation above it.
import type { Locator, Page } from "playwright-core";

/** The first load fetches a few hundred files through the edge. */
const LOADED_WITHIN_MS = 90_000;
/** The first turn after a start loads much of the agent. */
const ANSWERED_WITHIN_MS = 120_000;

export class AgentTab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get composer(): Locator {
    return this.page.getByLabel("Chat composer");
  }

  /** A message of either side with exactly this text. */
  message(text: string): Locator {
    // Its paragraph alone: an answer is also read out, by an element that is not seen.
    return this.page.getByRole("log").getByText(text, { exact: true }).and(this.page.locator("p"));
  }

  async loaded(): Promise<void> {
    await this.composer.waitFor({ timeout: LOADED_WITHIN_MS });
  }

  async shows(text: string): Promise<void> {
    await this.message(text).waitFor({ timeout: LOADED_WITHIN_MS });
  }

  /** Writes as a person does, and waits for the answer. */
  async say(text: string, answer: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
    await this.message(answer).waitFor({ timeout: ANSWERED_WITHIN_MS });
  }
}
