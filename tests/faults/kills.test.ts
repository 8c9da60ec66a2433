// Everything that runs is killed at each point of an agent's life; each time it comes back with all that was acknowledged
// (C19, C20).
import { before, describe, test } from "node:test";
import { killContainer, killGateway, killWorkerd } from "../support/kill.ts";
import { reconfigure } from "../support/reconfigure.ts";
import { type FaultStack, faultStack, point, type Stage, turns } from "../support/stage.ts";
import { POINTS, type Point, SETTINGS, type Setting, type Strikes } from "./points.ts";

/** Agents that are brought to their points at the same time. */
const SIDE_BY_SIDE = 10;

/** What strikes one domain alone. */
const ONE: Partial<Record<Strikes, (stage: Stage) => Promise<void>>> = {
  gateway: ({ stack, asset }) => killGateway(stack, asset),
  container: ({ stack, asset }) => killContainer(stack, asset),
  object: ({ stack, asset }) => stack.faults.evict(asset),
};
/** What strikes all that the service does. */
const ALL: Partial<Record<Strikes, (stack: FaultStack) => Promise<void>>> = {
  async workerd(stack) {
    await killWorkerd(stack);
    await stack.replaceWorker();
  },
  reload: (stack) => reconfigure(stack),
};
const TITLES: Record<Strikes, string> = {
  gateway: "gateway killed",
  container: "container killed",
  object: "object evicted",
  workerd: "workerd killed",
  reload: "Worker reloaded",
};

/** Well again, with all that must not be lost. */
async function recovered(stage: Stage, { isSaved }: Point, strikes: Strikes): Promise<string> {
  stage.release();
  // Only what was in a snapshot outlives its container.
  if (strikes === "container" && !isSaved) stage.expected ??= [stage.saved, ...stage.sayings];
  await stage.afterwards?.();
  const how = await stage.back();
  await stage.sound();
  return how;
}

/** All before the first test: the runner takes a file whose tests are over for done, whatever it still waits for. */
const STACKS: [Setting, FaultStack][] = [];
for (const setting of Object.keys(SETTINGS) as Setting[]) STACKS.push([setting, await faultStack(SETTINGS[setting])]);

for (const [setting, stack] of STACKS) {
  const points = POINTS.filter((one) => one.setting === setting);

  for (const [name, strike] of Object.entries(ONE)) {
    const strikes = name as Strikes;
    describe(`${TITLES[strikes]} (${setting})`, { concurrency: SIDE_BY_SIDE }, () => {
      for (const one of points.filter(({ noGateway }) => strikes !== "gateway" || !noGateway)) {
        test(`c19 c20 ${TITLES[strikes]} in ${one.name}`, () =>
          point(TITLES[strikes], one.name, async (struck) => {
            const stage = await one.bring(stack);
            struck();
            await strike(stage);
            return recovered(stage, one, strikes);
          }));
      }
    });
  }

  for (const [name, strike] of Object.entries(ALL)) {
    const strikes = name as Strikes;
    describe(`${TITLES[strikes]} (${setting})`, { concurrency: SIDE_BY_SIDE }, () => {
      /** All are brought to their points first, as what strikes one strikes all. */
      const stages = new Map<Point, Promise<Stage>>();
      let struckAt = 0;
      before(async () => {
        const inTurn = turns(SIDE_BY_SIDE);
        for (const one of points)
          stages.set(
            one,
            inTurn(() => one.bring(stack)),
          );
        await Promise.allSettled(stages.values());
        struckAt = performance.now();
        await strike(stack);
      });
      for (const one of points) {
        test(`c19 c20 ${TITLES[strikes]} in ${one.name}`, () =>
          point(TITLES[strikes], one.name, async (struck) => {
            const stage = await stages.get(one);
            if (!stage) throw new Error("it was not brought to its point");
            struck(struckAt);
            return recovered(stage, one, strikes);
          }));
      }
    });
  }
}
