// Brings the machine to where the project builds and runs: packages, the agent, Rust's target, the WebAssembly tools,
// a browser. Needs Node 20 or newer, npm and Rust; does only what is missing.

import { pathToFileURL } from "node:url";
import { ensureChromium } from "./lib/chromium.mjs";
import { ensureEngine } from "./lib/docker.mjs";
import { ensureAgentImage, ensureBase, ensureSidecar } from "./lib/images.mjs";
import { installAgent, installPackages } from "./lib/packages.mjs";
import { Progress } from "./lib/progress.mjs";
import { linkProjectNode, ROOT, UserError } from "./lib/project.mjs";
import { ensureSchemathesis } from "./lib/python.mjs";
import { runMain } from "./lib/run.mjs";
import { ensureFaultFinder, ensureLints, ensureTarget, ensureWasmTools } from "./lib/rust.mjs";

const OLDEST_NODE = 20;

/** @typedef {"npm" | "agent" | "rust" | "lints" | "wasm-tools" | "deny" | "fuzz" | "mutants" | "schemathesis" | "chromium" | "engine" | "base" | "sidecar" | "image"} Need */

/** @type {Record<Need, {title: string, work: (report: (detail: string) => void) => Promise<string>}>} */
const STEPS = {
  npm: {
    title: "Packages",
    work: async (report) => {
      const outcome = await installPackages(ROOT, report);
      linkProjectNode();
      return outcome;
    },
  },
  agent: { title: "Agent (OpenClaw)", work: installAgent },
  rust: { title: "Rust", work: ensureTarget },
  lints: { title: "Rust lints", work: ensureLints },
  "wasm-tools": { title: "WebAssembly tools", work: ensureWasmTools },
  deny: { title: "cargo-deny", work: ensureFaultFinder("deny") },
  fuzz: { title: "cargo-fuzz", work: ensureFaultFinder("fuzz") },
  mutants: { title: "cargo-mutants", work: ensureFaultFinder("mutants") },
  schemathesis: { title: "Schemathesis", work: ensureSchemathesis },
  chromium: { title: "Browser", work: ensureChromium },
  engine: { title: "Docker Engine", work: ensureEngine },
  base: { title: "Base image", work: ensureBase },
  sidecar: { title: "Sidecar's image", work: ensureSidecar },
  image: { title: "Agent's image", work: ensureAgentImage },
};

/**
 * Begins at once and shows itself when its turn comes.
 * @param {(report: (detail: string) => void) => Promise<string>} work
 */
function early(work) {
  let show = (/** @type {string} */ _detail) => {};
  const running = work((detail) => show(detail));
  running.catch(() => {});
  return (/** @type {(detail: string) => void} */ report) => {
    show = report;
    return running;
  };
}

/** @param {Progress} progress @param {Need[]} needs */
export async function ensure(progress, ...needs) {
  if (Number(process.versions.node.split(".")[0]) < OLDEST_NODE) {
    throw new UserError(`Node ${OLDEST_NODE} or newer is needed to begin with; this is ${process.version}.`);
  }
  /** @type {ReturnType<typeof early> | null} */
  let begun = null;
  for (const need of needs) {
    const { title, work } = STEPS[need];
    await progress.step(title, need === "agent" && begun ? begun : work);
    // The agent's packages need the Node of ours, and come over the network while Rust keeps the processors busy.
    if (need === "npm" && needs.includes("agent")) begun = early(STEPS.agent.work);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  /** @type {Need[]} */
  const needs = ["npm", "rust", "lints", "wasm-tools", "agent"];
  if (process.argv.includes("--chromium")) needs.push("chromium");
  await runMain(() => ensure(new Progress(needs.length), ...needs));
}
