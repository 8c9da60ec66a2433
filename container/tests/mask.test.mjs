// The log of a running gateway masks what is injected meanwhile too, and what was injected before (C11, C13).
import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import { test } from "node:test";

import { writePrivateFile } from "../lib/files.mjs";
import { growingMask } from "../lib/mask.mjs";
import { makeSandbox } from "./support.mjs";

test("c13 a mask learns each value that is injected, and forgets none", async (t) => {
  const { paths } = await makeSandbox(t);
  const mask = growingMask(paths);
  const line = "keys: sk-first-0123 sk-second-0123 tiny";
  assert.equal(mask(line), line);
  await mkdir(paths.run, { recursive: true });
  await writePrivateFile(paths.secrets, JSON.stringify({ openai: "sk-first-0123", pin: "tiny" }));
  assert.equal(mask(line), "keys: [secret] sk-second-0123 tiny");
  await writePrivateFile(paths.secrets, JSON.stringify({ openai: "sk-second-0123" }));
  assert.equal(mask(line), "keys: [secret] [secret] tiny");
  await rm(paths.secrets);
  assert.equal(mask(line), "keys: [secret] [secret] tiny");
});
