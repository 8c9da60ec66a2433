// The way in to two instances of the Worker: a header says which of them is asked.
export default {
  /** @param {Request} request @param {Record<string, {fetch(request: Request): Promise<Response>}>} env */
  fetch(request, env) {
    return env[request.headers.get("x-instance") ?? "FIRST"]?.fetch(request);
  },
};
