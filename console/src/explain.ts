// Turns any error into what the owner reads: what happened, what to do next, and whether trying again can help.
import { ApiError, NetworkError } from "./api.ts";

export interface Explanation {
  readonly message: string;
  readonly next: string;
  readonly retryable: boolean;
}

/** EIP-1193 code that Solana wallets use too for "the user said no". */
const USER_REJECTED = 4001;

export function explain(error: unknown): Explanation {
  if (error instanceof NetworkError) {
    return { message: error.message, next: "Check your connection, then try again.", retryable: true };
  }
  if (error instanceof ApiError) return explainApi(error);
  if (isRejection(error)) {
    return {
      message: "The request was declined in the wallet.",
      next: "Nothing was signed. Sign in again when you are ready.",
      retryable: false,
    };
  }
  const message = error instanceof Error && error.message !== "" ? error.message : "Something unexpected went wrong.";
  return { message: sentence(message), next: "Try again; if it happens again, reload the page.", retryable: false };
}

function explainApi(error: ApiError): Explanation {
  const message = sentence(error.message);
  switch (error.status) {
    case 400:
    case 413:
    case 415:
    case 422:
      return { message, next: "Check what you entered and try again.", retryable: false };
    case 401:
      return { message, next: "Sign in again with your wallet.", retryable: false };
    case 403:
      return { message, next: "Sign in with the wallet that holds this domain now.", retryable: false };
    case 404:
      return { message, next: "It may have been removed. Reload the page to see what is there now.", retryable: false };
    case 409:
      return { message, next: "Wait until the agent has finished what it is doing, then try again.", retryable: true };
    case 429: {
      const wait = error.retryAfter === null ? "a minute" : `${Math.max(1, error.retryAfter)} s`;
      return { message, next: `Wait ${wait}, then try again.`, retryable: true };
    }
    default:
      return { message, next: "Wait a moment, then try again.", retryable: true };
  }
}

export function isRejection(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if ("code" in error && error.code === USER_REJECTED) return true;
  const message = "message" in error ? String(error.message) : "";
  return /reject|declin|cancel|denied/i.test(message);
}

/** Problem details come with or without a final stop; what follows on the page is another sentence. */
function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
