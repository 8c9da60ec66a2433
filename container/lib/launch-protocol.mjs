// Between `init` and the process that it makes the gateway's.

/** Of a pipe: a byte on it lets OpenClaw run. */
export const GO_DESCRIPTOR = 3;
