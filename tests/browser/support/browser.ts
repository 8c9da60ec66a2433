// The browser of these tests, and what each of its sessions did: messages of its pages and addresses it asked for.
import { type Browser, type BrowserContext, chromium, type Page, type WebSocket } from "playwright-core";
import { findChromium } from "../../../scripts/lib/chromium.mjs";

const ARGUMENTS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** Chromium refuses its own sandbox to root, which is who runs tests in most containers. */
const AS_ROOT = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
/** A browser's own line for an answer of 400 and above. Which answers are right is for each test to say. */
const FAILED_ANSWER = /^Failed to load resource: /;

export function launch(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error("no Chromium here: install one, or name it in CHROMIUM_PATH");
  return chromium.launch({
    executablePath,
    args: [...ARGUMENTS, ...AS_ROOT],
    // Signals are for the local service to answer, which then ends the process and with it the browser.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}

/** One person's browser: cookies and storage of its own. */
export class Person {
  readonly context: BrowserContext;
  /** Addresses asked for, as a server sees them: without the fragment. */
  readonly asked: string[] = [];
  /** Errors on pages of every origin, each with the address of its page. */
  readonly errors: { readonly page: string; readonly text: string }[] = [];
  readonly #sockets: { readonly page: Page; readonly socket: WebSocket }[] = [];

  private constructor(context: BrowserContext) {
    this.context = context;
    context.on("request", (request) => this.asked.push(request.url().split("#", 1)[0] ?? ""));
    context.on("page", (page) => {
      page.on("websocket", (socket) => {
        this.asked.push(socket.url());
        this.#sockets.push({ page, socket });
      });
    });
    context.on("console", (message) => {
      if (message.type() !== "error" || FAILED_ANSWER.test(message.text())) return;
      this.errors.push({ page: message.page()?.url() ?? "", text: message.text() });
    });
    context.on("weberror", (event) => {
      this.errors.push({ page: event.page()?.url() ?? "", text: String(event.error().stack) });
    });
  }

  static async in(browser: Browser): Promise<Person> {
    return new Person(await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 1000 } }));
  }

  openSockets(): number {
    // A socket of a page that was closed is never told so.
    return this.#sockets.filter(({ page, socket }) => !page.isClosed() && !socket.isClosed()).length;
  }

  /** Values of all cookies, whichever host they belong to. */
  async cookieValues(): Promise<string[]> {
    return (await this.context.cookies()).map(({ value }) => value);
  }
}
