// What R2 can do wrong, in words, and one line of the table for each time that it does.
import { test } from "node:test";
import { point, type Stage } from "../support/stage.ts";

/** What R2 does with an archive that it is given. */
export const PUTS = {
  throw: "put fails",
  "mid-stream": "put fails in its middle",
  "at-end": "put fails at its end",
  null: "put answers null",
  nothing: "put says stored, and has nothing",
  shorter: "put says stored, and has less",
  longer: "put says stored, and has more",
};
/** Nobody can notice it before the archive is read. */
export const OTHER_BYTES = "put says stored, and has other bytes";
export const HEADS = { throw: "head fails", null: "head answers null" };
/** What is read of R2, and whether another try may do, as it says nothing about the archive. */
export const GETS = {
  throw: ["get fails", true],
  broken: ["get fails in its middle", true],
  "cut-unsaid": ["get ends too soon", true],
  null: ["get answers null", false],
  cut: ["get gives a shorter archive", false],
  flipped: ["get gives a flipped bit", false],
  another: ["get gives another tenant's archive", false],
} as const;

type Work = (struck: () => void) => Promise<string>;
export function strike(fault: string, at: string, work: Work): void {
  test(`c19 ${fault}: ${at}`, () => point(fault, at, work));
}

/** It is back, and nothing else is wrong. */
export async function finished(stage: Stage, told?: string): Promise<string> {
  const how = await stage.back();
  await stage.sound();
  return told ? `${how}, told: ${told}` : how;
}
