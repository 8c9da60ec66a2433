// When a change of a key, or of what the agent does with it, takes effect, in words for its owner.
import type { Effect } from "./api.ts";

const EFFECTS: Readonly<Record<Effect, string>> = {
  reloading: "The agent takes it within seconds.",
  restarting: "The agent is saved and started anew for it.",
  nextStart: "It takes effect when the agent starts.",
};

export function whenUsed(effect: Effect): string {
  return EFFECTS[effect] ?? EFFECTS.nextStart;
}
