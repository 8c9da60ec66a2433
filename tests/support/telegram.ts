// A bot of a test's own, its channel as its owner sets it up, and what its fake agent has taken of what came.
import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import type { Person } from "../../dev/telegram/server.ts";
import type { Owned } from "./agent.ts";
import type { Client } from "./client.ts";
import type { Answer, Headers } from "./http.ts";
import { objectRows } from "./objects.ts";
import type { TestStack } from "./stack.ts";
import { type Patience, until } from "./wait.ts";

export interface ChannelView {
  name: string;
  state: "off" | "connecting" | "connected";
  prefix: string | null;
  dmPolicy: string;
  allowFrom?: string[];
  waiting: number;
  lastMessageAt: string | null;
  heldBackToday: number;
  problem: string | null;
  warning?: string;
  effect?: string;
}

export const FRIEND: Person = { id: 4242, name: "Friend" };
/** As its owner chooses to have the friend alone. */
export const FRIENDS = { dmPolicy: "allowlist", allowFrom: [String(FRIEND.id)] };
export const SECRET_HEADER = "x-telegram-bot-api-secret-token";

export const newToken = (bot = randomInt(1_000_000_000, 9_000_000_000)): string =>
  `${bot}:AA${randomBytes(24).toString("base64url")}`;

export async function channelOf({ client, path }: Owned): Promise<ChannelView> {
  const answer = await client.get(`${path}/channels`);
  assert.equal(answer.status, 200, answer.text);
  const { channels } = answer.json();
  return channels.find(({ name }: ChannelView) => name === "telegram") ?? assert.fail("no such channel");
}

/** Sets the channel up, and waits until Telegram knows of it. */
export async function connect(stack: TestStack, owned: Owned, token = newToken(), more: object = {}): Promise<string> {
  const answer = await owned.client.put(`${owned.path}/channels/telegram`, { token, ...more });
  assert.equal(answer.status, 200, answer.text);
  await until("the webhook", () => stack.telegram.webhook(token) !== undefined);
  await until("connected", async () => (await channelOf(owned)).state === "connected");
  return token;
}

/** Until Telegram was told, or had to be told nothing, that an agent has a bot no more. */
export async function farewell(stack: TestStack, { asset }: Owned): Promise<void> {
  const left = "SELECT 1 FROM audit WHERE entry LIKE '%webhook_removed%\"told\":true%'";
  await until("the farewell", () => objectRows(stack, asset, left).length > 0);
}

/** The updates that its fake agent has taken, in order, as its state has them: of a sleeping one, after a start. */
export async function taken(visitor: Client): Promise<{ id: number; text: string }[]> {
  const answer = await visitor.get("/updates");
  return answer.status === 200 ? answer.json() : [];
}

export function takenInTime(
  visitor: Client,
  count: number,
  patience?: Patience,
): Promise<{ id: number; text: string }[]> {
  return until(
    `${count} updates taken`,
    async () => {
      const updates = await taken(visitor);
      return updates.length >= count && updates;
    },
    patience,
  );
}

/** Whatever somebody sends to a webhook. */
export function post(stack: TestStack, url: string, body: string | Uint8Array, headers: Headers): Promise<Answer> {
  const path = url.replace(/^https?:\/\/[^/]+/, "");
  const json = { origin: [], "content-type": "application/json" };
  return stack.client().request("POST", path, { body, headers: { ...json, ...headers } });
}
