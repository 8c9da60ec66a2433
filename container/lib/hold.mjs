// Evaluated before the modules that `launch.mjs` links together with it: waits until `init` writes to this process, then
// fails, so that none of them runs by it. Where `init` goes without a word, this process goes too.
import { closeSync, readSync } from "node:fs";
import process from "node:process";

import { GO_DESCRIPTOR } from "./launch-protocol.mjs";

const isToGo = readSync(GO_DESCRIPTOR, Buffer.alloc(1)) === 1;
// Nothing that the agent starts is to inherit it.
closeSync(GO_DESCRIPTOR);
if (!isToGo) process.exit(0);
throw new Error("held");
