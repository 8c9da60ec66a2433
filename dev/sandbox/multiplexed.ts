// The runtime gets a process's outputs over one connection: a piece of one that nobody takes holds up the other. The
// stand-in has a connection for each, and must not be kinder than the runtime.

type Stream = ReadableStream<Uint8Array>;

/** A reader without a buffer of its own gets 4 KiB at a time, and an archive has thousands of times as much. */
const PIECE = 64 * 1024;

export function multiplexed(sources: [Stream, Stream]): [Stream, Stream] {
  let turn = Promise.resolve();
  const held = (source: Stream): Stream => {
    const reader = source.getReader({ mode: "byob" });
    let wanted = () => {};
    let cancelled = false;
    const deliver = async (
      controller: ReadableStreamDefaultController<Uint8Array>,
      piece: Uint8Array,
    ): Promise<void> => {
      if (cancelled) return;
      controller.enqueue(piece);
      // Below zero while it lies there untaken. Whoever took it is seen when they ask for more.
      if ((controller.desiredSize ?? 0) < 0) await new Promise<void>((told) => (wanted = told));
    };
    const pump = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      try {
        for (;;) {
          const { value, done } = await reader.read(new Uint8Array(PIECE));
          turn = turn.then(() => (done ? undefined : deliver(controller, value)));
          await turn;
          if (done) break;
        }
        if (!cancelled) controller.close();
      } catch (error) {
        if (!cancelled) controller.error(error);
      }
    };
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          void pump(controller);
        },
        pull() {
          wanted();
        },
        cancel(reason) {
          cancelled = true;
          wanted();
          return reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  };
  return [held(sources[0]), held(sources[1])];
}
