// Development stand-in: the hand that moves the development chain, as functions and over HTTP under /control/.
// Assets may be given by address or name, wallets by address or development label.
import type { IncomingMessage, ServerResponse } from "node:http";
import { DEV_WALLETS, devWalletAddress } from "./accounts.ts";
import { type Behaviour, parseBehaviour } from "./behaviour.ts";
import { pubkey } from "./core-layout.ts";
import { isObject, type Json } from "./json-rpc.ts";
import type { Account, Commitment, Ledger, MintRequest } from "./ledger.ts";
import { readBody, refusal, sendJson } from "./loopback.ts";

const MAX_BODY_BYTES = 1024 * 1024;
const REQUESTS_KEPT = 100;

export interface RecordedCall {
  /** Endpoint, for example "/a". */
  readonly path: string;
  readonly method: string;
  readonly params: readonly Json[];
}

type Fields = { readonly [key: string]: Json | undefined };

export class Control {
  readonly #ledger: Ledger;
  readonly #behaviours = new Map<string, Behaviour>();
  readonly #calls: RecordedCall[] = [];

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  mint(request: MintRequest): number {
    return this.#ledger.mint(request);
  }

  transfer(asset: string, newOwner: string): number {
    return this.#ledger.transfer(asset, newOwner);
  }

  burn(asset: string): number {
    return this.#ledger.burn(asset);
  }

  setAccount(address: string, account: Account | null): number {
    return this.#ledger.setAccount(address, account);
  }

  setBalance(address: string, lamports: number): number {
    return this.#ledger.setBalance(address, lamports);
  }

  /** Makes the endpoint at this path behave so until told otherwise. */
  behave(path: string, behaviour: Behaviour): void {
    this.#behaviours.set(path, behaviour);
  }

  behaviour(path: string): Behaviour {
    return this.#behaviours.get(path) ?? { mode: "ok" };
  }

  /** All endpoints behave again, and the record of calls is empty. */
  reset(): void {
    this.#behaviours.clear();
    this.#calls.length = 0;
  }

  record(call: RecordedCall): void {
    this.#calls.push(call);
    if (this.#calls.length > REQUESTS_KEPT) this.#calls.shift();
  }

  /** The last 100 calls, or those of one endpoint. */
  calls(path?: string): RecordedCall[] {
    return this.#calls.filter((call) => path === undefined || call.path === path);
  }

  state(): object {
    const slot = (commitment: Commitment): number => this.#ledger.slot(commitment);
    return {
      slots: { processed: slot("processed"), confirmed: slot("confirmed"), finalized: slot("finalized") },
      assets: this.#ledger.assets(),
      behaviours: Object.fromEntries(this.#behaviours),
      calls: this.#calls,
    };
  }

  /** Answers a request below /control/. */
  async handle(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refused = refusal(request);
    if (refused !== null) return sendJson(response, 403, { error: refused });
    const body = await readBody(request, MAX_BODY_BYTES);
    if (request.method === "GET" && name === "state") return sendJson(response, 200, this.state());
    if (request.method !== "POST") return sendJson(response, 405, { error: "POST, or GET state" });
    try {
      const fields: Json = JSON.parse(body || "{}") as Json;
      if (body === null || !isObject(fields)) throw new Error("the body must be a JSON object");
      const result = await this.#run(name, fields);
      if (result === null) return sendJson(response, 404, { error: `no such control: ${name}` });
      sendJson(response, 200, result);
    } catch (error) {
      sendJson(response, 400, { error: error instanceof Error ? error.message : "bad request" });
    }
  }

  async #run(name: string, fields: Fields): Promise<object | null> {
    switch (name) {
      case "mint":
        return { slot: this.mint(await mintRequest(fields)) };
      case "transfer":
        return { slot: this.transfer(this.#asset(fields.asset), await wallet(fields.owner)) };
      case "burn":
        return { slot: this.burn(this.#asset(fields.asset)) };
      case "account":
        return { slot: this.setAccount(text(fields.address, "address"), rawAccount(fields.account)) };
      case "balance":
        return { slot: this.setBalance(await wallet(fields.address), Number(fields.lamports)) };
      case "behave":
        this.behave(text(fields.path, "path"), parseBehaviour(fields));
        return this.behaviour(text(fields.path, "path"));
      case "reset":
        this.reset();
        return {};
      default:
        return null;
    }
  }

  #asset(value: Json | undefined): string {
    const wanted = text(value, "asset");
    const named = this.#ledger.assets().filter(({ name }) => name === wanted);
    if (named.length > 1) throw new Error("several assets carry this name: give the address");
    return named[0]?.asset ?? wanted;
  }
}

async function mintRequest(fields: Fields): Promise<MintRequest> {
  const { collection, updateAuthority, uri } = fields;
  return {
    asset: text(fields.asset, "asset"),
    name: text(fields.name, "name"),
    owner: await wallet(fields.owner),
    ...(collection !== undefined && { collection: collection === null ? null : text(collection, "collection") }),
    ...(updateAuthority !== undefined && { updateAuthority: text(updateAuthority, "updateAuthority") }),
    ...(uri !== undefined && { uri: text(uri, "uri") }),
  };
}

function rawAccount(value: Json | undefined): Account | null {
  if (value === null) return null;
  if (!isObject(value)) throw new Error("account must be null or {owner, data, lamports?, executable?}");
  return {
    owner: text(value.owner, "owner"),
    data: new Uint8Array(Buffer.from(text(value.data, "data"), "base64")),
    lamports: typeof value.lamports === "number" ? value.lamports : 1_000_000,
    executable: value.executable === true,
  };
}

async function wallet(value: Json | undefined): Promise<string> {
  const wanted = text(value, "wallet");
  const label = DEV_WALLETS.find((candidate) => candidate === wanted);
  if (label !== undefined) return devWalletAddress(label);
  pubkey(wanted);
  return wanted;
}

function text(value: Json | undefined, name: string): string {
  if (typeof value !== "string" || value === "") throw new Error(`${name} must be a non-empty string`);
  return value;
}
