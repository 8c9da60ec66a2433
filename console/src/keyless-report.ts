// The choice of keys that are kept out of the agent: the list that is saved, and what became of it in words.
import type { Effect } from "./api.ts";
import { whenUsed } from "./effect.ts";
import { labelOf } from "./labels.ts";

/** The names with one more or one less. Names that this page does not know stay. */
export function withChoice(names: readonly string[], name: string, chosen: boolean): string[] {
  const others = names.filter((other) => other !== name);
  return chosen ? [...others, name] : others;
}

export function choiceReport(name: string, chosen: boolean, effect: Effect): string {
  const { title, noun } = labelOf(name);
  const key = `${title} ${noun}`;
  return `${chosen ? `The ${key} is kept out of the agent.` : `The agent gets the ${key} itself.`} ${whenUsed(effect)}`;
}
