// The card of the agent's log, which is fetched when the owner asks for it. Its lines are the agent's own words: text,
// never markup.
import type { AgentContext } from "./agent.ts";
import { byId, setLines, setText } from "./dom.ts";
import { logSource } from "./log-report.ts";

const show = byId("log-show", HTMLButtonElement);
const source = byId("log-source", HTMLParagraphElement);
const lines = byId("log-lines", HTMLElement);

export function showLog(context: AgentContext): void {
  const { signal } = context.api;
  setText(show, "Show the log");
  setText(source, "");
  setLines(lines, []);

  show.onclick = () =>
    context.run(show, async () => {
      const log = await context.api.logs();
      if (signal.aborted) return;
      setText(show, "Refresh the log");
      setText(source, logSource(log));
      setLines(lines, log.lines);
    });
}
