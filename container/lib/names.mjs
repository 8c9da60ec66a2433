// Names of files in answers: bounded in number and length.

/** The answer is one line of bounded length: it names so many files, in so many characters each and together. */
const NAMED = 100;
const NAME_LENGTH = 200;
const NAMES_LENGTH = 16_384;

export const SECRET_NAME = "(a name that holds a secret)";

/** @param {string[]} names */
export function told(names) {
  let left = NAMES_LENGTH;
  return names
    .slice(0, NAMED)
    .map(shortened)
    .filter((name) => {
      left -= Buffer.byteLength(JSON.stringify(name));
      return left >= 0;
    });
}

/** @param {string} name */
export function shortened(name) {
  const letters = [...name];
  return letters.length > NAME_LENGTH ? `${letters.slice(0, NAME_LENGTH - 1).join("")}…` : name;
}
