// Inactivity of a sandbox, as the container platform counts it: while the Durable Object has no connection to it. When
// the object has set a timeout and stays away that long, the main process gets a SIGTERM; without one it runs on.
import type http from "node:http";
import type { Duplex } from "node:stream";
import { type Sandbox, SandboxError } from "./sandbox.ts";

export class TrackedSandbox {
  readonly sandbox: Sandbox;
  #open = 0;
  #timeout: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
  }

  setInactivityTimeout(durationMs: number): void {
    this.#timeout = durationMs;
  }

  track(connection: http.ServerResponse | Duplex): void {
    this.#open++;
    clearTimeout(this.#timer);
    connection.once("close", () => {
      this.#open--;
      if (this.#open > 0 || this.#timeout === undefined) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#expire(), this.#timeout).unref();
    });
  }

  #expire(): void {
    try {
      this.sandbox.signal(15);
    } catch (error) {
      if (!(error instanceof SandboxError)) throw error;
    }
  }
}
