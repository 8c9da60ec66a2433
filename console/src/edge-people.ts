// Whom an owner has let in at a channel that ends at the edge: a list in its card, with a way out for each.
import type { AgentContext } from "./agent.ts";
import type { Channel, LetIn } from "./channel.ts";
import { fromTemplate, setText, within } from "./dom.ts";
import { letInText, shutOutText } from "./edge-report.ts";
import { showInfo } from "./notices.ts";

/** Gives what shows the list of a channel. `shown` takes how the channel stands after somebody was shut out. */
export function edgePeople(
  { api, run }: AgentContext,
  card: HTMLElement,
  shown: (channel: Channel) => void,
): (channel: Channel) => void {
  const part = within(card, ".edge-let-in", HTMLDivElement);
  const heading = within(part, "h3", HTMLHeadingElement);
  const list = within(part, "ul", HTMLUListElement);

  function row(channel: string, { id, name }: LetIn): HTMLLIElement {
    const made = fromTemplate("edge-person-template", HTMLLIElement);
    const button = within(made, "button", HTMLButtonElement);
    made.dataset.id = id;
    button.setAttribute("aria-label", `Shut out ${name}`);
    button.onclick = () =>
      run(button, async () => {
        const present = await api.shutOut(channel, id);
        shown(present);
        showInfo(shutOutText(name, present));
      });
    return made;
  }

  return ({ name, people = [] }) => {
    const rows = new Map([...list.children].map((one) => [(one as HTMLElement).dataset.id, one]));
    // The row with the keyboard's place may be the one that went.
    const focused = document.activeElement;
    const had = focused !== null && list.contains(focused);
    const kept = people.map((one) => {
      const made = rows.get(one.id) ?? row(name, one);
      setText(within(made, ".edge-person-name", HTMLParagraphElement), one.name);
      setText(within(made, ".edge-person-time", HTMLParagraphElement), letInText(one, Date.now()));
      return made;
    });
    list.replaceChildren(...kept);
    part.hidden = people.length === 0;
    if (!had || !(focused instanceof HTMLElement)) return;
    if (list.contains(focused)) focused.focus();
    else (part.hidden ? within(card, "h2", HTMLHeadingElement) : heading).focus();
  };
}
