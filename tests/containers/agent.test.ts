// The whole path in real containers with the real OpenClaw, and all that an operator of the machine can see of it
// (C13, C15, C19, C20). Each step's time is in the report.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { devKeypair } from "../../dev/solana/accounts.ts";
import { keepsContainersApart } from "../../scripts/lib/docker.mjs";
import { Owned, type Status } from "../support/agent.ts";
import { talkTo } from "../support/openclaw.ts";
import { testStack } from "../support/stack.ts";
import { assertPass } from "../support/tokens.ts";
import { until } from "../support/wait.ts";
import {
  docker,
  found,
  foundInImage,
  foundInOutput,
  inside,
  insideMeanwhile,
  secretsOf,
  sidecarOf,
} from "./support.ts";

const TIMEOUT_MS = 600_000;
const STARTS_WITHIN_MS = 240_000;
const GATEWAY_PORT = 18_789;
/** Of the sidecar's server, which would open every port of its container. */
const SIDECAR_PORT = 39_001;

const ownKey = `sk-own-${randomBytes(24).toString("base64url")}`;
const word = `heron-${randomBytes(6).toString("hex")}`;
const later = `ibis-${randomBytes(6).toString("hex")}`;

const stack = await testStack();
const secrets = { ...secretsOf(stack), "the owner's key": ownKey };
const owned = await Owned.ofNew(stack, "real.molt");
const other = await Owned.ofNew(stack, "neighbour.molt", "buyer");
after(() => Promise.allSettled([owned, other].map((agent) => agent.ask("stop"))));

type Say = (text: string) => void;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1).padStart(6)} s`;

async function timed<T>(say: Say, what: string, work: () => Promise<T>): Promise<T> {
  const began = Date.now();
  const result = await work();
  say(`${seconds(Date.now() - began)}  ${what}`);
  return result;
}

/** Starts it, and says how long each phase took. Returns the new container. */
async function start(agent: Owned, say: Say): Promise<string> {
  const before = await stack.containers.list();
  const events = await agent.events();
  const began = Date.now();
  await agent.ask("start");
  const end = await agent.in(["running", "failed"], { within: STARTS_WITHIN_MS });
  assert.equal(end.state, "running", JSON.stringify(end));
  say(`${seconds(Date.now() - began)}  start`);
  events.close();
  const phases = events.seen.map((status: Status, at) => ({ phase: status.phase, at: events.times[at] ?? 0 }));
  for (const [at, { phase, at: from }] of phases.entries()) {
    const until = phases.slice(at + 1).find((one) => one.phase !== phase)?.at;
    if (phase && phases[at - 1]?.phase !== phase && until) say(`  ${seconds(until - from)}  ${phase}`);
  }
  const [container, ...more] = (await stack.containers.list()).filter((one) => !before.includes(one));
  assert.ok(container && more.length === 0);
  return container;
}

/** Ends it by force, and waits until it runs again by itself. Returns the new container. */
async function healed(say: Say, end: () => void): Promise<string> {
  const before = await owned.status();
  end();
  const running = await timed(say, "until it runs again by itself", () =>
    until(
      "it runs again",
      async () => {
        const status = await owned.status();
        assert.notEqual(status.state, "failed", JSON.stringify(status));
        return status.state === "running" && status.since !== before.since && status;
      },
      { within: STARTS_WITHIN_MS },
    ),
  );
  assert.equal(running.problem?.code, "crashed");
  const [one, ...more] = await stack.containers.list();
  assert.ok(one && more.length === 0, "one container");
  return one;
}

async function converse<T>(
  agent: Owned,
  talk: (gateway: Awaited<ReturnType<typeof talkTo>>) => Promise<T>,
): Promise<T> {
  const gateway = await talkTo(await agent.enter(stack));
  try {
    return await talk(gateway);
  } finally {
    gateway.close();
  }
}

const history = (agent: Owned): Promise<string> =>
  converse(agent, async (gateway) => JSON.stringify(await gateway.call("chat.history", { sessionKey: "main" })));

let container = "";

test("an owner starts the agent and talks to it", { timeout: TIMEOUT_MS }, async (t) => {
  const say: Say = (text) => t.diagnostic(text);
  assert.equal((await owned.client.put(`${owned.path}/secrets/openai`, { value: ownKey })).status, 200);
  container = await start(owned, say);
  const answer = await timed(say, "first answer", () =>
    converse(owned, (gateway) => gateway.chat("main", `Remember the word ${word}.`)),
  );
  assert.match(answer, new RegExp(`Echo: .*${word}`));
  const turn = stack.echo.requests.find(({ lastUserText }) => lastUserText.includes(word));
  assert.equal(turn?.keyPrefix, ownKey.slice(0, 8));
});

test("c13 secrets lie in one file for one user, and nowhere else in the container", () => {
  const stat = "stat -c '%a %U %n' /run/agent /run/agent/secrets.json /run/agent/openclaw.json";
  assert.equal(
    inside(container, "root", stat),
    "700 agent /run/agent\n600 agent /run/agent/secrets.json\n600 agent /run/agent/openclaw.json\n",
  );
  const values = Object.values(secrets).join("\n");
  // On standard input: an argument would be found in /proc.
  const holding = inside(
    container,
    "root",
    "cd / && grep -rlaF -f - --exclude-dir=proc --exclude-dir=sys . || true",
    values,
  );
  assert.deepEqual(holding.trim().split("\n"), ["./run/agent/secrets.json"]);
  const { proposals, ...held } = JSON.parse(inside(container, "root", "cat /run/agent/secrets.json"));
  assert.deepEqual(held, { openai: ownKey });
  assertPass(proposals, owned.asset, "proposals");
});

test("c13 no process has a secret in its environment or on its command line", () => {
  const script =
    "cd /proc && for id in [0-9]*; do tr '\\0' '\\n' < $id/environ; tr '\\0' ' ' < $id/cmdline; echo; done 2>/dev/null";
  const processes = inside(container, "agent", script);
  // What there is to be read was read: the gateway's own lines.
  assert.match(processes, /OPENCLAW_STATE_DIR=\/data\/state/);
  assert.match(processes, /^openclaw-gateway/m);
  assert.match(processes, /agent\.mjs init/);
  assert.deepEqual(found(secrets, processes), []);
});

test("c21 an agent proposes as its skill says, and its owner finds what it proposed", async () => {
  const skill = inside(container, "agent", "cat /opt/agent/skills/wallet-proposals/SKILL.md");
  const command = skill.match(/```bash\n(.*?)```/s)?.[1] ?? assert.fail("the skill has no command");
  // As OpenClaw does for what it runs.
  const variable = `export MOLT_PROPOSALS_URL="$(node -p 'require("/run/agent/openclaw.json").env.vars.MOLT_PROPOSALS_URL')"`;
  const { address } = await devKeypair("buyer");
  const answer = await insideMeanwhile(container, "agent", `${variable}\n${command.replace("ADDRESS", address)}`);
  assert.match(answer, /^202 \{"id":"[^"]+"\}/);
  const listed = (await owned.client.get(`${owned.path}/wallet/proposals`)).json();
  const [proposal, ...others] = listed.proposals;
  assert.deepEqual([proposal.operation.to, proposal.reason, others], [address, "Why, in one line.", []]);
});

test("c11 c13 the engine knows no secret: container, sidecar, their logs, and the image's layers", async () => {
  const sidecar = sidecarOf(container);
  assert.deepEqual(found(secrets, docker("inspect", container, sidecar)), []);
  for (const one of [container, sidecar]) assert.deepEqual(await foundInOutput(secrets, "logs", one), []);
  const image = docker("inspect", "--format", "{{.Image}}", container).trim();
  assert.deepEqual(found(secrets, docker("history", "--no-trunc", image)), []);
  // A line of a file of the image's, to know that its layers can be read as they are saved.
  const control = { control: "The command line of an agent's container: one command per life-cycle step" };
  assert.deepEqual(await foundInImage({ ...secrets, ...control }, image), ["control"]);
  assert.deepEqual(found(secrets, stack.logs.join("\n")), []);
});

test("the agent runs as an unprivileged user with no way to become another", () => {
  const status = inside(container, "agent", "cat /proc/1/status");
  assert.match(status, /^Uid:\t10001\t10001\t10001\t10001$/m);
  assert.match(status, /^CapPrm:\t0{16}$/m);
  assert.match(status, /^CapEff:\t0{16}$/m);
  const users = inside(container, "agent", "stat -c %U /proc/[0-9]*").trim().split("\n");
  assert.deepEqual([...new Set(users)], ["agent"]);
});

test("c15 two tenants' containers cannot reach each other's ports", { timeout: TIMEOUT_MS }, async (t) => {
  if (!keepsContainersApart())
    return t.skip("this engine lets its containers reach each other: see docs/containers.md");
  const neighbour = await start(other, (text) => t.diagnostic(text));
  const address = (of: string): string => {
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    return docker("inspect", "--format", format, sidecarOf(of)).trim();
  };
  const script = `
    const [host, ...ports] = process.argv.slice(1);
    Promise.all(ports.map((port) => new Promise((done) => {
      const socket = require("node:net").connect({ host, port: Number(port) });
      socket.setTimeout(3000, () => done("timeout")).on("connect", () => done("connected")).on("error", (error) => done(error.code));
    }))).then((seen) => { console.log(JSON.stringify(seen)); process.exit(); });`;
  const tried = (from: string, host: string): string[] =>
    JSON.parse(
      docker("exec", "--user", "agent", from, "node", "-e", script, host, String(GATEWAY_PORT), String(SIDECAR_PORT)),
    );
  assert.deepEqual(
    tried(container, "127.0.0.1"),
    ["connected", "connected"],
    "its own, so that the rest means something",
  );
  for (const [from, to] of [
    [container, neighbour],
    [neighbour, container],
  ] as const) {
    for (const seen of tried(from, address(to))) assert.notEqual(seen, "connected");
  }
  await other.stop();
});

test("c19 a container that is killed takes with it only what was not saved", { timeout: TIMEOUT_MS }, async (t) => {
  const say: Say = (text) => t.diagnostic(text);
  const taken = await timed(say, "snapshot on demand", () => owned.client.post(`${owned.path}/snapshots`));
  assert.equal(taken.status, 201, taken.text);
  say(`${(taken.json().size / 1024).toFixed(0).padStart(6)} KiB  snapshot`);
  container = await healed(say, () => docker("kill", container));
  assert.match(await timed(say, "history", () => history(owned)), new RegExp(word));
});

test("c20 a gateway that dies is saved as it lies there, and started again with all that it held", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const unsaved = `teal-${randomBytes(6).toString("hex")}`;
  await converse(owned, (gateway) => gateway.chat("main", `And ${unsaved}.`));
  container = await healed(
    (text) => t.diagnostic(text),
    () => inside(container, "agent", "kill -9 $(node -p 'require(\"/run/agent/gateway.json\").pid')"),
  );
  assert.equal((await owned.snapshots())[0]?.cause, "crash");
  assert.match(await history(owned), new RegExp(unsaved));
});

test("c19 a stop saves and leaves nothing behind; a start elsewhere knows what was said", {
  timeout: TIMEOUT_MS,
}, async (t) => {
  const say: Say = (text) => t.diagnostic(text);
  await converse(owned, (gateway) => gateway.chat("main", `And remember ${later}.`));
  await timed(say, "stop", () => owned.stop());
  assert.deepEqual(await stack.containers.list(), []);
  container = await start(owned, say);
  const remembered = await history(owned);
  for (const each of [word, later]) assert.match(remembered, new RegExp(each));
  const statistics = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container).trim();
  say(`${statistics}  memory`);
});

test("c19 an older snapshot can be chosen, and brings back what was known then", { timeout: TIMEOUT_MS }, async (t) => {
  const oldest = (await owned.snapshots()).at(-1) ?? assert.fail();
  const { since } = await owned.status();
  const began = Date.now();
  const asked = await owned.client.post(`${owned.path}/snapshots/${oldest.id}/restore`);
  assert.equal(asked.status, 202, asked.text);
  const again = async (): Promise<boolean> => {
    const status = await owned.status();
    assert.notEqual(status.state, "failed", JSON.stringify(status));
    return status.state === "running" && status.since !== since;
  };
  await until("it runs again", again, { within: STARTS_WITHIN_MS });
  t.diagnostic(`${seconds(Date.now() - began)}  restart with an older snapshot`);
  const remembered = await history(owned);
  assert.match(remembered, new RegExp(word));
  assert.doesNotMatch(remembered, new RegExp(later));
});

test("c08 when the asset moves, its container goes", { timeout: TIMEOUT_MS }, async () => {
  const buyer = await Owned.ofNew(stack, "bystander.molt", "buyer");
  stack.rpc.control.transfer(owned.asset, (await buyer.client.get("/v1/auth/session")).json().wallet);
  await until("the container is gone", async () => (await stack.containers.list()).length === 0, { within: 30_000 });
});
