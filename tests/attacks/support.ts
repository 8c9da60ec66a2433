// Attacks as data: what is sent, and the answer that it must get. Each is a test of its own, and after each the victim's
// domain is as it was: its object's rows, everything in R2, how many objects hold anything, and what agents and models were asked.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { fakeAgentStack, Owned, placeOf } from "../support/agent.ts";
import { type Answer, type Headers, send, sendRaw } from "../support/http.ts";
import { contentOf, inhabitedCount } from "../support/objects.ts";
import { assertProblem } from "../support/problem.ts";
import { r2Keys } from "../support/storage.ts";
import { claimsOf, SESSION_COOKIE } from "../support/tokens.ts";

export type Stack = Awaited<ReturnType<typeof fakeAgentStack>>;

export interface Sent {
  method?: string;
  path: string;
  /** In place of the app origin's. */
  host?: string;
  headers?: Headers;
  /** A stream goes in chunks, without a length. */
  body?: string | Uint8Array | Readable;
  json?: unknown;
  /** Whose cookie goes along, as a browser would send it. */
  as?: Owned;
}

/** The refusal as status, code and field, or what looks at an answer that is harmless. */
export type Gets = readonly [status: number, code: string, field?: string] | ((answer: Answer) => void);

export interface Attack extends Sent {
  name: string;
  gets: Gets;
}

export interface RawAttack {
  name: string;
  /** Written to the connection as it is. */
  bytes: string | Uint8Array;
  /** What all that came back must match. */
  gets: RegExp;
}

/**
 * That nobody took it: our refusal, that of the local runtime's front, which makes no URL of it and says so with a plain 500,
 * or a connection that was closed.
 */
export const UNTAKEN =
  /^(HTTP\/1\.1 (?:4\d\d|501) |HTTP\/1\.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 21\r\n|$)/;

/** Several files start their stacks side by side. */
const PATIENCE = { within: 180_000 };
const KEY_OF_A_TENANT = /^tenants\/\w{32,44}\/\w{32,44}\/(?:snapshots|chunks)\/[0-9a-f]{32}$/;
/** What a victim's key begins with, so that any other in its place is seen. */
const VICTIMS_KEY = "sk-victim-0123456789abcdef0123456789abcdef";
const VICTIMS_MODEL = "openai/gpt-5.4-mini";

export class Battle {
  readonly surface: string;
  /** The promises that are attacked, before the surface in each test's name. */
  readonly promises: string;
  readonly stack: Stack;
  /** An owner who sleeps: nothing of theirs changes by itself. */
  readonly victim: Owned;
  /** An owner of another domain, with a session as good as the victim's. */
  readonly attacker: Owned;
  readonly #names = new Set<string>();
  #before: unknown;

  private constructor(surface: string, promises: string, stack: Stack, victim: Owned, attacker: Owned) {
    this.surface = surface;
    this.promises = promises;
    this.stack = stack;
    this.victim = victim;
    this.attacker = attacker;
    this.begin();
  }

  /** What is now is what must be afterwards: again after preparations, and before the first attack. */
  begin(): void {
    this.#before = this.state();
  }

  static async on(
    surface: string,
    promises: string,
    options: Parameters<typeof fakeAgentStack>[0] = {},
  ): Promise<Battle> {
    // A reading of the chain holds for long, so that none comes between two looks at the state.
    const vars = { OWNERSHIP_MAX_AGE: "300", OWNERSHIP_GRACE: "300", ...options.vars };
    const stack = await fakeAgentStack({ ...options, vars });
    const victim = await Owned.ofNew(stack, "victim.molt");
    for (const [path, json] of [
      ["secrets/openai", { value: VICTIMS_KEY }],
      ["settings", { model: VICTIMS_MODEL }],
    ] as const) {
      const answer = await victim.client.put(`${victim.path}/${path}`, json);
      assert.equal(answer.status, 200, answer.text);
    }
    await victim.start(PATIENCE);
    await victim.ask("stop");
    await victim.in("asleep", PATIENCE);
    assert.notDeepEqual(await victim.snapshots(), [], "there is an archive to reach for");
    const attacker = await Owned.ofNew(stack, "attacker.molt", "buyer");
    return new Battle(surface, promises, stack, victim, attacker);
  }

  get #title(): string {
    return `${this.promises} ${this.surface}`;
  }

  get port(): number {
    return this.victim.client.port;
  }

  /** The start of the victim's agent in the victim's name, with these lines of its head, as it goes over a connection. */
  start(lines: readonly string[], target = `${this.victim.path}/start`): string {
    return [
      `POST ${target} HTTP/1.1`,
      ...lines,
      `Origin: ${this.stack.appOrigin}`,
      `Cookie: ${this.cookie(this.victim)}`,
      "Content-Length: 0",
      "Connection: close",
      "",
      "",
    ].join("\r\n");
  }

  /** The cookie pair of an owner's session. */
  cookie(owned: Owned): string {
    return `${SESSION_COOKIE}=${this.token(owned)}`;
  }

  token(owned: Owned): string {
    return owned.client.cookies.get(SESSION_COOKIE) ?? assert.fail("no session");
  }

  /** All that an attack could have changed. */
  state(): unknown {
    const { stack, victim } = this;
    const { domain = [], ...rows } = contentOf(stack, victim.asset);
    return {
      ...rows,
      // When and at which slot the chain was last read is nobody's harm.
      domain: domain.map(({ checked_at: _at, slot: _slot, ...domain }) => domain),
      // What others keep where it belongs is theirs.
      archives: r2Keys(stack, "").filter((key) => key.includes(victim.asset) || !KEY_OF_A_TENANT.test(key)),
      objects: inhabitedCount(stack),
      commands: stack.agent.notes().filter(({ place }) => place === placeOf(victim.asset)).length,
      calls: stack.echo.requests.length,
    };
  }

  /** Sends it from an address of its own, so that no attack uses up another's tries. */
  send({ method = "GET", path, host, headers = {}, body, json, as }: Sent): Promise<Answer> {
    const client = this.stack.client();
    const content = json === undefined ? body : JSON.stringify(json);
    return send({
      method,
      path,
      host: host ?? client.host,
      port: client.port,
      headers: {
        ...client.headers(method),
        ...(as && { cookie: this.cookie(as) }),
        ...(json !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(content !== undefined && { body: content }),
    });
  }

  /** One attack, by whatever `act` does; it is counted, and changes nothing. */
  attack(name: string, act: () => Promise<void>): void {
    assert.ok(!this.#names.has(name), `two attacks have the name "${name}"`);
    this.#names.add(name);
    test(`${this.#title}: ${name}`, async () => {
      let ok = false;
      try {
        const before = this.state();
        await act();
        assert.deepEqual(this.state(), before, "it changed something");
        ok = true;
      } finally {
        const file = process.env.ATTACKS_TABLE;
        if (file) appendFileSync(file, `${JSON.stringify({ surface: this.surface, name, ok })}\n`);
      }
    });
  }

  /** Attacks as data. */
  all(attacks: readonly Attack[]): void {
    for (const { name, gets, ...sent } of attacks) this.attack(name, async () => check(await this.send(sent), gets));
  }

  raw(attacks: readonly RawAttack[]): void {
    for (const { name, bytes, gets } of attacks) {
      this.attack(name, async () => assert.match(await sendRaw(this.port, bytes), gets));
    }
  }

  /** Registered last: after all of it the victim's session lives, nothing was changed late, and no log tells a secret. */
  afterwards(): void {
    test(`${this.#title}: afterwards all is as it was`, async () => {
      assert.ok(this.#names.size > 0, "there were no attacks");
      assert.deepEqual(this.state(), this.#before);
      const { victim, stack } = this;
      assert.equal((await victim.client.get("/v1/auth/session")).status, 200);
      assert.equal((await victim.status()).state, "asleep");
      assert.ok(claimsOf(victim.client).jti);
      const logs = stack.logs.join("\n");
      assert.doesNotMatch(logs, /panick|unreachable executed|hung and would never/i);
      for (const secret of [this.token(victim), stack.secrets.JWT_SECRET, stack.secrets.OPENAI_API_KEY, VICTIMS_KEY]) {
        assert.ok(!logs.includes(secret), "a log holds a secret");
      }
    });
  }
}

export function check(answer: Answer, gets: Gets): void {
  if (typeof gets === "function") return gets(answer);
  const [status, code, field] = gets;
  assertProblem(answer, status, code, field);
  assert.deepEqual(answer.setCookies, [], "a refusal sets no cookie");
}

/** Of an answer that is harmless: its status, and nothing of the victim's. */
export function status(...expected: number[]): (answer: Answer) => void {
  return (answer) => {
    assert.ok(expected.includes(answer.status), `${answer.status} ${answer.text.slice(0, 300)}`);
    assert.deepEqual(answer.setCookies, []);
  };
}
