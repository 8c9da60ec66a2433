// Opens the agent's own page in a new tab, through a one-time entry that is asked for at the click.
import type { AgentContext } from "./agent.ts";
import { byId, within } from "./dom.ts";

const ENTRY_LIFETIME_MS = 30_000;

const fallback = byId("open-link", HTMLParagraphElement);
const link = within(fallback, "a", HTMLAnchorElement);
let expiry: ReturnType<typeof setTimeout> | undefined;

export async function openAgent(context: AgentContext, button: HTMLButtonElement, name: string): Promise<void> {
  // Only a tab opened within the click passes pop-up blockers, so it opens empty, before the entry is known.
  const tab = window.open("about:blank", "_blank");
  let entered = false;
  if (tab !== null) {
    // With `noopener` there would be no tab to steer; cutting the link by hand gives the agent's page as little.
    tab.opener = null;
    tab.document.title = `Opening ${name}…`;
    tab.document.body.textContent = `Opening ${name}…`;
  }
  hideLink();
  await context.run(button, async () => {
    const url = entryUrl((await context.api.open()).url);
    entered = true;
    if (tab === null || tab.closed) offerLink(url);
    else tab.location.replace(url);
  });
  if (!entered) tab?.close();
}

/** The entry leads to another origin over HTTP; anything else is not followed. */
function entryUrl(text: string): string {
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.origin === location.origin) {
    throw new Error("The service named an address for the agent that this page does not open");
  }
  return url.href;
}

function offerLink(url: string): void {
  link.href = url;
  link.onclick = () => setTimeout(hideLink, 0);
  fallback.hidden = false;
  link.focus();
  expiry = setTimeout(hideLink, ENTRY_LIFETIME_MS);
}

function hideLink(): void {
  clearTimeout(expiry);
  fallback.hidden = true;
  link.removeAttribute("href");
}
