// Errors whose text may be shown, and the one place that decides what of any other error may be.

/** A failure that we worded ourselves: its message holds no secret and no user data. */
export class AgentError extends Error {
  /** Exit code of a command that fails with it. */
  exit = 1;
}

/** An archive that is not what it should be: another one may do, which can't be said of any other failure. */
export class ArchiveError extends AgentError {
  exit = 3;
}

/** A state of which no snapshot can be made before something is taken out of it. */
export class TooLargeError extends AgentError {}

/**
 * One line for stderr. Messages of foreign errors may quote their input (a JSON parser's does), so only their code is told.
 * @param {unknown} error
 * @returns {string}
 */
export function reasonOf(error) {
  if (error instanceof AgentError) return error.message.replaceAll(/\s+/g, " ");
  if (error instanceof Error) {
    const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
    const call = "syscall" in error && typeof error.syscall === "string" ? ` in ${error.syscall}` : "";
    return `unexpected failure (${code}${call})`;
  }
  return "unexpected failure";
}

/** @param {unknown} error */
export function exitCodeOf(error) {
  return error instanceof AgentError ? error.exit : 1;
}

/**
 * @param {unknown} error
 * @param {string} code
 */
export function hasCode(error, code) {
  return error instanceof Error && "code" in error && error.code === code;
}
