// The real agent as its owner's page talks to it: over a WebSocket through the edge.
import WebSocket from "ws";
import { Client as Gateway } from "../../container/tests/client.mjs";
import type { Client } from "./client.ts";

/** `visitor` has entered the agent's origin. */
export function talkTo(visitor: Client): Promise<Gateway> {
  const socket = new WebSocket(`ws://127.0.0.1:${visitor.port}/`, {
    headers: { ...visitor.headers(), host: visitor.host, origin: visitor.origin },
  });
  return Gateway.over(socket as unknown as globalThis.WebSocket);
}
