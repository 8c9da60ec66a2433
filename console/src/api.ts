// The service's HTTP interface as the console uses it: one typed function per route, and errors as values of two
// classes, so that every caller can tell "the service said no" from "the service was not reached".

import type { ChangedChannel, Channel, ChannelChange } from "./channel.ts";
import type { EdgeChange } from "./edge-report.ts";

export type AgentState = "asleep" | "starting" | "running" | "stopping" | "failed";
export type Phase = "allocate" | "restore" | "inject" | "boot" | "ready" | "quiesce" | "upload" | "destroy";

export interface Session {
  readonly asset: string;
  readonly wallet: string;
  readonly domain: string;
  readonly expiresAt: string;
}

export interface SignInInput {
  readonly domain: string;
  readonly address: string;
  readonly statement?: string;
  readonly uri?: string;
  readonly version?: string;
  readonly chainId?: string;
  readonly nonce?: string;
  readonly issuedAt?: string;
  readonly expirationTime?: string;
  readonly notBefore?: string;
  readonly requestId?: string;
  readonly resources?: readonly string[];
}

export interface Challenge {
  readonly nonce: string;
  readonly message: string;
  readonly input: SignInInput;
  /** Base64 of a transaction that can never land, with the message as its memo. */
  readonly transaction: string;
}

/** A signed challenge: a signature, with what was signed where that is not the message, or the signed transaction. */
export type Proof =
  | { readonly nonce: string; readonly signature: string; readonly signedMessage?: string }
  | { readonly nonce: string; readonly transaction: string };

export interface Status {
  readonly asset: string;
  readonly domain: string;
  readonly state: AgentState;
  readonly phase: Phase | null;
  readonly since: string;
  readonly lastSnapshot:
    | ({ readonly id: string; readonly createdAt: string; readonly size: number } & LeakReport)
    | null;
  readonly problem: Problem | null;
  /** A change of a secret on its way to the running agent. */
  readonly renewal: "reload" | "restart" | null;
  /** While it sleeps: when its own schedule wakes it next. */
  readonly nextWakeAt?: string | null;
  readonly agentUrl: string;
}

/** Why an agent is not as it was asked to be. */
export interface Problem {
  readonly code: string;
  readonly detail: string;
  /** The last lines of its log. */
  readonly lines?: readonly string[];
}

export interface SecretEntry {
  readonly name: string;
  readonly source: "user" | "platform" | "none";
  readonly prefix: string | null;
  readonly setAt: string | null;
  /** The last start that took the value in force. */
  readonly usedAt: string | null;
  /** The owner's own value can't be opened any more; agents start without it. */
  readonly unreadable?: boolean;
  /** The agent gets a placeholder: the service puts the value into the calls itself. */
  readonly keyless?: boolean;
}

/** When a change of a secret or a setting takes effect. A newer service may know other ways. */
export type Effect = "reloading" | "restarting" | "nextStart";

export interface ChangedSecret extends SecretEntry {
  readonly effect: Effect;
}

/** What became of keys that were typed into the agent's own pages. */
export interface SecretImport {
  readonly imported: readonly string[];
  /** Set already, or not of the form that such a key has. */
  readonly refused: readonly string[];
}

/** What the leak check did to a snapshot. A field with nothing to tell is absent. */
export interface LeakReport {
  /** Files that are not in it, because a secret was found in them or they could not be searched. */
  readonly leftOut?: readonly string[];
  /** How many: not all need be named. */
  readonly leftOutCount?: number;
  /** Databases in which a secret was overwritten. */
  readonly masked?: readonly string[];
  /** Providers whose keys were typed into the agent's own pages, and are in no snapshot. */
  readonly typedKeys?: readonly string[];
}

export interface Settings {
  /** What the owner chose. */
  readonly model: string | null;
  readonly defaultModel: string | null;
  /** What a start takes now: the default also when the chosen model's provider has no key. */
  readonly modelInForce: string | null;
  readonly suggestions: readonly string[];
  /** Providers whose key the owner chose to keep out of the agent, also those without a key yet. */
  readonly keyless: readonly string[];
  /** Whether this service can put keys into an agent's calls. */
  readonly keylessOffered: boolean;
}

export interface ChangedSettings extends Settings {
  readonly effect: Effect;
}

/** What went through the service to one provider with one key. */
export interface ProviderUsage {
  readonly name: string;
  readonly source: "user" | "platform";
  readonly requests: number;
  readonly tokens: number;
}

export interface UsageBudget {
  readonly used: number;
  readonly limit: number;
}

/** Calls to models of one day (UTC). What an agent calls with a key that it holds itself is not in it. */
export interface Usage {
  readonly day: string;
  readonly resetsAt: string;
  readonly providers: readonly ProviderUsage[];
  /** Of the platform's keys alone. */
  readonly budget: { readonly requests: UsageBudget; readonly tokens: UsageBudget };
}

export interface Snapshot extends LeakReport {
  readonly id: string;
  readonly createdAt: string;
  readonly cause: string;
  readonly size: number;
  readonly files: number;
  readonly sha256: string;
  /** Version of OpenClaw that wrote the state. */
  readonly openclaw: string;
  /** It is no archive, and can't be downloaded. */
  readonly incremental?: true;
}

export interface AgentLog {
  /** Newest last. */
  readonly lines: readonly string[];
  readonly takenAt: string | null;
  /** Of the agent that runs now; else kept from when it last ended. */
  readonly live: boolean;
}

/** Steps of a start that are timed. */
export type TimedPhase = Extract<Phase, "allocate" | "restore" | "inject" | "boot">;

/** One time that the agent was awake, from the start on. */
export interface Wake {
  readonly at: string;
  readonly cause: string;
  /** Milliseconds. A phase that the start did not come to is absent. */
  readonly phases: Readonly<Partial<Record<TimedPhase, number | null>>>;
  readonly readyAt: string | null;
  readonly restoredBytes: number | null;
  readonly endedAt: string | null;
  readonly end: string | null;
}

/** What an agent was awake in one day (UTC). */
export interface WakeDay {
  readonly day: string;
  readonly minutes: number;
  /** How often it woke, by cause. */
  readonly causes: Readonly<Record<string, number>>;
}

export interface Wakes {
  readonly wakes: readonly Wake[];
  /** Milliseconds until half, and 95 of 100, of the wakes were ready. */
  readonly ready: { readonly p50: number | null; readonly p95: number | null };
  readonly days: readonly WakeDay[];
}

/** Somebody who waits to be let in. */
export interface Waiting {
  readonly id: string;
  readonly kind: "person" | "device";
  /** What they call themselves, and by what they are known. */
  readonly name: string;
  readonly askedAt: string | null;
  /** When they wait no longer, and have to ask again. */
  readonly expiresAt: string | null;
  /** What they were told to give their owner, where the service knows it. */
  readonly code?: string;
}

/** The agent's own wallet. Amounts are texts: a number would lose digits that somebody pays for. */
export interface AgentWallet {
  readonly address: string;
  readonly sol: string;
  readonly tokens: readonly Token[];
  /** How many token accounts are not among these. */
  readonly moreTokens: number;
  readonly slot: number;
  /** Seconds since it was read. */
  readonly age: number;
  readonly fund: { readonly address: string; readonly solanaPay: string };
}

export interface Token {
  readonly mint: string;
  readonly baseUnits: string;
  /** In decimals; absent where the mint can't be read. */
  readonly amount?: string;
  readonly frozen: boolean;
}

/** What the agent's wallet is to do. */
export type Plan =
  | { readonly operation: "transfer_sol"; readonly to: string; readonly amount: string; readonly toProgram?: true }
  | {
      readonly operation: "transfer_token";
      readonly mint: string;
      readonly to: string;
      readonly amount: string;
      readonly toProgram?: true;
      readonly createAccount?: true;
    };

/** A transaction for the owner to sign. */
export interface PreparedTransaction {
  /** Base64. */
  readonly transaction: string;
  /** The cluster that it is for. */
  readonly chain: string;
  /** Lamports that the owner's own wallet pays. */
  readonly fee: { readonly total: string; readonly rent: string };
  /** What it does, read from the transaction itself. */
  readonly summary: readonly string[];
  readonly notes: readonly string[];
}

export type TransactionState = "prepared" | "sent" | "confirmed" | "finalized" | "failed" | "expired";

export interface Transaction {
  /** Null for one that was not sent from here. */
  readonly signature: string | null;
  readonly state: TransactionState;
  readonly summary: readonly string[];
  readonly preparedAt: string;
}

/** What the agent asks its wallet to do. */
export interface Proposal {
  readonly id: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  /** In the service's words. */
  readonly summary: readonly string[];
  /** In the agent's own, which may be untrue. */
  readonly reason: string;
}

export interface ProposalList {
  /** Newest first. */
  readonly proposals: readonly Proposal[];
  /** Those that were taken. */
  readonly today: number;
  readonly perDay: number;
  readonly refusedToday: number;
}

/** A file to send, with the hash that the service compares it with. */
export interface Upload {
  readonly bytes: ArrayBuffer;
  readonly type: string;
  /** In the form of the `Repr-Digest` header. */
  readonly digest: string;
}

/** The service answered, and the answer is an error. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly field: string | null;
  /** Seconds, from `Retry-After`. */
  readonly retryAfter: number | null;

  constructor(
    status: number,
    detail: string,
    code = "",
    field: string | null = null,
    retryAfter: number | null = null,
  ) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.field = field;
    this.retryAfter = retryAfter;
  }
}

/** No answer: offline, refused, or out of time. */
export class NetworkError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NetworkError";
  }
}

interface Options {
  readonly body?: unknown;
  /** A body that is sent as it is, in place of JSON. */
  readonly file?: Upload;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutSeconds?: number;
}

const DEFAULT_TIMEOUT_SECONDS = 30;
/** Quiescing an agent and uploading its state takes minutes when the state is large. */
const SNAPSHOT_TIMEOUT_SECONDS = 300;
/** The largest file over a slow line. */
const UPLOAD_TIMEOUT_SECONDS = 1_800;

async function request<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const timeout = AbortSignal.timeout((options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1000);
  const init: RequestInit = {
    method,
    headers: { accept: "application/json, application/problem+json" },
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
  };
  if (options.body !== undefined) {
    init.headers = { ...init.headers, "content-type": "application/json" };
    init.body = JSON.stringify(options.body);
  }
  if (options.file !== undefined) {
    init.headers = { ...init.headers, "content-type": options.file.type, "repr-digest": options.file.digest };
    init.body = options.file.bytes;
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, init);
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new NetworkError(timeout.aborted ? "The service took too long to answer." : "The service cannot be reached.");
  }
  const body = parseJson(text);
  if (!response.ok) throw toApiError(response, body);
  if (response.status !== 204 && body === undefined) {
    throw new ApiError(response.status, "The service gave an answer that this page does not understand.", "unexpected");
  }
  return body as T;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toApiError(response: Response, body: unknown): ApiError {
  const problem = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (key: string) => (typeof problem[key] === "string" ? problem[key] : "");
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return new ApiError(
    response.status,
    text("detail") || text("title") || `The service answered with status ${response.status}.`,
    text("code"),
    text("field") || null,
    Number.isFinite(seconds) ? seconds : null,
  );
}

export const auth = {
  challenge: (asset: string, wallet: string, signal: AbortSignal) =>
    request<Challenge>("POST", "/v1/auth/challenge", { body: { asset, wallet }, signal }),
  verify: (proof: Proof, signal: AbortSignal) => request<Session>("POST", "/v1/auth/verify", { body: proof, signal }),
  session: () => request<Session>("GET", "/v1/auth/session"),
  logout: () => request<void>("POST", "/v1/auth/logout"),
};

export type AgentApi = ReturnType<typeof agentApi>;

/** The routes of one agent. `signal` ends every request under way when the owner leaves the agent's screen. */
export function agentApi(asset: string, signal: AbortSignal) {
  const base = `/v1/agents/${encodeURIComponent(asset)}`;
  const secret = (name: string) => `${base}/secrets/${encodeURIComponent(name)}`;
  const channel = (name: string) => `${base}/channels/${encodeURIComponent(name)}`;
  const waiting = (id: string, word: string) => `${base}/pairing/${encodeURIComponent(id)}/${word}`;
  const proposal = (id: string, word: string) => `${base}/wallet/proposals/${encodeURIComponent(id)}/${word}`;
  const snapshot = (id: string) => `${base}/snapshots/${encodeURIComponent(id)}`;
  return {
    signal,
    eventsUrl: `${base}/events`,
    status: () => request<Status>("GET", base, { signal }),
    start: () => request<Status>("POST", `${base}/start`, { signal }),
    stop: () => request<Status>("POST", `${base}/stop`, { signal }),
    restart: () => request<Status>("POST", `${base}/restart`, { signal }),
    open: () => request<{ url: string }>("POST", `${base}/open`, { signal }),
    secrets: () => request<{ secrets: SecretEntry[] }>("GET", `${base}/secrets`, { signal }),
    setSecret: (name: string, value: string) =>
      request<ChangedSecret>("PUT", secret(name), { body: { value }, signal }),
    deleteSecret: (name: string) => request<ChangedSecret>("DELETE", secret(name), { signal }),
    importSecrets: () => request<SecretImport>("POST", `${base}/secrets/import`, { signal, timeoutSeconds: 60 }),
    settings: () => request<Settings>("GET", `${base}/settings`, { signal }),
    setModel: (model: string | null) =>
      request<ChangedSettings>("PUT", `${base}/settings`, { body: { model }, signal }),
    setKeyless: (keyless: readonly string[]) =>
      request<ChangedSettings>("PUT", `${base}/settings`, { body: { keyless }, signal }),
    usage: () => request<Usage>("GET", `${base}/usage`, { signal }),
    snapshots: () => request<{ snapshots: Snapshot[] }>("GET", `${base}/snapshots`, { signal }),
    takeSnapshot: () =>
      request<Snapshot>("POST", `${base}/snapshots`, { signal, timeoutSeconds: SNAPSHOT_TIMEOUT_SECONDS }),
    uploadSnapshot: (file: Upload) =>
      request<Snapshot>("POST", `${base}/snapshots`, { file, signal, timeoutSeconds: UPLOAD_TIMEOUT_SECONDS }),
    /** Where the archive is downloaded from. */
    snapshotUrl: snapshot,
    restoreSnapshot: (id: string) => request<Status>("POST", `${snapshot(id)}/restore`, { signal }),
    deleteSnapshot: (id: string) => request<void>("DELETE", snapshot(id), { signal }),
    channels: () => request<{ channels: Channel[] }>("GET", `${base}/channels`, { signal }),
    setTelegram: (body: ChannelChange) => request<ChangedChannel>("PUT", channel("telegram"), { body, signal }),
    deleteTelegram: () => request<ChangedChannel>("DELETE", channel("telegram"), { signal }),
    setEdgeChannel: (name: string, body: EdgeChange) => request<Channel>("PUT", channel(name), { body, signal }),
    deleteEdgeChannel: (name: string) => request<Channel>("DELETE", channel(name), { signal }),
    shutOut: (name: string, person: string) =>
      request<Channel>("DELETE", `${channel(name)}/people/${encodeURIComponent(person)}`, { signal }),
    pairing: () => request<{ waiting: Waiting[] }>("GET", `${base}/pairing`, { signal, timeoutSeconds: 60 }),
    approve: (id: string) =>
      request<{ waiting: Waiting[] }>("POST", waiting(id, "approve"), { signal, timeoutSeconds: 60 }),
    reject: (id: string) =>
      request<{ waiting: Waiting[] }>("POST", waiting(id, "reject"), { signal, timeoutSeconds: 60 }),
    wallet: () => request<AgentWallet>("GET", `${base}/wallet`, { signal }),
    prepareTransaction: (plan: Plan) =>
      request<PreparedTransaction>("POST", `${base}/wallet/transactions`, { body: plan, signal }),
    sendTransaction: (transaction: string) =>
      request<{ signature: string }>("POST", `${base}/wallet/transactions/send`, { body: { transaction }, signal }),
    transactions: () => request<{ transactions: Transaction[] }>("GET", `${base}/wallet/transactions`, { signal }),
    proposals: () => request<ProposalList>("GET", `${base}/wallet/proposals`, { signal }),
    prepareProposal: (id: string) => request<PreparedTransaction>("POST", proposal(id, "prepare"), { signal }),
    rejectProposal: (id: string) => request<void>("POST", proposal(id, "reject"), { signal }),
    logs: () => request<AgentLog>("GET", `${base}/logs`, { signal }),
    wakes: () => request<Wakes>("GET", `${base}/wakes`, { signal }),
  };
}
