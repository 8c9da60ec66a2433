// The way in to two instances of the Worker: a header says which of them is asked. Another says of how many a request is one:
// they are kept here until all have come, and then let in so many at a time.
const AT_ONCE = 100;
/** Requests wake each other only by what they look at: the runtime takes one that waits for another to be dead. */
const LOOK_MS = 200;
let come = 0;
let inside = 0;

export default {
  /** @param {Request} request @param {Record<string, {fetch(request: Request): Promise<Response>}>} env */
  async fetch(request, env) {
    const crowd = Number(request.headers.get("x-crowd") ?? 0);
    const instance = env[request.headers.get("x-instance") ?? "FIRST"];
    if (crowd === 0) return instance?.fetch(request);
    come += 1;
    while (come % crowd !== 0 || inside >= AT_ONCE) await new Promise((look) => setTimeout(look, LOOK_MS));
    inside += 1;
    try {
      return await instance?.fetch(request);
    } finally {
      inside -= 1;
    }
  },
};
