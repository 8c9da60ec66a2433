// Entry of the owner's console: resumes a session or asks for a sign-in, and moves between the two screens.
import { hideAgent, showAgent } from "./agent.ts";
import { ApiError, auth, type Session } from "./api.ts";
import { byId, setBusy, setText } from "./dom.ts";
import { shortAddress } from "./format.ts";
import { clearNotices, showError, showInfo } from "./notices.ts";
import { hideSignIn, initSignIn, offerAssets, requestedAsset, showSignIn } from "./sign-in.ts";

/** Set by the bundler; the production bundle holds nothing of what stands behind it. */
declare const DEVELOPMENT: boolean;

const loading = byId("loading", HTMLParagraphElement);
const account = byId("account", HTMLDivElement);
const signOut = byId("sign-out", HTMLButtonElement);

function enter(session: Session): void {
  loading.hidden = true;
  clearNotices();
  hideSignIn();
  setText(byId("account-wallet", HTMLSpanElement), shortAddress(session.wallet));
  account.hidden = false;
  showAgent(session, (reason) => {
    leave();
    const message = reason.status === 401 ? `Your session has ended. ${reason.message}` : reason.message;
    showError(new ApiError(reason.status, message, reason.code));
  });
}

function leave(): void {
  loading.hidden = true;
  clearNotices();
  hideAgent();
  account.hidden = true;
  showSignIn();
}

async function resume(): Promise<void> {
  loading.hidden = false;
  try {
    const session = await auth.session();
    const wanted = requestedAsset();
    if (wanted === "" || wanted === session.asset) return enter(session);
    leave();
    showInfo(`You are signed in to ${session.domain}. Sign in here to open the domain that the link names.`);
  } catch (error) {
    leave();
    // No session, or no longer the owner: that is what the sign-in screen is for, not an error.
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return;
    showError(error, () => void resume());
  }
}

signOut.addEventListener("click", async () => {
  if (signOut.getAttribute("aria-busy") === "true") return;
  setBusy(signOut, true);
  try {
    await auth.logout();
    leave();
    showInfo("You are signed out.");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) leave();
    else showError(error, () => signOut.click());
  } finally {
    setBusy(signOut, false);
  }
});

// A page taken from the back-forward cache may show an agent whose session is over.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

async function start(): Promise<void> {
  initSignIn(enter);
  if (DEVELOPMENT) {
    const development = await import("./dev-wallet.ts");
    development.registerDevelopmentWallets();
    offerAssets(await development.developmentAssets());
    byId("development", HTMLParagraphElement).hidden = false;
  }
  await resume();
}

void start();
