// The entry of `npm run dev` with faults in it: R2 and the container do what the test says (tests/support/faults.ts), and an
// object goes away when the test says. Only the fault suite starts it.
import { Agent as BundledAgent } from "../../../build/index.js";
import { withEmbeddedContainer } from "../../../dev/embedded-container.ts";
import { faultyBucket } from "./bucket.ts";
import { Orders } from "./orders.ts";

export * from "../../../build/index.js";
export { default } from "../../../build/index.js";

type Context = ConstructorParameters<typeof Inner>[0] & {
  abort(reason: string): void;
  container: Record<string, (...args: never[]) => unknown>;
};

const Inner = withEmbeddedContainer(BundledAgent);
/** What is done to a container and can be held up, and what an order calls it. */
const HELD = { exec: ([name = "", command = ""]: string[]) => command || name, destroy: () => "destroy" };

export class Agent extends Inner {
  constructor(ctx: Context, env: Record<string, unknown>) {
    const { FAULTS_URL: url, SNAPSHOTS: bucket, ...rest } = env;
    const orders = new Orders(String(url), ctx.id.toString());
    super(ctx, { ...rest, SNAPSHOTS: faultyBucket(bucket as R2Bucket, orders) });
    const { container } = ctx;
    for (const [method, name] of Object.entries(HELD)) {
      const real = container[method]?.bind(container) as (...args: unknown[]) => unknown;
      container[method] = async (...args: unknown[]) => {
        await orders.ask(`container.${name(args[0] as string[])}`);
        return real(...args);
      };
    }
    orders.leave().then(
      () => ctx.abort("evicted by the test"),
      () => {},
    );
  }
}
