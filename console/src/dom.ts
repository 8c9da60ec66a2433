// Small helpers over the document. Data reaches the page through textContent and properties only, never as markup.

/** The element of the static page with this id; a missing one is a fault of the page itself. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return element;
}

export function within<T extends Element>(parent: ParentNode, selector: string, type: new () => T): T {
  const element = parent.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} at ${selector}`);
  return element;
}

/** A fresh copy of a template's first element. */
export function fromTemplate<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = byId(id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (!(element instanceof type)) throw new Error(`template #${id} does not start with ${type.name}`);
  return element;
}

/** Writes only what changed, so that live regions speak once and a reader's position is kept. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows the lines of a log, the newest of which is the last, in a section that scrolls; hides it without any. */
export function setLines(section: HTMLElement, lines: readonly string[]): void {
  const pre = within(section, "pre", HTMLPreElement);
  const text = lines.join("\n");
  section.hidden = lines.length === 0;
  // The keyboard scrolls only what it can get to.
  section.tabIndex = 0;
  if (pre.textContent === text) return;
  pre.textContent = text;
  section.scrollTop = section.scrollHeight;
}

/** Shows one item for each line; hides a list without any. */
export function setItems(list: HTMLUListElement, lines: readonly string[]): void {
  list.hidden = lines.length === 0;
  list.replaceChildren(
    ...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }),
  );
}

/** Disables or enables a button; a focus that would be lost with it goes to `fallback`. */
export function setEnabled(button: HTMLButtonElement, enabled: boolean, fallback: HTMLElement): void {
  if (button.disabled === !enabled) return;
  const focused = document.activeElement === button;
  button.disabled = !enabled;
  if (focused && !enabled) fallback.focus();
}

/** Says what is wrong with a field, beside it; nothing, where the text is empty. */
export function setFieldError(input: HTMLInputElement, element: HTMLElement, text: string): void {
  setText(element, text);
  element.hidden = text === "";
  if (text === "") input.removeAttribute("aria-invalid");
  else input.setAttribute("aria-invalid", "true");
}

/** Shows a message of a card; hides it where the text is empty. */
export function setNotice(element: HTMLElement, text: string): void {
  setText(element, text);
  element.hidden = text === "";
}

export function setBusy(control: HTMLElement, busy: boolean): void {
  if (busy) control.setAttribute("aria-busy", "true");
  else control.removeAttribute("aria-busy");
}

/** Asks in a modal dialog. Escape and Cancel answer no, and focus goes back to where it was. */
export function confirm(title: string, text: string, accept: string): Promise<boolean> {
  const dialog = byId("confirm", HTMLDialogElement);
  const acceptButton = byId("confirm-accept", HTMLButtonElement);
  const cancelButton = byId("confirm-cancel", HTMLButtonElement);
  setText(byId("confirm-title", HTMLHeadingElement), title);
  setText(byId("confirm-text", HTMLParagraphElement), text);
  setText(acceptButton, accept);
  dialog.returnValue = "";
  acceptButton.onclick = () => dialog.close("yes");
  cancelButton.onclick = () => dialog.close("");
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
    cancelButton.focus();
  });
}
