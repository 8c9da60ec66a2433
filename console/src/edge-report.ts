// The channels that end at the edge, in words: what their owner enters, where, and how each stands. Pure: the clock comes in as an
// argument.
import type { Channel, ChannelChange, LetIn } from "./channel.ts";
import { idleDays } from "./channel-report.ts";
import { formatAgo, formatCount } from "./format.ts";

/** What is absent stays as it is. */
export interface EdgeChange extends ChannelChange {
  readonly signingSecret?: string;
  readonly applicationId?: string;
  readonly publicKey?: string;
}

export interface EdgeField {
  /** The service's name of it. */
  readonly name: "token" | "signingSecret" | "applicationId" | "publicKey";
  readonly label: string;
  readonly placeholder: string;
  /** Nobody may read it off the screen. */
  readonly isSecret: boolean;
}

export interface EdgeKind {
  readonly name: string;
  readonly title: string;
  readonly hint: string;
  /** What people do by it, as of the past. */
  readonly used: string;
  readonly urlLabel: string;
  readonly urlHint: string;
  readonly fields: readonly EdgeField[];
  readonly people: { readonly label: string; readonly hint: string; readonly form: RegExp; readonly example: string };
}

export const EDGE_KINDS: readonly EdgeKind[] = [
  {
    name: "slack",
    title: "Slack",
    hint:
      "People write to an app of yours in a Slack workspace, directly or by naming it in a channel, and the agent answers. Make the app at " +
      "api.slack.com/apps, give it the bot scopes chat:write, im:history and app_mentions:read, and install it.",
    used: "written to it",
    urlLabel: "Request URL for Slack",
    urlHint:
      "When it is connected here, enter this under Event Subscriptions, with the bot events message.im and app_mention. It is " +
      "for Slack alone.",
    fields: [
      { name: "token", label: "Bot User OAuth Token", placeholder: "xoxb-…", isSecret: true },
      { name: "signingSecret", label: "Signing Secret", placeholder: "32 letters and digits", isSecret: true },
    ],
    people: {
      label: "Their member IDs at Slack",
      hint: "In a person's profile at Slack, under More, there is Copy member ID.",
      form: /^[UW][A-Z0-9]{1,23}$/,
      example: "U024BE7LH",
    },
  },
  {
    name: "discord",
    title: "Discord",
    hint:
      "People use the command /ask of an application of yours at Discord, and the agent answers within 15 minutes. Make the application at " +
      "discord.com/developers/applications, and install it where it is to be used.",
    used: "asked it anything",
    urlLabel: "Interactions endpoint URL",
    urlHint: "Discord is told of it, and of the command, when it is connected here. You need not enter it.",
    fields: [
      { name: "applicationId", label: "Application ID", placeholder: "Digits", isSecret: false },
      { name: "publicKey", label: "Public Key", placeholder: "64 letters and digits", isSecret: false },
      { name: "token", label: "Bot's token", placeholder: "Three parts with dots between", isSecret: true },
    ],
    people: {
      label: "Their user IDs at Discord",
      hint: "With Developer Mode switched on in Discord, a right click on a person shows Copy User ID.",
      form: /^(0|[1-9]\d{0,19})$/,
      example: "53908232506183680",
    },
  },
];

export function edgeState(channel: Channel): string {
  if (channel.state === "off") return "Not connected";
  if (channel.state === "connected") return "Connected";
  return channel.name === "discord" ? "Connecting" : "Waiting for its first event";
}

/** "bot in Workspace. Token xoxb-123…. Last message 3 days ago. 2 messages wait for the agent." Empty for one that is off. */
export function edgeFacts(channel: Channel, now: number): string {
  if (channel.state === "off") return "";
  const { account, prefix, lastMessageAt, waiting } = channel;
  const sentences = [account ?? "", `Token ${prefix ?? ""}…`];
  sentences.push(lastMessageAt === null ? "No message yet" : `Last message ${formatAgo(lastMessageAt, now)}`);
  if (waiting === 1) sentences.push("1 message waits for the agent");
  if (waiting > 1) sentences.push(`${formatCount(waiting)} messages wait for the agent`);
  return `${sentences.filter((sentence) => sentence !== "").join(". ")}.`;
}

/** "Let in 3 days ago." */
export const letInText = ({ letInAt }: LetIn, now: number): string => `Let in ${formatAgo(letInAt, now)}.`;

/** Whom an owner has let in may write, and whom they shut out may ask again, by that policy alone. */
export const shutOutText = (name: string, { dmPolicy }: Channel): string =>
  dmPolicy === "pairing" ? `${name} is let in no more, and may ask again.` : `${name} is let in no more.`;

/** What to think of where nobody wrote for long. */
export function edgeReminder(kind: EdgeKind, channel: Channel, now: number): string {
  const days = idleDays(channel, channel.tokenSetAt, now);
  if (days === null) return "";
  return `Nobody has ${kind.used} for ${formatCount(days)} days. Disconnect ${kind.title} if you don't need it any more: whoever gets hold of the bot's token can speak in its name.`;
}

/** The people in a text of them, and what is wrong with it. */
export function parseEdgePeople(
  kind: EdgeKind,
  text: string,
): { readonly people: readonly string[]; readonly fault: string } {
  const people = [...new Set(text.split(/[\s,;]+/).filter((piece) => piece !== ""))];
  const wrong = people.find((piece) => !kind.people.form.test(piece));
  if (wrong !== undefined)
    return { people, fault: `${wrong} names nobody at ${kind.title}, as ${kind.people.example} would.` };
  return { people, fault: people.length === 0 ? "Name at least one person." : "" };
}
