// What a run of the container tests leaves when it is killed, and that the next one clears it and nothing else.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { endLeftEngines, engineFolder, forgetDeadContainerd, lives, processMark, runMark } from "./lib/leftovers.mjs";

const parent = mkdtempSync(join(tmpdir(), "leftovers-"));
after(() => rmSync(parent, { recursive: true }));
// It is for what this process starts, and a test run may be inside of another.
const outer = process.env.MULTICLAW_ENGINE;
after(() => {
  delete process.env.MULTICLAW_ENGINE;
  if (outer !== undefined) process.env.MULTICLAW_ENGINE = outer;
});

const WAIT = 'console.log("here"); setTimeout(() => {}, 60_000);';

/** Node with this script, once it has said that it is here. @param {string[]} by @param {NodeJS.ProcessEnv} env */
async function started(by = [], env = process.env, script = WAIT) {
  const [program = "", ...args] = [...by, process.execPath, "-e", script];
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  after(() => child.kill("SIGKILL"));
  return child;
}

/** The mark of a process that was killed. */
async function markOfDead() {
  const child = await started();
  const mark = processMark(child.pid ?? 0) ?? assert.fail();
  assert.ok(lives(mark));
  child.kill("SIGKILL");
  await once(child, "exit");
  return mark;
}

test("a mark is of one process, and not of another with its number", async () => {
  assert.ok(lives(runMark()));
  assert.equal(lives(await markOfDead()), false);
  assert.equal(lives(`${process.pid}-1-abc`), false);
  for (const mark of ["", "-", "0-0-abc"]) assert.equal(lives(mark), false);
});

test("what a killed run started with its engine is ended, and nothing else", async () => {
  const stranger = await started();
  const folder = engineFolder(parent);
  const engine = await started();
  writeFileSync(join(folder, "owner"), await markOfDead());
  const ended = once(engine, "exit");
  await endLeftEngines(parent);
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  assert.equal(existsSync(folder), false);
  assert.equal(stranger.exitCode ?? stranger.signalCode, null);
});

test("a run that goes on keeps its engine, and another is told of it", async () => {
  const folder = engineFolder(parent);
  const engine = await started();
  await assert.rejects(endLeftEngines(parent), new RegExp(`Process ${process.pid} tests with containers already`));
  assert.ok(existsSync(folder));
  assert.equal(engine.exitCode ?? engine.signalCode, null);
  rmSync(folder, { recursive: true });
});

test("containers of a killed run are ended by their network, and the network goes", async (t) => {
  if (process.getuid?.() !== 0 || spawnSync("unshare", ["--net", "true"]).status !== 0)
    return t.skip("only root may make a network namespace");
  const folder = engineFolder(parent);
  const container = await started(["unshare", "--net"], {});
  const ended = once(container, "exit");
  const networks = join(folder, "exec", "netns");
  mkdirSync(networks, { recursive: true });
  // The second is the machine's own, as of a container that is not apart from it.
  for (const [name, pid] of Object.entries({ one: container.pid, other: process.pid })) {
    const place = join(networks, name);
    writeFileSync(place, "");
    assert.equal(spawnSync("mount", ["--bind", `/proc/${pid}/ns/net`, place]).status, 0);
    t.after(() => void spawnSync("umount", ["--lazy", place]));
  }
  writeFileSync(join(folder, "owner"), await markOfDead());
  await endLeftEngines(parent);
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  assert.equal(existsSync(folder), false);
});

test("the socket of a containerd that was killed is forgotten, that of one that runs is not", async () => {
  const dead = join(parent, "dead.sock");
  const live = join(parent, "live.sock");
  const listen = `require("net").createServer().listen(${JSON.stringify(dead)}, () => console.log("here"))`;
  const child = await started([], process.env, listen);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.ok(existsSync(dead));
  const server = createServer().listen(live);
  after(() => server.close());
  await once(server, "listening");
  for (const socket of [dead, live, join(parent, "none.sock")]) await forgetDeadContainerd(socket);
  assert.deepEqual([existsSync(dead), existsSync(live)], [false, true]);
});
