// One tenant does its worst, as owner and as agent, and its neighbour in the same Worker goes on: what is refused of it is
// refused to it alone (C15).
import assert from "node:assert/strict";
import { once } from "node:events";
import type http from "node:http";
import { type Socket as Connection, connect } from "node:net";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { devAssetAddress, devWalletAddress } from "../../dev/solana/accounts.ts";
import { fakeAgentStack, Owned } from "../support/agent.ts";
import type { Client } from "../support/client.ts";
import type { Answer } from "../support/http.ts";
import { assertProblem } from "../support/problem.ts";
import { reconfigure } from "../support/reconfigure.ts";
import { inTime, until } from "../support/wait.ts";
import { mustOpen, type Socket } from "../support/websocket.ts";

/** `core/src/limits.rs` */
const [MAX_PASSING, MAX_CONNECTIONS, MAX_PASSED_BODY] = [100, 100, 100 * 1024 * 1024];
/** What `MODELS_PER_SECOND` lets through at once. */
const MODELS_AT_ONCE = 8 * 30;
/** `durable_objects/src/events.rs` */
const MAX_LISTENERS = 32;
/** A pace that any machine is faster than, and what it lets through at once. */
const [PER_SECOND, AT_ONCE] = [2, 60];

const stack = await fakeAgentStack({ vars: { ANSWER_TIMEOUT: "10" } });
const hostile = await Owned.ofNew(stack, "hostile.molt");
const quiet = await Owned.ofNew(stack, "quiet.molt", "buyer");
await Promise.all([hostile.start(), quiet.start()]);
const { since } = await quiet.status();
const visitor = await hostile.enter(stack);
const neighbour = await quiet.enter(stack);
const socket = await mustOpen(neighbour);
await socket.next();

/** The neighbour has what it had before: its agent and its API. */
async function neighbourIsAnswered(): Promise<void> {
  const page = await neighbour.get("/echo");
  assert.equal(page.status, 200, page.text);
  const status = await quiet.status();
  assert.deepEqual([status.state, status.since], ["running", since], JSON.stringify(status));
}

/** And the socket that is open since the beginning. */
async function neighbourIsServed(): Promise<void> {
  await neighbourIsAnswered();
  socket.raw.send("still here");
  assert.equal((await socket.next()).data.toString(), "still here");
}

/** Raw connections that send a request's head and then as good as nothing. */
class Unfinished {
  readonly #connections: Connection[];
  /** The heads of the answers, in no order. */
  readonly answers: string[] = [];

  constructor(port: number, heads: string[]) {
    this.#connections = heads.map((head) => {
      const connection = connect(port, "127.0.0.1").on("error", () => {});
      connection.write(`${head}\r\ncontent-length: 1000\r\n\r\n{`);
      let got = "";
      connection.on("data", (bytes) => {
        const before = got;
        got += bytes.toString("latin1");
        if (!before.includes("\r\n\r\n") && got.includes("\r\n\r\n")) this.answers.push(got);
      });
      return connection;
    });
    after(() => this.close());
  }

  /** How many were ended with this status. */
  ended(status: number): number {
    return this.answers.filter((answer) => answer.startsWith(`HTTP/1.1 ${status} `)).length;
  }

  trickle(): void {
    for (const connection of this.#connections) connection.write(" ");
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

/** Sends the same request over and over until it was refused as often as it was served at first; gives all answers. */
async function flood(ask: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (answers.filter(({ status }) => status === 429).length < AT_ONCE)
    answers.push(...(await Promise.all(Array.from({ length: 20 }, ask))));
  return answers;
}

function assertPaced(answers: Answer[]): void {
  const refused = answers.filter(({ status }) => status !== 200);
  for (const answer of refused) {
    assertProblem(answer, 429, "rate_limited");
    assert.equal(answer.headers["retry-after"], "1");
  }
  assert.ok(answers.length - refused.length >= AT_ONCE - 5, "a page's worth was served first");
}

test("attack neighbours: bodies that never end, to the API", async () => {
  const [asset, wallet] = [await devAssetAddress("hostile.molt"), await devWalletAddress("owner")];
  const { host, port } = new URL(stack.appOrigin);
  const heads = Array.from({ length: 60 }, (_, at) =>
    [
      "POST /v1/auth/challenge HTTP/1.1",
      `host: ${host}`,
      `origin: ${stack.appOrigin}`,
      `cf-connecting-ip: 198.18.0.${at}`,
      "content-type: application/json",
    ].join("\r\n"),
  );
  const unfinished = new Unfinished(Number(port), heads);
  await neighbourIsServed();
  const signIn = await stack.client().post("/v1/auth/challenge", { asset, wallet });
  assert.equal(signIn.status, 201, signIn.text);
  await until("an end to each of them", () => {
    unfinished.trickle();
    return unfinished.answers.length === heads.length;
  });
  assert.equal(unfinished.ended(400), heads.length);
  await neighbourIsServed();
});

test("attack neighbours: bodies that never end, to the agent", async () => {
  const { host, port } = visitor;
  const cookie = visitor.headers().cookie;
  const head = ["POST /upload HTTP/1.1", `host: ${host}`, `origin: ${visitor.origin}`, `cookie: ${cookie}`].join(
    "\r\n",
  );
  const unfinished = new Unfinished(
    port,
    Array.from({ length: MAX_PASSING + 20 }, () => head),
  );
  await neighbourIsServed();
  await until("an end to each of them", () => unfinished.answers.length === MAX_PASSING + 20);
  assert.ok(unfinished.ended(429) > 0, "not all of them found room");
  assert.ok(unfinished.ended(503) <= MAX_PASSING);
  assert.equal(unfinished.ended(429) + unfinished.ended(503), MAX_PASSING + 20);
  unfinished.close();
  assert.equal((await visitor.get("/echo")).status, 200, "there is room again");
  await neighbourIsServed();
});

test("attack neighbours: an agent that never answers", async () => {
  const unanswered = Array.from({ length: 10 }, () => visitor.get("/silence"));
  await neighbourIsServed();
  for (const answer of await Promise.all(unanswered)) {
    assertProblem(answer, 503, "agent_unavailable");
    assert.match(answer.text, /The agent did not answer/, "said by its object, not by who gave that up");
  }
  assert.equal((await visitor.get("/echo")).status, 200);
  assert.equal((await hostile.status()).state, "running");
  await neighbourIsServed();
});

test("attack neighbours: a body larger than any may be, before a byte of it was sent", async () => {
  for (const length of [MAX_PASSED_BODY + 1, 2 ** 40]) {
    const headers = { "content-length": String(length) };
    const connection = connect(visitor.port, "127.0.0.1").on("error", () => {});
    const lines = Object.entries({ host: visitor.host, ...visitor.headers("POST"), ...headers });
    connection.write(`POST /upload HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
    const [head] = (await inTime("an answer", once(connection, "data"))) as [Buffer];
    connection.destroy();
    assert.match(head.toString("latin1"), /^HTTP\/1\.1 413 /);
  }
  await neighbourIsServed();
});

test("attack neighbours: a body of unknown length, larger than any may be", async () => {
  const piece = Buffer.alloc(1024 * 1024);
  const pieces = function* (bytes: number) {
    for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, Math.min(left, piece.length));
  };
  const send = (bytes: number): Promise<Answer> =>
    visitor.request("POST", "/upload", { body: Readable.from(pieces(bytes)) });
  assertProblem(await send(MAX_PASSED_BODY + 1), 413, "body_too_large");
  const most = await send(MAX_PASSED_BODY);
  assert.deepEqual([most.status, most.json().bytes], [200, MAX_PASSED_BODY]);
  assert.equal((await hostile.status()).state, "running");
  await neighbourIsServed();
});

test("attack neighbours: more calls of models than sub-agents make", async () => {
  const pass = (owned: Owned, agentUrl: string): string => {
    const { secrets } = stack.agent.injected(agentUrl);
    return secrets.openai ?? assert.fail(`no pass of ${owned.asset}`);
  };
  const [own, others] = [pass(hostile, visitor.origin), pass(quiet, neighbour.origin)];
  const ask = async (held: string): Promise<Response> => {
    const headers = { authorization: `Bearer ${held}` };
    const answer = await fetch(`${stack.modelsOrigin}/llm/openai/models`, { headers });
    return new Response(await answer.text(), answer);
  };
  const answers: Response[] = [];
  const limited = (): Response[] => answers.filter(({ status }) => status === 429);
  // One after the other, so that no place under way is what they lack.
  while (limited().length < 5 && answers.length < 10 * MODELS_AT_ONCE) answers.push(await ask(own));
  assert.equal(limited().length, 5);
  assert.ok(answers.length >= MODELS_AT_ONCE, `${answers.length} calls`);
  const refusal = limited()[0] ?? assert.fail();
  assert.equal(refusal.headers.get("retry-after"), "1");
  assert.match(JSON.parse(await refusal.text()).detail, /^Too many requests for this agent/);
  assert.notEqual((await ask(others)).status, 429, "the neighbour's agent has its own");
  await until("served again", async () => (await ask(own)).status !== 429);
  await neighbourIsServed();
});

test("attack neighbours: more sockets than a person opens", async () => {
  const sockets: Socket[] = [];
  let closed = 0;
  const codes = new Set<number>();
  while (sockets.length < MAX_CONNECTIONS + 30) {
    const some = await Promise.all(Array.from({ length: 10 }, () => mustOpen(visitor)));
    for (const one of some)
      one.closed.then(({ code }) => {
        codes.add(code);
        closed += 1;
      });
    sockets.push(...some);
  }
  await until("the oldest are closed", () => closed === 30);
  assert.deepEqual([...codes], [1013]);
  const newest = sockets.at(-1) ?? assert.fail();
  await newest.next();
  newest.raw.send("last");
  assert.equal((await newest.next()).data.toString(), "last");
  await neighbourIsServed();
  for (const one of sockets) one.raw.terminate();
});

test("attack neighbours: sockets that were closed take no place from one that is open", async () => {
  const kept = await mustOpen(visitor);
  await kept.next();
  for (let round = 0; round < (MAX_CONNECTIONS + 10) / 10; round += 1) {
    const some = await Promise.all(Array.from({ length: 10 }, () => mustOpen(visitor)));
    for (const one of some) one.raw.close(1000);
    await inTime("their ends", Promise.all(some.map(({ closed }) => closed)));
  }
  kept.raw.send("still open");
  assert.equal((await kept.next()).data.toString(), "still open");
  kept.raw.close();
});

test("attack neighbours: more streams of events than a person opens", async () => {
  const open = (): Promise<http.IncomingMessage> => hostile.client.open("GET", `${hostile.path}/events`);
  const theirs = await quiet.events();
  await theirs.first("the status", ({ state }) => state === "running");
  let ended = 0;
  for (let count = 0; count < MAX_LISTENERS + 8; count += 1) {
    const stream = await open();
    stream.once("close", () => (ended += 1)).resume();
    after(() => stream.destroy());
  }
  await until("the oldest end", () => ended === 8);
  await neighbourIsServed();
  theirs.close();
});

test("attack neighbours: huge answers that nobody reads", async () => {
  const size = 4 * 1024 ** 3;
  const streams = await Promise.all(Array.from({ length: 8 }, () => visitor.open("GET", `/download/${size}`)));
  for (let round = 0; round < 5; round += 1) await neighbourIsServed();
  for (const stream of streams) {
    assert.equal(stream.statusCode, 200);
    stream.destroy();
  }
  await neighbourIsServed();
});

test("attack neighbours: an agent that drops, muddles and refuses whatever it is asked", async () => {
  const asked = ["/drop", "/status/600", "/status/999", "/status/101", "/status/000"].flatMap((path) =>
    Array.from({ length: 8 }, () => visitor.get(path)),
  );
  await neighbourIsServed();
  for (const answer of await Promise.all(asked)) assert.ok([502, 503].includes(answer.status), answer.text);
  await neighbourIsServed();
});

test("attack neighbours: an agent that crashes each time it is started", async () => {
  const crashed = async (client: Client): Promise<void> => void (await client.get("/crash").catch(() => {}));
  stack.agent.behaveAt(hostile.asset, { boot: { exit: 3 } });
  await crashed(visitor);
  const end = await hostile.in("failed", { within: 110_000 });
  assert.notEqual(end.problem, null);
  await neighbourIsServed();
  stack.agent.behaveAt(hostile.asset);
  await hostile.start();
  await neighbourIsServed();
});

// Last, as so low a pace is in the way of all else.
test("a low pace for the tests to come", async () => {
  await reconfigure(stack, { vars: { REQUESTS_PER_SECOND: String(PER_SECOND) } });
  await neighbourIsAnswered();
});

test("attack neighbours: more requests to the agent than a person makes", async () => {
  const answers = await flood(() => visitor.get("/echo"));
  await neighbourIsAnswered();
  assertPaced(answers);
  assert.equal((await hostile.status()).state, "running", "its owner can still be asked, and stop it");
  await until("served again", async () => (await visitor.get("/echo")).status === 200);
});

test("attack neighbours: more calls of the API than a console makes", async () => {
  const answers = await flood(() => hostile.client.get(hostile.path));
  await neighbourIsAnswered();
  assertPaced(answers);
  await until("served again", async () => (await hostile.client.get(hostile.path)).status === 200);
});
