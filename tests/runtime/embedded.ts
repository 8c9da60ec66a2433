// The probe with the stand-in for its container.
import { withEmbeddedContainer } from "../../dev/embedded-container.ts";
import { Probe as RealProbe } from "./probe.ts";

export { default } from "./probe.ts";
export const Probe = withEmbeddedContainer(RealProbe);
