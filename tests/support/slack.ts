// An app of a test's own at the Slack stand-in, and the channel as its owner sets it up.
import assert from "node:assert/strict";
import type { SlackApp } from "../../dev/slack/server.ts";
import type { Owned } from "./agent.ts";
import type { Client } from "./client.ts";
import type { TestStack } from "./stack.ts";
import type { ChannelView } from "./telegram.ts";
import { type Patience, until } from "./wait.ts";

export type SlackView = ChannelView & { account?: string; requestUrl: string; tokenSetAt?: string; people?: LetIn[] };

export interface LetIn {
  id: string;
  name: string;
  letInAt: string;
}

export const FRIEND = "U0FRIEND";

export async function slackOf({ client, path }: Owned): Promise<SlackView> {
  const answer = await client.get(`${path}/channels`);
  assert.equal(answer.status, 200, answer.text);
  const { channels } = answer.json();
  return channels.find(({ name }: ChannelView) => name === "slack") ?? assert.fail("no such channel");
}

/** Sets the channel up, and enters its address at Slack. By default everybody may write. */
export async function connectSlack(
  stack: TestStack,
  owned: Owned,
  more: object = { dmPolicy: "open" },
  app = stack.slack.app(),
): Promise<SlackApp> {
  const { token, signingSecret } = app;
  const answer = await owned.client.put(`${owned.path}/channels/slack`, { token, signingSecret, ...more });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(await stack.slack.enter(app, answer.json().requestUrl), "Slack takes the address");
  assert.equal((await slackOf(owned)).state, "connected");
  return app;
}

export interface TurnSeen {
  user: string;
  text: string;
  context: string;
  scopes: string;
}

/** What its fake agent was asked, in order, as its state has it. */
export async function turnsOf(visitor: Client): Promise<TurnSeen[]> {
  const answer = await visitor.get("/turns");
  return answer.status === 200 ? answer.json() : [];
}

/** What the bot has posted, once there are so many posts. */
export function postsInTime(stack: TestStack, app: SlackApp, count: number, patience?: Patience): Promise<string[]> {
  return until(
    `${count} posts`,
    () => {
      const texts = stack.slack.posts(app).map(({ text }) => text);
      return texts.length >= count && texts;
    },
    patience,
  );
}
