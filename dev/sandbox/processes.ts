// Processes of the development stand-in: started in groups of their own with exactly the environment given, and ended
// together with all that they started. A process belongs to a directory when its environment names a path in it, which
// holds for children whatever session they move to (Linux; elsewhere only process groups are followed).
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

export interface LaunchOptions {
  cmd: string[];
  env: Record<string, string>;
  cwd: string;
  stdin: "pipe" | "ignore";
  stdout: "pipe" | "ignore";
  stderr: "pipe" | "ignore" | "combined";
}

/**
 * Starts a command. The shell only replaces itself by the command: so a command that does not exist ends with 127 and
 * a line on stderr, as it does in a container, and stderr can be joined to stdout.
 */
export function launch(options: LaunchOptions): ChildProcess {
  const combined = options.stderr === "combined";
  const script = combined ? 'exec "$@" 2>&1' : 'exec "$@"';
  return spawn("/bin/sh", ["-c", script, "sh", ...options.cmd], {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: [options.stdin, options.stdout, options.stderr === "combined" ? "ignore" : options.stderr],
  });
}

/** The exit code as a container reports it: 128 + n after signal n. */
export function exitCodeOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    child.once("error", () => resolve(126));
  });
}

export function sendSignal(pid: number, signal: number | NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already: what was asked for holds.
  }
}

/** Ends the groups and all processes that belong to the directory. */
export async function endProcesses(groups: number[], directory: string): Promise<void> {
  for (const group of groups) sendSignal(-group, "SIGKILL");
  for (let round = 0; round < 250; round++) {
    const found = processesOf(directory);
    if (found.length === 0) return;
    for (const pid of found) sendSignal(pid, "SIGKILL");
    await delay(20);
  }
  throw new Error("processes of a sandbox outlive SIGKILL");
}

function processesOf(directory: string): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((entry) => /^[0-9]+$/.test(entry) && environmentOf(entry).some((variable) => names(variable, directory)))
    .map(Number);
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return []; // Ended meanwhile, or another user's.
  }
}

/** PWD and OLDPWD do not count: a person's shell may look around in there. */
function names(variable: string, directory: string): boolean {
  const [name = "", value = ""] = variable.split(/=(.*)/s);
  return !name.endsWith("PWD") && (value === directory || value.startsWith(`${directory}/`));
}

/**
 * A shell that outlives this process by a moment. Its stdin ends however this process ends, SIGKILL included, and then
 * it ends all that belongs to the directory. It has a session of its own, so Ctrl-C in the terminal does not reach it.
 */
export function startGuardian(directory: string): ChildProcess {
  const script = `cat >/dev/null
round=0
while [ $round -lt 100 ]; do
  found=$(grep -lzE "$1" /proc/[0-9]*/environ 2>/dev/null)
  [ -n "$found" ] || exit 0
  for file in $found; do pid=\${file#/proc/}; kill -KILL "\${pid%/environ}" 2>/dev/null; done
  round=$((round + 1)); sleep 0.05
done`;
  const path = directory.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  // Names that end in D are left out for PWD's sake, see above.
  const pattern = `^[^=]*[^D=]=${path}(/|$)`;
  const guardian = spawn("/bin/sh", ["-c", script, "sh", pattern], {
    cwd: "/",
    detached: true,
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["pipe", "ignore", "ignore"],
  });
  guardian.unref();
  (guardian.stdin as NodeJS.WritableStream & { unref?(): void }).unref?.();
  guardian.stdin?.on("error", () => {});
  return guardian;
}
