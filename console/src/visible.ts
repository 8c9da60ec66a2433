// What is looked at again while somebody looks at the page, and not while nobody does.

/** Calls `look` every so often while the page is in view, and at once when it comes into view, until `signal` ends it. */
export function whileVisible(signal: AbortSignal, everyMs: number, look: () => void): void {
  const onVisibility = () => {
    if (!document.hidden) look();
  };
  const timer = setInterval(onVisibility, everyMs);
  document.addEventListener("visibilitychange", onVisibility, { signal });
  signal.addEventListener("abort", () => clearInterval(timer));
}
