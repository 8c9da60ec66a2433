// A channel by which people reach the agent, as the service tells of it, and what its owner changes of it.
import type { Effect } from "./api.ts";

export type DmPolicy = "pairing" | "allowlist" | "open" | "disabled";

/** A channel by which people reach the agent. */
export interface Channel {
  readonly name: string;
  /** `connecting` until Telegram knows where to send messages. */
  readonly state: "off" | "connecting" | "connected";
  /** How its token begins. */
  readonly prefix: string | null;
  readonly dmPolicy: DmPolicy;
  /** Whom an allowlist names. */
  readonly allowFrom?: readonly string[];
  /** How many messages wait for the agent. */
  readonly waiting: number;
  readonly lastMessageAt: string | null;
  /** Messages of strangers that were not kept for the agent, today (UTC). */
  readonly heldBackToday?: number;
  /** What went wrong last, until it goes well. */
  readonly problem: string | null;
  readonly warning?: string;
  /** These are told of Slack and Discord alone. */
  readonly account?: string;
  readonly requestUrl?: string;
  readonly tokenSetAt?: string;
  /** Whom the owner has let in, newest first. */
  readonly people?: readonly LetIn[];
}

export interface LetIn {
  readonly id: string;
  /** What they called themselves, and by what they are known. */
  readonly name: string;
  readonly letInAt: string;
}

export interface ChangedChannel extends Channel {
  readonly effect: Effect;
}

export interface ChannelChange {
  /** Without it the one that there is stays. */
  readonly token?: string;
  readonly dmPolicy: DmPolicy;
  readonly allowFrom?: readonly string[];
}
