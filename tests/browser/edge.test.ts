// What an owner does in the console for channels that end at the edge: connects them, enters the address that is shown, and lets in
// who writes, while the agent sleeps.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { devAssetAddress } from "../../dev/solana/accounts.ts";
import { buildConsole, CONSOLE_OUT } from "../../scripts/build.mjs";
import { fakeAgentStack, Owned } from "../support/agent.ts";
import { discordOf } from "../support/discord.ts";
import { editObject } from "../support/objects.ts";
import { FRIEND, slackOf } from "../support/slack.ts";
import { until } from "../support/wait.ts";
import { launch, Person } from "./support/browser.ts";
import { Console } from "./support/console.ts";

const TIMEOUT_MS = 300_000;

if (!existsSync(join(CONSOLE_OUT.development, "main.js"))) await buildConsole("development");
const browser = await launch();
after(() => browser.close());
const stack = await fakeAgentStack({ vars: { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" } });
const { slack, discord } = stack;
discord.limitMs = 60_000;
const owned = await Owned.of(stack, await devAssetAddress("alice.molt"));
const owner = await Person.in(browser);
const page = await owner.context.newPage();
const console = new Console(page);
await page.goto(stack.appOrigin);
await console.askToSignIn("owner", "alice.molt");
await console.reaches("Asleep", 30_000);

/** A card's parts by their test ids. */
const partsOf = (channel: string) => {
  const card = page.locator(`[data-channel=${channel}]`);
  const at = (name: string) => card.getByTestId(`edge-${name}`);
  const shows = (name: string, words: string | RegExp) =>
    until(`${name} of ${channel} shows ${words}`, async () => {
      const shown = (await at(name).textContent())?.trim() ?? "";
      return typeof words === "string" ? shown === words : words.test(shown);
    });
  return { card, at, shows };
};

test("Slack is connected by its secrets, which are not shown again, and by the address that is", {
  timeout: TIMEOUT_MS,
}, async () => {
  const { card, at, shows } = partsOf("slack");
  await shows("state", "Not connected");
  assert.match((await card.textContent()) ?? "", /works while the agent sleeps/);
  await at("save").click();
  await shows("token-error", "Enter this: Bot User OAuth Token.");
  await shows("signingSecret-error", "Enter this: Signing Secret.");
  const app = slack.app();
  await at("token").fill("no token");
  await at("signingSecret").fill(app.signingSecret);
  await at("save").click();
  await shows("token-error", /`token` must be a bot's token of Slack/);
  assert.deepEqual([await at("token").inputValue(), await at("signingSecret").inputValue()], ["", ""]);
  await at("token").fill(app.token);
  await at("signingSecret").fill(app.signingSecret);
  await at("save").click();
  await shows("state", "Waiting for its first event");
  assert.ok(await slack.enter(app, await at("url").inputValue()), "Slack takes what is shown");
  await shows("state", "Connected");
  await shows("facts", `dev_bot in Development. Token ${app.token.slice(0, 8)}…. No message yet.`);
  for (const secret of [app.token, app.signingSecret]) assert.ok(!(await page.content()).includes(secret));

  slack.write(app, FRIEND, "hello?");
  const row = console.at("pairing-row");
  await until("who waits is shown by an agent that sleeps", async () => (await row.count()) === 1);
  const told = await until("a code", () => slack.posts(app)[0]?.text ?? false);
  const code = /\b[A-Z2-9]{8}\b/.exec(told)?.[0] ?? assert.fail(told);
  assert.match((await row.textContent()) ?? "", new RegExp(`U0FRIEND \\(slack\\)[^]*Their code is ${code}\\.`));
  await page.getByRole("button", { name: "Let in U0FRIEND (slack)" }).click();
  await until("nobody waits", async () => (await row.count()) === 0);

  const person = at("person");
  await until("whom they let in is listed", async () => (await person.count()) === 1, { within: 30_000 });
  assert.match((await person.textContent()) ?? "", /U0FRIEND \(slack\)\s*Let in /);
  await page.getByRole("button", { name: "Shut out U0FRIEND (slack)" }).click();
  await until("nobody is let in", async () => (await person.count()) === 0);
  assert.equal((await slackOf(owned)).people, undefined);

  await at("policy").selectOption("allowlist");
  await at("people").fill("U024BE7LH, friend");
  await at("save").click();
  await shows("people-error", /^friend names nobody at Slack/);
  await at("people").fill("U024BE7LH");
  await at("save").click();
  await until("the list is kept", async () => (await slackOf(owned)).allowFrom?.join() === "U024BE7LH");
  await at("disconnect").click();
  await console.at("confirm-accept").click();
  await shows("state", "Not connected");
  assert.equal((await slackOf(owned)).state, "off");
});

test("Discord is connected by its application, and told of the rest", { timeout: TIMEOUT_MS }, async () => {
  const { at, shows } = partsOf("discord");
  const app = discord.app();
  await at("applicationId").fill(app.applicationId);
  await at("publicKey").fill(discord.app().publicKey);
  await at("token").fill(app.token);
  await at("save").click();
  await shows("publicKey-error", /`publicKey` must be that of the application/);
  assert.equal(await at("applicationId").inputValue(), app.applicationId, "what is no secret stays");
  await at("publicKey").fill(app.publicKey);
  await at("token").fill(app.token);
  await at("save").click();
  await shows("state", "Connected");
  assert.equal(discord.endpoint(app), (await discordOf(owned)).requestUrl);
  assert.ok(!(await page.content()).includes(app.token));
  assert.equal((await at("reminder").textContent())?.trim(), "");
  const old = "UPDATE secrets SET set_at = set_at - 31 * 86400000 WHERE name = 'discord'";
  await stack.replaceWorker(() => editObject(stack, owned.asset, old));
  await shows("reminder", /^Nobody has asked it anything for 31 days\. Disconnect Discord if /);
});
