// Worker side of the sandbox host's HTTP interface, for one sandbox. The token travels in headers alone.
// Requests for a port go through the host, because only there can they carry the Host header that a container gets.

export class HostError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface SandboxState {
  running: boolean;
  generation: string | null;
  exitCode: number | null;
}

const MAX_REDIRECTS = 20;

export class HostClient {
  readonly #base: string;
  readonly #bearer: string;

  constructor(url: string, token: string, id: string) {
    this.#base = `${url.replace(/\/$/, "")}/sandboxes/${id}`;
    this.#bearer = `Bearer ${token}`;
  }

  state(): Promise<SandboxState> {
    return this.json("GET", "");
  }

  async start(options: { entrypoint: string[] | undefined; env: Record<string, string> }): Promise<string> {
    return (await this.json<{ generation: string }>("POST", "/start", options)).generation;
  }

  async destroy(): Promise<void> {
    await this.json("DELETE", "");
  }

  async signal(signal: number): Promise<void> {
    await this.json("POST", "/signal", { signal });
  }

  async setInactivityTimeout(durationMs: number): Promise<void> {
    await this.json("PUT", "/inactivity-timeout", { durationMs });
  }

  /** Answers when that run ends. A lost connection is tried again once: a host that is gone refuses the second one. */
  async exitCode(generation: string): Promise<number> {
    const path = `/exit?generation=${encodeURIComponent(generation)}`;
    const ask = () => this.json<{ exitCode: number }>("GET", path);
    const answer = await ask().catch((error) => {
      if (error instanceof HostError) throw error;
      return ask();
    });
    return answer.exitCode;
  }

  /** One call with a small JSON answer. */
  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method };
    if (body !== undefined) init.body = JSON.stringify(body);
    return (await (await this.send(path, init)).json()) as T;
  }

  async send(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers({ authorization: this.#bearer });
    const response = await fetch(this.#base + path, { ...init, headers });
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { code?: string; message?: string };
    throw new HostError(problem.code ?? "failed", problem.message ?? `the sandbox host answered ${response.status}`);
  }

  /** As a container's port does it: redirects stay within the same port, and a closed port is an error of its own. */
  async fetchPort(port: number, request: Request): Promise<Response> {
    let current = request;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await this.#fetchPortOnce(port, current);
      const location = response.headers.get("location");
      const redirected = location !== null && [301, 302, 303, 307, 308].includes(response.status);
      if (!redirected || request.redirect === "manual") return response;
      await response.body?.cancel();
      if (request.redirect === "error") throw new TypeError('fetch() got a redirect, and `redirect` is "error".');
      current = redirect(current, location, response.status);
    }
    throw new TypeError("Too many redirects.");
  }

  async #fetchPortOnce(port: number, request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.protocol === "https:") {
      throw new Error("Connecting to a container using HTTPS is not currently supported; use HTTP instead.");
    }
    const headers = new Headers(request.headers);
    headers.set("proxy-authorization", this.#bearer);
    headers.set("x-sandbox-host", url.host);
    const response = await fetch(new Request(`${this.#base}/ports/${port}${url.pathname}${url.search}`, request), {
      headers,
      redirect: "manual",
      signal: request.signal,
    });
    const fault = response.status === 502 ? response.headers.get("x-sandbox-fault") : null;
    if (fault === "not-listening") {
      throw new Error(`The container is not listening in the TCP address 127.0.0.1:${port}`);
    }
    if (fault === "not-running") throw new Error("The container is not running, consider calling start()");
    return response;
  }
}

function redirect(request: Request, location: string, status: number): Request {
  const toGet = status === 303 || (status < 303 && request.method === "POST");
  if (request.body && !toGet) throw new TypeError("A request with a streamed body cannot follow that redirect.");
  const method = toGet && request.method !== "HEAD" ? "GET" : request.method;
  return new Request(new URL(location, request.url), { method, headers: request.headers });
}
