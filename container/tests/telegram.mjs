// What the tests of a real agent with a bot of Telegram's share: how the edge names the bot in its configuration, people who
// write to it, the agent's word on who waits, and Bot APIs that are out of order.
import assert from "node:assert/strict";
import http from "node:http";
import { run, until } from "./support.mjs";

const TURN_MS = 60_000;
export const TOKEN = "7000000001:AAFdevelopmentBotsHaveSecretsLikeThis";
export const BOT_SECRETS = { telegram: TOKEN, "telegram-secret": "secret_of_the_webhook" };

const reference = (/** @type {string} */ id) => ({ source: "file", provider: "host", id: `/${id}` });

/**
 * The bot with its webhook, as the edge writes it but for the Bot API's address.
 * @param {string} apiRoot @param {number} hookPort
 */
export const botAt = (apiRoot, hookPort) => ({
  enabled: true,
  botToken: reference("telegram"),
  webhookUrl: `http://127.0.0.1:${hookPort}/telegram-webhook`,
  webhookSecret: reference("telegram-secret"),
  dmPolicy: "pairing",
  apiRoot,
});

/** @typedef {{id: number, name: string}} Person */

/** Those who write to the bot over a stand-in for the Bot API, and what it tells them. */
export class People {
  /** @param {import("../../dev/telegram/server.ts").BotApi} api */
  constructor(api) {
    this.api = api;
  }

  /** Whether the agent with that hook receives what they write. @param {number} hookPort */
  reach(hookPort) {
    return this.api.webhook(TOKEN)?.url.includes(`:${hookPort}/`);
  }

  said() {
    return this.api.sent(TOKEN).map(({ chat, text }) => ({ chat, text }));
  }

  /** @param {Person} person @param {string} text */
  write(person, text) {
    this.api.write(TOKEN, person, text);
  }

  /** Returns the code that the agent tells them. @param {Person} person @param {string} [text] */
  ask(person, text = "may I?") {
    const since = this.said().length;
    this.write(person, text);
    const told = () =>
      this.said()
        .slice(since)
        .filter(({ chat }) => chat === person.id);
    const code = () =>
      /\b[A-Z2-9]{8}\b/.exec(
        told()
          .map(({ text }) => text)
          .join("\n"),
      )?.[0];
    return until("a code", code, TURN_MS);
  }

  /** @param {Person} person @param {string} text that the bot's answer has in it */
  answer({ id }, text) {
    return until("an answer", () => this.said().some((one) => one.chat === id && one.text.includes(text)), TURN_MS);
  }
}

/** Who waits, or their owner's word on one of them. @param {{env: Record<string, string>}} sandbox @param {string[]} word */
export async function pairing(sandbox, ...word) {
  const { code, json, stderr } = await run(sandbox, ["pairing", ...word]);
  assert.equal(code, 0, stderr);
  return json;
}

/**
 * A Bot API that answers so, or never.
 * @param {import("node:test").TestContext} t
 * @param {(response: http.ServerResponse, before: number) => void} [answer] knowing how often it was asked before
 */
export async function startBrokenBotApi(t, answer) {
  /** @type {string[]} */
  const asked = [];
  const server = http.createServer((request, response) => {
    const before = asked.push(request.url ?? "") - 1;
    answer?.(response, before);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return {
    url: `http://127.0.0.1:${address && typeof address === "object" ? address.port : 0}`,
    /** How often it was asked with that token. @param {string} token */
    uses: (token) => asked.filter((url) => url.startsWith(`/bot${token}/`)).length,
  };
}
