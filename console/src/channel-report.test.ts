// What the owner reads of a channel, and when they are reminded of one that nobody uses.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SecretEntry } from "./api.ts";
import type { Channel } from "./channel.ts";
import {
  channelFacts,
  channelProblem,
  channelState,
  idleReminder,
  POLICIES,
  parsePeople,
  policyHint,
} from "./channel-report.ts";
import { formatDateTime } from "./format.ts";

const DAY_MS = 86_400_000;
const SET_AT = "2026-06-01T12:00:00.000Z";
const NOW = Date.parse(SET_AT) + 40 * DAY_MS;
const before = (days: number) => new Date(NOW - days * DAY_MS).toISOString();
const TOKEN: SecretEntry = { name: "telegram", source: "user", prefix: "12345678", setAt: SET_AT, usedAt: null };

function channel(more: Partial<Channel> = {}): Channel {
  return {
    name: "telegram",
    state: "connected",
    prefix: "12345678",
    dmPolicy: "pairing",
    waiting: 0,
    lastMessageAt: before(2),
    heldBackToday: 0,
    problem: null,
    ...more,
  };
}

test("a channel's facts are how its token begins, since when, and what came last", () => {
  const set = formatDateTime(SET_AT);
  assert.equal(channelFacts(channel(), TOKEN, NOW), `Token 12345678…, set ${set}. Last message 2 days ago.`);
  assert.equal(channelFacts(channel({ lastMessageAt: null }), undefined, NOW), "Token 12345678…. No message yet.");
  assert.match(channelFacts(channel({ waiting: 1 }), TOKEN, NOW), / 1 message waits for the agent\.$/);
  assert.match(channelFacts(channel({ waiting: 1200 }), TOKEN, NOW), / 1\D?200 messages wait for the agent\.$/);
  assert.equal(channelFacts(channel({ state: "off", prefix: null }), undefined, NOW), "");
  const heldBack = (heldBackToday: number) => channelFacts(channel({ heldBackToday }), TOKEN, NOW);
  assert.match(heldBack(1), /\. 1 message of people whom the agent does not know was held back today \(UTC\)\.$/);
  assert.match(heldBack(999), /\. 999 messages of people whom the agent does not know were held back today \(UTC\)\.$/);
  assert.match(heldBack(1000), /\. 1\D?000 or more messages /);
});

test("its owner is reminded of one that nobody wrote to for 30 days, and not a day before", () => {
  assert.equal(idleReminder(channel({ lastMessageAt: before(29.9) }), TOKEN, NOW), "");
  assert.match(idleReminder(channel({ lastMessageAt: before(30) }), TOKEN, NOW), /^Nobody has written for 30 days\. /);
  assert.match(idleReminder(channel({ lastMessageAt: null }), TOKEN, NOW), /^Nobody has written for 40 days\. /);
  const fresh = { ...TOKEN, setAt: before(1) };
  assert.equal(idleReminder(channel({ lastMessageAt: null }), fresh, NOW), "");
  assert.equal(idleReminder(channel({ lastMessageAt: null }), undefined, NOW), "", "nothing is known of it");
  assert.equal(idleReminder(channel({ state: "off", lastMessageAt: before(90) }), TOKEN, NOW), "");
});

test("what stands in the way is the service's word, and a token that can't be opened before that", () => {
  assert.equal(channelProblem(channel(), TOKEN), "");
  assert.equal(channelProblem(channel({ problem: "Not told." }), TOKEN), "Not told.");
  const lost = { ...TOKEN, unreadable: true };
  assert.match(channelProblem(channel({ problem: "Not told." }), lost), /enter it anew/);
  assert.equal(channelProblem(channel({ state: "off" }), lost), "");
});

test("each policy has a label and a hint, letting people in comes first, and everybody is warned of", () => {
  assert.deepEqual(
    POLICIES.map(({ policy }) => policy),
    ["pairing", "allowlist", "open", "disabled"],
  );
  for (const { policy, label } of POLICIES) assert.ok(label !== "" && policyHint(policy) !== "");
  assert.match(policyHint("open"), /^Careful: everybody .* you pay for/);
  assert.equal(channelState("connecting"), "Connecting");
});

test("people are told by numbers, however they are separated, each once", () => {
  assert.deepEqual(parsePeople(" 42, 7;7\n9 "), { people: ["42", "7", "9"], fault: "" });
  assert.match(parsePeople("42, @friend").fault, /^@friend is no number/);
  for (const wrong of ["-1", "01", "1.5", "123456789012345678901"]) assert.notEqual(parsePeople(wrong).fault, "");
  assert.match(parsePeople(" , ").fault, /at least one/);
});
