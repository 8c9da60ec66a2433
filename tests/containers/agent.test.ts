// The real OpenClaw in a real container, and all that an operator of the machine can see of it (C11, C13, C15).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { devKeypair } from "../../dev/solana/accounts.ts";
import { keepsContainersApart } from "../../scripts/lib/docker.mjs";
import { Owned } from "../support/agent.ts";
import { testStack } from "../support/stack.ts";
import { assertPass } from "../support/tokens.ts";
import { converse, type Say, start, TIMEOUT_MS, timed } from "./life.ts";
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

const GATEWAY_PORT = 18_789;
/** Of the sidecar's server, which would open every port of its container. */
const SIDECAR_PORT = 39_001;

const ownKey = `sk-own-${randomBytes(24).toString("base64url")}`;
const word = `heron-${randomBytes(6).toString("hex")}`;

const stack = await testStack();
const secrets = { ...secretsOf(stack), "the owner's key": ownKey };
const owned = await Owned.ofNew(stack, "real.molt");
const other = await Owned.ofNew(stack, "neighbour.molt", "buyer");
after(() => Promise.allSettled([owned, other].map((agent) => agent.ask("stop"))));

let container = "";

test("an owner starts the agent and talks to it", { timeout: TIMEOUT_MS }, async (t) => {
  const say: Say = (text) => t.diagnostic(text);
  assert.equal((await owned.client.put(`${owned.path}/secrets/openai`, { value: ownKey })).status, 200);
  container = await start(stack, owned, say);
  const answer = await timed(say, "first answer", () =>
    converse(stack, owned, (gateway) => gateway.chat("main", `Remember the word ${word}.`)),
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
  const neighbour = await start(stack, other, (text) => t.diagnostic(text));
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
