// What passes between browsers and agents and is looked at on its way. In JavaScript: it goes on when an instance of
// WebAssembly panics (decision 53), and no byte has to be copied into one.

/** @typedef {WebSocket & { accept(): void }} Socket the runtime's, which waits for its code to take it */

/** @returns {{ 0: WebSocket, 1: Socket }} */
const newPair = () => new /** @type {any} */ (globalThis).WebSocketPair();

/** WebSockets between browsers and one agent: both ends of each are ours, so that each can be closed with a reason. */
export class Sockets {
  /** @type {Set<WebSocket>} */
  #open = new Set();
  #most;
  #closing;

  /**
   * @param {number} most bytes that may wait for readers, of all sockets together
   * @param {(by: "agent" | "browser" | "slow", code: number, reason: string) => [number, string]} closing what the other
   * side is told
   */
  constructor(most, closing) {
    this.#most = most;
    this.#closing = closing;
  }

  /** @param {Socket} agent */
  join(agent) {
    const { 0: outer, 1: browser } = newPair();
    const ends = [browser, agent];
    const end = (/** @type {[number, string]} */ told, /** @type {WebSocket[]} */ whom) => {
      for (const socket of ends) this.#open.delete(socket);
      for (const socket of whom) close(socket, told);
      ends.length = 0;
    };
    const carry = (
      /** @type {Socket} */ from,
      /** @type {WebSocket} */ to,
      /** @type {"agent" | "browser"} */ by,
    ) => {
      from.binaryType = "arraybuffer";
      from.addEventListener("message", ({ data }) => {
        if (ends.length === 0) return;
        // What nobody reads would otherwise be the object's memory to keep.
        if (to.bufferedAmount > 0 && this.#waiting() > this.#most) return end(this.#told("slow"), [from, to]);
        to.send(data);
      });
      const ended = (/** @type {number} */ code, /** @type {string} */ reason) => {
        if (ends.length > 0) end(this.#told(by, code, reason), [to]);
      };
      from.addEventListener("close", ({ code, reason }) => ended(code, reason));
      from.addEventListener("error", () => ended(1006, ""));
      from.accept();
      this.#open.add(from);
    };
    carry(agent, browser, "agent");
    carry(browser, agent, "browser");
    return {
      outer,
      isOpen: () => ends.length > 0,
      end: (/** @type {number} */ code, /** @type {string} */ reason) => end([code, reason], [...ends]),
    };
  }

  #waiting() {
    let bytes = 0;
    for (const socket of this.#open) bytes += socket.bufferedAmount;
    return bytes;
  }

  /** @returns {[number, string]} */
  #told(/** @type {"agent" | "browser" | "slow"} */ by, code = 0, reason = "") {
    try {
      return this.#closing(by, code, reason);
    } catch {
      // The instance that knew the words is gone.
      return [1011, ""];
    }
  }
}

/** @param {WebSocket} socket @param {[number, string]} told */
function close(socket, [code, reason]) {
  try {
    socket.close(code, reason);
  } catch {
    // It is closed already.
  }
}

/** A body of unknown length, which breaks off where it has more bytes than these. @param {ReadableStream} body @param {number} most */
export function bounded(body, most) {
  let bytes = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > most) throw new Error("the body is too large");
      controller.enqueue(chunk);
    },
  });
  return { body: body.pipeThrough(counter), isTooLarge: () => bytes > most };
}
