// The sign-in screen: which domain, which wallet, then challenge, signature and verification.
import { auth, type Session } from "./api.ts";
import { byId, fromTemplate, setBusy, setFieldError, setText, within } from "./dom.ts";
import { shortAddress, slug } from "./format.ts";
import { clearNotices, showError } from "./notices.ts";
import { prove, showable } from "./prove.ts";
import { connect, isAddress, type Wallet, type WalletAccount, watchWallets } from "./wallets.ts";

const ASSET_KEY = "multiclaw.asset";
/** A challenge lives this long; a signature that comes later is of no use. */
const PROMPT_TIMEOUT_MS = 300_000;
const ICON = /^data:image\/(?:svg\+xml|webp|png|gif);base64,/;

const form = byId("sign-in-form", HTMLFormElement);
const heading = byId("sign-in-heading", HTMLHeadingElement);
const screen = byId("sign-in-screen", HTMLElement);
const assetInput = byId("asset", HTMLInputElement);
const assetError = byId("asset-error", HTMLParagraphElement);
const walletList = byId("wallet-list", HTMLDivElement);
const walletError = byId("wallet-error", HTMLParagraphElement);
const noWallets = byId("no-wallets", HTMLParagraphElement);
const accountField = byId("account-field", HTMLDivElement);
const accountList = byId("account-list", HTMLSelectElement);
const hardwareField = byId("hardware-field", HTMLLabelElement);
const hardware = byId("hardware", HTMLInputElement);
const submit = byId("sign-in", HTMLButtonElement);
const cancel = byId("sign-in-cancel", HTMLButtonElement);
const progress = byId("sign-in-progress", HTMLParagraphElement);

let wallets: readonly Wallet[] = [];
let selected: Wallet | null = null;
/** Whether the owner made the choice, and not this page because there was nothing to choose. */
let chosen = false;
/** Accounts of the selected wallet, once it shared more than one. */
let accounts: readonly WalletAccount[] = [];
let attempt: AbortController | null = null;

/** The asset that the address of the page names, or an empty text. */
export function requestedAsset(): string {
  const fragment = new URLSearchParams(location.hash.slice(1)).get("asset");
  return (new URLSearchParams(location.search).get("asset") ?? fragment ?? "").trim();
}

export function initSignIn(onSession: (session: Session) => void): void {
  assetInput.value = requestedAsset() || recallAsset();
  assetInput.addEventListener("input", () => setFieldError(assetInput, assetError, ""));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void signIn(onSession);
  });
  cancel.addEventListener("click", () => attempt?.abort());
  watchWallets(renderWallets);
}

export function showSignIn(): void {
  screen.hidden = false;
  document.title = "Sign in · Multiclaw console";
  heading.focus();
}

export function hideSignIn(): void {
  screen.hidden = true;
}

/** Offers a choice of known domains beside the field. */
export function offerAssets(assets: readonly { readonly name: string; readonly address: string }[]): void {
  const list = byId("asset-list", HTMLSelectElement);
  list.replaceChildren(new Option("Choose…", ""), ...assets.map(({ name, address }) => new Option(name, address)));
  const follow = () => {
    list.value = assets.some(({ address }) => address === assetInput.value) ? assetInput.value : "";
  };
  list.addEventListener("change", () => {
    if (list.value === "") return;
    assetInput.value = list.value;
    setFieldError(assetInput, assetError, "");
  });
  assetInput.addEventListener("input", follow);
  follow();
  byId("development-assets", HTMLDivElement).hidden = false;
}

function renderWallets(found: readonly Wallet[]): void {
  wallets = found;
  if (selected !== null && !found.includes(selected)) {
    chosen = false;
    select(null);
  }
  if (!chosen) select(found.length === 1 ? (found[0] ?? null) : null);
  const slugs = new Map<string, number>();
  walletList.replaceChildren(
    ...found.map((wallet) => {
      const base = slug(wallet.name);
      const count = (slugs.get(base) ?? 0) + 1;
      slugs.set(base, count);
      return walletChoice(wallet, count === 1 ? base : `${base}-${count}`);
    }),
  );
  noWallets.hidden = found.length > 0;
}

function walletChoice(wallet: Wallet, id: string): HTMLLabelElement {
  const choice = fromTemplate("wallet-template", HTMLLabelElement);
  const radio = within(choice, "input", HTMLInputElement);
  const icon = within(choice, "img", HTMLImageElement);
  choice.dataset.testid = `wallet-${id}`;
  radio.value = id;
  radio.checked = wallet === selected;
  radio.addEventListener("change", () => {
    chosen = true;
    select(wallet);
  });
  // The standard asks for a data URL; anything else would tell a third party who opens this page.
  if (ICON.test(wallet.icon)) icon.src = wallet.icon;
  else icon.hidden = true;
  setText(within(choice, "span", HTMLSpanElement), wallet.name);
  return choice;
}

function select(wallet: Wallet | null): void {
  if (wallet === selected) return;
  selected = wallet;
  accounts = [];
  accountField.hidden = true;
  walletError.hidden = true;
  // There is something to choose only where the wallet does both.
  hardwareField.hidden = wallet === null || showable(wallet).size < 2;
  hardware.checked = false;
}

async function signIn(onSession: (session: Session) => void): Promise<void> {
  if (attempt !== null) return;
  clearNotices();
  const asset = assetInput.value.trim();
  const problem = assetProblem(asset);
  setFieldError(assetInput, assetError, problem);
  walletError.hidden = selected !== null;
  setText(walletError, wallets.length === 0 ? "Signing in needs a Solana wallet." : "Choose a wallet.");
  if (problem !== "") return assetInput.focus();
  if (selected === null) return walletList.querySelector("input")?.focus();

  const wallet = selected;
  attempt = new AbortController();
  const { signal } = attempt;
  setRunning(true);
  try {
    const account = await chooseAccount(wallet, signal);
    if (account === null) return accountList.focus();
    setText(progress, "Asking for a challenge…");
    const challenge = await auth.challenge(asset, account.address, signal);
    const proof = await untilAborted(
      prove(wallet, account, challenge, {
        onAsk: (shown) => setText(progress, `Sign the ${shown} in ${wallet.name}…`),
        only: hardware.checked ? "transaction" : undefined,
        signal: AbortSignal.any([signal, AbortSignal.timeout(PROMPT_TIMEOUT_MS)]),
      }),
      signal,
    );
    setText(progress, "Checking signature and ownership…");
    const session = await auth.verify(proof, signal);
    rememberAsset(session.asset);
    onSession(session);
  } catch (error) {
    if (!signal.aborted) showError(error, () => void signIn(onSession));
  } finally {
    attempt = null;
    setRunning(false);
  }
}

/** The account to sign with, or null when the owner has to choose one first. */
async function chooseAccount(wallet: Wallet, signal: AbortSignal): Promise<WalletAccount | null> {
  const account = accounts[accountList.selectedIndex];
  if (accounts.length > 1 && account !== undefined) return account;
  setText(progress, `Approve the connection in ${wallet.name}…`);
  const shared = await untilAborted(connect(wallet), signal);
  if (shared.length === 1) return shared[0] ?? null;
  accounts = shared;
  accountList.replaceChildren(
    ...shared.map(({ address, label }) => {
      const name = label === undefined ? address : `${label} (${shortAddress(address)})`;
      return new Option(name, address);
    }),
  );
  accountField.hidden = false;
  return null;
}

/** A wallet's window can be closed without an answer: this ends the wait on Cancel or when the challenge is over. */
function untilAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("The wallet did not answer in time")), PROMPT_TIMEOUT_MS);
    const abort = () => reject(new Error("Signing in was cancelled"));
    signal.addEventListener("abort", abort, { once: true });
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
    answer.then(resolve, reject).finally(done);
  });
}

function setRunning(running: boolean): void {
  // Not disabled, so that the focus stays; a second press does nothing while an attempt runs.
  submit.setAttribute("aria-disabled", String(running));
  setBusy(submit, running);
  if (!running) setText(progress, "");
  if (document.activeElement === cancel) submit.focus();
  cancel.hidden = !running;
}

function assetProblem(asset: string): string {
  if (asset === "") return "Enter the address of the domain's asset.";
  return isAddress(asset)
    ? ""
    : "This is not a Solana address. Copy the asset's address from your wallet or an explorer.";
}

function recallAsset(): string {
  try {
    return localStorage.getItem(ASSET_KEY) ?? "";
  } catch {
    return ""; // Storage may be switched off; the field is then empty.
  }
}

function rememberAsset(asset: string): void {
  try {
    localStorage.setItem(ASSET_KEY, asset);
  } catch {
    // As above: nothing is lost but a convenience.
  }
}
