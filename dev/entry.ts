// Development entry point: the Worker bundle as built for production, with the stand-in container in its Durable Object.
// Only `npm run dev` and the tests use it; a deployment starts from the bundle itself.
import { Agent as BundledAgent } from "../build/index.js";
import { withEmbeddedContainer } from "./embedded-container.ts";

export * from "../build/index.js";
export { default } from "../build/index.js";
export const Agent = withEmbeddedContainer(BundledAgent);
