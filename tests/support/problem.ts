// What every refusal must look like (RFC 9457), in one place.
import assert from "node:assert/strict";
import type { Answer } from "./http.ts";

export function assertProblem(answer: Answer, status: number, code: string, field?: string): void {
  const seen = `${answer.status} ${answer.text.slice(0, 400)}`;
  assert.equal(answer.status, status, seen);
  assert.equal(answer.headers["content-type"], "application/problem+json", seen);
  assert.equal(answer.headers["cache-control"], "no-store", seen);
  assert.equal(answer.headers["x-content-type-options"], "nosniff", seen);
  const problem = answer.json();
  assert.equal(problem.code, code, seen);
  assert.equal(problem.status, status, seen);
  assert.equal(problem.field, field, seen);
  for (const text of ["type", "title", "detail"]) {
    assert.equal(typeof problem[text], "string", seen);
    assert.notEqual(problem[text], "", seen);
  }
  const known = ["type", "title", "status", "code", "detail", ...(field === undefined ? [] : ["field"])];
  assert.deepEqual(Object.keys(problem).sort(), known.sort(), seen);
}
