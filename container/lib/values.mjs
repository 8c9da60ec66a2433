// Finds injected values in the rows of a database, and overwrites them there.

/** Rows are stored whole in a page up to at least this share of it; longer ones are spread over several. */
const SHARE_OF_PAGE = 8;

export class Values {
  #database;
  #matcher;
  #pageSize;

  /**
   * @param {import("node:sqlite").DatabaseSync} database
   * @param {import("./matcher.mjs").Matcher} matcher
   * @param {import("./inside.mjs").InsideSearch} inside
   */
  constructor(database, matcher, inside) {
    this.#database = database;
    this.#matcher = matcher;
    this.#pageSize = Number(database.prepare("PRAGMA page_size").get()?.page_size);
    const holds = (/** @type {Uint8Array} */ bytes) => matcher.find(bytes) !== undefined || inside.bytesMayHold(bytes);
    // Only what is asked here may call them, no trigger in the file.
    database.function("holds_value", { directOnly: true }, (bytes) =>
      bytes instanceof Uint8Array && holds(bytes) ? 1 : 0,
    );
    database.function("without_value", { directOnly: true }, (bytes) => {
      const copy = Buffer.from(/** @type {Uint8Array} */ (bytes));
      matcher.mask(copy);
      // Compressed, it can only go as a whole.
      return holds(copy) ? Buffer.alloc(0) : copy;
    });
  }

  /** @returns {boolean} whether a value lies where a search of the file's bytes misses it: in a long row, or compressed */
  anyOutOfSight() {
    if (this.#matcher.empty) return false;
    const tables = this.#database
      .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')")
      .all();
    return tables.some(({ name }) => this.#outOfSightIn(String(name)));
  }

  /** @param {string} table */
  #outOfSightIn(table) {
    const columns = this.#columns(table);
    if (columns.length === 0) return false;
    const length = columns.map((column) => `ifnull(octet_length(${column}), 0)`).join(" + ");
    const isBlob = columns.map((column) => `typeof(${column}) = 'blob'`).join(" OR ");
    const holds = columns.map(holdsValue).join(" OR ");
    const found = this.#database
      .prepare(`SELECT 1 FROM ${quoted(table)} WHERE (${length} > ? OR ${isBlob}) AND (${holds}) LIMIT 1`)
      .get(Math.floor(this.#pageSize / SHARE_OF_PAGE));
    return found !== undefined;
  }

  /** @param {string} table */
  overwriteIn(table) {
    for (const column of this.#columns(table)) {
      const masked = `CASE typeof(${column}) WHEN 'text' THEN CAST(without_value(CAST(${column} AS BLOB)) AS TEXT) ELSE without_value(${column}) END`;
      try {
        // Two rows that differ in nothing but a value become one.
        this.#database.exec(`UPDATE OR REPLACE ${quoted(table)} SET ${column} = ${masked} WHERE ${holdsValue(column)}`);
      } catch {
        // The table does not take it: without the row the rest can be kept.
        this.#database.exec(`DELETE FROM ${quoted(table)} WHERE ${holdsValue(column)}`);
      }
    }
  }

  /**
   * Generated columns follow the ones that they are made of.
   * @param {string} table
   */
  #columns(table) {
    const columns = this.#database.prepare(`PRAGMA table_xinfo(${quoted(table)})`).all();
    return columns.filter(({ hidden }) => hidden === 0).map(({ name }) => quoted(String(name)));
  }
}

/** @param {string} column */
function holdsValue(column) {
  return `(typeof(${column}) IN ('text', 'blob') AND holds_value(CAST(${column} AS BLOB)))`;
}

/** @param {string} name */
export function quoted(name) {
  return `"${name.replaceAll('"', '""')}"`;
}
