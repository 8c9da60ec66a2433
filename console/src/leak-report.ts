// What the leak check did to a snapshot, in words for its owner.
import type { LeakReport } from "./api.ts";

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
    sentences.push(
      `Keys typed into the agent's own pages are not saved, here for ${listed(typedKeys)}: set them as secrets.`,
    );
  }
  return sentences;
}

function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? "";
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${last}` : last;
}
