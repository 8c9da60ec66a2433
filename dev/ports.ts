// Ports of loopback for what a run starts. Several runs share a machine, and what is to listen somewhere does so seconds after
// the port was chosen: until then, and as long as it is theirs, the port's UDP side is held, which nothing else here uses.
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";
/**
 * Below those of the sandboxes, and the ports that the system gives to others; apart, as OpenClaw uses a few after its own. None
 * is one that `fetch` refuses, as it does 10080 (Fetch standard, "bad port").
 */
export const PORTS = Array.from({ length: 500 }, (_, at) => 10_010 + 20 * at);

/** Takes a port that nobody has. Gives what lets it go, undefined where somebody has it; the end of this process does too. */
export async function reserve(port: number): Promise<(() => void) | undefined> {
  const held = createSocket("udp4");
  const free = await new Promise<boolean>((done) => {
    held.once("error", () => done(false));
    held.bind({ port, address: LOOPBACK, exclusive: true }, () => done(isFree(port)));
  });
  held.unref();
  if (free) return () => held.close();
  held.close();
  return undefined;
}

/** A port of this process's own. */
export async function ownPort(): Promise<number> {
  for (let attempt = 0; attempt < 2 * PORTS.length; attempt++) {
    const port = PORTS[randomInt(PORTS.length)];
    if (port && (await reserve(port))) return port;
  }
  throw new Error(`of the ports from ${PORTS[0]} to ${PORTS.at(-1)} none is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen(port, LOOPBACK, () => server.close(() => done(true)));
  });
}
