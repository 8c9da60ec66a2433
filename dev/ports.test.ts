// A port is given to one alone, also before anything listens on it.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LOOPBACK, ownPort, PORTS, reserve } from "./ports.ts";

if (process.send) {
  // The other process: whether it gets the port.
  process.once("message", async (port) => {
    const release = await reserve(Number(port));
    process.send?.(release !== undefined, () => process.exit());
  });
} else {
  const inAnotherProcess = async (port: number): Promise<unknown> => {
    const other = fork(fileURLToPath(import.meta.url), { execArgv: ["--disable-warning=ExperimentalWarning"] });
    other.send(port);
    const [got] = await once(other, "message");
    return got;
  };

  test("a port that was given is given to nobody else until it is let go, in no process", async () => {
    const port = await ownPort();
    assert.equal(await reserve(port), undefined);
    assert.equal(await inAnotherProcess(port), false);
    const other = await ownPort();
    assert.notEqual(other, port);
  });

  test("none of them is one that fetch refuses", async () => {
    const refused = async (port: number): Promise<boolean> => {
      const failure = await fetch(`http://${LOOPBACK}:${port}/`).catch((error: Error) => error);
      return failure instanceof Error && String(failure.cause).includes("bad port");
    };
    assert.equal(await refused(10_080), true, "what that looks like");
    for (const port of PORTS) assert.equal(await refused(port), false, String(port));
  });

  test("a port that was let go is given again, one that something listens on is not", async () => {
    const free = (await ownPort()) + 1;
    const release = await reserve(free);
    release?.();
    assert.equal(await inAnotherProcess(free), true);
    const server = createServer().listen(free, LOOPBACK);
    await once(server, "listening");
    assert.equal(await reserve(free), undefined);
    server.close();
  });
}
