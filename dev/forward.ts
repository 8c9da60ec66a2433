// Lets containers on an engine reach the local Worker, which listens on loopback alone: what a public address does for a
// deployed one.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Forward {
  /** `host:port` that leads to the Worker. */
  readonly host: string;
  close(): Promise<void>;
}

/** Listens on an address of this machine; what connects there is connected to the port on loopback. */
export async function forward(address: string, port: number): Promise<Forward> {
  const open = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = connect(port, "127.0.0.1");
    const ends = [incoming, outgoing];
    for (const socket of ends) {
      open.add(socket);
      // One that fails takes the other with it.
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        for (const end of ends) end.destroy();
      });
    }
    incoming.pipe(outgoing).pipe(incoming);
  });
  server.listen(0, address);
  await once(server, "listening");
  return {
    host: `${address}:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
