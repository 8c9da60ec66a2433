// What of the state directory a snapshot holds. Top-level names are allowed one by one: what a new version of OpenClaw
// adds stays out until someone has looked whether it holds a secret.

const KEPT = new Set([
  "state", // pairing allow lists, cron jobs, channel queues, plugin records
  "agents", // sessions, transcripts, memory
  "media",
  "memory",
  "skills",
  "skill-library",
  "skill-workshop",
  "canvas",
  "cron",
  "projects",
  "attachments",
  "delivery-queue-media",
  "workspace",
  "workspaces",
]);

/** Files that older versions keep credentials in, wherever below `agents` or `state` they lie. */
const CREDENTIAL_FILES = new Set([
  "auth-profiles.json",
  "auth-state.json",
  "auth.json",
  "models.json",
  "secrets.json",
  "openclaw.json",
  ".env",
]);

/** Locks, held exclusively while a turn runs, and half-built search indexes, which OpenClaw builds anew. */
const WORKING_FILES = /\.(reindex-lock\.sqlite|lock\.sqlite|memory-reindex-[0-9a-f-]+)(-wal|-shm|-journal)?$/;

/**
 * @param {string} name
 * @returns {boolean} whether a snapshot holds this entry of the state directory
 */
export function isKept(name) {
  return KEPT.has(name) || name.startsWith("workspace-");
}

/**
 * @param {string} relative path below the state directory
 * @returns {boolean}
 */
export function isOpenClawsOwn(relative) {
  return relative.startsWith("state/") || relative.startsWith("agents/");
}

/**
 * @param {string} relative
 * @returns {boolean} whether a file, though below a kept directory, stays out: a credential, or a mere tool of running work
 */
export function isLeftAside(relative) {
  if (!isOpenClawsOwn(relative)) return false;
  const name = relative.slice(relative.lastIndexOf("/") + 1);
  return CREDENTIAL_FILES.has(name) || /\.(pem|key|lock)$/.test(name) || WORKING_FILES.test(name);
}
