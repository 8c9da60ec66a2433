// What an agent proposes that its wallet do, as it would from inside its container, and what its owner does with that.
import assert from "node:assert/strict";
import type { FakeAgent, Owned } from "./agent.ts";
import type { Answer } from "./http.ts";
import type { TestStack } from "./stack.ts";
import type { Prepared } from "./wallet.ts";
import { AgentWallet } from "./wallet.ts";

export interface Proposal {
  id: string;
  createdAt: string;
  expiresAt: string;
  operation: Record<string, unknown>;
  summary: string[];
  reason: string;
  source: string;
}

export interface ProposalList {
  proposals: Proposal[];
  today: number;
  perDay: number;
  refusedToday: number;
}

/** What an agent that runs was given to propose with. */
export interface Proposer {
  readonly url: string;
  readonly pass: string;
}

export async function proposerOf(agent: FakeAgent, owned: Owned): Promise<Proposer> {
  const { config, secrets } = agent.injected((await owned.status()).agentUrl);
  const url = config.env.vars.MOLT_PROPOSALS_URL;
  assert.ok(typeof url === "string" && secrets.proposals, "it was given nothing to propose with");
  return { url, pass: secrets.proposals };
}

export function propose(
  { url, pass }: Proposer,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${pass}`, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** The id of what was taken. */
export async function proposed(by: Proposer, operation: object, reason: string): Promise<string> {
  const answer = await propose(by, { operation, reason });
  assert.equal(answer.status, 202, await answer.clone().text());
  return ((await answer.json()) as { id: string }).id;
}

/** An agent that runs, with something in its wallet, and its owner. */
export class Proposing extends AgentWallet {
  readonly by: Proposer;

  private constructor(stack: TestStack, owned: Owned, by: Proposer) {
    super(stack, owned);
    this.by = by;
  }

  static async start(stack: TestStack & { agent: FakeAgent }, name: string): Promise<Proposing> {
    const { owned } = await AgentWallet.ofNew(stack, name);
    await owned.start();
    return new Proposing(stack, owned, await proposerOf(stack.agent, owned));
  }

  /** The id of what was taken. */
  taken(operation: object, reason = "Rent for March."): Promise<string> {
    return proposed(this.by, operation, reason);
  }

  async list(): Promise<ProposalList> {
    const answer = await this.owned.client.get(`${this.path}/proposals`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json();
  }

  /** Has a transaction made of it. */
  askFor(id: string): Promise<Answer> {
    return this.owned.client.post(`${this.path}/proposals/${id}/prepare`);
  }

  async preparedOf(id: string): Promise<Prepared> {
    const answer = await this.askFor(id);
    assert.equal(answer.status, 201, answer.text);
    return answer.json();
  }

  reject(id: string): Promise<Answer> {
    return this.owned.client.post(`${this.path}/proposals/${id}/reject`);
  }
}
