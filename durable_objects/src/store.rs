//! The object's SQLite: every SQL text but the schema's own (`schema`). Rows come out typed.
//!
//! Statements with no await between them are written as one, so each method that must be atomic is one plain function.
//! One that fails does not undo those before it: where that matters, see `atomically`.

mod access;
mod awake;
mod edge;
mod inbox;
mod proposals;
mod sealed;
mod tenant;
mod usage;
mod wallet;

use core::cell::Cell;
use std::rc::Rc;

use js_sys::Reflect;
use multiclaw_core::error::Failure;
use multiclaw_core::ids::{Asset, SessionId, SnapshotId, Wallet};
use multiclaw_core::lifecycle::Life;
use multiclaw_core::messages::SessionEntry;
use multiclaw_core::ownership::Owned;
use multiclaw_core::secrets::SecretName;
use multiclaw_core::snapshot::Snapshot;
use multiclaw_core::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use worker::{SqlStorage, SqlStorageValue, State};

use crate::port::{Outcome, Tried as _};
use crate::schema;
pub use edge::{NewTurn, Turn};
pub use inbox::{Received, Waiting};
pub use proposals::ProposalRow;
pub use usage::Account;

#[wasm_bindgen]
extern "C" {
    /// Of `ctx.storage` what the `worker` crate lacks.
    #[derive(Clone)]
    #[wasm_bindgen(extends = js_sys::Object)]
    type JsStorage;
    /// What `work` wrote is undone when it throws.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &JsStorage,
        work: &mut dyn FnMut() -> Result<(), JsValue>,
    ) -> Result<JsValue, JsValue>;
}

/// The domain as last read from the chain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Domain {
    pub asset: Asset,
    pub owner: Wallet,
    pub name: String,
    /// The slot of the reading.
    pub slot: u64,
    checked_at: i64,
}

impl Domain {
    pub const fn checked_at(&self) -> Timestamp {
        Timestamp::from_millis(self.checked_at)
    }
}

/// A living session.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct SessionRow {
    pub id: SessionId,
    pub wallet: Wallet,
    created_at: i64,
    expires_at: i64,
}

impl SessionRow {
    /// As its owner sees it; `current` is the one that asks.
    pub fn entry(&self, current: SessionId) -> SessionEntry {
        SessionEntry {
            id: self.id,
            wallet: self.wallet,
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: self.expires_at(),
            current: self.id == current,
        }
    }

    pub const fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at)
    }
}

/// A user's own secret as it is kept.
#[derive(Clone, Deserialize)]
pub struct SealedSecret {
    /// Base64 of the blob.
    pub sealed: String,
    pub prefix: String,
    set_at: i64,
}

impl SealedSecret {
    pub const fn set_at(&self) -> Timestamp {
        Timestamp::from_millis(self.set_at)
    }
}

/// The object's database.
#[derive(Clone)]
pub struct Store {
    sql: SqlStorage,
    storage: JsStorage,
    /// Whether the schema is known to be up to date.
    ready: Rc<Cell<bool>>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Count {
    count: u32,
}

type Values = Vec<SqlStorageValue>;

fn millis(time: Timestamp) -> SqlStorageValue {
    SqlStorageValue::Integer(time.as_millis())
}

impl Store {
    pub fn new(state: &State) -> Self {
        // The object's state always has storage; without it the first migration would say so.
        let storage = Reflect::get(state.as_raw(), &"storage".into()).unwrap_or_default();
        Self {
            sql: state.storage().sql(),
            storage: storage.unchecked_into(),
            ready: Rc::default(),
        }
    }

    fn run(&self, query: &str, values: Values) -> Outcome<()> {
        self.sql.exec(query, values).tried("SQLite").map(drop)
    }

    fn rows<T: DeserializeOwned>(&self, query: &str, values: Values) -> Outcome<Vec<T>> {
        self.sql
            .exec(query, values)
            .and_then(|cursor| cursor.to_array())
            .tried("SQLite")
    }

    fn row<T: DeserializeOwned>(&self, query: &str, values: Values) -> Outcome<Option<T>> {
        self.rows(query, values).map(|mut rows| rows.pop())
    }

    /// Whether anything was ever stored: before the first proved login nothing is, and looking stores nothing.
    pub fn exists(&self) -> Outcome<bool> {
        let tables: Option<Count> = self.row(
            "SELECT COUNT(*) AS count FROM sqlite_master WHERE name = 'schema'",
            vec![],
        )?;
        Ok(tables.is_some_and(|row| row.count > 0))
    }

    /// Brings the schema up to date. Idempotent; cheap when there is nothing to do.
    ///
    /// # Errors
    /// When a migration fails, of which nothing is left then, or when the database is too far ahead of this version, in
    /// which case nothing is touched.
    pub fn migrate(&self) -> Outcome<()> {
        if self.ready.get() {
            return Ok(());
        }
        // Half of a migration would be kept, and would fail every later try.
        self.atomically(|| self.apply_migrations())?;
        self.ready.set(true);
        Ok(())
    }

    /// Whether the schema is known to be this version's.
    pub fn is_ready(&self) -> bool {
        self.ready.get()
    }

    fn apply_migrations(&self) -> Outcome<()> {
        self.run(
            "CREATE TABLE IF NOT EXISTS schema (version INTEGER PRIMARY KEY)",
            vec![],
        )?;
        let done: Option<Count> = self.row("SELECT COUNT(*) AS count FROM schema", vec![])?;
        let done = usize::try_from(done.map_or(0, |row| row.count)).unwrap_or(usize::MAX);
        for (version, migration) in schema::pending(done)? {
            self.run(migration, vec![])?;
            self.run(
                "INSERT INTO schema (version) VALUES (?)",
                vec![version.into()],
            )?;
        }
        Ok(())
    }

    /// All of `work`, or nothing of it.
    fn atomically(&self, mut work: impl FnMut() -> Outcome<()>) -> Outcome<()> {
        let mut failed = None;
        let done = self.storage.transaction_sync(&mut || {
            work().map_err(|failure| {
                failed = Some(failure);
                JsValue::from_str("undone")
            })
        });
        match failed {
            Some(failure) => Err(failure),
            None => done.tried("transaction").map(drop),
        }
    }

    pub fn domain(&self) -> Outcome<Option<Domain>> {
        self.row(
            "SELECT asset, owner, name, slot, checked_at FROM domain",
            vec![],
        )
    }

    pub fn save_domain(&self, asset: Asset, owned: &Owned, checked_at: Timestamp) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO domain (one, asset, owner, name, slot, checked_at) VALUES (1, ?, ?, ?, ?, ?)",
            vec![
                asset.to_string().into(),
                owned.owner.to_string().into(),
                owned.name.as_str().into(),
                // Slots come at 2.5 a second: a number that fits no integer is an endpoint's nonsense.
                i64::try_from(owned.slot).unwrap_or(i64::MAX).into(),
                millis(checked_at),
            ],
        )
    }

    pub fn life(&self) -> Outcome<Option<Life>> {
        let row: Option<Text> = self.row("SELECT row AS text FROM life", vec![])?;
        let parse = |row: Text| serde_json::from_str(&row.text);
        row.map(parse)
            .transpose()
            .map_err(|error| Failure::internal(format!("life row: {error}")))
    }

    pub fn save_life(&self, life: &Life) -> Outcome<()> {
        let text = serde_json::to_string(life)
            .map_err(|error| Failure::internal(format!("life row: {error}")))?;
        self.run(
            "INSERT OR REPLACE INTO life (one, row) VALUES (1, ?)",
            vec![text.into()],
        )
    }

    pub fn salt(&self, owner: Wallet) -> Outcome<Option<String>> {
        let row: Option<Text> = self.row(
            "SELECT salt AS text FROM tenants WHERE owner = ?",
            vec![owner.to_string().into()],
        )?;
        Ok(row.map(|row| row.text))
    }

    pub fn save_salt(&self, owner: Wallet, salt: &str) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO tenants (owner, salt) VALUES (?, ?)",
            vec![owner.to_string().into(), salt.into()],
        )
    }

    pub fn secret(&self, owner: Wallet, name: SecretName) -> Outcome<Option<SealedSecret>> {
        self.sealed(owner, name.as_str())
    }

    pub fn sealed(&self, owner: Wallet, name: &str) -> Outcome<Option<SealedSecret>> {
        self.row(
            "SELECT sealed, prefix, set_at FROM secrets WHERE owner = ? AND name = ?",
            vec![owner.to_string().into(), name.into()],
        )
    }

    pub fn save_sealed(
        &self,
        owner: Wallet,
        name: &str,
        sealed: &str,
        prefix: &str,
        at: Timestamp,
    ) -> Outcome<()> {
        self.atomically(|| {
            self.overwrite_secret(owner, name)?;
            self.run(
                "INSERT OR REPLACE INTO secrets (owner, name, sealed, prefix, set_at) VALUES (?, ?, ?, ?, ?)",
                vec![owner.to_string().into(), name.into(), sealed.into(), prefix.into(), millis(at)],
            )
        })
    }

    pub fn delete_secret(&self, owner: Wallet, name: SecretName) -> Outcome<()> {
        self.delete_sealed(owner, name.as_str())
    }

    fn delete_sealed(&self, owner: Wallet, name: &str) -> Outcome<()> {
        self.overwrite_secret(owner, name)?;
        self.run(
            "DELETE FROM secrets WHERE owner = ? AND name = ?",
            vec![owner.to_string().into(), name.into()],
        )
    }

    /// The tenant's snapshots that count, newest first.
    pub fn snapshots(&self, owner: Wallet) -> Outcome<Vec<Snapshot>> {
        let rows: Vec<Text> = self.rows(
            "SELECT row AS text FROM snapshots WHERE owner = ? ORDER BY created_at DESC, id",
            vec![owner.to_string().into()],
        )?;
        rows.iter()
            .map(|row| serde_json::from_str(&row.text))
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::internal(format!("snapshot row: {error}")))
    }

    pub fn add_snapshot(&self, owner: Wallet, snapshot: &Snapshot) -> Outcome<()> {
        let text = serde_json::to_string(snapshot)
            .map_err(|error| Failure::internal(format!("snapshot row: {error}")))?;
        self.run(
            "INSERT INTO snapshots (owner, id, created_at, row) VALUES (?, ?, ?, ?)",
            vec![
                owner.to_string().into(),
                snapshot.id.to_string().into(),
                millis(snapshot.created_at),
                text.into(),
            ],
        )
    }

    /// Nothing happens where it was deleted meanwhile.
    pub fn change_snapshot(&self, owner: Wallet, snapshot: &Snapshot) -> Outcome<()> {
        let text = serde_json::to_string(snapshot)
            .map_err(|error| Failure::internal(format!("snapshot row: {error}")))?;
        self.run(
            "UPDATE snapshots SET row = ? WHERE owner = ? AND id = ?",
            vec![
                text.into(),
                owner.to_string().into(),
                snapshot.id.to_string().into(),
            ],
        )
    }

    pub fn delete_snapshot(&self, owner: Wallet, id: SnapshotId) -> Outcome<()> {
        self.run(
            "DELETE FROM snapshots WHERE owner = ? AND id = ?",
            vec![owner.to_string().into(), id.to_string().into()],
        )
    }
}
