//! The tenant's channel and what came by it: messages that wait, those that the agent has accepted and no snapshot holds
//! yet, and the numbers of those that are done with.

use multiclaw_core::channel::{Channel, TELEGRAM};
use multiclaw_core::error::Failure;
use multiclaw_core::hook::BotId;
use multiclaw_core::ids::Wallet;
use multiclaw_core::inbox::{DROPPED_AFTER, MAX_REMEMBERED, REMEMBERED_FOR, UpdateId, fits};
use multiclaw_core::time::Timestamp;
use serde::Deserialize;

use super::{Store, Text, Values, millis};
use crate::port::Outcome;

/// A message that waits for the agent.
#[derive(Deserialize)]
pub struct Waiting {
    bot: i64,
    id: i64,
    pub body: String,
    attempts: u32,
    retry_at: i64,
}

impl Waiting {
    pub const fn retry_at(&self) -> Timestamp {
        Timestamp::from_millis(self.retry_at)
    }

    /// How often it was tried, this time included.
    pub const fn tries(&self) -> u32 {
        self.attempts.saturating_add(1)
    }
}

/// What became of one that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    Kept,
    /// It came before.
    Known,
    /// Too much waits already.
    Full,
}

#[derive(Deserialize)]
pub(super) struct Load {
    pub(super) count: u32,
    pub(super) bytes: f64,
}

#[derive(Deserialize)]
pub(super) struct At {
    pub(super) at: Option<i64>,
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    pub fn channel(&self, owner: Wallet) -> Outcome<Option<Channel>> {
        let row: Option<Text> = self.row(
            "SELECT row AS text FROM channels WHERE owner = ? AND name = ?",
            vec![owner.to_string().into(), TELEGRAM.into()],
        )?;
        row.map(|row| serde_json::from_str(&row.text))
            .transpose()
            .map_err(|error| Failure::internal(format!("channel row: {error}")))
    }

    /// Writes it, with nothing of another bot's left, unless the domain is another owner's by now.
    pub fn save_channel(&self, owner: Wallet, channel: &Channel) -> Outcome<()> {
        if !self.is_owner(owner)? {
            return Ok(());
        }
        let text = serde_json::to_string(channel)
            .map_err(|error| Failure::internal(format!("channel row: {error}")))?;
        self.run(
            "INSERT OR REPLACE INTO channels (owner, name, row) VALUES (?, ?, ?)",
            vec![owner.to_string().into(), TELEGRAM.into(), text.into()],
        )?;
        self.run(
            "DELETE FROM inbox WHERE owner = ? AND bot <> ?",
            vec![owner.to_string().into(), number(channel.bot).into()],
        )
    }

    pub fn delete_channel(&self, owner: Wallet) -> Outcome<()> {
        self.run(
            "DELETE FROM inbox WHERE owner = ?",
            vec![owner.to_string().into()],
        )?;
        self.run(
            "DELETE FROM channels WHERE owner = ? AND name = ?",
            vec![owner.to_string().into(), TELEGRAM.into()],
        )
    }

    /// Keeps a message until it is done with. What waits is tried anew at once.
    pub fn receive(
        &self,
        owner: Wallet,
        bot: BotId,
        id: UpdateId,
        update: &str,
        now: Timestamp,
    ) -> Outcome<Received> {
        let key = || -> Values {
            vec![
                owner.to_string().into(),
                number(bot.get()).into(),
                number(id.get()).into(),
            ]
        };
        let known: Option<Text> = self.row(
            "SELECT state AS text FROM inbox WHERE owner = ? AND bot = ? AND id = ?",
            key(),
        )?;
        if known.is_some() {
            return Ok(Received::Known);
        }
        let load: Option<Load> = self.row(
            "SELECT COUNT(*) AS count, TOTAL(LENGTH(CAST(body AS BLOB))) AS bytes FROM inbox WHERE owner = ?
             AND state IN ('waiting', 'accepted')",
            vec![owner.to_string().into()],
        )?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of lengths; `as` saturates"
        )]
        let has_room = load.is_none_or(|load| fits(load.count, load.bytes as u64, update.len()));
        if !has_room {
            return Ok(Received::Full);
        }
        let mut values = key();
        values.extend([update.into(), millis(now), millis(now)]);
        self.run(
            "INSERT INTO inbox (owner, bot, id, state, body, received_at, attempts, retry_at)
             VALUES (?, ?, ?, 'waiting', ?, ?, 0, ?)",
            values,
        )?;
        self.run(
            "UPDATE inbox SET retry_at = ? WHERE owner = ? AND state = 'waiting'",
            vec![millis(now), owner.to_string().into()],
        )?;
        Ok(Received::Kept)
    }

    /// The one that is next, by Telegram's own order.
    pub fn first_waiting(&self, owner: Wallet) -> Outcome<Option<Waiting>> {
        self.row(
            "SELECT bot, id, body, attempts, retry_at FROM inbox WHERE owner = ? AND state = 'waiting'
             ORDER BY id LIMIT 1",
            vec![owner.to_string().into()],
        )
    }

    pub fn waiting_count(&self, owner: Wallet) -> Outcome<u32> {
        let load: Option<Load> = self.row(
            "SELECT COUNT(*) AS count, 0.0 AS bytes FROM inbox WHERE owner = ? AND state = 'waiting'",
            vec![owner.to_string().into()],
        )?;
        Ok(load.map_or(0, |load| load.count))
    }

    /// The agent has it: until a snapshot has it too, it is kept.
    pub fn accept(&self, owner: Wallet, message: &Waiting) -> Outcome<()> {
        self.run(
            "UPDATE inbox SET state = 'accepted' WHERE owner = ? AND bot = ? AND id = ?",
            vec![
                owner.to_string().into(),
                message.bot.into(),
                message.id.into(),
            ],
        )
    }

    pub fn put_off(&self, owner: Wallet, message: &Waiting, until: Timestamp) -> Outcome<()> {
        self.run(
            "UPDATE inbox SET attempts = ?, retry_at = ? WHERE owner = ? AND bot = ? AND id = ?",
            vec![
                i64::from(message.tries()).into(),
                millis(until),
                owner.to_string().into(),
                message.bot.into(),
                message.id.into(),
            ],
        )
    }

    /// A snapshot holds all that the agent has accepted.
    pub fn settle_accepted(&self, owner: Wallet) -> Outcome<()> {
        self.run(
            "UPDATE inbox SET state = 'done', body = '' WHERE owner = ? AND state = 'accepted'",
            vec![owner.to_string().into()],
        )
    }

    /// For an agent that starts: what the one before had accepted is gone with it, where no snapshot holds it, and nothing
    /// that waits was tried with this one.
    pub fn return_accepted(&self, owner: Wallet, now: Timestamp) -> Outcome<()> {
        self.run(
            "UPDATE inbox SET state = 'waiting', retry_at = ? WHERE owner = ? AND state IN ('waiting', 'accepted')",
            vec![millis(now), owner.to_string().into()],
        )
    }

    /// Drops what waited too long, and gives how many; forgets those that are done with for long, and all but the newest.
    pub fn drop_late(&self, owner: Wallet, now: Timestamp) -> Outcome<u32> {
        let owner = || owner.to_string().into();
        self.run(
            "DELETE FROM inbox WHERE owner = ? AND state = 'done' AND received_at <= ?",
            vec![owner(), millis(now.saturating_sub(REMEMBERED_FOR))],
        )?;
        self.run(
            "DELETE FROM inbox WHERE owner = ?1 AND state = 'done' AND id <=
             (SELECT id FROM inbox WHERE owner = ?1 AND state = 'done' ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            vec![owner(), i64::from(MAX_REMEMBERED).into()],
        )?;
        self.delete(
            "inbox WHERE owner = ? AND state = 'waiting' AND received_at <= ?",
            vec![owner(), millis(now.saturating_sub(DROPPED_AFTER))],
        )
    }

    /// When the first of what waits has waited too long.
    pub fn late_at(&self, owner: Wallet) -> Outcome<Option<Timestamp>> {
        let row: Option<At> = self.row(
            "SELECT MIN(received_at) AS at FROM inbox WHERE owner = ? AND state = 'waiting'",
            vec![owner.to_string().into()],
        )?;
        let first = row.and_then(|row| row.at).map(Timestamp::from_millis);
        Ok(first.map(|at| at.saturating_add(DROPPED_AFTER)))
    }
}
