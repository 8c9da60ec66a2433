// What an owner does in the console beside the agent's life: has people reach it by a bot, lets them in, and has its wallet
// send. The agent is a fake one, as nothing of this is for it to decide. What comes from strangers is hostile here.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { devAssetAddress, devKeypair } from "../../dev/solana/accounts.ts";
import { buildConsole, CONSOLE_OUT } from "../../scripts/build.mjs";
import { fakeAgentStack, Owned } from "../support/agent.ts";
import { propose, proposed, proposerOf } from "../support/proposals.ts";
import { FRIEND, newToken } from "../support/telegram.ts";
import { until } from "../support/wait.ts";
import { AgentWallet, newWallet, SOL, walletOf } from "../support/wallet.ts";
import { launch, Person } from "./support/browser.ts";
import { Console } from "./support/console.ts";
import { type Asked, install, refuse, signsAsGiven, signsTransactions } from "./support/wallet.ts";

const TIMEOUT_MS = 600_000;
/** What a stranger calls themselves. */
const HOSTILE = "<img src=x onerror=alert(1)><b>Owner</b>";
const LEAVE = { behavior: "ignoreErrors" } as const; // Answers under way are for a page that asks no more.

if (!existsSync(join(CONSOLE_OUT.development, "main.js"))) await buildConsole("development");
const browser = await launch();
after(() => browser.close());
const stack = await fakeAgentStack({ vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });
const { rpc, telegram } = stack;
const alice = await devAssetAddress("alice.molt");
const owned = await Owned.of(stack, alice);
const owner = await Person.in(browser);
const ownKeys = await devKeypair("owner");
/** Lets the wallet that waits for its owner go on. */
let goOn = () => {};
const waited = new Promise<void>((resolve) => {
  goOn = resolve;
});
/** Wallets that do with a transaction what wallets do, beside the console's own development wallets. */
const asked: Asked[] = await install(owner.context, [
  { name: "Faithful", keys: ownKeys, features: { signTransaction: signsAsGiven(ownKeys) } },
  { name: "Adding", keys: ownKeys, features: { signTransaction: signsTransactions(ownKeys) } },
  { name: "Declining", keys: ownKeys, features: { signTransaction: refuse } },
  {
    name: "Waiting",
    keys: ownKeys,
    features: { signTransaction: (input) => waited.then(() => signsAsGiven(ownKeys)(input)) },
  },
]);
const page = await owner.context.newPage();
const console = new Console(page);
const wallet = new AgentWallet(stack, owned);
await page.goto(stack.appOrigin);
await console.askToSignIn("owner", "alice.molt");
await console.reaches("Asleep", 30_000);
// What it has for whoever does something on the page is there.
await console.at("channel-state").filter({ hasText: "Not connected" }).waitFor();

const text = async (testId: string) => (await console.at(testId).textContent())?.trim() ?? "";
const shows = (testId: string, words: RegExp | string) =>
  until(`${testId} shows ${words}`, async () => {
    const shown = await text(testId);
    return typeof words === "string" ? shown === words : words.test(shown);
  });
const sign = async (label: string) => {
  await console.at("transaction-wallet").selectOption({ label });
  await console.at("transaction-sign").click();
};
/** Brings a card up to date; a press while that is under way would do nothing. */
async function refresh(card: "wallet" | "pairing"): Promise<void> {
  const button = console.at(`${card}-refresh`);
  await button.click();
  await until(`${card} is up to date`, async () => (await button.getAttribute("aria-busy")) === null);
}

test("a bot is connected by its token, which is not shown again", { timeout: TIMEOUT_MS }, async () => {
  assert.equal(await console.at("secret-openai-input").count(), 1);
  assert.equal(await console.at("secret-telegram-input").count(), 0, "there is one place for it");
  await console.at("channel-save").click();
  assert.equal(await text("channel-token-error"), "Enter the token of a bot.");
  await console.at("channel-token").fill("no token of a bot");
  await console.at("channel-save").click();
  await shows("channel-token-error", /`token` must be/);
  assert.equal(await console.at("channel-token").inputValue(), "");
  assert.equal(await text("channel-state"), "Not connected");

  const token = newToken();
  assert.equal(await console.at("channel-policy").inputValue(), "pairing");
  await console.at("channel-token").fill(token);
  await console.at("channel-save").click();
  await shows("info", "The bot's token is saved. It takes effect when the agent starts.");
  await shows("channel-state", "Connected");
  assert.match(await text("channel-facts"), new RegExp(`^Token ${token.slice(0, 8)}…, set .*\\. No message yet\\.$`));
  assert.equal(await console.at("channel-token").inputValue(), "");
  assert.equal((await page.content()).includes(token.slice(0, 12)), false);
  assert.equal(telegram.webhook(token)?.url.includes(alice), true);

  telegram.write(token, FRIEND, "hello?");
  await until("it came in", () => telegram.pending(token) === 0);
  await page.reload();
  await shows("channel-facts", /\. Last message just now\. 1 message waits for the agent\.$/);

  await console.at("channel-policy").selectOption("allowlist");
  await console.at("channel-people").fill("4242, @friend");
  await console.at("channel-save").click();
  assert.match(await text("channel-people-error"), /^@friend is no number/);
  await console.at("channel-people").fill("4242 7");
  await console.at("channel-save").click();
  await shows("info", /^Who may write is saved\./);
  await page.reload();
  await until("the list is kept", async () => (await console.at("channel-people").inputValue()) === "4242, 7");

  await console.at("channel-policy").selectOption("open");
  assert.match(await text("channel-policy-hint"), /^Careful: everybody/);
  await console.at("channel-save").click();
  await shows("info", /^Who may write is saved\./);
  const { channels } = (await owned.client.get(`${owned.path}/channels`)).json();
  assert.deepEqual([channels[0].dmPolicy, channels[0].prefix], ["open", token.slice(0, 8)]);
});

test("a bot is disconnected once its owner has confirmed it", { timeout: TIMEOUT_MS }, async () => {
  let deletions = 0;
  page.on("request", (request) => {
    deletions += Number(request.method() === "DELETE");
  });
  await console.at("channel-disconnect").click();
  await console.at("confirm-cancel").click();
  assert.equal(await text("channel-state"), "Connected");
  await console.at("channel-disconnect").click();
  await console.at("confirm-accept").click();
  await shows("info", /^The bot is disconnected\./);
  assert.equal(await text("channel-state"), "Not connected");
  assert.equal(await console.at("channel-disconnect").isVisible(), false);
  assert.equal(deletions, 1, "it was asked for once, after the confirmation");
  const { channels } = (await owned.client.get(`${owned.path}/channels`)).json();
  assert.deepEqual([channels[0].state, channels[0].prefix], ["off", null]);
});

test("who waits is shown by their names as they are, and let in or sent away", { timeout: TIMEOUT_MS }, async () => {
  assert.match(await text("pairing-empty"), /told by the running agent/);
  const asked = { askedAt: Date.now() - 180_000, expiresAt: Date.now() + 3_450_000 };
  const hostile = { id: "hostile", kind: "person", name: `${HOSTILE} (telegram 1)`, ...asked };
  const friend = { id: "friend", kind: "person", name: "Friend (telegram 4242)", ...asked };
  const phone = { id: "phone", kind: "device", name: "" };
  stack.agent.behaveAt(alice, { pairing: { waiting: [hostile, friend, phone] } });
  await owned.start();
  const rows = console.at("pairing-row");
  await until("all wait", async () => (await rows.count()) === 3);
  assert.equal(await text("pairing-empty"), "");
  assert.deepEqual(await rows.locator(".pairing-name").allTextContents(), [
    hostile.name,
    friend.name,
    "Without a name",
  ]);
  assert.match(
    (await rows.nth(1).textContent()) ?? "",
    /Person\s+Asked 3 minutes ago, and waits for another 5\d min\./,
  );

  stack.agent.behaveAt(alice, { pairing: { waiting: [friend, phone] } });
  await page.getByRole("button", { name: "Let in Friend (telegram 4242)" }).click();
  await shows("info", "Friend (telegram 4242) is let in.");
  assert.equal(await rows.count(), 1);
  stack.agent.behaveAt(alice, { pairing: { waiting: [phone] } });
  await rows.getByRole("button", { name: "Send away" }).click();
  await shows("pairing-empty", "Nobody waits.");
  const words = stack.agent.notesOf(alice, "pairing").flatMap(({ argv }) => argv ?? []);
  assert.deepEqual(words, ["--approve=friend", "--reject=phone"]);

  // By itself, while somebody looks.
  stack.agent.behaveAt(alice, { pairing: { waiting: [friend] } });
  await until("who is new is shown", async () => (await rows.count()) === 1);
  // One who is gone by then is told so, and what the service says is text.
  stack.agent.behaveAt(alice, {});
  await page.getByRole("button", { name: "Let in Friend (telegram 4242)" }).click();
  await shows("error", /Nobody waits by this id, or not any more\. List them again\./);
  await refresh("pairing");
  await shows("pairing-empty", "Nobody waits.");
});

test("c21 the agent's wallet is shown with how to fund it, and what is no link for wallets is none", {
  timeout: TIMEOUT_MS,
}, async () => {
  await wallet.holdTokens(1_500_000n, { decimals: 6 });
  rpc.control.setBalance(wallet.address, SOL);
  await until("the balance", async () => {
    await refresh("wallet");
    return (await text("wallet-balance")) === "1 SOL" && (await console.at("token-row").count()) === 1;
  });
  assert.equal(await text("wallet-address"), walletOf(alice));
  assert.match(
    (await console.at("token-row").locator("p").textContent()) ?? "",
    /^1\.5 of [1-9A-HJ-NP-Za-km-z]{43,44}$/,
  );
  assert.match(await text("wallet-read"), /^As of slot [\d,]+, read \d+ s ago\.$/);
  const link = `solana:${wallet.address}?label=alice.molt`;
  assert.equal(await console.at("wallet-pay").getAttribute("href"), link);
  assert.equal(await console.at("wallet-code").locator("svg").count(), 1);
  await owner.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await console.at("wallet-copy").click();
  assert.equal(await page.evaluate("navigator.clipboard.readText()"), wallet.address);

  const path = `**/v1/agents/${alice}/wallet`;
  await page.route(path, async (route) => {
    const answer = await (await route.fetch()).json();
    const token = { ...answer.tokens[0], amount: HOSTILE, mint: HOSTILE };
    const fund = { ...answer.fund, solanaPay: "javascript:alert(1)" };
    await route.fulfill({ json: { ...answer, sol: HOSTILE, tokens: [token], fund } });
  });
  await refresh("wallet");
  await shows("wallet-balance", `${HOSTILE} SOL`);
  assert.equal(await console.at("token-row").locator("p").textContent(), `${HOSTILE} of ${HOSTILE}`);
  assert.equal(await console.at("wallet-pay").getAttribute("href"), null);
  assert.equal(await console.at("wallet-code").locator("svg").count(), 0);
  await page.unrouteAll(LEAVE);
  await page.route(path, (route) =>
    route.fulfill({ status: 503, contentType: "application/problem+json", json: { detail: HOSTILE, status: 503 } }),
  );
  await refresh("wallet");
  await shows(
    "wallet-problem",
    new RegExp(`^What the wallet holds could not be read\\. ${HOSTILE.replace(/[()]/g, "\\$&")}`),
  );
  await page.unrouteAll(LEAVE);
  await refresh("wallet");
  await shows("wallet-balance", "1 SOL");
  assert.equal(await console.at("wallet-problem").isVisible(), false);
});

test("c21 a transfer is told in words before the owner's wallet signs it, sent and followed", {
  timeout: TIMEOUT_MS,
}, async () => {
  const to = (await newWallet()).address;
  await console.at("transfer-prepare").click();
  assert.match(await text("transfer-amount-error"), /like 0\.01/);
  assert.match(await text("transfer-to-error"), /address of a wallet/);
  await console.at("transfer-amount").fill("2");
  await console.at("transfer-to").fill(to);
  await console.at("transfer-prepare").click();
  await shows("transfer-amount-error", /which is what the agent's wallet holds/);
  assert.equal(await console.at("transaction").count(), 0);

  const prepare = async () => {
    await console.at("transfer-amount").fill("0.01");
    await console.at("transfer-to").fill(to);
    await console.at("transfer-prepare").click();
    await console.at("transaction").waitFor();
  };
  await prepare();
  const summary = await console.at("transaction-summary").locator("li").allTextContents();
  assert.deepEqual(summary, [
    `Sends 0.01 SOL (10000000 lamports) from the agent's wallet ${wallet.address} to ${to}.`,
    `Signed, and its fees paid, by your own wallet ${ownKeys.address}.`,
  ]);
  assert.match(await text("transaction-fee"), /^Your own wallet pays 0\.00005372 SOL in fees\./);
  assert.equal(asked.length, 0, "no wallet was asked before its owner had read it");

  await sign("Declining");
  await shows("transaction-error", "It was declined in the wallet. Nothing was signed, and nothing was sent.");
  await sign("Adding");
  await shows("transaction-error", /^Adding changed the transaction, so it is not sent\./);
  await sign("Development wallet (buyer)");
  await shows("transaction-error", /does not share the account .*, which holds the domain\./);
  assert.equal(wallet.balance(to), 0);
  await sign("Faithful");
  await shows(
    "transaction-progress",
    /^Done: the network has confirmed it\. Its signature is [1-9A-HJ-NP-Za-km-z]{86,88}\.$/,
  );
  assert.equal(wallet.balance(to), 10_000_000);
  assert.deepEqual(
    asked.map(({ wallet: name, input }) => [name, input.chain]),
    ["Declining", "Adding", "Faithful"].map((name) => [name, "solana:localnet"]),
  );
  await shows("wallet-balance", "0.99 SOL");
  assert.equal(await console.at("transfer-amount").inputValue(), "", "the next press sends nothing");

  const sent = console.at("sent-row");
  await until("it is listed", async () => (await sent.count()) === 1);
  assert.match((await sent.textContent()) ?? "", /^\s*Sends 0\.01 SOL .*Confirmed\s*$/s);

  // The development wallet signs as well, and an answer that was lost leads to no second transfer.
  await prepare();
  let lost = 0;
  await page.route(
    "**/wallet/transactions/send",
    async (route) => {
      lost += 1;
      await route.fetch();
      await route.abort();
    },
    { times: 1 },
  );
  await sign("Development wallet (owner)");
  await shows("transaction-error", /It may have been sent all the same/);
  assert.equal(await text("transaction-sign"), "Send again");
  await console.at("transfer-amount").fill("0.02");
  await console.at("transfer-to").fill(to);
  await console.at("transfer-prepare").click();
  await shows("transfer-error", "Wait until it is known what became of the one below.");
  await console.at("transaction-sign").click();
  await shows("transaction-progress", /^Done: /);
  assert.deepEqual([lost, wallet.balance(to)], [1, 20_000_000]);
});

test("c21 what may have been sent is looked for before its owner is told to prepare it again", {
  timeout: TIMEOUT_MS,
}, async () => {
  const refusal = {
    status: 409,
    contentType: "application/problem+json",
    json: { detail: "Prepare it anew.", status: 409 },
  };
  for (const [reaches, shown] of [
    [true, /^Done: /],
    [false, /^It did not get as far as the network: nothing moved\./],
  ] as const) {
    const to = (await newWallet()).address;
    const before = asked.length;
    let tries = 0;
    await page.route("**/wallet/transactions/send", async (route) => {
      tries += 1;
      if (tries > 1) return route.fulfill(refusal);
      if (reaches) await route.fetch();
      return route.abort();
    });
    await console.at("transfer-amount").fill("0.01");
    await console.at("transfer-to").fill(to);
    await console.at("transfer-prepare").click();
    await sign("Faithful");
    await shows("transaction-error", /It may have been sent all the same/);
    await console.at("transaction-sign").click();
    await shows(reaches ? "transaction-progress" : "transaction-error", shown);
    assert.deepEqual([tries, wallet.balance(to)], [2, reaches ? 10_000_000 : 0]);
    assert.equal(asked.length, before + 1, "it was signed once");
    await page.unrouteAll(LEAVE);
  }
});

test("c21 what its owner discards while the wallet asks is not sent", { timeout: TIMEOUT_MS }, async () => {
  const to = (await newWallet()).address;
  let tries = 0;
  await page.route("**/wallet/transactions/send", (route) => {
    tries += 1;
    return route.abort();
  });
  await console.at("transfer-amount").fill("0.01");
  await console.at("transfer-to").fill(to);
  await console.at("transfer-prepare").click();
  const before = asked.length;
  await sign("Waiting");
  await until("the wallet is asked", () => asked.length > before);
  await console.at("transaction-discard").click();
  const answered = page.waitForEvent("console", (message) => message.text() === "answered");
  await page.evaluate("globalThis.walletAnswered = () => console.log('answered')");
  goOn();
  await answered;
  assert.deepEqual([tries, wallet.balance(to)], [0, 0]);
  await page.unrouteAll(LEAVE);
});

test("c21 tokens are sent by their mint, and what more it takes is asked of the owner", {
  timeout: TIMEOUT_MS,
}, async () => {
  const mint = await console.at("token-row").locator("code").textContent();
  const to = (await newWallet()).address;
  await console.at("transfer-kind").selectOption("token");
  await console.at("transfer-mint").fill(mint ?? "");
  await console.at("transfer-amount").fill("0.5");
  await console.at("transfer-to").fill(to);
  await console.at("transfer-prepare").click();
  await shows("transfer-error", /no account for this token yet/);
  await console.at("transfer-create").check();
  await console.at("transfer-prepare").click();
  await shows("transaction-summary", /^Makes an account of .*Sends 0\.5 \(500000 base units\) of the token/s);
  await console.at("transaction-discard").click();
  assert.equal(await console.at("transaction").count(), 0);

  await console.at("transfer-to").fill(walletOf(to));
  await console.at("transfer-prepare").click();
  await shows("transfer-to-error", /No person has a key of this address/);
  await console.at("transfer-program").check();
  await console.at("transfer-prepare").click();
  await console.at("transaction").waitFor();

  // What the service says is text, wherever it comes from.
  await page.route("**/wallet/transactions", (route) => {
    const fee = { network: "5000", program: "0", rent: "0", total: "5000" };
    return route.fulfill({
      status: 201,
      json: { transaction: "AQ==", chain: "localnet", fee, summary: [HOSTILE], notes: [HOSTILE] },
    });
  });
  await console.at("transfer-prepare").click();
  await shows("transaction-summary", HOSTILE);
  assert.equal(await text("transaction-notes"), HOSTILE);
  await page.unrouteAll(LEAVE);
});

test("c21 what the agent proposes is its owner's to reject, or to read and then sign", {
  timeout: TIMEOUT_MS,
}, async () => {
  await console.at("transaction-discard").click();
  await shows("proposals-waiting", "Nothing waits for your word.");
  const by = await proposerOf(stack.agent, owned);
  const proposes = async (amount: string, reason: string) => {
    const to = (await newWallet()).address;
    return { id: await proposed(by, { operation: "transfer_sol", to, amount }, reason), to };
  };
  const rows = console.at("proposal-row");
  // Somebody comes back to the page.
  const look = () => page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  const soon = { within: 30_000 };
  const listed = (count: number) => until(`${count} are listed`, async () => (await rows.count()) === count, soon);
  const press = (what: "Prepare" | "Reject", { to }: { to: string }) =>
    rows.filter({ hasText: to }).getByRole("button", { name: what }).click();
  const count = asked.length;

  const hostile = await proposes("0.02", `${HOSTILE} Sign it.`);
  const whole = await proposes("5000", "All of it.");
  assert.equal((await propose(by, { operation: {}, reason: "Odd." })).status, 400);
  const rent = await proposes("0.03", "Rent for March.");
  await listed(3);
  assert.equal(await text("proposals-waiting"), "3 proposals wait for your word.");
  assert.equal(await text("proposals-counts"), "The agent proposed 3 of at most 20 today (UTC); 1 was refused.");
  const last = rows.nth(2);
  const asks = `Asks to send 0.02 SOL (20000000 lamports) from the agent's wallet to ${hostile.to}.`;
  assert.deepEqual(await last.getByTestId("proposal-summary").locator("li").allTextContents(), [asks]);
  assert.equal(await last.getByTestId("proposal-reason").textContent(), `${HOSTILE} Sign it.`);
  assert.match(
    (await last.getByTestId("proposal-time").textContent()) ?? "",
    /^Proposed .+, and waits for another 23 h\.$/,
  );

  await page.route("**/wallet/proposals", async (route) => {
    const { proposals, ...counts } = await (await route.fetch()).json();
    const odd = { ...proposals[0], id: HOSTILE, summary: [HOSTILE], createdAt: HOSTILE };
    await route.fulfill({ json: { ...counts, proposals: [odd], today: HOSTILE } });
  });
  await look();
  await listed(1);
  assert.equal(await text("proposal-summary"), HOSTILE);
  await page.unrouteAll(LEAVE);
  await look();

  await press("Prepare", whole);
  await shows("proposals-problem", /^This can't be prepared as the agent proposed it.* agent's wallet holds\.$/);
  // Of two that were asked for the later one is shown, whichever answer comes last.
  const held = Promise.withResolvers<void>();
  await page.route(`**/${hostile.id}/prepare`, (route) => held.promise.then(() => route.continue()));
  await press("Prepare", hostile);
  await press("Prepare", rent);
  await shows("transaction-summary", new RegExp(rent.to));
  const answered = page.waitForResponse(`**/${hostile.id}/prepare`);
  held.resolve();
  await (await answered).finished();
  await until("nothing is under way", async () => (await rows.locator("[aria-busy]").count()) === 0);
  assert.match(await text("transaction-summary"), new RegExp(`^Sends 0\\.03 SOL .* to ${rent.to}\\.`));
  await page.unrouteAll(LEAVE);

  await press("Prepare", hostile);
  await shows("transaction-summary", new RegExp(hostile.to));
  await press("Reject", hostile);
  await shows("info", "The proposal is rejected. The agent is not told.");
  await listed(2);
  assert.equal(await console.at("transaction").count(), 0, "what is rejected can't be signed");
  assert.equal(asked.length, count, "no wallet was asked");

  await press("Prepare", rent);
  await page.route("**/wallet/transactions/send", (route) => route.abort(), { times: 1 });
  await sign("Faithful");
  await shows("transaction-error", /It may have been sent all the same/);
  await press("Prepare", whole);
  await shows("proposals-problem", "Wait until it is known what became of the one below.");
  const before = await text("wallet-balance");
  await console.at("transaction-sign").click();
  await shows("transaction-progress", /^Done: the network has confirmed it\./);
  assert.deepEqual([wallet.balance(rent.to), asked.length], [30_000_000, count + 1]);
  await listed(1);
  await until("it is read anew", async () => (await text("wallet-balance")) !== before, soon);

  await owned.client.post(`${wallet.path}/proposals/${whole.id}/reject`);
  await press("Prepare", whole);
  await shows("proposals-problem", /^This proposal does not wait any more/);
  await listed(0);
  assert.equal(await text("proposals-waiting"), "Nothing waits for your word.");

  const failing = await proposes("0.03", "Rent for April.");
  await look();
  await press("Prepare", failing);
  await page.route("**/wallet/transactions", async (route) => {
    const { transactions } = await (await route.fetch()).json();
    await route.fulfill({ json: { transactions: transactions.map((one: object) => ({ ...one, state: "failed" })) } });
  });
  await sign("Faithful");
  await shows("proposals-problem", /^The proposal is used up with that/);
  await page.unrouteAll(LEAVE);
});

test("no page broke its policy", () => {
  assert.deepEqual(owner.errors, []);
});
