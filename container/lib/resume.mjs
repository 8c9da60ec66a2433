// `resume`: gives the gateway back to its work after a snapshot and removes the staged archive.
import { rm } from "node:fs/promises";

import { resumeGateway } from "./gateway.mjs";

/** @param {import("../agent.mjs").Context} context */
export async function run({ paths }) {
  await rm(paths.stage, { recursive: true, force: true });
  await resumeGateway(paths);
  return { ok: true };
}
