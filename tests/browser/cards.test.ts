// What an owner does in the console beside the agent's life: has people reach it by a bot, lets them in, and has its wallet
// send. The agent is a fake one, as nothing of this is for it to decide. What comes from strangers is hostile here.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { devAssetAddress } from "../../dev/solana/accounts.ts";
import { buildConsole, CONSOLE_OUT } from "../../scripts/build.mjs";
import { fakeAgentStack, Owned } from "../support/agent.ts";
import { FRIEND, newToken } from "../support/telegram.ts";
import { until } from "../support/wait.ts";
import { launch, Person } from "./support/browser.ts";
import { Console } from "./support/console.ts";

const TIMEOUT_MS = 600_000;
/** What a stranger calls themselves. */
const HOSTILE = "<img src=x onerror=alert(1)><b>Owner</b>";

if (!existsSync(join(CONSOLE_OUT.development, "main.js"))) await buildConsole("development");
const browser = await launch();
after(() => browser.close());
const stack = await fakeAgentStack({ vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });
const { telegram } = stack;
const alice = await devAssetAddress("alice.molt");
const owned = await Owned.of(stack, alice);
const owner = await Person.in(browser);
const page = await owner.context.newPage();
const console = new Console(page);
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

test("a bot is connected by its token, which is not shown again", { timeout: TIMEOUT_MS }, async () => {
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
  await console.at("channel-disconnect").click();
  await console.at("confirm-cancel").click();
  assert.equal(await text("channel-state"), "Connected");
  await console.at("channel-disconnect").click();
  await console.at("confirm-accept").click();
  await shows("info", /^The bot is disconnected\./);
  assert.equal(await text("channel-state"), "Not connected");
  assert.equal(await console.at("channel-disconnect").isVisible(), false);
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
  await console.at("pairing-refresh").click();
  await shows("pairing-empty", "Nobody waits.");
});

test("no page broke its policy", () => {
  assert.deepEqual(owner.errors, []);
});
