// Keys that were typed into OpenClaw's own pages: where its databases keep them, and for which provider each is.

/**
 * @typedef {object} TypedKey
 * @property {string} provider
 * @property {string} [key] absent for what is no key by itself: a sign-in, a token of another kind
 */

const MAX_KEY_LENGTH = 1024;

/**
 * A newer OpenClaw may keep them otherwise: what is not understood is passed over, for a snapshot must not fail over it.
 * @param {import("node:sqlite").DatabaseSync} database of OpenClaw's own
 * @returns {TypedKey[]}
 */
export function typedKeysIn(database) {
  const texts = (/** @type {string} */ sql) => {
    try {
      return database.prepare(sql).all();
    } catch {
      return [];
    }
  };
  const profiles = [
    ...texts("SELECT store_json AS text FROM auth_profile_store"),
    ...texts("SELECT value_json AS text FROM config_machine_state WHERE state_key = 'authProfiles.store'"),
  ];
  const stored = texts(
    "SELECT name, value FROM secret_store_entries WHERE scope_kind = 'team' AND deleted_at_ms IS NULL ORDER BY name",
  );
  return [...profiles.flatMap(({ text }) => inProfiles(String(text))), ...stored.flatMap(fromStore)].filter(isPlain);
}

/**
 * @param {string} text
 * @returns {TypedKey[]}
 */
function inProfiles(text) {
  let store;
  try {
    store = JSON.parse(text);
  } catch {
    return [];
  }
  const profiles = Object.values(store?.profiles ?? {}).filter((profile) => typeof profile?.provider === "string");
  return profiles.flatMap(({ type, provider, key }) => {
    if (type !== "api_key") return [{ provider }];
    // A reference to a key that lies elsewhere is none.
    return typeof key === "string" && key !== "" ? [{ provider, key }] : [];
  });
}

/**
 * There names are those of environment variables.
 * @param {Record<string, unknown>} row
 * @returns {TypedKey[]}
 */
function fromStore({ name, value }) {
  const provider = /^([A-Z][A-Z0-9]*)_API_KEY$/.exec(String(name))?.[1]?.toLowerCase();
  return provider ? [{ provider, key: String(value) }] : [];
}

/** @param {TypedKey} typed */
function isPlain({ provider, key = "" }) {
  return /^[a-z0-9][a-z0-9._-]{0,63}$/.test(provider) && key.length <= MAX_KEY_LENGTH;
}
