// What the kinds of keys are called, and whose a key is, in the words of every card.
import type { SecretEntry } from "./api.ts";

export interface Label {
  readonly title: string;
  readonly noun: string;
  /** What a person should know before they paste one. */
  readonly hint?: string;
}

const LABELS: Readonly<Record<string, Label>> = {
  clawrouter: { title: "ClawRouter", noun: "key" },
  openrouter: { title: "OpenRouter", noun: "key" },
  anthropic: { title: "Anthropic", noun: "key" },
  openai: { title: "OpenAI", noun: "key" },
  wallet: {
    title: "Paying wallet",
    noun: "private key",
    hint: "For the agent's own tools that pay for models (x402). Put in little: the agent can spend all of it.",
  },
};

/** A kind that only a newer service knows has its name for a title. */
export const labelOf = (name: string): Label => LABELS[name] ?? { title: name, noun: "key" };

/** The kinds that can be kept out of the agent: what it calls with the others, it calls itself. */
const MODEL_PROVIDERS: readonly string[] = ["clawrouter", "openrouter", "anthropic", "openai"];
export const isModelProvider = (name: string): boolean => MODEL_PROVIDERS.includes(name);

const SOURCES: Readonly<Record<SecretEntry["source"], (noun: string) => string>> = {
  user: (noun) => `Your ${noun}`,
  platform: (noun) => `Platform's ${noun}`,
  none: (noun) => `No ${noun}`,
};

export function sourceText(source: SecretEntry["source"], noun: string): string {
  return SOURCES[source]?.(noun) ?? source;
}
