// The card of the times awake: how fast the agent is ready, its last wakes, and how long it was awake on each day.
import type { AgentContext } from "./agent.ts";
import type { Status, Wake, WakeDay, Wakes } from "./api.ts";
import { capitalised, wakeCause } from "./causes.ts";
import { byId, fromTemplate, setText, within } from "./dom.ts";
import { formatDateTime, formatDay, formatMinutes } from "./format.ts";
import { awakeText, causesText, endText, lastDays, percentileText, phasesText, readyText } from "./wakes-report.ts";

const WAKES_SHOWN = 10;
const DAYS_SHOWN = 7;

const card = byId("wakes", HTMLElement);
const refresh = byId("wakes-refresh", HTMLButtonElement);
const table = byId("wakes-table", HTMLTableElement);
const days = byId("wakes-days", HTMLTableElement);

export interface WakesCard {
  load(): Promise<void>;
  onStatus(previous: Status | null, next: Status): void;
}

export function showWakes(context: AgentContext): WakesCard {
  card.hidden = true;

  async function load(): Promise<void> {
    const wakes = await context.api.wakes();
    if (!context.api.signal.aborted) render(wakes);
  }

  refresh.onclick = () => void context.run(refresh, load);
  return {
    load,
    onStatus(previous, next) {
      if (previous !== null && previous.state !== next.state) void context.run(null, load);
    },
  };
}

function render({ wakes, ready, days: awake }: Wakes): void {
  const newestFirst = [...wakes].sort((left, right) => Date.parse(right.at) - Date.parse(left.at));
  setText(byId("wakes-half", HTMLElement), percentileText(ready.p50));
  setText(byId("wakes-most", HTMLElement), percentileText(ready.p95));
  within(table, "tbody", HTMLTableSectionElement).replaceChildren(...newestFirst.slice(0, WAKES_SHOWN).map(wakeRow));
  within(days, "tbody", HTMLTableSectionElement).replaceChildren(
    ...lastDays(awake, DAYS_SHOWN, Date.now()).map(dayRow),
  );
  table.hidden = wakes.length === 0;
  byId("wakes-empty", HTMLParagraphElement).hidden = wakes.length > 0;
  card.hidden = false;
}

function wakeRow(wake: Wake): HTMLTableRowElement {
  const row = fromTemplate("wake-template", HTMLTableRowElement);
  const time = within(row, "time", HTMLTimeElement);
  time.dateTime = wake.at;
  setText(time, formatDateTime(wake.at));
  setText(within(row, ".wake-cause", HTMLTableCellElement), capitalised(wakeCause(wake.cause)));
  setText(within(row, ".wake-ready", HTMLParagraphElement), readyText(wake));
  setText(within(row, ".wake-phases", HTMLParagraphElement), phasesText(wake));
  setText(within(row, ".wake-end", HTMLParagraphElement), endText(wake));
  setText(within(row, ".wake-awake", HTMLParagraphElement), awakeText(wake));
  return row;
}

function dayRow(day: WakeDay): HTMLTableRowElement {
  const row = fromTemplate("wake-day-template", HTMLTableRowElement);
  const time = within(row, "time", HTMLTimeElement);
  time.dateTime = day.day;
  setText(time, formatDay(day.day));
  setText(within(row, ".wake-day-minutes", HTMLTableCellElement), formatMinutes(day.minutes));
  setText(within(row, ".wake-day-causes", HTMLTableCellElement), causesText(day) || "–");
  return row;
}
