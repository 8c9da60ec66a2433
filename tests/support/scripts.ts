// The fake agent with the container's own scripts for what is done to its state: archives are the real ones.
import { join } from "node:path";
import { ROOT } from "../../dev/stack.ts";

const REAL = join(ROOT, "container/agent.mjs");

/**
 * `agent` of such an image. The fake gateway can't be quiesced, so snapshots of it are live; and it is given no secrets, which
 * has to be said where the real scripts look for them.
 */
export const WITH_REAL_SCRIPTS = `#!/bin/sh
run="$AGENT_ROOT/run/agent"
[ "$1" != init ] || { mkdir -p "$run" && echo '{}' > "$run/secrets.json"; }
case "$1" in
  restore | send) exec node '${REAL}' "$@" ;;
  snapshot) shift; exec node '${REAL}' snapshot --live "$@" ;;
  *) exec node "$(dirname "$(readlink -f "$0")")/main.mjs" "$@" ;;
esac
`;
