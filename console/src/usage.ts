// The card of today's use: what went through the service to models, and what is left of the platform's budget.
import type { AgentContext } from "./agent.ts";
import type { ProviderUsage, Usage, UsageBudget } from "./api.ts";
import { byId, fromTemplate, setText, within } from "./dom.ts";
import { labelOf, sourceText } from "./labels.ts";
import { budgetText, isSpent, resetsText, spentText, usageText } from "./usage-report.ts";

/** From which part of a budget on its meter warns, and from which it alarms. */
const WARNS_FROM = 0.75;
const ALARMS_FROM = 0.95;

const card = byId("usage", HTMLElement);
const list = byId("usage-list", HTMLUListElement);
const refresh = byId("usage-refresh", HTMLButtonElement);
const spent = byId("usage-spent", HTMLParagraphElement);

export function showUsage(context: AgentContext): { load(): Promise<void> } {
  const { signal } = context.api;
  card.hidden = true;

  async function load(): Promise<void> {
    render(await context.api.usage());
  }

  refresh.onclick = () => void context.run(refresh, load);
  // The agent was most likely talked to in another tab.
  const onVisibility = () => {
    if (!document.hidden) void context.run(null, load);
  };
  document.addEventListener("visibilitychange", onVisibility, { signal });
  return { load };
}

function render(usage: Usage): void {
  list.replaceChildren(...usage.providers.map(usageRow));
  byId("usage-empty", HTMLParagraphElement).hidden = usage.providers.length > 0;
  renderBudget("usage-requests", usage.budget.requests);
  renderBudget("usage-tokens", usage.budget.tokens);
  setText(byId("usage-resets", HTMLParagraphElement), resetsText(usage));
  const text = spentText(usage);
  setText(spent, text);
  spent.hidden = text === "";
  card.hidden = false;
}

function usageRow(usage: ProviderUsage): HTMLLIElement {
  const row = fromTemplate("usage-template", HTMLLIElement);
  const { title, noun } = labelOf(usage.name);
  const source = within(row, ".tag", HTMLSpanElement);
  row.dataset.testid = `usage-${usage.name}-${usage.source}`;
  setText(within(row, ".strong", HTMLSpanElement), title);
  setText(source, sourceText(usage.source, noun));
  source.dataset.source = usage.source;
  setText(within(row, ".usage-count", HTMLSpanElement), usageText(usage));
  return row;
}

function renderBudget(id: string, budget: UsageBudget): void {
  const meter = byId(id, HTMLMeterElement);
  const text = budgetText(budget);
  // A meter has to have a length, also of a budget of nothing.
  meter.max = Math.max(1, budget.limit);
  meter.low = meter.max * WARNS_FROM;
  meter.high = meter.max * ALARMS_FROM;
  meter.optimum = 0;
  meter.value = isSpent(budget) ? meter.max : budget.used;
  // Read out in place of a percentage.
  meter.setAttribute("aria-valuetext", text);
  setText(byId(`${id}-text`, HTMLSpanElement), text);
}
