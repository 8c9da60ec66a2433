// How a channel stands, who may write by it, and what its owner should think of, in words. Pure: the clock comes in as an
// argument.
import type { SecretEntry } from "./api.ts";
import type { Channel, DmPolicy } from "./channel.ts";
import { formatAgo, formatCount, formatDateTime } from "./format.ts";

const DAY_MS = 86_400_000;
/** A channel that nobody used for so long may be one that its owner forgot. */
const IDLE_DAYS = 30;
/** The service counts no further in a day. */
const HELD_BACK_COUNTED = 1000;

export const POLICIES: readonly { readonly policy: DmPolicy; readonly label: string }[] = [
  { policy: "pairing", label: "Whom I let in" },
  { policy: "allowlist", label: "These people only" },
  { policy: "open", label: "Everybody" },
  { policy: "disabled", label: "Nobody" },
];

const HINTS: Readonly<Record<DmPolicy, string>> = {
  pairing: "Who is new has to wait until you let them in, below.",
  allowlist: "Only whom you name is answered.",
  open: "Careful: everybody who finds the bot can talk to the agent, have it do what it can, and use the models that you pay for.",
  disabled: "The bot answers nobody, and keeps its token.",
};

export const policyHint = (policy: DmPolicy): string => HINTS[policy] ?? "";

const STATES: Readonly<Record<Channel["state"], string>> = {
  off: "Not connected",
  connecting: "Connecting",
  connected: "Connected",
};

export const channelState = (state: Channel["state"]): string => STATES[state] ?? state;

/** "Token 12345678…, set 1 Jan. Last message 3 days ago. 2 messages wait for the agent." Empty for one that is off. */
export function channelFacts(channel: Channel, token: SecretEntry | undefined, now: number): string {
  if (channel.state === "off") return "";
  const set = token?.setAt ? `, set ${formatDateTime(token.setAt)}` : "";
  const sentences = [`Token ${channel.prefix ?? ""}…${set}`, lastMessage(channel, now)];
  if (channel.waiting === 1) sentences.push("1 message waits for the agent");
  if (channel.waiting > 1) sentences.push(`${formatCount(channel.waiting)} messages wait for the agent`);
  if (channel.heldBackToday) sentences.push(heldBack(channel.heldBackToday));
  return `${sentences.join(". ")}.`;
}

function heldBack(count: number): string {
  const number = `${formatCount(count)}${count < HELD_BACK_COUNTED ? "" : " or more"}`;
  return `${number} ${count === 1 ? "message" : "messages"} of people whom the agent does not know ${count === 1 ? "was" : "were"} held back today (UTC)`;
}

function lastMessage({ lastMessageAt }: Channel, now: number): string {
  return lastMessageAt === null ? "No message yet" : `Last message ${formatAgo(lastMessageAt, now)}`;
}

/** What stands in the way of messages. Empty where nothing is known to. */
export function channelProblem(channel: Channel, token: SecretEntry | undefined): string {
  if (channel.state === "off") return "";
  if (token?.unreadable) return "The token can't be opened any more: agents start without it until you enter it anew.";
  return channel.problem ?? "";
}

/** For how many days nobody wrote, counted from when the token was set for a bot that nobody wrote to yet; null where that is not long. */
export function idleDays(channel: Channel, setAt: string | null | undefined, now: number): number | null {
  if (channel.state === "off") return null;
  const days = Math.floor((now - Date.parse(channel.lastMessageAt ?? setAt ?? "")) / DAY_MS);
  return days >= IDLE_DAYS ? days : null;
}

/** What to think of where nobody wrote for long. */
export function idleReminder(channel: Channel, token: SecretEntry | undefined, now: number): string {
  const days = idleDays(channel, token?.setAt, now);
  if (days === null) return "";
  return `Nobody has written for ${formatCount(days)} days. Disconnect the bot if you don't need it any more: whoever gets hold of its token can speak in its name.`;
}

/** The numbers in a text of them, and the first piece that is none. */
export function parsePeople(text: string): { readonly people: readonly string[]; readonly fault: string } {
  const people = [...new Set(text.split(/[\s,;]+/).filter((piece) => piece !== ""))];
  const wrong = people.find((piece) => !/^(0|[1-9]\d{0,19})$/.test(piece));
  if (wrong !== undefined) return { people, fault: `${wrong} is no number of a person at Telegram, like 123456789.` };
  return { people, fault: people.length === 0 ? "Enter the number of at least one person." : "" };
}
