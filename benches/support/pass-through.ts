// A Worker that does nothing but pass bytes on: from a server to R2 (`/up`), through what the stand-in of a container puts
// on an output, and from R2 to that server (`/back`). What memory it takes is what the stand-ins take.
import { multiplexed } from "../../dev/sandbox/multiplexed.ts";

declare class FixedLengthStream {
  constructor(length: number);
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

interface Bindings {
  SERVER: string;
  BUCKET: {
    put(key: string, value: ReadableStream<Uint8Array>, options: { sha256: string }): Promise<unknown>;
    get(key: string): Promise<{ body: ReadableStream<Uint8Array> } | null>;
  };
}

const KEY = "archive";

async function bodyOf(response: Response | { body: ReadableStream<Uint8Array> } | null) {
  if (!response?.body) throw new Error("no body");
  return response.body;
}

export default {
  async fetch(request: Request, { SERVER, BUCKET }: Bindings): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [size, sha256] = [Number(searchParams.get("size")), searchParams.get("sha256") ?? ""];
    if (pathname === "/up") {
      const source = await bodyOf(await fetch(`${SERVER}/?size=${size}`));
      const [output] = multiplexed([source, await bodyOf(new Response(""))]);
      const { readable, writable } = new FixedLengthStream(size);
      await Promise.all([output.pipeTo(writable), BUCKET.put(KEY, readable, { sha256 })]);
    }
    if (pathname === "/back") {
      const body = await bodyOf(await BUCKET.get(KEY));
      await fetch(SERVER, { method: "PUT", body, duplex: "half" } as RequestInit);
    }
    return new Response("done");
  },
};
