// A page that a hostile agent serves, in a real browser with real cookies: what it tries against the console, the API, another
// agent of the same person, and the hosts' cookies. The agents' hosts have a parent of their own, as in production, so that
// pages may set cookies for it.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { ownPort } from "../../dev/ports.ts";
import { devAssetAddress } from "../../dev/solana/accounts.ts";
import { buildConsole, CONSOLE_OUT } from "../../scripts/build.mjs";
import { fromRoot } from "../../scripts/lib/project.mjs";
import { fakeAgentStack, Owned } from "../support/agent.ts";
import { AGENT_COOKIE, SESSION_COOKIE } from "../support/tokens.ts";
import { launch, Person } from "./support/browser.ts";
import { Console } from "./support/console.ts";

if (!existsSync(join(CONSOLE_OUT.development, "main.js"))) await buildConsole("development");
const browser = await launch();
after(() => browser.close());
const port = await ownPort();
const PARENT = "agents.localhost";
const vars = { AGENT_DOMAIN: `${PARENT}:${port}`, SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400" };
const stack = await fakeAgentStack({ port, vars });
const owned = await Owned.of(stack, await devAssetAddress("alice.molt"));
const other = await Owned.ofNew(stack, "second.molt", "owner");
await Promise.all([owned.start(), other.start()]);

/** What the hostile agent serves. */
const hostile = await owned.enter(stack);
const script = await build({
  entryPoints: [fromRoot("tests/browser/page/hostile.ts")],
  bundle: true,
  write: false,
  format: "iife",
  target: "es2023",
});
const WORKER = "self.addEventListener('fetch', (event) => event.respondWith(new Response('taken over')));";
for (const [path, type, body] of [
  ["hostile.html", "text/html", "<!doctype html><title>Hostile</title><body><script src='/hostile.js'></script>"],
  ["hostile.js", "text/javascript", script.outputFiles[0]?.text ?? ""],
  ["sw.js", "text/javascript", WORKER],
  ["apps/sw.js", "text/javascript", WORKER],
] as const) {
  const put = await hostile.request("PUT", `/files/${path}`, { body, headers: { "content-type": type } });
  assert.equal(put.status, 200, put.text);
}

// One person, one browser: signed in to the console, and in both agents.
const person = await Person.in(browser);
const consolePage = await person.context.newPage();
const console = new Console(consolePage);
await consolePage.goto(stack.appOrigin);
await console.askToSignIn("owner", "alice.molt");
await console.reaches("Running", 60_000);
const second = await enter(other);
await second.close();
const { tab } = await console.open();
await tab.getByRole("heading", { name: "agent", exact: true }).waitFor();
const agent = new URL(tab.url()).origin;
const neighbour = new URL((await other.status()).agentUrl).origin;
await tab.goto(`${agent}/hostile.html`);
const { appOrigin: app } = stack;
const api = `${app}/v1/agents/${owned.asset}`;
const before = await tokens();

async function enter(one: Owned): Promise<Page> {
  const page = await person.context.newPage();
  await page.goto((await one.client.post(`${one.path}/open`)).json().url);
  await page.getByRole("heading", { name: "agent", exact: true }).waitFor();
  return page;
}

/** Our tokens in the browser, by host. */
async function tokens(): Promise<[string, string, string][]> {
  const cookies = await person.context.cookies();
  return cookies
    .filter(({ name }) => name === AGENT_COOKIE || name === SESSION_COOKIE)
    .map(({ domain, name, value }): [string, string, string] => [domain, name, value])
    .sort();
}

type Attempt = (name: string, target: string) => Promise<string>;
/** What came of it, as the page tells. */
const attempt = (name: string, target = ""): Promise<string> =>
  tab.evaluate(([what, at]) => (globalThis as unknown as { attempt: Attempt }).attempt(what, at), [
    name,
    target,
  ] as const);

/** Nothing changed: the same tokens, both agents run and answer, and the person is signed in. */
async function assertUnchanged(): Promise<void> {
  assert.deepEqual(await tokens(), before);
  const states = [await owned.status(), await other.status()].map(({ state, problem }) => [state, problem]);
  assert.deepEqual(states, [
    ["running", null],
    ["running", null],
  ]);
  const session = await consolePage.evaluate(async () => (await fetch("/v1/auth/session")).status);
  assert.equal(session, 200);
  const page = await person.context.newPage();
  const answer = await page.goto(`${neighbour}/page`);
  assert.deepEqual([answer?.status(), await page.textContent("h1")], [200, "agent"]);
  await page.close();
}

function attack(title: string, work: () => Promise<void>): void {
  test(`attack malicious page: ${title}`, async () => {
    await work();
    await assertUnchanged();
  });
}

test("c17 the hostile page runs, with its own agent's cookie, in a browser with all three", async () => {
  assert.match(await attempt("read", "/echo"), /^read: 200 /);
  assert.deepEqual(
    before.map(([domain, name]) => [domain, name]).sort(),
    [
      [new URL(agent).hostname, AGENT_COOKIE],
      [new URL(neighbour).hostname, AGENT_COOKIE],
      ["localhost", SESSION_COOKIE],
    ].sort(),
  );
  await assertUnchanged();
});

const PLACES: [string, string][] = [
  ["the session", `${app}/v1/auth/session`],
  ["the status", api],
  ["the secrets' list", `${api}/secrets`],
  ["the events", `${api}/events`],
  ["the console", `${app}/`],
  ["the console's script", `${app}/main.js`],
  ["another agent", `${neighbour}/echo`],
  ["another agent's state", `${neighbour}/.edge/status`],
];
for (const [title, url] of PLACES) {
  attack(`reads ${title} by fetch`, async () => {
    assert.match(await attempt("read", url), /^failed: /);
    assert.match(await attempt("read unasked", url), /^(failed: |opaque$)/);
  });
  attack(`takes in ${title} as script, image, style or object`, async () => {
    for (const kind of ["script", "module", "image", "style", "object"]) {
      assert.match(await attempt(kind, url), /^(failed: |nothing happened$)/, kind);
    }
  });
  attack(`frames ${title}`, async () => {
    assert.match(await attempt("frame", url), /^(shut|nothing happened)$/);
    const frames = tab.frames().filter((frame) => frame !== tab.mainFrame());
    const texts = await Promise.all(frames.map((frame) => frame.content().catch(() => "")));
    for (const text of texts) assert.doesNotMatch(text, /agent<\/h1>|sign-in|"headers"|"state"/);
  });
  attack(`opens ${title} by WebSocket or as events`, async () => {
    assert.match(await attempt("socket", url), /^failed: /);
    assert.match(await attempt("events", url), /^failed: /);
  });
}

for (const [title, url] of [
  ["the console", `${app}/`],
  ["another agent", `${neighbour}/page`],
] as const) {
  attack(`opens ${title} as a window and keeps hold of it`, async () => {
    const opened = person.context.waitForEvent("page");
    const outcome = await attempt("window", url);
    assert.match(outcome, /^cut off( shut)?$/);
    const page = await opened;
    await page.waitForLoadState();
    assert.equal(await page.evaluate("window.opener"), null);
    await page.close();
  });
}

const CHANGES: [string, string][] = [
  ["sign out", `${app}/v1/auth/logout`],
  ["stop the agent", `${api}/stop`],
  ["ask for an entry", `${api}/open`],
  ["stop the other agent", `${app}/v1/agents/${other.asset}/stop`],
  ["write to another agent", `${neighbour}/memory`],
  ["trade an entry at another agent", `${neighbour}/.edge/enter`],
];
for (const [title, url] of CHANGES) {
  attack(`can't ${title}`, async () => {
    assert.match(await attempt("post", url), /^failed: /);
    assert.match(await attempt("post unasked", url), /^(failed: |opaque$)/);
    assert.match(await attempt("form", url), /^(shut|nothing happened)$/);
    await attempt("beacon", url);
  });
}
attack("can't write or delete a secret", async () => {
  assert.match(await attempt("put json", `${api}/secrets/openai`), /^failed: /);
  assert.match(await attempt("delete", `${api}/secrets/openai`), /^failed: /);
  const { secrets } = (await owned.client.get(`${owned.path}/secrets`)).json();
  assert.equal(secrets.find(({ name }: { name: string }) => name === "openai").source, "platform");
});

for (const what of ["/sw.js", "/sw.js /", "/sw.js /.edge/", "/apps/sw.js", "/apps/sw.js /", "/apps/sw.js /.edge/"]) {
  attack(`registers the service worker ${what}`, async () => {
    assert.match(await attempt("worker", what), /^failed: /);
    assert.equal(await attempt("workers"), "0");
  });
}
attack("makes a service worker of our own script", async () => {
  assert.match(await attempt("worker", "/.edge/enter.js"), /^failed: /);
  assert.equal(await attempt("workers"), "0");
});

for (const domain of ["localhost", PARENT, `.${PARENT}`]) {
  for (const cookie of [
    `${AGENT_COOKIE}=forged; Path=/; Secure; Domain=${domain}`,
    `${SESSION_COOKIE}=forged; Path=/; Secure; Domain=${domain}`,
    `__HOST-molt_agent=forged; Path=/; Secure; Domain=${domain}`,
    `=${AGENT_COOKIE}=forged; Path=/; Domain=${domain}`,
    ` ${AGENT_COOKIE}=forged; Path=/; Domain=${domain}`,
    `\u2000${AGENT_COOKIE}=forged; Path=/; Domain=${domain}`,
    `\u00a0${AGENT_COOKIE}=forged; Path=/; Domain=${domain}`,
    `\u0085${SESSION_COOKIE}=forged; Path=/; Domain=${domain}`,
    `\u3000${SESSION_COOKIE}=forged; Path=/; Domain=${domain}`,
  ]) {
    attack(`sets ${JSON.stringify(cookie)}`, async () => {
      await attempt("cookie", cookie);
    });
  }
}
attack("sets our cookie's name on its own host", async () => {
  await attempt("cookie", `${AGENT_COOKIE}=forged; Path=/; Secure`);
  await attempt("cookie", `${AGENT_COOKIE}=; Path=/; Secure; Max-Age=0`);
  await attempt("cookie store", AGENT_COOKIE);
  await attempt("cookie store", `${AGENT_COOKIE} ${PARENT}`);
  assert.match(await attempt("read", "/echo"), /^read: 200 /);
});
attack("reads the cookies of its host", async () => {
  assert.doesNotMatch(await attempt("cookie", "own=1; Path=/"), /molt_agent=ey|molt_session=ey/);
});

attack("joins its siblings by their common domain", async () => {
  assert.equal(await attempt("domain", PARENT), `${new URL(agent).hostname} true`);
});

attack("leads the page that opened it away", async () => {
  assert.equal(await attempt("opener", "http://evil.example/"), "no opener");
  assert.equal(new URL(consolePage.url()).origin, app);
});

test("c17 nothing that the page tried reached the other agent, but for being looked at", async () => {
  const seen = (await (await other.enter(stack)).get("/seen")).json().seen as string[];
  assert.deepEqual([...new Set(seen)].sort(), ["GET /", "GET /favicon.ico", "GET /page"]);
});
