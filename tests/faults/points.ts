// The points of an agent's life at which it is struck, and how it is brought there. At each the agent runs or sleeps with
// something saved, and what it said last is known.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { devKeypair } from "../../dev/solana/accounts.ts";
import { Owned } from "../support/agent.ts";
import { type FaultStack, Stage } from "../support/stage.ts";
import { until } from "../support/wait.ts";
import { mustOpen } from "../support/websocket.ts";

export type Strikes = "gateway" | "container" | "object" | "workerd" | "reload";
/** What a service must be set to for an agent to get there by itself. */
export type Setting = "plain" | "periodic" | "sleepy";
export const SETTINGS: Record<Setting, Record<string, string>> = {
  plain: {},
  periodic: { SNAPSHOT_PERIOD: "5" },
  sleepy: { IDLE_TIMEOUT: "8" },
};

export interface Point {
  name: string;
  setting: Setting;
  /** No gateway runs there yet. */
  noGateway?: true;
  /** All is saved by then: nothing may be lost even with the container. */
  isSaved?: true;
  bring(stack: FaultStack): Promise<Stage>;
}

type Begin = (stage: Stage) => unknown;

/** Starts an agent up to where `reach` says. */
function starting(
  phase: string,
  reach: (stage: Stage, begin: () => unknown) => Promise<unknown>,
  more: Partial<Point> = {},
): Point {
  return {
    name: `start: ${phase}`,
    setting: "plain",
    isSaved: true,
    ...more,
    async bring(stack) {
      const stage = await Stage.sleeping(stack, `start-${phase}`);
      await reach(stage, () => stage.owned.ask("start"));
      return stage;
    },
  };
}

async function booting(stage: Stage, begin: () => unknown, boot: Record<string, unknown>): Promise<void> {
  stage.behave({ boot });
  await begin();
  await stage.owned.boots();
}

function running(what: string, open: Begin): Point {
  return {
    name: `run: ${what}`,
    setting: "plain",
    async bring(stack) {
      const stage = await Stage.running(stack, `run-${what}`);
      await open(stage);
      return stage;
    },
  };
}

/** The same steps of saving, whatever they are part of: in this command, or at this operation. */
function saving(part: string, setting: Setting, begin: Begin, steps = SAVING): Point[] {
  return Object.entries(steps).map(([step, { command, operation, isSaved }]) => ({
    name: `${part}: ${step}`,
    setting,
    ...(isSaved && { isSaved }),
    async bring(stack) {
      const stage = await Stage.running(stack, `${part}-${step}`);
      stage.asleep = part === "stop" || part === "sleep";
      if (command) await stage.stuckIn(command, () => begin(stage));
      else await stage.stuckAt(operation, () => begin(stage));
      return stage;
    },
  }));
}

type Step = { command?: string; operation: string; isSaved?: true };
const SAVING: Record<string, Step> = {
  staging: { command: "snapshot", operation: "" },
  sending: { command: "send", operation: "" },
  "in R2, without a row": { operation: "r2.head" },
};
const STOPPING: Record<string, Step> = {
  quiesce: { command: "snapshot", operation: "" },
  upload: { command: "send", operation: "" },
  "in R2, without a row": { operation: "r2.head" },
  "after the row": { operation: "r2.list", isSaved: true },
  wipe: { command: "wipe", operation: "", isSaved: true },
  destroy: { operation: "container.destroy", isSaved: true },
};
const nothing = (): void => {};

/** The agent's owner sells it where it stands: what comes back is another's, and empty. */
function takeover(when: string, reach: (stack: FaultStack, name: string) => Promise<Stage>): Point {
  return {
    name: `takeover: ${when}`,
    setting: "plain",
    async bring(stack) {
      const stage = await reach(stack, `takeover-${when}`);
      const buyer = await devKeypair("buyer");
      stack.rpc.control.transfer(stage.asset, buyer.address);
      stage.afterwards = async () => {
        stage.owned = await Owned.of(stack, stage.asset, buyer.label);
        assert.deepEqual(await stage.owned.snapshots(), [], "nothing is the new owner's");
        await stage.owned.ask("start");
        await stage.owned.in("running");
        stage.visitor = await stage.owned.enter(stack);
        stage.expected = [null];
        await stage.forget();
      };
      return stage;
    },
  };
}

export const POINTS: Point[] = [
  starting("allocate", (stage, begin) => stage.stuckAt("container.true", begin), { noGateway: true }),
  starting("read from R2", (stage, begin) => stage.stuckAt("r2.get", begin), { noGateway: true }),
  starting("restore", (stage, begin) => stage.stuckIn("restore", begin), { noGateway: true }),
  starting("inject", (stage, begin) => stage.stuckIn("inject", begin), { noGateway: true }),
  starting("boot", (stage, begin) => booting(stage, begin, { never: true })),
  starting("ready", async (stage, begin) => {
    await booting(stage, begin, { once: true });
    await until("its first word", () => stage.stack.agent.notesOf(stage.asset, "started").length > 0);
  }),
  running("idle", nothing),
  running("under a request", async (stage) => {
    stage.visitor.get("/silence").catch(nothing);
    await until("the request", () => stage.stack.agent.notesOf(stage.asset, "silence").length > 0);
  }),
  running("an open WebSocket", async (stage) => {
    await (await mustOpen(stage.visitor)).next();
  }),
  running("event streams", async (stage) => {
    await (await stage.owned.events()).first("the status", ({ state }) => state === "running");
    const stream = await stage.visitor.open("GET", "/stream");
    stream.on("error", nothing).resume();
  }),
  ...saving("snapshot", "plain", ({ owned }) => owned.client.post(`${owned.path}/snapshots`)),
  // Where what it said before was saved just then, there must be more to save.
  ...saving("periodic", "periodic", (stage) => stage.says(`${stage.said}, and more`)),
  ...saving("stop", "plain", ({ owned }) => owned.ask("stop"), STOPPING),
  ...saving("sleep", "sleepy", nothing, STOPPING),
  {
    name: "restart: upload",
    setting: "plain",
    async bring(stack) {
      const stage = await Stage.running(stack, "restart-upload");
      await stage.stuckIn("send", () => stage.owned.ask("restart"));
      return stage;
    },
  },
  {
    name: "restart: boot",
    setting: "plain",
    isSaved: true,
    async bring(stack) {
      const stage = await Stage.running(stack, "restart-boot");
      await booting(stage, () => stage.owned.ask("restart"), { never: true });
      return stage;
    },
  },
  ...["send", "restore"].map(
    (command): Point => ({
      name: `a chosen snapshot: ${command}`,
      setting: "plain",
      async bring(stack) {
        const stage = await Stage.running(stack, `chosen-${command}`);
        stage.expected = [stage.saved];
        const { id } = stage.oldest;
        await stage.stuckIn(command, () => stage.owned.client.post(`${stage.owned.path}/snapshots/${id}/restore`));
        return stage;
      },
    }),
  ),
  takeover("start", async (stack, name) => {
    const stage = await Stage.sleeping(stack, name);
    await booting(stage, () => stage.owned.ask("start"), { never: true });
    return stage;
  }),
  takeover("run", Stage.running),
  takeover("stop", async (stack, name) => {
    const stage = await Stage.running(stack, name);
    await stage.stuckIn("send", () => stage.owned.ask("stop"));
    return stage;
  }),
  {
    name: "upload by the owner",
    setting: "plain",
    async bring(stack) {
      const stage = await Stage.running(stack, "upload");
      const body = JSON.stringify({ memory: "brought along" });
      const hash = createHash("sha256").update(body).digest("base64");
      const headers = { "content-type": "application/zstd", "repr-digest": `sha-256=:${hash}:` };
      const send = () => stage.owned.client.request("POST", `${stage.owned.path}/snapshots`, { body, headers });
      await stage.stuckAt("r2.put", send);
      stage.afterwards = async () => {
        await until("another upload is taken", async () => (await send()).status === 201, { every: 500 });
      };
      return stage;
    },
  },
];
