// As wrangler does to a Worker that it bundles itself: what is left of a request's body is read once it is answered. workerd
// ends such a connection otherwise, and the answer may be lost on its way through wrangler's own proxy.

interface Handler {
  fetch?(request: Request, ...rest: unknown[]): Promise<Response>;
}
type Entrypoint = new (...given: never[]) => Handler;

export function drained(worker: Entrypoint | Handler): Entrypoint | Handler {
  if (typeof worker !== "function") return { ...worker, fetch: (request, ...rest) => answer(worker, request, rest) };
  return class extends worker {
    override fetch(request: Request, ...rest: unknown[]): Promise<Response> {
      return answer({ fetch: super.fetch?.bind(this) }, request, rest);
    }
  };
}

async function answer(worker: Handler, request: Request, rest: unknown[]): Promise<Response> {
  try {
    if (!worker.fetch) throw new Error("the Worker takes no requests");
    return await worker.fetch(request, ...rest);
  } finally {
    await drain(request).catch(() => {});
  }
}

async function drain({ body, bodyUsed }: Request): Promise<void> {
  if (body === null || bodyUsed) return;
  const reader = body.getReader();
  while (!(await reader.read()).done);
}
