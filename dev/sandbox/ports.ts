// Ports of the sandboxes: all share 127.0.0.1 (OpenClaw binds it beside any other address it is given), so the agent's
// ports inside a container stand for others here, and every other port counts as closed.
import { randomInt } from "node:crypto";
import { reserve } from "../ports.ts";

/** The port that the agent has in the image, and the variable that moves it. */
export const AGENT_PORT = 18789;
export const AGENT_PORT_VARIABLE = "AGENT_PORT";
/** Likewise that of its listener for Telegram, and how far behind the agent's own it is here. */
export const HOOK_PORT = 8787;
export const HOOK_PORT_VARIABLE = "AGENT_HOOK_PORT";
export const HOOK_PORT_BEHIND = 15;

// Below the ports that the system gives to others; apart, because OpenClaw uses a few ports after its own.
const FIRST = 20000;
const APART = 20;
const COUNT = 600;

export class PortPool {
  /** By port, what lets it go. */
  readonly #taken = new Map<number, () => void>();

  /** A port that nobody has, or undefined when none is left. Random: several hosts may share the machine. */
  async acquire(): Promise<number | undefined> {
    for (let attempt = 0; attempt < COUNT; attempt++) {
      const port = FIRST + APART * randomInt(COUNT);
      const release = await reserve(port);
      if (!release) continue;
      this.#taken.set(port, release);
      return port;
    }
    return undefined;
  }

  release(port: number): void {
    this.#taken.get(port)?.();
    this.#taken.delete(port);
  }
}
