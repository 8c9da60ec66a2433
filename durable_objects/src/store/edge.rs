//! Of the channels that end here: their rows, the messages that the agent is to answer, and the people who write them.

use multiclaw_core::channel::{LetIn, PersonId};
use multiclaw_core::edge::{EdgeChannel, EdgeRow};
use multiclaw_core::error::Failure;
use multiclaw_core::ids::Wallet;
use multiclaw_core::inbox::{DROPPED_AFTER, MAX_REMEMBERED, REMEMBERED_FOR, fits};
use multiclaw_core::knock::{MAX_WAITING, WAITS_FOR};
use multiclaw_core::time::Timestamp;
use multiclaw_core::turn::{Place, Progress, Stage};
use serde::Deserialize;

use super::inbox::{At, Load, Received};
use super::{Count, Store, Text, Values, millis};
use crate::port::Outcome;

/// The first of a conversation that is not done with.
#[derive(Deserialize)]
pub struct Head {
    pub number: i64,
    pub conversation: String,
    stage: String,
    retry_at: i64,
}

impl Head {
    pub fn stage(&self) -> Stage {
        Stage::parse(&self.stage)
    }

    pub const fn retry_at(&self) -> Timestamp {
        Timestamp::from_millis(self.retry_at)
    }
}

/// A message with all that is known of it.
#[derive(Deserialize)]
pub struct Turn {
    pub number: i64,
    pub channel: EdgeChannel,
    pub conversation: String,
    stage: String,
    place: String,
    pub text: String,
    pub answer: String,
    posted: u32,
    /// How often it was tried.
    pub attempts: u32,
}

impl Turn {
    pub fn stage(&self) -> Stage {
        Stage::parse(&self.stage)
    }

    pub const fn progress(&self) -> Progress {
        Progress::of_row(self.posted)
    }

    pub fn place(&self) -> Outcome<Place> {
        serde_json::from_str(&self.place)
            .map_err(|error| Failure::internal(format!("place of a message: {error}")))
    }
}

/// One that came.
pub struct NewTurn<'a> {
    pub owner: Wallet,
    /// The company's own name of it.
    pub id: &'a str,
    pub conversation: &'a str,
    /// When it was written, as the company counts time: what is older goes first.
    pub rank: i64,
    pub place: &'a Place,
    pub text: &'a str,
    /// Where nobody needs to be asked for it.
    pub answer: Option<&'a str>,
}

/// Somebody who waits for the owner's word.
#[derive(Deserialize)]
pub struct KnockRow {
    pub channel: EdgeChannel,
    pub person: PersonId,
    pub name: String,
    pub code: String,
    asked_at: i64,
}

/// Somebody who waits no more.
#[derive(Deserialize)]
struct LetInRow {
    person: PersonId,
    name: String,
    asked_at: i64,
}

/// Of those whom an owner has let in at a channel so many are told.
const MAX_LISTED: u32 = 200;

impl KnockRow {
    pub const fn asked_at(&self) -> Timestamp {
        Timestamp::from_millis(self.asked_at)
    }

    pub fn expires_at(&self) -> Timestamp {
        self.asked_at().saturating_add(WAITS_FOR)
    }
}

impl Store {
    pub fn edge_channel(&self, owner: Wallet, channel: EdgeChannel) -> Outcome<Option<EdgeRow>> {
        let row: Option<Text> = self.row(
            "SELECT row AS text FROM channels WHERE owner = ? AND name = ?",
            vec![owner.to_string().into(), channel.as_str().into()],
        )?;
        row.map(|row| serde_json::from_str(&row.text))
            .transpose()
            .map_err(|error| Failure::internal(format!("channel row: {error}")))
    }

    /// Writes it, unless the domain is another owner's by now. Of another account's messages and people nothing is left.
    pub fn save_edge_channel(
        &self,
        owner: Wallet,
        channel: EdgeChannel,
        row: &EdgeRow,
    ) -> Outcome<()> {
        if !self.is_owner(owner)? {
            return Ok(());
        }
        let text = serde_json::to_string(row)
            .map_err(|error| Failure::internal(format!("channel row: {error}")))?;
        self.atomically(|| {
            let former = self.edge_channel(owner, channel)?;
            if former.is_some_and(|former| former.account != row.account) {
                self.forget_edge_channel(owner, channel)?;
            }
            self.run(
                "INSERT OR REPLACE INTO channels (owner, name, row) VALUES (?, ?, ?)",
                vec![
                    owner.to_string().into(),
                    channel.as_str().into(),
                    text.as_str().into(),
                ],
            )
        })
    }

    /// Shows its owner what went wrong with a channel, or that nothing does any more.
    pub fn note_edge_channel(
        &self,
        owner: Wallet,
        channel: EdgeChannel,
        problem: Option<&str>,
    ) -> Outcome<()> {
        let row = self.edge_channel(owner, channel)?;
        match row.filter(|row| row.problem.as_deref() != problem) {
            Some(row) => {
                let problem = problem.map(str::to_owned);
                self.save_edge_channel(owner, channel, &EdgeRow { problem, ..row })
            }
            None => Ok(()),
        }
    }

    fn forget_edge_channel(&self, owner: Wallet, channel: EdgeChannel) -> Outcome<()> {
        for table in ["turns", "people"] {
            self.run(
                &format!("DELETE FROM {table} WHERE owner = ? AND channel = ?"),
                vec![owner.to_string().into(), channel.as_str().into()],
            )?;
        }
        Ok(())
    }

    /// The channel with its secrets, its people and what waits.
    pub fn delete_edge_channel(&self, owner: Wallet, channel: EdgeChannel) -> Outcome<()> {
        self.atomically(|| {
            for secret in channel.secrets() {
                self.delete_sealed(owner, secret.as_str())?;
            }
            self.forget_edge_channel(owner, channel)?;
            self.run(
                "DELETE FROM channels WHERE owner = ? AND name = ?",
                vec![owner.to_string().into(), channel.as_str().into()],
            )
        })
    }

    /// Keeps a message until it is answered.
    pub fn add_turn(&self, turn: &NewTurn<'_>, now: Timestamp) -> Outcome<Received> {
        let (owner, channel) = (turn.owner.to_string(), turn.place.channel().as_str());
        let known: Option<Count> = self.row(
            "SELECT COUNT(*) AS count FROM turns WHERE owner = ? AND channel = ? AND id = ?",
            vec![owner.as_str().into(), channel.into(), turn.id.into()],
        )?;
        if known.is_none_or(|known| known.count > 0) {
            return Ok(Received::Known);
        }
        let load: Option<Load> = self.row(
            "SELECT COUNT(*) AS count, TOTAL(LENGTH(CAST(text AS BLOB)) + LENGTH(CAST(answer AS BLOB))) AS bytes
             FROM turns WHERE owner = ? AND stage <> 'done'",
            vec![owner.as_str().into()],
        )?;
        let length = turn.text.len();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of lengths; `as` saturates"
        )]
        let has_room = load.is_none_or(|load| fits(load.count, load.bytes as u64, length));
        if !has_room {
            return Ok(Received::Full);
        }
        let place = serde_json::to_string(turn.place)
            .map_err(|error| Failure::internal(format!("place of a message: {error}")))?;
        let stage = match turn.answer {
            Some(_) => Stage::Answered,
            None => Stage::Waiting,
        };
        self.run(
            "INSERT INTO turns (owner, channel, id, conversation, rank, stage, place, text, answer, posted, received_at, attempts, retry_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?)",
            vec![
                owner.as_str().into(),
                channel.into(),
                turn.id.into(),
                turn.conversation.into(),
                turn.rank.into(),
                stage.as_str().into(),
                place.into(),
                turn.text.into(),
                turn.answer.unwrap_or_default().into(),
                millis(now),
                millis(now),
            ],
        )?;
        Ok(Received::Kept)
    }

    /// Of each conversation the first that is not done with, by the time of writing.
    pub fn heads(&self, owner: Wallet) -> Outcome<Vec<Head>> {
        self.rows(
            "SELECT number, conversation, stage, retry_at, MIN(rank) AS rank FROM turns WHERE owner = ? AND stage <> 'done'
             GROUP BY conversation ORDER BY rank",
            vec![owner.to_string().into()],
        )
    }

    pub fn turn(&self, number: i64) -> Outcome<Option<Turn>> {
        self.row(
            "SELECT number, channel, conversation, stage, place, text, answer, posted, attempts FROM turns
             WHERE number = ? AND stage <> 'done'",
            vec![number.into()],
        )
    }

    /// One try more, before it is made: whatever comes of it, it was.
    pub fn begin_try(&self, number: i64, until: Timestamp) -> Outcome<()> {
        self.run(
            "UPDATE turns SET attempts = attempts + 1, retry_at = ? WHERE number = ?",
            vec![millis(until), number.into()],
        )
    }

    pub fn put_turn_off(&self, number: i64, until: Timestamp) -> Outcome<()> {
        self.run(
            "UPDATE turns SET retry_at = ? WHERE number = ?",
            vec![millis(until), number.into()],
        )
    }

    /// The agent has answered. From now on it is not asked again; where the row is gone nobody is answered.
    pub fn answer(&self, number: i64, answer: &str, now: Timestamp) -> Outcome<()> {
        self.run(
            "UPDATE turns SET stage = 'answered', answer = ?, text = '', attempts = 0, retry_at = ?
             WHERE number = ? AND stage = 'waiting'",
            vec![answer.into(), millis(now), number.into()],
        )
    }

    pub fn count_posts(&self, number: i64, progress: Progress) -> Outcome<()> {
        self.run(
            "UPDATE turns SET posted = ? WHERE number = ?",
            vec![i64::from(progress.to_row()).into(), number.into()],
        )
    }

    pub fn finish_turn(&self, number: i64) -> Outcome<()> {
        self.run(
            "UPDATE turns SET stage = 'done', place = '', text = '', answer = '' WHERE number = ?",
            vec![number.into()],
        )
    }

    /// For an agent that starts: nothing that waits was tried with this one.
    pub fn hurry_turns(&self, owner: Wallet, now: Timestamp) -> Outcome<()> {
        self.run(
            "UPDATE turns SET retry_at = ? WHERE owner = ? AND stage = 'waiting'",
            vec![millis(now), owner.to_string().into()],
        )
    }

    pub fn turns_waiting(&self, owner: Wallet, channel: EdgeChannel) -> Outcome<u32> {
        let row: Option<Count> = self.row(
            "SELECT COUNT(*) AS count FROM turns WHERE owner = ? AND channel = ? AND stage = 'waiting'",
            vec![owner.to_string().into(), channel.as_str().into()],
        )?;
        Ok(row.map_or(0, |row| row.count))
    }

    /// As [`Store::drop_late`], which see; for each channel, and without a name for those that only a newer version knows.
    pub fn drop_late_turns(
        &self,
        owner: Wallet,
        now: Timestamp,
    ) -> Outcome<Vec<(Option<EdgeChannel>, u32)>> {
        let owner = || owner.to_string().into();
        self.run(
            "DELETE FROM turns WHERE owner = ? AND stage = 'done' AND received_at <= ?",
            vec![owner(), millis(now.saturating_sub(REMEMBERED_FOR))],
        )?;
        self.run(
            "DELETE FROM turns WHERE owner = ?1 AND stage = 'done' AND number <=
             (SELECT number FROM turns WHERE owner = ?1 AND stage = 'done' ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            vec![owner(), i64::from(MAX_REMEMBERED).into()],
        )?;
        let late = millis(now.saturating_sub(DROPPED_AFTER));
        let mut dropped = Vec::new();
        for channel in EdgeChannel::ALL {
            let count = self.delete(
                "turns WHERE owner = ? AND channel = ? AND stage <> 'done' AND received_at <= ?",
                vec![owner(), channel.as_str().into(), late.clone()],
            )?;
            dropped.push((Some(channel), count));
        }
        let others = self.delete(
            "turns WHERE owner = ? AND stage <> 'done' AND received_at <= ?",
            vec![owner(), late],
        )?;
        dropped.push((None, others));
        Ok(dropped)
    }

    /// Those that the agent was not asked yet, or has not answered.
    pub fn unanswered(&self, owner: Wallet, channel: EdgeChannel) -> Outcome<Vec<Turn>> {
        self.rows(
            "SELECT number, channel, conversation, stage, place, '' AS text, '' AS answer, posted, attempts FROM turns
             WHERE owner = ? AND channel = ? AND stage = 'waiting'",
            vec![owner.to_string().into(), channel.as_str().into()],
        )
    }

    /// When the first of what is not done with has waited too long.
    pub fn turns_late_at(&self, owner: Wallet) -> Outcome<Option<Timestamp>> {
        let row: Option<At> = self.row(
            "SELECT MIN(received_at) AS at FROM turns WHERE owner = ? AND stage <> 'done'",
            vec![owner.to_string().into()],
        )?;
        let first = row.and_then(|row| row.at).map(Timestamp::from_millis);
        Ok(first.map(|at| at.saturating_add(DROPPED_AFTER)))
    }

    /// Whether the owner has let them in.
    pub fn is_let_in(
        &self,
        owner: Wallet,
        channel: EdgeChannel,
        person: &PersonId,
    ) -> Outcome<bool> {
        let row: Option<Count> = self.row(
            "SELECT COUNT(*) AS count FROM people WHERE owner = ? AND channel = ? AND person = ? AND let_in = 1",
            key_of(owner, channel, person),
        )?;
        Ok(row.is_some_and(|row| row.count > 0))
    }

    /// Those whom the owner has let in, newest first. Of very many the oldest are left out.
    pub fn let_in(&self, owner: Wallet, channel: EdgeChannel) -> Outcome<Vec<LetIn>> {
        let rows: Vec<LetInRow> = self.rows(
            "SELECT person, name, asked_at FROM people WHERE owner = ? AND channel = ? AND let_in = 1
             ORDER BY asked_at DESC, person LIMIT ?",
            vec![
                owner.to_string().into(),
                channel.as_str().into(),
                i64::from(MAX_LISTED).into(),
            ],
        )?;
        let shown = |row: LetInRow| LetIn {
            id: row.person,
            name: row.name,
            let_in_at: Timestamp::from_millis(row.asked_at),
        };
        Ok(rows.into_iter().map(shown).collect())
    }

    /// Forgets one of them. Tells whether they were one.
    pub fn shut_out(
        &self,
        owner: Wallet,
        channel: EdgeChannel,
        person: &PersonId,
    ) -> Outcome<bool> {
        let count = self.delete(
            "people WHERE owner = ? AND channel = ? AND person = ? AND let_in = 1",
            key_of(owner, channel, person),
        )?;
        Ok(count > 0)
    }

    /// Those who wait, oldest first.
    pub fn knocks(&self, owner: Wallet, now: Timestamp) -> Outcome<Vec<KnockRow>> {
        self.rows(
            "SELECT channel, person, name, code, asked_at FROM people WHERE owner = ? AND let_in = 0 AND asked_at > ?
             ORDER BY asked_at, person",
            vec![
                owner.to_string().into(),
                millis(now.saturating_sub(WAITS_FOR)),
            ],
        )
    }

    /// Lets somebody wait, unless they do already or too many are. Tells whether they wait from now on.
    pub fn add_knock(
        &self,
        owner: Wallet,
        (channel, person): (EdgeChannel, &PersonId),
        (name, code): (&str, &str),
        now: Timestamp,
    ) -> Outcome<bool> {
        self.run(
            "DELETE FROM people WHERE owner = ? AND let_in = 0 AND asked_at <= ?",
            vec![
                owner.to_string().into(),
                millis(now.saturating_sub(WAITS_FOR)),
            ],
        )?;
        let waiting = self.knocks(owner, now)?;
        let of_channel: Vec<_> = waiting.iter().filter(|it| it.channel == channel).collect();
        let is_full = u32::try_from(of_channel.len()).is_ok_and(|count| count >= MAX_WAITING);
        if is_full || of_channel.iter().any(|it| it.person == *person) {
            return Ok(false);
        }
        let mut values = key_of(owner, channel, person);
        values.extend([name.into(), code.into(), millis(now)]);
        self.run(
            "INSERT OR REPLACE INTO people (owner, channel, person, name, code, let_in, asked_at) VALUES (?, ?, ?, ?, ?, 0, ?)",
            values,
        )?;
        Ok(true)
    }

    /// The owner's word on one who waits. Tells whether they did.
    pub fn answer_knock(
        &self,
        owner: Wallet,
        (channel, person): (EdgeChannel, &PersonId),
        is_let_in: bool,
        now: Timestamp,
    ) -> Outcome<bool> {
        let found = self
            .knocks(owner, now)?
            .iter()
            .any(|it| it.channel == channel && it.person == *person);
        let mut key = key_of(owner, channel, person);
        let query = match (found, is_let_in) {
            (false, _) => return Ok(false),
            (true, true) => {
                // From now on that is when they were let in.
                key.insert(0, millis(now));
                "UPDATE people SET asked_at = ?, let_in = 1, code = '' WHERE owner = ? AND channel = ? AND person = ?"
            }
            (true, false) => "DELETE FROM people WHERE owner = ? AND channel = ? AND person = ?",
        };
        self.run(query, key)?;
        Ok(true)
    }
}

fn key_of(owner: Wallet, channel: EdgeChannel, person: &PersonId) -> Values {
    vec![
        owner.to_string().into(),
        channel.as_str().into(),
        person.as_str().into(),
    ]
}
