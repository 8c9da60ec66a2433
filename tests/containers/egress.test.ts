// Where a container's connections may go, tried from inside as the agent's own user (C15): the wall answers for every
// network that is not public, on any port, and what listens there on this machine is never reached.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { images } from "../../scripts/lib/images.mjs";
import { fakeAgentStack, Owned } from "../support/agent.ts";

const TIMEOUT_MS = 300_000;
const stack = await fakeAgentStack();
const owned = await Owned.ofNew(stack, "walled.molt");
await owned.start({ within: TIMEOUT_MS });
after(() => Promise.allSettled([owned.ask("stop")]));
const [container = assert.fail("no container")] = await stack.containers.list();

interface Seen {
  status?: number;
  text?: string;
  error?: string;
}

/** What the container gets from each URL; bytes that are no HTTP go to those that start with `tcp:`. */
async function tried(urls: string[]): Promise<Seen[]> {
  const script = `
    const net = require("node:net");
    const raw = ({ hostname, port }) => new Promise((done) => {
      let text = "";
      const end = () => done({ text });
      const socket = net.connect({ host: hostname.replace(/[[\\]]/g, ""), port: Number(port) }, () => socket.write("\\0\\0\\r\\n"));
      socket.setTimeout(5000, end).on("data", (data) => (text += data)).on("error", end).on("close", end);
    });
    const get = (url) => fetch(url, { signal: AbortSignal.timeout(20000), redirect: "manual" })
      .then(async (answer) => ({ status: answer.status, text: await answer.text() }), (error) => ({ error: String(error.cause ?? error) }));
    Promise.all(process.argv.slice(1).map((url) => url.startsWith("tcp:") ? raw(new URL(url.replace("tcp:", "http:"))) : get(url)))
      .then((seen) => { console.log(JSON.stringify(seen)); process.exit(); });`;
  return JSON.parse(await inContainer(script, ...urls));
}

/** Without holding up this process, in which are the servers that may be reached. */
async function inContainer(script: string, ...args: string[]): Promise<string> {
  const command = ["exec", "--user", "agent", container, "node", "-e", script, ...args];
  return (await promisify(execFile)("docker", command)).stdout;
}

/** A server of this machine that says how often it was reached. */
async function listening(address: string): Promise<{ server: Server; port: number; reached: () => number }> {
  let count = 0;
  const server = createServer((_, response) => void response.end("reached"));
  server.on("connection", () => {
    count += 1;
  });
  server.listen(0, address);
  await once(server, "listening");
  after(() => void server.close().closeAllConnections());
  return { server, port: (server.address() as AddressInfo).port, reached: () => count };
}

function assertWalled({ status, text = "", error }: Seen, url: string): void {
  assert.equal(status, 403, `${url}: ${error ?? text}`);
  assert.match(text, /no network behind it/, url);
}

test("c15 the bridge's own address is reached, so that the rest means something", async () => {
  const { port, reached } = await listening(images().gateway);
  const [seen] = await tried([`http://${images().gateway}:${port}/`]);
  assert.deepEqual(seen, { status: 200, text: "reached" });
  assert.equal(reached(), 1);
});

test("c15 the wall answers for networks that are not public", async () => {
  const urls = [
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://192.168.1.1:8080/",
    "http://0x0a000001/",
    "http://167772161/",
    "http://198.18.0.1/",
  ];
  for (const [at, seen] of (await tried(urls)).entries()) assertWalled(seen, urls[at] ?? "");
});

test("c15 an address of this machine's own network is not reached on any port", async (t) => {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const own = addresses.find(
    ({ family, internal, address }) =>
      family === "IPv4" && !internal && /^(10|172|192|100)\./.test(address) && !address.startsWith("172.17."),
  );
  if (!own) return t.skip("this machine has no private address beside the bridge's");
  const { port, reached } = await listening(own.address);
  const urls = [`http://${own.address}:${port}/`, `tcp://${own.address}:${port}/`, `https://${own.address}:${port}/`];
  const [plain = {}, raw = {}, secure = {}] = await tried(urls);
  assertWalled(plain, urls[0] ?? "");
  assert.doesNotMatch(raw.text ?? "", /reached/);
  assert.notEqual(secure.text, "reached");
  assert.equal(reached(), 0);
});

test("c15 headers of a container's own make the wall no door", async () => {
  const script = `
    fetch("http://10.0.0.1/v1/auth/session", { headers: ${JSON.stringify({
      host: new URL(stack.appOrigin).host,
      "cf-connecting-ip": "192.0.2.9",
      "x-molt-caller": "{}",
    })} }).then(async (answer) => console.log(answer.status, await answer.text()));`;
  assert.match(await inContainer(script), /^403 .*no network behind it/s);
});
