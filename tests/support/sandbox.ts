// The inside of an agent's container as an attacker in it would see it: all files, and every process's environment and
// command line. The same for real containers and for the stand-in's folders.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { onDocker } from "./stack.ts";

const MAX_OUTPUT = 512 * 1024 * 1024;
/** What can be written in the image, from its root. */
const WRITABLE = ["data", "run/agent", "var/tmp/agent", "tmp"];

export class Sandbox {
  readonly #container: string;

  /** `container` as the stack lists it: a name, or the folder that stands for it. */
  constructor(container: string) {
    this.#container = container;
  }

  /** A folder with all that is there now, below the paths that the image has. */
  files(): string {
    if (!onDocker) return this.#container;
    const copy = mkdtempSync(join(tmpdir(), "multiclaw-inside-"));
    after(() => rmSync(copy, { recursive: true, force: true }));
    const tar = `tar -C / -c --ignore-failed-read ${WRITABLE.join(" ")} 2>/dev/null || true`;
    for (const archive of this.#running() ? [this.#run("root", tar)] : this.#left()) {
      execFileSync("tar", ["-x", "-C", copy], { input: archive, stdio: ["pipe", "ignore", "ignore"] });
    }
    return copy;
  }

  /** Environment and command line of each process. */
  processes(): Buffer {
    if (onDocker) return this.#run("agent", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null || true");
    const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const seen = ids.map((id) => Buffer.concat(["environ", "cmdline"].map((file) => readIfAny(`/proc/${id}/${file}`))));
    return Buffer.concat(seen.filter((process) => process.includes(this.#container)));
  }

  write(path: string, content: string | Buffer): void {
    this.#sh(`mkdir -p "$(dirname ${this.#path(path)})" && cat > ${this.#path(path)}`, content);
  }

  /** Ends the gateway as a crash would. */
  crash(): void {
    this.#sh(`kill -9 $(sed -E 's/.*"pid":([0-9]+).*/\\1/' ${this.#path("run/agent/gateway.json")})`);
  }

  #running(): boolean {
    const states = docker(["ps", "--no-trunc", "--filter", `id=${this.#container}`, "--format", "{{.ID}}"]);
    return states.toString().trim() !== "";
  }

  /** What a dead container leaves on the engine's disk until it is removed. */
  #left(): Buffer[] {
    return WRITABLE.flatMap((path) => {
      try {
        return [docker(["cp", `${this.#container}:/${path}`, "-"])];
      } catch (error) {
        if (/No such container|Could not find the file/.test(String(error))) return [];
        throw error;
      }
    });
  }

  #path(path: string): string {
    return onDocker ? `/${path}` : `'${join(this.#container, path)}'`;
  }

  #sh(script: string, input: string | Buffer = ""): void {
    if (onDocker) this.#run("agent", script, input);
    else execFileSync("sh", ["-c", script], { input, stdio: ["pipe", "ignore", "inherit"] });
  }

  #run(user: "root" | "agent", script: string, input: string | Buffer = ""): Buffer {
    const args = ["exec", "--interactive", "--user", user, this.#container, "sh", "-c", script];
    return docker(args, input);
  }
}

function docker(args: string[], input: string | Buffer = ""): Buffer {
  return execFileSync("docker", args, { maxBuffer: MAX_OUTPUT, input, stdio: "pipe" });
}

/** Processes end while they are looked at, and some are another user's. */
function readIfAny(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0);
  }
}
