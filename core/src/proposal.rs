//! What an agent proposes that its wallet do (C21). A proposal moves nothing: it waits until it expires, its owner rejects it, or
//! has it prepared as a transaction and signs that in their own wallet.
//!
//! How many are taken depends on what the agent sent and on the time alone, so that its answers tell nothing of what its owner did.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::encoding::base64;
use crate::error::{Code, Problem};
use crate::ids::ProposalId;
use crate::text::is_seen;
use crate::time::{Seconds, Timestamp};
use crate::transaction::Account;
use crate::usage::next_day;
use crate::wallet::amount::{SOL_DECIMALS, sol};
use crate::wallet::plan::{Plan, Transfer};

/// Where agents propose, at the origin that containers reach the edge by.
pub const PATH: &str = "/v1/proposals";
/// What the pass to it is called among the secrets of an agent.
pub const PASS: &str = "proposals";
/// The longest body: 64 accounts, a transaction's worth of data, and the reason.
pub const MAX_BODY: usize = 16 * 1024;
/// Of a reason, in characters.
const MAX_REASON: usize = 280;
/// How long one waits.
pub const LIFETIME: Seconds = Seconds::new(24 * 60 * 60);
/// So many are taken in a day (UTC). As each waits for a day, twice as many wait at most.
pub const PER_DAY: u32 = 20;
/// So many refusals are counted in a day: whoever sends without end costs no more writes.
pub const COUNTED_REFUSALS: u32 = 1000;

/// A proposal as an agent sent it, with nothing in it that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub plan: Plan,
    pub reason: String,
}

impl Proposal {
    /// Reads a request's body.
    ///
    /// # Errors
    /// The first field that is not as it must be.
    pub fn parse(body: &str) -> Result<Self, Problem> {
        let body: Value = serde_json::from_str(body)
            .map_err(|_| Problem::new(Code::MalformedBody, "The body must be one JSON object."))?;
        let reason = body.get("reason").and_then(Value::as_str);
        let reason = reason.map(str::trim).filter(|reason| {
            !reason.is_empty() && reason.chars().count() <= MAX_REASON && is_seen(reason)
        });
        let reason = reason.ok_or_else(|| {
            let expected = format!(
                "one line of text, 1 to {MAX_REASON} characters without any that are unseen or turn the text"
            );
            Problem::field("reason", &expected)
        })?;
        let operation = body.get("operation").filter(|given| given.is_object());
        let operation = operation.ok_or_else(|| {
            let expected = "an object with an `operation` of `transfer_sol`, `transfer_token` or `custom` and its fields";
            Problem::field("operation", expected)
        })?;
        let plan = Plan::parse(operation)?;
        // Of a token the decimals are not known before the chain is asked.
        if let Plan::TransferSol(transfer) = &plan {
            transfer.wanted.units(SOL_DECIMALS)?;
        }
        Ok(Self {
            plan,
            reason: reason.to_owned(),
        })
    }
}

/// Whether one more is taken after so many of this day.
///
/// # Errors
/// `rate_limited` until the next day.
pub fn admit(made: u32, now: Timestamp) -> Result<(), Problem> {
    if made < PER_DAY {
        return Ok(());
    }
    let wait = next_day(now).since(now).as_secs().saturating_add(1);
    let detail = format!("At most {PER_DAY} proposals are taken in a day (UTC).");
    Err(Problem::new(Code::RateLimited, detail)
        .retry_after(u32::try_from(wait).unwrap_or(u32::MAX)))
}

/// Of a proposal that is not there: it may have been, and its end is its owner's alone to know.
#[must_use]
pub fn gone() -> Problem {
    Problem::new(
        Code::NotFound,
        "There is no such proposal, or none any more.",
    )
}

/// For a transaction of a proposal that was rejected, has expired, or was sent by another one.
#[must_use]
pub fn over() -> Problem {
    Problem::new(
        Code::WrongState,
        "The proposal that this transaction is of does not wait any more: it was rejected or sent, or has expired.",
    )
}

/// The plan as a body of `POST .../wallet/transactions`, of which [`Plan::parse`] makes the same plan.
#[must_use]
pub fn operation(plan: &Plan) -> Value {
    match plan {
        Plan::TransferSol(transfer) => fields("transfer_sol", transfer).into(),
        Plan::TransferToken {
            mint,
            transfer,
            create_account,
        } => {
            let mut fields = fields("transfer_token", transfer);
            fields.insert("mint".to_owned(), mint.to_string().into());
            fields.insert("createAccount".to_owned(), (*create_account).into());
            fields.into()
        }
        Plan::Custom(instruction) => {
            let account = |it: &Account| json!({ "address": it.address.to_string(), "writable": it.writable });
            let accounts: Vec<Value> = instruction.accounts.iter().map(account).collect();
            json!({
                "operation": "custom",
                "program": instruction.program.to_string(),
                "accounts": accounts,
                "data": base64(&instruction.data),
            })
        }
    }
}

fn fields(operation: &str, transfer: &Transfer) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("operation".to_owned(), operation.into());
    fields.insert("to".to_owned(), transfer.to.to_string().into());
    fields.insert("toProgram".to_owned(), transfer.to_program.into());
    if let Some(units) = transfer.wanted.base_units() {
        fields.insert("baseUnits".to_owned(), units.to_string().into());
    }
    if let Some(amount) = transfer.wanted.amount() {
        fields.insert("amount".to_owned(), amount.into());
    }
    fields
}

/// What is asked for, in plain words, none of which are the agent's. What a transaction of it does is told when it is prepared.
#[must_use]
pub fn summary(plan: &Plan) -> Vec<String> {
    let to = |transfer: &Transfer| match transfer.to_program {
        true => format!("{}, for which a program signs", transfer.to),
        false => transfer.to.to_string(),
    };
    match plan {
        Plan::TransferSol(transfer) => {
            let lamports = transfer.wanted.units(SOL_DECIMALS).unwrap_or_default();
            let amount = sol(lamports);
            vec![format!(
                "Asks to send {amount} ({lamports} lamports) from the agent's wallet to {}.",
                to(transfer)
            )]
        }
        Plan::TransferToken {
            mint,
            transfer,
            create_account,
        } => {
            let amount = transfer.wanted.amount().map(str::to_owned);
            let units = transfer.wanted.base_units();
            let amount = amount
                .or_else(|| units.map(|units| format!("{units} base units")))
                .unwrap_or_default();
            let mut lines = vec![format!(
                "Asks to send {amount} of the token with the mint {mint} from the agent's wallet to {}.",
                to(transfer)
            )];
            if *create_account {
                lines.push(
                    "Asks that your own wallet pay for an account of the recipient's for this token, unless there is one."
                        .to_owned(),
                );
            }
            lines
        }
        Plan::Custom(instruction) => vec![
            format!(
                "Asks to call the program {} in the name of the agent's wallet, with {} accounts and {} bytes of data.",
                instruction.program,
                instruction.accounts.len(),
                instruction.data.len()
            ),
            "What that does is for its program to say: go on only if you know.".to_owned(),
        ],
    }
}

/// Whose idea it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Agent,
}

/// A proposal that waits, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProposalView {
    pub id: ProposalId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub operation: Value,
    pub summary: Vec<String>,
    /// The agent's own words.
    pub reason: String,
    pub source: Source,
}

/// `GET /v1/agents/{asset}/wallet/proposals`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProposalList {
    /// Newest first.
    pub proposals: Vec<ProposalView>,
    /// Those taken today (UTC).
    pub today: u32,
    pub per_day: u32,
    /// Of [`COUNTED_REFUSALS`] at most.
    pub refused_today: u32,
}

#[cfg(test)]
mod tests;
