// The card of the model: which one the agent starts with, and the owner's choice of another.
import type { AgentContext } from "./agent.ts";
import { ApiError, type Settings } from "./api.ts";
import { byId, setFieldError, setText } from "./dom.ts";
import { whenUsed } from "./effect.ts";
import { showInfo } from "./notices.ts";

const input = byId("model", HTMLInputElement);
const form = byId("model-form", HTMLFormElement);
const save = byId("model-save", HTMLButtonElement);
const useDefault = byId("model-default", HTMLButtonElement);
const fault = byId("model-error", HTMLParagraphElement);

/** `onLoad` is told of the settings whenever they were asked for. */
export function showSettings(context: AgentContext, onLoad: (settings: Settings) => void): { load(): Promise<void> } {
  setFault("");
  input.value = "";
  input.oninput = () => setFault("");
  form.onsubmit = (event) => {
    event.preventDefault();
    const model = input.value.trim();
    void choose(save, model === "" ? null : model);
  };
  useDefault.onclick = () => void choose(useDefault, null);

  const choose = (button: HTMLButtonElement, model: string | null) =>
    context.run(button, async () => {
      const settings = await context.api.setModel(model).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.field === "model")) throw error;
        setFault(error.message);
        input.focus();
        return null;
      });
      if (settings === null) return;
      setFault("");
      render(settings);
      if (model !== null && settings.modelInForce !== model) showInfo(`${model} is kept until there is a key for it.`);
      else {
        const used = model === null ? "The default model is used." : `The model is ${model}.`;
        showInfo(`${used} ${whenUsed(settings.effect)}`);
      }
    });

  return {
    async load() {
      const settings = await context.api.settings();
      render(settings);
      onLoad(settings);
    },
  };
}

function render({ model, defaultModel, modelInForce, suggestions }: Settings): void {
  // What is being typed stays.
  if (document.activeElement !== input) input.value = model ?? "";
  input.placeholder = defaultModel ?? "provider/model";
  setText(byId("model-in-force", HTMLSpanElement), modelInForce ?? "none: no provider has a key");
  useDefault.hidden = model === null;
  setText(byId("model-hint", HTMLParagraphElement), hint(model, defaultModel, modelInForce));
  const options = suggestions.map((suggestion) => {
    const option = document.createElement("option");
    option.value = suggestion;
    return option;
  });
  byId("model-suggestions", HTMLDataListElement).replaceChildren(...options);
}

function hint(model: string | null, defaultModel: string | null, modelInForce: string | null): string {
  if (model !== null && modelInForce !== model)
    return `There is no key for ${model}. Until there is, the default is used.`;
  return defaultModel === null ? "Save a key of a provider first." : `The default is ${defaultModel}.`;
}

const setFault = (text: string): void => setFieldError(input, fault, text);
