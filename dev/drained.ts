// As wrangler does to a Worker that it bundles itself: what is left of a request's body is read once it is answered. workerd
// ends such a connection otherwise, and the answer may be lost on its way through wrangler's own proxy.

type Fetch = (request: Request, ...rest: unknown[]) => Promise<Response>;
interface Handler {
  fetch(...given: Parameters<Fetch>): ReturnType<Fetch>;
}
type Entrypoint = new (...given: never[]) => Handler;

export function drained(worker: Entrypoint | Handler): Entrypoint | Handler {
  if (typeof worker !== "function") return { ...worker, fetch: draining((...given) => worker.fetch(...given)) };
  return class extends worker {
    override fetch(request: Request, ...rest: unknown[]): Promise<Response> {
      return draining((...given) => super.fetch(...given))(request, ...rest);
    }
  };
}

function draining(fetch: Fetch): Fetch {
  return async (request, ...rest) => {
    try {
      return await fetch(request, ...rest);
    } finally {
      await drain(request).catch(() => {});
    }
  };
}

async function drain({ body, bodyUsed }: Request): Promise<void> {
  if (body === null || bodyUsed) return;
  const reader = body.getReader();
  while (!(await reader.read()).done);
}
