// What the owner reads of a channel that ends at the edge, and what they may enter.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel } from "./channel.ts";
import {
  EDGE_KINDS,
  edgeFacts,
  edgeReminder,
  edgeState,
  letInText,
  parseEdgePeople,
  shutOutText,
} from "./edge-report.ts";

const NOW = Date.parse("2026-06-03T12:00:00.000Z");
const channel = (more: Partial<Channel> = {}): Channel => ({
  name: "slack",
  state: "connected",
  prefix: "xoxb-123",
  dmPolicy: "pairing",
  waiting: 0,
  lastMessageAt: "2026-06-01T12:00:00.000Z",
  problem: null,
  account: "bot in Workspace",
  ...more,
});
const [slack = assert.fail(), discord = assert.fail()] = EDGE_KINDS;

test("its facts are whose bot it is, how its token begins, and what came last", () => {
  assert.equal(edgeFacts(channel(), NOW), "bot in Workspace. Token xoxb-123…. Last message 2 days ago.");
  assert.match(
    edgeFacts(channel({ lastMessageAt: null, waiting: 1 }), NOW),
    /No message yet\. 1 message waits for the agent\.$/,
  );
  assert.match(edgeFacts(channel({ waiting: 12 }), NOW), /12 messages wait for the agent\.$/);
  assert.equal(edgeFacts(channel({ state: "off", prefix: null }), NOW), "");
});

test("its owner is reminded of one that nobody used for 30 days, and not a day before", () => {
  const before = (days: number) => new Date(NOW - days * 86_400_000).toISOString();
  const reminder = (more: Partial<Channel>, kind = slack) => edgeReminder(kind, channel(more), NOW);
  assert.equal(reminder({ lastMessageAt: before(29.9) }), "");
  assert.match(reminder({ lastMessageAt: before(30) }), /^Nobody has written to it for 30 days\. Disconnect Slack if /);
  assert.match(
    reminder({ name: "discord", lastMessageAt: before(31) }, discord),
    /^Nobody has asked it anything for 31 days\. Disconnect Discord if /,
  );
  assert.match(reminder({ lastMessageAt: null, tokenSetAt: before(40) }), /for 40 days/);
  assert.equal(reminder({ lastMessageAt: null, tokenSetAt: before(1) }), "");
  assert.equal(reminder({ lastMessageAt: null }), "", "nothing is known of it");
  assert.equal(reminder({ state: "off", lastMessageAt: before(90) }), "");
});

test("of whom its owner let in it is told when", () => {
  const friend = { id: "U1", name: "U1 (slack)", letInAt: "2026-05-31T12:00:00.000Z" };
  assert.equal(letInText(friend, NOW), "Let in 3 days ago.");
});

test("whoever is shut out may ask again only where people ask", () => {
  assert.equal(shutOutText("U1", channel()), "U1 is let in no more, and may ask again.");
  for (const dmPolicy of ["open", "allowlist", "disabled"] as const)
    assert.equal(shutOutText("U1", channel({ dmPolicy })), "U1 is let in no more.");
});

test("one that nothing came to yet says that it waits", () => {
  assert.equal(edgeState(channel({ state: "off" })), "Not connected");
  assert.equal(edgeState(channel({ state: "connecting" })), "Waiting for its first event");
  assert.equal(edgeState(channel({ name: "discord", state: "connecting" })), "Connecting");
  assert.equal(edgeState(channel()), "Connected");
});

test("people are named as the channel names them", () => {
  assert.deepEqual(parseEdgePeople(slack, "U024BE7LH, W1 U024BE7LH"), { people: ["U024BE7LH", "W1"], fault: "" });
  assert.match(parseEdgePeople(slack, "U024BE7LH @friend").fault, /^@friend names nobody at Slack/);
  assert.equal(parseEdgePeople(discord, "53908232506183680").fault, "");
  assert.match(parseEdgePeople(discord, "U024BE7LH").fault, /names nobody at Discord/);
  assert.match(parseEdgePeople(slack, " ").fault, /at least one/);
});
