// What a person does with the service, in a browser against all of it: sign in, start an agent, talk to it, stop it,
// and find the conversation again. The agent is a real OpenClaw; only the model behind it echoes.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseEnv } from "node:util";
import type { Page } from "playwright-core";
import { devWalletAddress } from "../../dev/solana/accounts.ts";
import { buildConsole, CONSOLE_OUT } from "../../scripts/build.mjs";
import { testStack } from "../support/stack.ts";
import { until } from "../support/wait.ts";
import { AgentTab } from "./support/agent-tab.ts";
import { launch, Person } from "./support/browser.ts";
import { Console } from "./support/console.ts";
import { Steps } from "./support/steps.ts";

/** On a quiet machine the path takes two minutes. */
const TIMEOUT_MS = 900_000;
const SOCKETS_END_WITHIN_MS = 15_000;

if (!existsSync(join(CONSOLE_OUT.development, "main.js"))) await buildConsole("development");
const browser = await launch();
after(() => browser.close());
const stack = await testStack();
const owner = await Person.in(browser);

const word = `heron-${randomBytes(6).toString("hex")}`;
const said = `The word of today is ${word}`;
const ownKey = `sk-live-${randomBytes(24).toString("base64url")}`;
const ownKeyPrefix = ownKey.slice(0, 8);
const DEFAULT_MODEL = "openai/gpt-5.4";
const CHOSEN_MODEL = "openai/gpt-5.4-mini";
/** The agent's page that the owner did not close before signing out. */
let leftOpen: Page | undefined;
/** The model's requests that carried a message of the owner's. */
const turns = () => stack.echo.requests.filter(({ path }) => path !== "/v1/embeddings");

test("an owner signs in, talks to the agent, stops it, and finds the conversation again", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const steps = new Steps(t, browser, stack.logs);
  const page = await owner.context.newPage();
  const console = new Console(page);
  const tickets: string[] = [];
  const tokens = new Set<string>();

  /** Opens the agent by its one-time entry, and waits until its page can be used. */
  async function openAgent(): Promise<AgentTab> {
    const { tab, url, ticket } = await console.open();
    assert.match(ticket, /^[0-9a-f]{64}$/);
    tickets.push(ticket);
    const agent = new AgentTab(tab);
    await agent.loaded();
    assert.equal(new URL(tab.url()).origin, url.origin);
    assert.equal(tab.url().includes(ticket), false);
    assert.ok(await tab.evaluate("window.opener === null"), "the agent can reach the page that opened it");
    for (const value of await owner.cookieValues()) tokens.add(value);
    return agent;
  }

  await steps.step("sign in", async () => {
    await page.goto(stack.appOrigin);
    await console.askToSignIn("owner", "alice.molt");
    await console.at("agent-domain").waitFor();
    assert.equal(await console.at("agent-domain").textContent(), "alice.molt");
    await console.reaches("Asleep", 30_000);
    assert.equal(await console.at("secret-openai-source").textContent(), "Platform's key");
    assert.equal(await console.at("secret-openai-place").isVisible(), true, "the platform's key is not in the agent");
    assert.equal(
      await console.at("secret-openai-keyless").isVisible(),
      false,
      "and that is not for the owner to choose",
    );
    await console.at("usage-empty").waitFor();
    assert.equal(await console.at("usage-spent").isVisible(), false);
    assert.equal(await console.at("secret-clawrouter-source").textContent(), "No key");
    assert.equal(await console.at("channel-state").textContent(), "Not connected");
    assert.equal(await console.at("secret-wallet-source").textContent(), "No private key");
    assert.equal(await console.at("model-in-force").textContent(), DEFAULT_MODEL);
    assert.equal(await console.at("model-input").getAttribute("placeholder"), DEFAULT_MODEL);
    assert.equal(await console.at("snapshot-row").count(), 0);
  });

  await steps.step("the browser keeps the session's cookie for the console alone", async () => {
    const [cookie, ...others] = await owner.context.cookies();
    assert.ok(cookie && others.length === 0);
    assert.equal(cookie.name, "__Host-molt_session");
    const { httpOnly, secure, sameSite, path, domain } = cookie;
    assert.deepEqual(
      { httpOnly, secure, sameSite, path, domain },
      { httpOnly: true, secure: true, sameSite: "Strict", path: "/", domain: "localhost" },
    );
    await page.reload();
    await console.at("agent-domain").waitFor();
    await console.reaches("Asleep", 30_000);
  });

  await steps.step("start the agent", () => console.start());

  let agent = await steps.step("open the agent in a tab of its own", openAgent);
  const agentOrigin = new URL(agent.page.url()).origin;

  await steps.step("the agent's cookie belongs to its host alone", async () => {
    const names = async (url: string) => (await owner.context.cookies(url)).map(({ name }) => name);
    assert.deepEqual(await names(agentOrigin.replace("http:", "https:")), ["__Host-molt_agent"]);
    assert.deepEqual(await names(stack.appOrigin.replace("http:", "https:")), ["__Host-molt_session"]);
  });

  await steps.step("say something and read the answer", async () => {
    await agent.say(said, `Echo: ${said}`);
    assert.equal(owner.openSockets(), 1);
    const [turn, ...more] = turns();
    assert.deepEqual(more, []);
    assert.ok(turn?.lastUserText.includes(said));
    assert.notEqual(turn?.keyPrefix, ownKeyPrefix);
  });

  await steps.step("set an own model key and see its beginning only", async () => {
    await console.at("secret-openai-input").fill(ownKey);
    await console.at("secret-openai-save").click();
    await until("the key is shown as the owner's", async () => {
      return (await console.at("secret-openai-source").textContent()) === "Your key";
    });
    assert.equal(await console.at("secret-openai-prefix").textContent(), `${ownKeyPrefix}…`);
    assert.equal(await console.at("secret-openai-input").inputValue(), "");
    assert.equal((await page.content()).includes(ownKey.slice(0, 12)), false);
    assert.deepEqual(stack.filesWith(ownKey), []);
  });

  await steps.step("a key of another form is refused with the rule, and the one before stays", async () => {
    await console.at("secret-openrouter-input").fill(ownKey);
    await console.at("secret-openrouter-save").click();
    await console.at("error").waitFor();
    assert.match((await console.at("error").textContent()) ?? "", /must be an OpenRouter API key.*`sk-or-`/);
    assert.equal(await console.at("secret-openrouter-source").textContent(), "No key");
    assert.equal(await console.at("secret-openrouter-input").inputValue(), "");
  });

  await steps.step("choose another model, and be told what is no model", async () => {
    await console.at("model-input").fill("gpt-of-nobody");
    await console.at("model-save").click();
    await console.at("model-error").waitFor();
    assert.match((await console.at("model-error").textContent()) ?? "", /`model` must be `provider\/model`/);
    await console.at("model-input").fill(CHOSEN_MODEL);
    await console.at("model-save").click();
    await until("the model is in use from the next start", async () => {
      return (await console.at("model-in-force").textContent()) === CHOSEN_MODEL;
    });
    assert.equal(await console.at("model-error").isVisible(), false);
    await page.reload();
    await until("the choice is kept", async () => (await console.at("model-input").inputValue()) === CHOSEN_MODEL);
  });

  await steps.step("close the tab and stop the agent", async () => {
    await agent.page.close();
    await console.stop();
    const newest = console.at("snapshot-row").first();
    await until("the snapshot is listed", async () => /Before stop/.test((await newest.textContent()) ?? ""));
  });

  await steps.step("keep the own key out of the agent", async () => {
    const choice = console.at("secret-openai-keyless");
    assert.equal(await choice.isChecked(), false);
    assert.equal(await console.at("secret-openai-place").isVisible(), false);
    assert.equal(await console.at("secret-anthropic-keyless").isVisible(), false, "there is no key to keep out");
    await page.getByRole("checkbox", { name: "OpenAI Keep this key out of the agent" }).check();
    await console.at("secret-openai-place").waitFor();
    assert.equal(await console.at("secret-openai-place").textContent(), "not in the agent");
    assert.equal(
      await console.at("info").textContent(),
      "The OpenAI key is kept out of the agent. It takes effect when the agent starts.",
    );
    await page.reload();
    await choice.waitFor();
    await until("the choice is kept", () => choice.isChecked());
    assert.equal(await console.at("keyless-unavailable").isVisible(), false);
  });

  await steps.step("start it again", () => console.start());
  agent = await steps.step("open it again", openAgent);

  await steps.step("find the conversation again", async () => {
    await agent.shows(said);
    await agent.shows(`Echo: ${said}`);
  });

  await steps.step("the agent remembers it, and uses the owner's key", async () => {
    await agent.say("What did I say?", `Earlier you said: ${said}`);
    const again = turns().slice(1);
    assert.deepEqual(
      again.map(({ keyPrefix, model }) => [keyPrefix, `openai/${model}`]),
      [[ownKeyPrefix, CHOSEN_MODEL]],
    );
    await page.reload();
    await until("the key is shown as used", async () => {
      return /last used/.test((await console.at("secret-openai-time").textContent()) ?? "");
    });
  });

  await steps.step("see today's use of the platform's key and of the own one", async () => {
    await until("both keys' calls are listed", async () => {
      await console.at("usage-refresh").click();
      const both = [console.at("usage-openai-platform"), console.at("usage-openai-user")];
      return (await Promise.all(both.map((row) => row.count()))).every((count) => count === 1);
    });
    const calls = /[1-9][\d,]* requests? · [\d,]+ tokens?/;
    assert.match((await console.at("usage-openai-platform").textContent()) ?? "", calls);
    assert.match((await console.at("usage-openai-user").textContent()) ?? "", calls);
    assert.equal(await console.at("usage-empty").isVisible(), false);
    for (const kind of ["requests", "tokens"]) {
      assert.match((await console.at(`usage-${kind}-text`).textContent()) ?? "", /^[\d,]+ of [1-9][\d,]*$/);
    }
    const used = await console.at("usage-requests").getAttribute("value");
    assert.ok(Number(used) >= 1, "the platform's budget counts its key's calls");
    assert.match((await console.at("usage-resets").textContent()) ?? "", /^The count starts again on /);
  });

  await steps.step("read the agent's log, and see when and why it was awake", async () => {
    await console.at("log-show").click();
    await until("its lines", async () => ((await console.at("log-lines").textContent()) ?? "").length > 20);
    const rows = console.at("wake-row");
    await until("both times awake", async () => (await rows.count()) === 2);
    assert.match((await rows.last().textContent()) ?? "", /by you.*Stopped/is);
    assert.match((await console.at("wakes-half").textContent()) ?? "", /\d/);
  });

  await steps.step("take a snapshot home, and send it back", async () => {
    const coming = page.waitForEvent("download");
    await console.at("snapshot-download").first().click();
    const download = await coming;
    assert.match(download.suggestedFilename(), /^[0-9a-f]{32}\.tar\.zst$/);
    const rows = await console.at("snapshot-row").count();
    await console.at("snapshot-file").setInputFiles(await download.path());
    await console.at("snapshot-upload").click();
    await until("the upload is listed", async () => (await console.at("snapshot-row").count()) === rows + 1);
    assert.match((await console.at("snapshot-row").first().textContent()) ?? "", /upload/i);
  });

  await steps.step("go back to the default model", async () => {
    await console.at("model-default").click();
    await until(
      "the default is in use",
      async () => (await console.at("model-in-force").textContent()) === DEFAULT_MODEL,
    );
  });

  await steps.step("sign out, and neither console nor agent can be seen", async () => {
    await console.at("sign-out").click();
    await console.at("sign-in").waitFor();
    await page.reload();
    await console.at("sign-in").waitFor();
    const tab = await owner.context.newPage();
    const answer = await tab.goto(agentOrigin);
    assert.equal(answer?.status(), 401);
    await tab.getByRole("heading", { name: "Sign in first" }).waitFor();
    leftOpen = agent.page;
  });

  await steps.step("no page broke its policy, and no secret went where it may be read", async () => {
    const ours = owner.errors.filter(({ page }) => page.startsWith(stack.appOrigin) || page.includes("/.edge/"));
    assert.deepEqual(ours, []);
    assert.deepEqual(
      owner.errors.filter(({ text }) => /Content.Security.Policy/i.test(text)),
      [],
    );
    const secrets = Object.entries(parseEnv(readFileSync(join(stack.dir, ".dev.vars"), "utf8")));
    assert.ok(secrets.length >= 4 && tickets.length === 2 && tokens.size >= 2);
    const hidden = [
      ...secrets.map(([name, value]) => ({ name, value: value ?? "" })),
      { name: "the owner's key", value: ownKey },
      ...tickets.map((value) => ({ name: "a ticket", value })),
      ...[...tokens].map((value) => ({ name: "a token", value })),
    ];
    const read = [...owner.asked, ...stack.logs].join("\n");
    assert.ok(read.includes("/.edge/enter"));
    assert.deepEqual(
      hidden.filter(({ value }) => value === "" || read.includes(value)).map(({ name }) => name),
      [],
    );
  });
});

test("signing out ends what a page that was left open still had", { timeout: TIMEOUT_MS }, async (t) => {
  const steps = new Steps(t, browser, stack.logs);
  const tab = leftOpen;
  assert.ok(tab !== undefined, "the test before did not get as far");

  await steps.step("its connection to the agent is cut", () => {
    return until("no socket is open", () => owner.openSockets() === 0, { within: SOCKETS_END_WITHIN_MS });
  });

  await steps.step("it cannot be loaded again", async () => {
    const answer = await tab.reload();
    assert.equal(answer?.status(), 401);
    await tab.getByRole("heading", { name: "Sign in first" }).waitFor();
  });
});

test("another wallet cannot sign in to the domain, nor see its agent", { timeout: TIMEOUT_MS }, async (t) => {
  const steps = new Steps(t, browser, stack.logs);
  const buyer = await Person.in(browser);
  const page = await buyer.context.newPage();
  const console = new Console(page);

  await steps.step("the sign-in is refused with a reason", async () => {
    await page.goto(stack.appOrigin);
    await console.askToSignIn("buyer", "alice.molt");
    await console.at("error").waitFor();
    assert.match(
      (await console.at("error").textContent()) ?? "",
      /Sign in with the wallet that holds this domain now\./,
    );
    assert.equal(await console.at("sign-in").isVisible(), true);
    assert.deepEqual(await buyer.context.cookies(), []);
  });

  await steps.step("the same wallet gets into its own domain", async () => {
    await console.askToSignIn("buyer", "bob.molt");
    await console.at("agent-domain").waitFor();
    assert.equal(await console.at("agent-domain").textContent(), "bob.molt");
    assert.equal(await page.locator("#agent-owner").textContent(), await devWalletAddress("buyer"));
  });

  await steps.step("the other agent's host shows nothing", async () => {
    const [visited] = owner.asked.filter((url) => url.endsWith("/.edge/enter"));
    assert.ok(visited);
    const tab = await buyer.context.newPage();
    const answer = await tab.goto(new URL("/", visited).href);
    assert.equal(answer?.status(), 401);
    await tab.getByRole("heading", { name: "Sign in first" }).waitFor();
    await tab.goto(`${visited}#${"0".repeat(64)}`);
    await tab.getByText("This entry was used or is older than 30 s.").waitFor();
  });

  assert.deepEqual(buyer.errors, []);
});
