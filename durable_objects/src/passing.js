// What passes between browsers and agents and is looked at on its way. In JavaScript: it goes on when an instance of
// WebAssembly panics (decision 53), and no byte has to be copied into one.

/** @typedef {WebSocket & { accept(): void }} Socket the runtime's, which waits for its code to take it */

/** @returns {{ 0: WebSocket, 1: Socket }} */
const newPair = () => new /** @type {any} */ (globalThis).WebSocketPair();

/**
 * One that is open, until it is known to have ended: of a stream nobody tells that.
 * @typedef {object} Connection
 * @property {string} session @property {AbortController} controller @property {Joint} [joint] where it is a socket
 */
/** @typedef {ReturnType<Connections["join"]>} Joint */
/** @typedef {(by: "agent" | "browser" | "slow", code: number, reason: string) => [number, string]} Closing what the other side is told */

/** What is open between browsers and one agent. Both ends of each socket are ours, so that it can be closed with a reason. */
class Connections {
  /** @type {Connection[]} */
  #open = [];
  /** @type {Set<WebSocket>} */
  #sockets = new Set();
  /** @type {Closing} */
  #closing = () => [1011, ""];

  /** @param {Closing} closing of the instance of WebAssembly that is there now */
  tellBy(closing) {
    this.#closing = closing;
  }

  /**
   * Remembers one until its end. Beyond `most` the oldest is ended: it must not be forgotten while it may be open.
   * @param {string} session @param {AbortController} controller @param {Joint | undefined} joint @param {number} most
   * @param {number} code @param {string} reason
   */
  hold(session, controller, joint, most, code, reason) {
    this.#open = this.#open.filter(({ joint }) => joint?.isOpen() ?? true);
    this.#open.push({ session, controller, ...(joint && { joint }) });
    if (this.#open.length > most) end(this.#open.splice(0, 1), [code, reason]);
  }

  sessions() {
    return [...new Set(this.#open.map(({ session }) => session))];
  }

  /** @param {string} session @param {number} code @param {string} reason */
  endSession(session, code, reason) {
    this.#endThose((one) => one.session === session, [code, reason]);
  }

  /** @param {number} code @param {string} reason */
  endSockets(code, reason) {
    this.#endThose((one) => one.joint !== undefined, [code, reason]);
  }

  /** @param {(one: Connection) => boolean} are @param {[number, string]} told */
  #endThose(are, told) {
    const those = this.#open.filter(are);
    this.#open = this.#open.filter((one) => !are(one));
    end(those, told);
  }

  /**
   * Joins the agent's socket to one for the browser.
   * @param {Socket} agent @param {number} most bytes that may wait for readers, of all sockets together
   */
  join(agent, most) {
    const { 0: outer, 1: browser } = newPair();
    const ends = [browser, agent];
    const end = (/** @type {[number, string]} */ told, /** @type {WebSocket[]} */ whom) => {
      for (const socket of ends) this.#sockets.delete(socket);
      for (const socket of whom) close(socket, told);
      ends.length = 0;
    };
    const carry = (/** @type {Socket} */ from, /** @type {WebSocket} */ to, /** @type {"agent" | "browser"} */ by) => {
      from.binaryType = "arraybuffer";
      from.addEventListener("message", ({ data }) => {
        if (ends.length === 0) return;
        // What nobody reads would otherwise be the object's memory to keep.
        if (to.bufferedAmount > 0 && this.#waiting() > most) return end(this.#told("slow"), [from, to]);
        to.send(data);
      });
      const ended = (/** @type {number} */ code, /** @type {string} */ reason) => {
        if (ends.length > 0) end(this.#told(by, code, reason), [to]);
      };
      from.addEventListener("close", ({ code, reason }) => ended(code, reason));
      from.addEventListener("error", () => ended(1006, ""));
      from.accept();
      this.#sockets.add(from);
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
    for (const socket of this.#sockets) bytes += socket.bufferedAmount;
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

/** By what the runtime has of each object, which ends with that and no sooner. @type {WeakMap<object, Connections>} */
const ofObjects = new WeakMap();

/** What is open at an object, also when it was another instance of WebAssembly that opened it. @param {object} object @param {Closing} closing */
export function connectionsOf(object, closing) {
  const connections = ofObjects.get(object) ?? new Connections();
  ofObjects.set(object, connections);
  connections.tellBy(closing);
  return connections;
}

/** @param {Connection[]} connections @param {[number, string]} told */
function end(connections, told) {
  for (const { controller, joint } of connections) {
    joint?.end(...told);
    controller.abort();
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
