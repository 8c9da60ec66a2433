// What worker-build makes of the crate, for the type checker: the bundle itself is built later, and minified.
declare module "*/build/index.js" {
  /** One Durable Object per domain: workers-rs gives it these two arguments and no base class. */
  export const Agent: new (ctx: never, env: never) => object;
  const worker: object;
  export default worker;
}
