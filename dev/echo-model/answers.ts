// Development stand-in for a language model: what it says. It repeats the last message, or recalls the earlier ones.
// Recall rests on the conversation in the request alone, so that an agent's memory shows in the answer.

export type Role = "user" | "other";

export interface Turn {
  readonly role: Role;
  readonly text: string;
}

const RECALL = /\bwhat did i (just )?(say|tell)\b|\bwhat have i (said|told)\b|\brecall\b/i;
const NOTHING_SAID = "nothing yet";
const MAX_PIECES = 24;
/** What OpenClaw puts around a person's words: blocks of context, the time before, a line on the run after. */
const FRAMING: readonly RegExp[] = [
  /<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>[\s\S]*?<<<END_OPENCLAW_INTERNAL_CONTEXT>>>/g,
  /^\s*\[[A-Za-z]{3} \d{4}-\d\d-\d\d \d\d:\d\d[^\]]*\] */,
  /^[^\n]*⟦openclaw:ctx⟧[ \t]*\n```json\n[\s\S]*?\n```\n*/gm,
  /\n+Runtime: agent=[^\n]*\s*$/,
];

export function answerTo(turns: readonly Turn[]): string {
  const said = turns.filter(({ role, text }) => role === "user" && text !== "").map(({ text }) => text);
  const last = said.at(-1) ?? "";
  if (!RECALL.test(last)) return `Echo: ${last}`;
  const earlier = said.slice(0, -1).filter((text) => !RECALL.test(text));
  return `Earlier you said: ${earlier.length === 0 ? NOTHING_SAID : earlier.join(" | ")}`;
}

export function lastUserText(turns: readonly Turn[]): string {
  return turns.findLast(({ role, text }) => role === "user" && text !== "")?.text ?? "";
}

/** The answer in several pieces, as a model streams it; together they are the answer exactly. */
export function pieces(answer: string): string[] {
  const words = answer.match(/\s*\S+\s*$|\s*\S+/g) ?? [answer];
  const perPiece = Math.ceil(words.length / MAX_PIECES);
  const count = Math.ceil(words.length / perPiece);
  return Array.from({ length: count }, (_, index) => words.slice(index * perPiece, (index + 1) * perPiece).join(""));
}

/** A rough count; nobody is billed by it. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/**
 * Turns from any of the three APIs: `messages` or `input`, with content as a string or as parts.
 * Null where it is neither a string nor a list.
 */
export function readTurns(conversation: unknown): Turn[] | null {
  if (typeof conversation === "string") return [{ role: "user", text: conversation }];
  if (!Array.isArray(conversation)) return null;
  return conversation.flatMap((entry: unknown): Turn[] => {
    if (!isRecord(entry) || typeof entry.role !== "string") return [];
    const text = contentText(entry.content);
    return [entry.role === "user" ? { role: "user", text: unframed(text) } : { role: "other", text }];
  });
}

/** The words alone; empty for a turn that the agent made up by itself. */
function unframed(text: string): string {
  return FRAMING.reduce((rest, pattern) => rest.replace(pattern, ""), text).trim();
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Text of all text parts; images, tool results and the like say nothing. */
function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .flatMap((part: unknown) => {
      const isText = isRecord(part) && ["text", "input_text", "output_text"].includes(String(part.type));
      return isText && typeof part.text === "string" ? [part.text] : [];
    })
    .join("\n");
}
