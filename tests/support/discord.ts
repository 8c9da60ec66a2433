// An application of a test's own at the Discord stand-in, and the channel as its owner sets it up.
import assert from "node:assert/strict";
import type { DiscordApp, Person } from "../../dev/discord/server.ts";
import type { Owned } from "./agent.ts";
import type { LetIn } from "./slack.ts";
import type { TestStack } from "./stack.ts";
import type { ChannelView } from "./telegram.ts";
import { until } from "./wait.ts";

export type DiscordView = ChannelView & {
  account?: string;
  requestUrl: string;
  tokenSetAt?: string;
  people?: LetIn[];
  applicationId?: string;
  publicKey?: string;
};

export const FRIEND: Person = { id: "4242", name: "Friend" };

export async function discordOf({ client, path }: Owned): Promise<DiscordView> {
  const answer = await client.get(`${path}/channels`);
  assert.equal(answer.status, 200, answer.text);
  const { channels } = answer.json();
  return channels.find(({ name }: ChannelView) => name === "discord") ?? assert.fail("no such channel");
}

/** Sets the channel up, and waits until Discord knows of it. By default everybody may write. */
export async function connectDiscord(
  stack: TestStack,
  owned: Owned,
  more: object = { dmPolicy: "open" },
  app = stack.discord.app(),
): Promise<DiscordApp> {
  // What is tested is not how fast a machine is that runs several tests at once.
  stack.discord.limitMs = 60_000;
  const answer = await owned.client.put(`${owned.path}/channels/discord`, { ...app, ...more });
  assert.equal(answer.status, 200, answer.text);
  await until("Discord knows the address", async () => (await discordOf(owned)).state === "connected");
  return app;
}
