// `pairing`: the people and devices that wait to be let in, and the owner's word on one of them, by the gateway's own
// methods. And whom it has let in by now.
import { parseArgs } from "node:util";

import { AgentError } from "./errors.mjs";
import { letInAt } from "./let-in.mjs";
import { isMarkedProcessAlive } from "./processes.mjs";
import { Socket } from "./socket.mjs";

const LIMIT_MS = 20_000;
/** The answer is one line of bounded length. */
const MAX_SHOWN = 50;
const MAX_TEXT = 100;
/** The gateway says of people until when they wait, and of devices only here (device-pairing-state.kernel.ts). */
const DEVICE_WAITS_MS = 300_000;

/**
 * @typedef {{id: string, kind: "person" | "device", name: string, askedAt: number | null, expiresAt: number | null,
 *   call: object}} Asking
 */

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths, argv }) {
  const { approve, reject } = wordFrom(argv);
  if (!(await isMarkedProcessAlive(paths.gatewayMark))) return { waiting: [], found: false };
  const socket = await Socket.open(paths, LIMIT_MS);
  try {
    const waiting = await waitingAt(socket);
    const one = waiting.find(({ id }) => id === (approve ?? reject));
    if (one) await tell(socket, one, approve !== undefined);
    const left = one ? await waitingAt(socket) : waiting;
    const told = left.slice(0, MAX_SHOWN).map(({ call: _, ...rest }) => rest);
    return { waiting: told, found: one !== undefined, letIn: letInAt(paths.state) };
  } finally {
    socket.close();
  }
}

/** @param {string[]} argv */
function wordFrom(argv) {
  // An option that this version does not know is a newer caller's, who must get by without it.
  const options = /** @type {const} */ ({ approve: { type: "string" }, reject: { type: "string" } });
  const { values } = parseArgs({ args: argv, options, strict: false });
  /** @param {unknown} text */
  const idOf = (text) => {
    if (text !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(String(text)))
      throw new AgentError("usage: pairing [--approve ID | --reject ID]");
    return text === undefined ? undefined : String(text);
  };
  const word = { approve: idOf(values.approve), reject: idOf(values.reject) };
  if (word.approve !== undefined && word.reject !== undefined)
    throw new AgentError("usage: pairing [--approve ID | --reject ID]");
  return word;
}

/** @param {Socket} socket @returns {Promise<Asking[]>} */
async function waitingAt(socket) {
  const people = await socket.call("channels.pairing.list", {}, LIMIT_MS);
  const devices = await socket.call("device.pair.list", {}, LIMIT_MS);
  return [
    ...listOf(people?.requests).map(({ requestId, channel, accountId, senderId, metadata, createdAt, expiresAt }) => ({
      id: String(requestId),
      kind: /** @type {const} */ ("person"),
      name: shown(`${metadata?.firstName ?? metadata?.username ?? ""} (${channel} ${senderId})`),
      askedAt: timeOf(createdAt),
      expiresAt: timeOf(expiresAt),
      call: { requestId, channel, accountId },
    })),
    ...listOf(devices?.pending).map(({ requestId, displayName, platform, deviceId, ts }) => ({
      id: String(requestId),
      kind: /** @type {const} */ ("device"),
      name: shown(`${displayName ?? platform ?? ""} (device ${deviceId})`),
      askedAt: timeOf(ts),
      expiresAt: timeOf(ts + DEVICE_WAITS_MS),
      call: { requestId },
    })),
  ];
}

/** @param {Socket} socket @param {Asking} one @param {boolean} isLetIn */
async function tell(socket, { kind, call }, isLetIn) {
  if (kind === "device") await socket.call(isLetIn ? "device.pair.approve" : "device.pair.reject", call, LIMIT_MS);
  else if (isLetIn) await socket.call("channels.pairing.approve", { ...call, notify: true }, LIMIT_MS);
  else await socket.call("channels.pairing.dismiss", call, LIMIT_MS);
}

/** @param {unknown} value @returns {any[]} */
const listOf = (value) => (Array.isArray(value) ? value : []);

/** What a stranger calls themselves. @param {string} text */
const shown = (text) => text.replaceAll(/\p{C}/gu, "").trim().slice(0, MAX_TEXT).toWellFormed();

/** @param {unknown} value @returns {number | null} epoch milliseconds */
function timeOf(value) {
  const time = typeof value === "number" ? value : Date.parse(String(value));
  return Number.isSafeInteger(time) && time > 0 ? time : null;
}
