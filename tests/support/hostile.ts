// Two tenants of one service: one whose agent and visitor attack, and a neighbour who must not notice.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { devWalletAddress } from "../../dev/solana/accounts.ts";
import type { StackOptions } from "../../dev/stack.ts";
import { type FakeAgent, fakeAgentStack, Owned } from "./agent.ts";
import type { Client } from "./client.ts";
import { type Answer, type Headers, sendRaw } from "./http.ts";
import { assertProblem } from "./problem.ts";
import type { TestStack } from "./stack.ts";
import { AGENT_COOKIE } from "./tokens.ts";
import { inTime } from "./wait.ts";

type Options = Omit<StackOptions, "stateDir" | "agentDir" | "engine">;

export class Arena {
  readonly stack: TestStack & { agent: FakeAgent };
  readonly owned: Owned;
  readonly other: Owned;
  readonly visitor: Client;
  readonly neighbour: Client;
  readonly wallet: string;
  readonly #token: string | undefined;

  private constructor(stack: Arena["stack"], tenants: [Owned, Owned], clients: [Client, Client], wallet: string) {
    this.stack = stack;
    [this.owned, this.other] = tenants;
    [this.visitor, this.neighbour] = clients;
    this.wallet = wallet;
    this.#token = this.visitor.cookies.get(AGENT_COOKIE);
  }

  /** Both agents run, and both owners came in. Nothing happens by itself meanwhile. */
  static async open(name: string, options: Options = {}): Promise<Arena> {
    const vars = { SNAPSHOT_PERIOD: "86400", IDLE_TIMEOUT: "86400", ...options.vars };
    const stack = await fakeAgentStack({ ...options, vars });
    const owned = await Owned.ofNew(stack, `${name}.molt`);
    const other = await Owned.ofNew(stack, `${name}-neighbour.molt`, "buyer");
    await Promise.all([owned.start(), other.start()]);
    const clients: [Client, Client] = [await owned.enter(stack), await other.enter(stack)];
    return new Arena(stack, [owned, other], clients, await devWalletAddress("owner"));
  }

  get cookie(): string {
    return `${AGENT_COOKIE}=${this.#token}`;
  }

  /** Requests that came to the attacked agent, as it saw them. */
  async seen(): Promise<string[]> {
    return (await this.visitor.get("/seen", { cookie: this.cookie })).json().seen;
  }

  /** Bytes on a connection to the agent's host. `Connection: close` is the bytes' to say. */
  raw(bytes: string): Promise<string> {
    return sendRaw(this.visitor.port, Buffer.from(bytes, "latin1"));
  }

  /** Likewise, until the first head has come back, or the other side ends it: what became a socket stays open. */
  async rawHead(bytes: string): Promise<string> {
    const socket = connect(this.visitor.port, "127.0.0.1");
    let answer = "";
    socket.on("error", () => {});
    socket.write(Buffer.from(bytes, "latin1"));
    const head = (async () => {
      for await (const chunk of socket.setEncoding("latin1")) {
        answer += chunk;
        if (answer.includes("\r\n\r\n")) break;
      }
    })();
    await inTime(
      "head on a raw connection",
      head.catch(() => {}),
    ).finally(() => socket.destroy());
    return answer;
  }

  /** After whatever was tried: both owners are in, both agents answer and are the ones that ran before, and no cookie changed. */
  async unharmed(): Promise<void> {
    const [own, others] = await Promise.all([
      this.visitor.get("/echo", { cookie: this.cookie }),
      this.neighbour.get("/echo"),
    ]);
    assert.deepEqual([own.status, others.status], [200, 200], `${own.text}\n${others.text}`);
    const states = await Promise.all([this.owned.status(), this.other.status()]);
    assert.deepEqual(
      states.map(({ state, problem }) => [state, problem]),
      [
        ["running", null],
        ["running", null],
      ],
    );
    assert.equal(this.visitor.cookies.get(AGENT_COOKIE), this.#token, "the session's cookie is the same");
  }
}

/** What became of a request: its answer, or that the connection broke before the end of it. */
export async function outcome(request: Promise<Answer>): Promise<Answer | "cut"> {
  try {
    return await request;
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (code.startsWith("ECONN") || code.startsWith("HPE_") || /aborted|hang up/.test(message)) return "cut";
    throw error;
  }
}

/** An answer of ours in place of the agent's. */
export function assertRefused(answer: Answer | "cut"): void {
  assert.ok(answer !== "cut", "the connection broke");
  if (answer.status === 503) assertProblem(answer, 503, "agent_unavailable");
  else assertProblem(answer, 502, "agent_bad_response");
}

/** The status lines of all answers on a raw connection. */
export const statuses = (answers: string): number[] =>
  [...answers.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));

/** What crosses no origin's border, on every answer of an agent's host. */
export function assertApart({ headers }: Answer): void {
  const expected: Headers = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "origin-agent-cluster": "?1",
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(headers[name], value, name);
  assert.match(String(headers["cross-origin-opener-policy"]), /^same-origin(-allow-popups)?$/);
  assert.match(String(headers["content-security-policy"]), /(^|, )frame-ancestors 'self'$/);
}
