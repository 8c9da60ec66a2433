//! The schema of the object's SQLite, as the migrations that make it. What may be in one, and what a rollback of the
//! Worker keeps, is in docs/upgrades.md.

use multiclaw_core::error::{Code, Failure};

use crate::port::Outcome;

/// Each entry is applied once, in order; a released one is never changed.
const MIGRATIONS: [&str; 10] = ["
CREATE TABLE domain (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    asset TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL, checked_at INTEGER NOT NULL);
CREATE TABLE life (one INTEGER PRIMARY KEY CHECK (one = 1), row TEXT NOT NULL);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, wallet TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL);
CREATE TABLE nonces (nonce TEXT PRIMARY KEY, expires_at INTEGER NOT NULL);
CREATE TABLE tickets (hash TEXT PRIMARY KEY, session TEXT NOT NULL, expires_at INTEGER NOT NULL);
CREATE TABLE tenants (owner TEXT PRIMARY KEY, salt TEXT NOT NULL);
CREATE TABLE secrets (
    owner TEXT NOT NULL, name TEXT NOT NULL, sealed TEXT NOT NULL, prefix TEXT NOT NULL, set_at INTEGER NOT NULL,
    PRIMARY KEY (owner, name));
CREATE TABLE snapshots (
    owner TEXT NOT NULL, id TEXT NOT NULL, created_at INTEGER NOT NULL, row TEXT NOT NULL,
    PRIMARY KEY (owner, id));
", "ALTER TABLE domain ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;", "
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, entry TEXT NOT NULL);", "
CREATE TABLE choices (owner TEXT PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE uses (
    owner TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (owner, name));
CREATE TABLE upkeep (one INTEGER PRIMARY KEY CHECK (one = 1), swept_at INTEGER NOT NULL);", "
CREATE TABLE usage (
    day TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL,
    requests INTEGER NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (day, owner, name, source));", "
CREATE TABLE logs (owner TEXT PRIMARY KEY, taken_at INTEGER NOT NULL, lines TEXT NOT NULL);
CREATE TABLE wakes (owner TEXT NOT NULL, at INTEGER NOT NULL, row TEXT NOT NULL, PRIMARY KEY (owner, at));", "
CREATE TABLE prepared (
    owner TEXT NOT NULL, hash TEXT NOT NULL, prepared_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    summary TEXT NOT NULL, signature TEXT, state TEXT NOT NULL, PRIMARY KEY (owner, hash));", "
CREATE TABLE channels (owner TEXT NOT NULL, name TEXT NOT NULL, row TEXT NOT NULL, PRIMARY KEY (owner, name));
CREATE TABLE inbox (
    owner TEXT NOT NULL, bot INTEGER NOT NULL, id INTEGER NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL,
    received_at INTEGER NOT NULL, attempts INTEGER NOT NULL, retry_at INTEGER NOT NULL, PRIMARY KEY (owner, bot, id));
CREATE INDEX inbox_by_state ON inbox (owner, state, id);", "
CREATE TABLE proposals (
    owner TEXT NOT NULL, id TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    operation TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (owner, id));
CREATE TABLE proposal_days (
    owner TEXT NOT NULL, day TEXT NOT NULL, made INTEGER NOT NULL, refused INTEGER NOT NULL, PRIMARY KEY (owner, day));
ALTER TABLE prepared ADD COLUMN proposal TEXT;", "
CREATE TABLE turns (
    number INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, channel TEXT NOT NULL, id TEXT NOT NULL,
    conversation TEXT NOT NULL, rank INTEGER NOT NULL, stage TEXT NOT NULL, place TEXT NOT NULL, text TEXT NOT NULL,
    answer TEXT NOT NULL, posted INTEGER NOT NULL, received_at INTEGER NOT NULL, attempts INTEGER NOT NULL, retry_at INTEGER NOT NULL,
    UNIQUE (owner, channel, id));
CREATE INDEX turns_open ON turns (owner, conversation, rank) WHERE stage <> 'done';
CREATE INDEX turns_done ON turns (owner, number) WHERE stage = 'done';
CREATE TABLE people (
    owner TEXT NOT NULL, channel TEXT NOT NULL, person TEXT NOT NULL, name TEXT NOT NULL, code TEXT NOT NULL,
    let_in INTEGER NOT NULL, asked_at INTEGER NOT NULL, PRIMARY KEY (owner, channel, person));"];

/// How many migrations that this version does not know the database may have had: a Worker can be rolled back by one.
const AHEAD: usize = 1;

/// The migrations that a database with `done` of them still needs, with their numbers.
///
/// # Errors
/// When it is too far ahead of this version, whose SQL may mean something else there.
pub fn pending(done: usize) -> Outcome<impl Iterator<Item = (i32, &'static str)>> {
    let known = MIGRATIONS.len();
    if done > known.saturating_add(AHEAD) {
        return Err(Failure::new(
            Code::StorageUnavailable,
            "This domain's data was written by a newer version of the service. Try again later.",
            format!(
                "the database has had {done} migrations, this Worker knows {known}: deploy a newer one"
            ),
        ));
    }
    Ok((0..).zip(MIGRATIONS).skip(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/storage");

    #[test]
    fn no_migration_was_changed_since_it_was_released_and_each_has_a_fixture() {
        let mut covered = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(FIXTURES).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_none_or(|end| end != "sql") {
                continue;
            }
            let written = std::fs::read_to_string(&file).unwrap();
            let done = written.matches("INSERT INTO schema").count();
            covered.insert(done);
            for (version, migration) in MIGRATIONS.iter().take(done).enumerate() {
                assert!(
                    written.contains(migration.trim()),
                    "migration {version} is not the one that {} was written by",
                    file.display()
                );
            }
        }
        assert!(
            covered.into_iter().eq(1..=MIGRATIONS.len()),
            "each number of migrations needs a fixture: see docs/upgrades.md"
        );
    }

    #[test]
    fn a_database_gets_what_it_lacks_and_may_be_one_ahead() {
        let versions = |done| {
            pending(done)
                .ok()
                .map(|left| left.map(|(version, _)| version).collect::<Vec<_>>())
        };
        let known = MIGRATIONS.len();
        assert_eq!(versions(0).unwrap().len(), known);
        assert_eq!(versions(1).unwrap().first(), Some(&1));
        assert_eq!(versions(known), Some(vec![]));
        assert_eq!(versions(known + 1), Some(vec![]));
        assert_eq!(versions(known + 2), None);
    }
}
