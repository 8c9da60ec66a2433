// What a test asks of the probe.
export interface Ask {
  do:
    | "state"
    | "start"
    | "exec"
    | "half-read"
    | "pour"
    | "drain"
    | "fetch"
    | "upgrade"
    | "monitor"
    | "signal"
    | "destroy";
  entrypoint?: string[];
  cmd?: string[];
  env?: Record<string, string>;
  cwd?: string;
  stdin?: string;
  stderr?: "pipe" | "ignore" | "combined";
  killAfterMs?: number;
  bytes?: number;
  port?: number;
  path?: string;
  signal?: number;
  reason?: string;
}
