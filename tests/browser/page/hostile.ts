// Runs in a page that a hostile agent serves, and tries what such a page can. Each attempt tells what came of it: nothing is
// decided here.

type Attempt = (url: string) => Promise<string>;

const WAIT_MS = 5_000;
const failed = (error: unknown): string => `failed: ${(error as Error).name}`;

function settled(start: (done: (outcome: string) => void) => void): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(() => resolve("nothing happened"), WAIT_MS);
    try {
      start(resolve);
    } catch (error) {
      resolve(failed(error));
    }
  });
}

function element(
  name: "script" | "img" | "link" | "object",
  attribute: string,
  extra: Record<string, string> = {},
): Attempt {
  return (url) =>
    settled((done) => {
      const made = document.createElement(name);
      made.onload = () => done("loaded");
      made.onerror = () => done("failed: error");
      for (const [key, value] of Object.entries({ ...extra, [attribute]: url })) made.setAttribute(key, value);
      document.body.append(made);
    });
}

async function fetched(url: string, init: RequestInit): Promise<string> {
  try {
    const answer = await fetch(url, { credentials: "include", signal: AbortSignal.timeout(WAIT_MS), ...init });
    return answer.type === "opaque" ? "opaque" : `read: ${answer.status} ${await answer.text()}`;
  } catch (error) {
    return failed(error);
  }
}

/** What can be told of another window: everything that is not thrown. */
function told(other: Window): string {
  const questions: [string, () => unknown][] = [
    ["href", () => other.location.href],
    ["text", () => other.document.body.textContent],
    ["cookie", () => other.document.cookie],
    ["storage", () => JSON.stringify(other.localStorage)],
    ["name", () => other.name],
  ];
  const answers = questions.flatMap(([name, ask]) => {
    try {
      return [`${name}=${ask()}`];
    } catch {
      return [];
    }
  });
  return answers.length === 0 ? "shut" : answers.join(" ");
}

const attempts: Record<string, Attempt> = {
  read: (url) => fetched(url, {}),
  post: (url) => fetched(url, { method: "POST" }),
  "post unasked": (url) => fetched(url, { method: "POST", mode: "no-cors", body: "x" }),
  "put json": (url) =>
    fetched(url, { method: "PUT", body: '{"value":"x"}', headers: { "content-type": "application/json" } }),
  delete: (url) => fetched(url, { method: "DELETE" }),
  "read unasked": (url) => fetched(url, { mode: "no-cors" }),
  script: element("script", "src"),
  module: element("script", "src", { type: "module" }),
  image: element("img", "src"),
  style: element("link", "href", { rel: "stylesheet" }),
  object: element("object", "data"),
  beacon: async (url) => `sent: ${navigator.sendBeacon(url, "x")}`,
  socket: (url) =>
    settled((done) => {
      const socket = new WebSocket(url.replace(/^http/, "ws"));
      socket.onopen = () => done("open");
      socket.onerror = () => done("failed: error");
    }),
  events: (url) =>
    settled((done) => {
      const source = new EventSource(url, { withCredentials: true });
      source.onopen = () => done("open");
      source.onerror = () => done("failed: error");
    }),
  frame: (url) =>
    settled((done) => {
      const frame = document.createElement("iframe");
      frame.onload = () => done(frame.contentWindow ? told(frame.contentWindow) : "shut");
      frame.src = url;
      document.body.append(frame);
    }),
  form: (url) =>
    settled((done) => {
      const frame = document.createElement("iframe");
      frame.name = `form-${Math.random()}`;
      document.body.append(frame);
      const form = document.createElement("form");
      Object.assign(form, { action: url, method: "POST", target: frame.name, enctype: "text/plain" });
      form.innerHTML = `<input name='{"value":"' value='x"}'>`;
      document.body.append(form);
      frame.onload = () => done(frame.contentWindow ? told(frame.contentWindow) : "shut");
      form.submit();
    }),
  /** Opens it, and asks the window for as long as there is a hold on it. */
  window: (url) =>
    settled((done) => {
      const other = open(url);
      if (other === null) return done("no window");
      const seen = new Set<string>();
      const look = setInterval(() => {
        if (other.closed) {
          clearInterval(look);
          done(`cut off ${[...seen].join()}`.trim());
          return;
        }
        other.postMessage({ molt: "sign out" }, "*");
        const now = told(other);
        // An empty page of our own making comes first.
        if (!now.includes("about:blank")) seen.add(now);
      }, 20);
    }),
  worker: async (path) => {
    const [script = "", scope] = path.split(" ");
    try {
      const made = await navigator.serviceWorker.register(script, scope === undefined ? {} : { scope });
      return `registered at ${made.scope}`;
    } catch (error) {
      return failed(error);
    }
  },
  workers: async () => String((await navigator.serviceWorker.getRegistrations()).length),
  cookie: async (cookie) => {
    // biome-ignore lint/suspicious/noDocumentCookie: the attack is made of it.
    document.cookie = cookie;
    return document.cookie;
  },
  "cookie store": async (told) => {
    try {
      const [name = "", domain = ""] = told.split(" ");
      await (globalThis as unknown as { cookieStore: { set(it: object): Promise<void> } }).cookieStore.set({
        name,
        value: "forged",
        path: "/",
        ...(domain !== "" && { domain }),
      });
      return document.cookie;
    } catch (error) {
      return failed(error);
    }
  },
  domain: async (domain) => {
    try {
      document.domain = domain;
    } catch {
      // A refusal is as good as no effect.
    }
    return `${document.domain} ${(globalThis as unknown as { originAgentCluster: boolean }).originAgentCluster}`;
  },
  opener: async (url) => {
    if (window.opener === null) return "no opener";
    window.opener.location.href = url;
    return "led away";
  },
};

Object.assign(globalThis, { attempt: (name: string, target: string) => attempts[name]?.(target) });
