// What the leak check did to a snapshot, in words for its owner.
import type { LeakReport, SecretImport } from "./api.ts";

/** One sentence for each thing to tell; none where the snapshot holds all of the state. */
export function leakReport({ leftOut = [], leftOutCount = 0, masked = [], typedKeys = [] }: LeakReport): string[] {
  const sentences = [];
  const count = Math.max(leftOutCount, leftOut.length);
  if (count > 0) {
    const why =
      count === 1
        ? "1 file is not saved: it holds one of your secrets, or could not be searched for them"
        : `${count} files are not saved: they hold one of your secrets, or could not be searched for them`;
    const more = count - leftOut.length;
    const names = more > 0 && leftOut.length > 0 ? [...leftOut, `${more} more`] : leftOut;
    sentences.push(names.length > 0 ? `${why}: ${listed(names)}.` : `${why}.`);
  }
  if (masked.length > 0) sentences.push(`A secret was overwritten with asterisks in ${listed(masked)}.`);
  if (typedKeys.length > 0) {
    sentences.push(`Keys typed into the agent's own pages are not saved, here for ${listed(typedKeys)}.`);
  }
  return sentences;
}

/** What became of the keys that were to be moved. */
export function importReport({ imported, refused }: SecretImport): string {
  const sentences = [];
  if (imported.length > 0) sentences.push(`Moved: ${listed(imported)}. The agent gets it from here now.`);
  if (refused.length > 0) sentences.push(`Not moved, as one is set already or it is no such key: ${listed(refused)}.`);
  return (
    sentences.join(" ") ||
    "There is no key that could be moved: sign-ins, and keys of other providers, stay where they are."
  );
}

function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? "";
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${last}` : last;
}
