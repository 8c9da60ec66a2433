// Tokens made and read by an implementation that is not ours (jose), good and bad.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { decodeJwt, type JWTPayload, SignJWT } from "jose";
import type { Client } from "./client.ts";

export const SESSION_COOKIE = "__Host-molt_session";
export const AGENT_COOKIE = "__Host-molt_agent";
export const WEEK_SECONDS = 7 * 24 * 60 * 60;

export const sessionId = (): string => randomBytes(16).toString("hex");
export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export interface Claims extends JWTPayload {
  wallet?: string;
  epoch?: number;
}

/** A token signed with this key. */
export function sign(claims: Claims, key: string, alg = "HS256"): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg, typ: "JWT" }).sign(new TextEncoder().encode(key));
}

/** The claims of the session that a client holds. */
export function claimsOf(client: Client, cookie: string = SESSION_COOKIE): Claims {
  return decodeJwt<Claims>(client.cookies.get(cookie) ?? "");
}

/** What the agent of this asset holds in place of a key that is kept out of it, or to propose with. */
export function assertPass(held: string | undefined, asset: string, to = "models"): void {
  const { aud, sub, exp } = decodeJwt(held ?? "");
  assert.deepEqual({ aud, sub, exp }, { aud: to, sub: asset, exp: undefined });
}

export function base64url(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}
