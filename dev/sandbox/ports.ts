// Ports of the sandboxes: all share 127.0.0.1 (OpenClaw binds it beside any other address it is given), so the agent's
// port inside a container stands for another one here, and every other port counts as closed.
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** The port that the agent has in the image, and the variable that moves it. */
export const AGENT_PORT = 18789;
export const AGENT_PORT_VARIABLE = "AGENT_PORT";

// Below the ports that the system gives to others; apart, because OpenClaw uses a few ports after its own.
const FIRST = 20000;
const APART = 20;
const COUNT = 600;

export class PortPool {
  readonly #taken = new Set<number>();

  /** A port that nothing listens on, or undefined when none is left. Random: several hosts may share the machine. */
  async acquire(): Promise<number | undefined> {
    for (let attempt = 0; attempt < COUNT; attempt++) {
      const port = FIRST + APART * randomInt(COUNT);
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      if (await isFree(port)) return port;
      this.#taken.delete(port);
    }
    return undefined;
  }

  release(port: number): void {
    this.#taken.delete(port);
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
