// The card of the Telegram bot: its token, which goes from the field to the service and nowhere else, and who may write.
import type { AgentContext } from "./agent.ts";
import { ApiError, type SecretEntry } from "./api.ts";
import type { Channel, ChannelChange, DmPolicy } from "./channel.ts";
import {
  channelFacts,
  channelProblem,
  channelState,
  idleReminder,
  POLICIES,
  parsePeople,
  policyHint,
} from "./channel-report.ts";
import { byId, confirm, setFieldError, setNotice, setText } from "./dom.ts";
import { whenUsed } from "./effect.ts";
import { showInfo } from "./notices.ts";
import { whileVisible } from "./visible.ts";

/** The one channel. Its token is not among the keys for its owner, as it has more to set. */
export const TELEGRAM = "telegram";
/** While Telegram is being told where to send messages, which the service does by itself. */
const CONNECTING_RENEWED_EVERY_MS = 2_000;
const RENEWED_EVERY_MS = 15_000;

const form = byId("channel-form", HTMLFormElement);
const token = byId("channel-token", HTMLInputElement);
const tokenError = byId("channel-token-error", HTMLParagraphElement);
const policy = byId("channel-policy", HTMLSelectElement);
const people = byId("channel-people", HTMLInputElement);
const peopleError = byId("channel-people-error", HTMLParagraphElement);
const save = byId("channel-save", HTMLButtonElement);
const disconnect = byId("channel-disconnect", HTMLButtonElement);

policy.replaceChildren(...POLICIES.map(({ policy: name, label }) => new Option(label, name)));

export function showChannels(context: AgentContext): { load(): Promise<void> } {
  const { api } = context;
  /** How often the owner has chosen something, and how much of that is saved: no refresh may take the rest away. */
  let [edits, saved] = [0, 0];
  let state: Channel["state"] = "off";
  reset();

  async function load(): Promise<void> {
    const [{ channels }, { secrets }] = await Promise.all([api.channels(), api.secrets()]);
    const channel = channels.find(({ name }) => name === TELEGRAM);
    if (channel === undefined || api.signal.aborted) return;
    render(
      channel,
      secrets.find(({ name }) => name === TELEGRAM),
    );
  }

  function render(channel: Channel, secret: SecretEntry | undefined): void {
    const now = Date.now();
    state = channel.state;
    const isOff = state === "off";
    const tag = byId("channel-state", HTMLSpanElement);
    setText(tag, channelState(state));
    tag.dataset.state = state;
    setText(byId("channel-facts", HTMLParagraphElement), channelFacts(channel, secret, now));
    setNotice(byId("channel-problem", HTMLParagraphElement), channelProblem(channel, secret));
    setNotice(byId("channel-reminder", HTMLParagraphElement), idleReminder(channel, secret, now));
    token.placeholder = isOff ? "Paste the token of a bot" : "Paste another token, or keep this one";
    setText(save, isOff ? "Connect" : "Save");
    disconnect.hidden = isOff;
    if (edits !== saved) return;
    policy.value = channel.dmPolicy;
    people.value = channel.allowFrom?.join(", ") ?? "";
    followPolicy();
  }

  function reset(): void {
    saved = edits;
    token.value = "";
    people.value = "";
    policy.value = "pairing";
    setFieldError(token, tokenError, "");
    setFieldError(people, peopleError, "");
    followPolicy();
  }

  form.oninput = (event) => {
    if (event.target === token) setFieldError(token, tokenError, "");
    else edits += 1;
    setFieldError(people, peopleError, "");
    followPolicy();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    const change = changeFrom(state === "off");
    // Without "Try again": it would keep the token on the page for as long as the error is shown.
    if (change !== null) void context.run(save, () => store(change), { again: false });
  };

  async function store(change: ChannelChange): Promise<void> {
    const sent = edits;
    const answer = await api.setTelegram(change).catch((error: unknown) => {
      if (!(error instanceof ApiError) || !showFault(error)) throw error;
      return null;
    });
    if (answer === null) return;
    saved = sent;
    await load();
    const what = change.token === undefined ? "Who may write is saved." : "The bot's token is saved.";
    showInfo(`${what} ${whenUsed(answer.effect)}`);
  }

  disconnect.onclick = async () => {
    const yes = await confirm(
      "Disconnect the bot?",
      "Its token is destroyed here, and so are messages that still wait. Nobody reaches the agent by it any more. The bot " +
        "itself stays yours at Telegram.",
      "Disconnect",
    );
    if (!yes || api.signal.aborted) return;
    await context.run(disconnect, async () => {
      const { effect } = await api.deleteTelegram();
      reset();
      await load();
      token.focus();
      showInfo(`The bot is disconnected. ${whenUsed(effect)}`);
    });
  };

  whileVisible(api.signal, CONNECTING_RENEWED_EVERY_MS, () => {
    if (state === "connecting") void context.renew(load);
  });
  whileVisible(api.signal, RENEWED_EVERY_MS, () => void context.renew(load));
  return { load };
}

/** What the form says, or null where it says why it can't be sent. The token leaves the page here. */
function changeFrom(isOff: boolean): ChannelChange | null {
  const dmPolicy = policy.value as DmPolicy;
  const named = parsePeople(people.value);
  if (dmPolicy === "allowlist" && named.fault !== "") {
    setFieldError(people, peopleError, named.fault);
    people.focus();
    return null;
  }
  const value = token.value.trim();
  token.value = "";
  if (value === "" && isOff) {
    setFieldError(token, tokenError, "Enter the token of a bot.");
    token.focus();
    return null;
  }
  return {
    dmPolicy,
    ...(value !== "" && { token: value }),
    ...(dmPolicy === "allowlist" && { allowFrom: named.people }),
  };
}

/** Shows what is wrong with a field beside it; false where it is about none of these. */
function showFault({ field, message }: ApiError): boolean {
  if (field === "token") setFieldError(token, tokenError, message);
  else if (field === "allowFrom") setFieldError(people, peopleError, message);
  else return false;
  (field === "token" ? token : people).focus();
  return true;
}

function followPolicy(): void {
  const chosen = policy.value as DmPolicy;
  const hint = byId("channel-policy-hint", HTMLParagraphElement);
  setText(hint, policyHint(chosen));
  hint.classList.toggle("warning", chosen === "open");
  byId("channel-people-field", HTMLDivElement).hidden = chosen !== "allowlist";
}
