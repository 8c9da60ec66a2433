// How sockets are joined and bodies counted (durable_objects/src/passing.js), with sockets that read as slowly as they are told:
// between here and a Worker there is more that keeps what nobody reads.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bounded, connectionsOf, type Socket } from "../durable_objects/src/passing.js";

class FakeSocket extends EventTarget {
  bufferedAmount = 0;
  binaryType = "blob";
  accepted = false;
  readonly sent: unknown[] = [];
  readonly closed: [number, string][] = [];

  accept(): void {
    this.accepted = true;
  }
  send(data: unknown): void {
    assert.deepEqual(this.closed, [], "nothing is sent to what was closed");
    this.sent.push(data);
  }
  close(code: number, reason: string): void {
    if (this.closed.length > 0) throw new Error("closed already");
    this.closed.push([code, reason]);
  }
  says(data: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
  ends(code: number, reason = ""): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}

const pairs: FakeSocket[] = [];
Object.assign(globalThis, {
  WebSocketPair: class {
    0 = "outer";
    1 = pairs[pairs.push(new FakeSocket()) - 1];
  },
});

const MOST = 1000;
type Closing = (by: string, code: number, reason: string) => [number, string];

function join(
  closing: Closing = (by, code, reason) => [code + 1, `${by}: ${reason}`],
  among?: ReturnType<typeof connectionsOf>,
) {
  const agent = new FakeSocket();
  const all = among ?? connectionsOf({}, closing);
  const joint = all.join(agent as unknown as Socket, MOST);
  const { outer, end, isOpen } = joint;
  const browser = pairs.at(-1) ?? assert.fail();
  assert.equal(outer, "outer");
  assert.ok(agent.accepted && browser.accepted);
  return { agent, browser, end, isOpen, joint, all };
}

test("what one side of a socket says reaches the other as it is", () => {
  const { agent, browser } = join();
  const bytes = new ArrayBuffer(3);
  agent.says("one");
  agent.says(bytes);
  browser.says("two");
  assert.deepEqual([browser.sent, agent.sent], [["one", bytes], ["two"]]);
  assert.deepEqual([agent.binaryType, browser.binaryType], ["arraybuffer", "arraybuffer"]);
});

test("the end of one side is told to the other, once", () => {
  const one = join();
  one.agent.ends(4000, "done");
  one.agent.dispatchEvent(new Event("error"));
  assert.deepEqual([one.browser.closed, one.agent.closed], [[[4001, "agent: done"]], []]);
  assert.equal(one.isOpen(), false);
  const two = join();
  assert.equal(two.isOpen(), true);
  two.browser.dispatchEvent(new Event("error"));
  two.browser.ends(1006);
  assert.deepEqual([two.agent.closed, two.browser.closed], [[[1007, "browser: "]], []]);
});

test("c07 a socket that is ended carries nothing more, either way", () => {
  const { agent, browser, end } = join();
  end(1008, "over");
  agent.says("late");
  browser.says("late");
  agent.ends(1000);
  end(1008, "again");
  assert.deepEqual([agent.closed, browser.closed], [[[1008, "over"]], [[1008, "over"]]]);
  assert.deepEqual([agent.sent, browser.sent], [[], []]);
});

test("c15 what waits for readers of all sockets together has a bound, and the slow one is closed", () => {
  const slow = join();
  const other = join(undefined, slow.all);
  slow.browser.bufferedAmount = MOST / 2;
  other.browser.bufferedAmount = MOST / 2;
  slow.agent.says("still within");
  slow.browser.bufferedAmount += 1;
  slow.agent.says("too much");
  assert.deepEqual(slow.browser.sent, ["still within"]);
  assert.deepEqual([slow.agent.closed, slow.browser.closed], [[[1, "slow: "]], [[1, "slow: "]]]);
  // With it goes what it held, and whoever reads all at once never was in question.
  other.agent.says("goes on");
  assert.deepEqual([other.browser.sent, other.browser.closed], [["goes on"], []]);
  const quick = join(undefined, slow.all);
  other.browser.bufferedAmount = MOST * 2;
  quick.agent.says("quick");
  assert.deepEqual([quick.browser.sent, quick.browser.closed], [["quick"], []]);
});

test("c15 a socket still ends in order when who knows the words is gone", () => {
  const { agent, browser } = join(() => assert.fail("the instance panicked"));
  agent.says("goes on");
  agent.ends(1006);
  assert.deepEqual([browser.sent, browser.closed], [["goes on"], [[1011, ""]]]);
});

test("c07 who asks for an object's connections anew finds those from before, and ends them", () => {
  const object = {};
  const before = connectionsOf(object, () => assert.fail("the instance panicked"));
  const { agent, browser, joint } = join(undefined, before);
  const [one, other] = [new AbortController(), new AbortController()];
  before.hold("one", one, joint, 9, 0, "");
  before.hold("other", other, undefined, 9, 0, "");
  assert.deepEqual(connectionsOf({}, () => [0, ""]).sessions(), [], "of another object");

  const after = connectionsOf(object, (by, code) => [code + 2, by]);
  assert.deepEqual(after.sessions(), ["one", "other"]);
  const late = join(undefined, after);
  late.agent.ends(4000);
  assert.deepEqual(late.browser.closed, [[4002, "agent"]]);
  after.endSession("one", 1008, "over");
  assert.deepEqual([agent.closed, browser.closed], [[[1008, "over"]], [[1008, "over"]]]);
  assert.deepEqual([one.signal.aborted, other.signal.aborted, after.sessions()], [true, false, ["other"]]);
});

test("c15 of too many connections the oldest that is open is ended, and closed sockets have no place", () => {
  const all = connectionsOf({}, (_by, code) => [code, ""]);
  const held = ["one", "two", "three"].map((session) => {
    const socket = join(undefined, all);
    const controller = new AbortController();
    return { ...socket, controller, hold: () => all.hold(session, controller, socket.joint, 2, 1013, "many") };
  });
  const [one, two, three] = held as [(typeof held)[0], (typeof held)[0], (typeof held)[0]];
  one.hold();
  two.hold();
  two.browser.ends(1000);
  three.hold();
  assert.deepEqual([all.sessions(), one.browser.closed], [["one", "three"], []]);
  all.hold("four", new AbortController(), undefined, 2, 1013, "many");
  assert.deepEqual([all.sessions(), one.browser.closed], [["three", "four"], [[1013, "many"]]]);
  assert.ok(one.controller.signal.aborted && !three.controller.signal.aborted);
  all.endSockets(1001, "stopped");
  assert.deepEqual([all.sessions(), three.browser.closed], [["four"], [[1001, "stopped"]]]);
});

const pieces = (sizes: number[]): ReadableStream<Uint8Array> =>
  ReadableStream.from(sizes.map((size) => new Uint8Array(size)));

test("c15 a body passes up to its bound, and breaks off beyond", async () => {
  const fits = bounded(pieces([400, 600]), MOST);
  let bytes = 0;
  for await (const chunk of fits.body) bytes += chunk.length;
  assert.deepEqual([bytes, fits.isTooLarge()], [MOST, false]);
  const long = bounded(pieces([400, 600, 1, 400]), MOST);
  bytes = 0;
  await assert.rejects(async () => {
    for await (const chunk of long.body) bytes += chunk.length;
  });
  assert.ok(bytes <= MOST && long.isTooLarge());
});
