// Signing in with a wallet of one's own, as Phantom, Solflare and Backpack present themselves by the Wallet Standard: with
// each way of signing that wallets have, and with hardware accounts, which lack some whatever the wallet says.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Page } from "playwright-core";
import { devAssetAddress, devKeypair } from "../../dev/solana/accounts.ts";
import { buildConsole, CONSOLE_OUT } from "../../scripts/build.mjs";
import { DEAD_BLOCKHASH, memo, planOf } from "../support/memo.ts";
import { testStack } from "../support/stack.ts";
import { launch, Person } from "./support/browser.ts";
import { Console } from "./support/console.ts";
import {
  type Asked,
  install,
  refuse,
  signsIn,
  signsMessages,
  signsTransactions,
  type TestWallet,
  unsupported,
} from "./support/wallet.ts";

const TIMEOUT_MS = 120_000;

if (!existsSync(join(CONSOLE_OUT.development, "main.js"))) await buildConsole("development");
const browser = await launch();
after(() => browser.close());
const stack = await testStack();
const owner = await devKeypair("owner");
const alice = await devAssetAddress("alice.molt");

const [signIn, signMessage, signTransaction] = [signsIn(owner), signsMessages(owner), signsTransactions(owner)];

interface Visit {
  readonly page: Page;
  readonly console: Console;
  readonly asked: Asked[];
  readonly person: Person;
}

/** A browser with this wallet, in which its owner asked to sign in. */
async function visit(wallet: Omit<TestWallet, "name" | "keys">, { hardware = false } = {}): Promise<Visit> {
  const person = await Person.in(browser);
  const asked = await install(person.context, [{ name: "Heron", keys: owner, ...wallet }]);
  const page = await person.context.newPage();
  const console = new Console(page);
  await page.goto(stack.appOrigin);
  await console.at("asset-input").fill(alice);
  await console.at("wallet-heron").click();
  if (hardware) await console.at("hardware").check();
  await console.at("sign-in").click();
  return { page, console, asked, person };
}

async function assertSignedIn({ page, console, person }: Visit): Promise<void> {
  await console.at("agent-domain").or(console.at("error")).filter({ visible: true }).first().waitFor();
  assert.equal(await console.at("error").isVisible(), false, (await console.at("error").textContent()) ?? "");
  assert.equal(await console.at("agent-domain").textContent(), "alice.molt");
  assert.equal(await page.locator("#agent-owner").textContent(), owner.address);
  assert.deepEqual(person.errors, []);
  await person.context.close();
}

async function assertRefused({ console, person }: Visit, words: RegExp): Promise<void> {
  await console.at("error").waitFor();
  assert.match((await console.at("error").textContent()) ?? "", words);
  assert.equal(await console.at("sign-in").isVisible(), true);
  assert.deepEqual(await person.context.cookies(), []);
  await person.context.close();
}

const features = (asked: readonly Asked[]): string[] => asked.map(({ feature }) => feature);

test("a wallet that has solana:signIn is given every field, and builds the text itself", {
  timeout: TIMEOUT_MS,
}, async () => {
  const visited = await visit({ features: { signIn, signMessage, signTransaction } });
  await assertSignedIn(visited);
  assert.deepEqual(features(visited.asked), ["signIn"]);
  const { nonce, issuedAt, expirationTime, ...fields } = visited.asked[0]?.input ?? {};
  assert.match(String(nonce), /^[0-9a-f]{32}$/);
  assert.equal(Date.parse(String(expirationTime)) - Date.parse(String(issuedAt)), 300_000);
  assert.deepEqual(fields, {
    domain: new URL(stack.appOrigin).host,
    address: owner.address,
    statement: `Open the agent of ${alice}. This moves no funds.`,
    uri: stack.appOrigin,
    version: "1",
    chainId: "localnet",
    requestId: alice,
  });
});

test("a wallet that only signs messages is given the whole text", { timeout: TIMEOUT_MS }, async () => {
  const visited = await visit({ features: { signMessage } });
  await assertSignedIn(visited);
  assert.deepEqual(features(visited.asked), ["signMessage"]);
});

test("a wallet that only signs transactions is given one that can never land, and may add to it", {
  timeout: TIMEOUT_MS,
}, async () => {
  const visited = await visit({ features: { signTransaction } });
  await assertSignedIn(visited);
  assert.deepEqual(features(visited.asked), ["signTransaction"]);
  const { transaction, chain } = visited.asked[0]?.input ?? {};
  assert.equal(chain, "solana:localnet");
  const given = planOf(Buffer.from((transaction as { base64: string }).base64, "base64"));
  assert.equal(given.payer, owner.address);
  assert.equal(given.blockhash, DEAD_BLOCKHASH);
  assert.deepEqual(
    given.instructions.map(({ programAddress }) => programAddress),
    [memo("").programAddress],
  );
});

test("what fails with a hardware account is followed by the next way, down to the transaction", {
  timeout: TIMEOUT_MS,
}, async () => {
  const ways = { signIn: unsupported, signMessage: unsupported, signTransaction };
  const failing = await visit({ features: ways });
  await assertSignedIn(failing);
  assert.deepEqual(features(failing.asked), ["signIn", "signMessage", "signTransaction"]);

  const named = await visit({ features: ways, accountFeatures: ["signTransaction"] });
  await assertSignedIn(named);
  assert.deepEqual(features(named.asked), ["signTransaction"]);
});

test("a refusal is shown as one, and nothing else is asked for", { timeout: TIMEOUT_MS }, async () => {
  const all = await visit({ features: { signIn: refuse, signMessage, signTransaction } });
  await assertRefused(all, /declined in the wallet/);
  assert.deepEqual(features(all.asked), ["signIn"]);
  const last = await visit({ features: { signIn: unsupported, signMessage: refuse, signTransaction } });
  await assertRefused(last, /declined in the wallet/);
  assert.deepEqual(features(last.asked), ["signIn", "signMessage"]);
});

test("who knows that the account signs transactions only can say so, as some wallets call that a refusal", {
  timeout: TIMEOUT_MS,
}, async () => {
  const visited = await visit(
    { features: { signIn: refuse, signMessage: refuse, signTransaction } },
    { hardware: true },
  );
  await assertSignedIn(visited);
  assert.deepEqual(features(visited.asked), ["signTransaction"]);
});

test("a wallet that signs with another key gets nobody in", { timeout: TIMEOUT_MS }, async () => {
  const buyer = await devKeypair("buyer");
  for (const ways of [{ signIn: signsIn(buyer) }, { signMessage: signsMessages(buyer) }]) {
    await assertRefused(await visit({ features: ways }), /proof was refused/);
  }
});
