//! What is asked of Solana RPC about the agent's wallet, and what the answers mean. One endpoint's word is enough for it: a lie
//! about an account, a mint or a fee makes a transaction that the network refuses, or a number on a page that is wrong, and
//! moves nothing. Who the owner is, two must say (`rpc`).

use serde_json::{Value, json};

use crate::encoding::{base64, from_base64};
use crate::ids::{Address, Blockhash};
use crate::ownership::AnswerError;
use crate::proof::Signature;

use super::token::{TokenAccount, TokenProgram};

/// The longest answer that is read: of some thousand token accounts, which anybody can make for the agent's wallet.
pub const MAX_ANSWER_LENGTH: usize = 1024 * 1024;
/// The largest number that JavaScript keeps exactly.
const MAX_EXACT: u64 = (1 << 53) - 1;
/// What a node says when it has tried the transaction and would not send it.
const SIMULATION_FAILED: i64 = -32002;
/// Or when its signature is not good.
const SIGNATURE_FAILED: i64 = -32003;

fn request(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

fn texts(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// The first bytes of each account.
#[must_use]
pub fn accounts_request(addresses: &[Address], first: Option<usize>) -> String {
    let mut options = json!({"encoding": "base64", "commitment": "confirmed"});
    if let (Some(length), Some(options)) = (first, options.as_object_mut()) {
        let slice = json!({"offset": 0, "length": length});
        options.insert("dataSlice".to_owned(), slice);
    }
    request("getMultipleAccounts", &json!([texts(addresses), options]))
}

#[must_use]
pub fn tokens_request(wallet: &Address, program: TokenProgram) -> String {
    let slice = json!({"offset": 0, "length": TokenAccount::READ_LEN});
    let options = json!({"encoding": "base64", "commitment": "confirmed", "dataSlice": slice});
    let of = json!({"programId": program.address().to_string()});
    let params = json!([wallet.to_string(), of, options]);
    request("getTokenAccountsByOwner", &params)
}

#[must_use]
pub fn blockhash_request() -> String {
    request("getLatestBlockhash", &json!([{"commitment": "confirmed"}]))
}

#[must_use]
pub fn rent_request(length: usize) -> String {
    request("getMinimumBalanceForRentExemption", &json!([length]))
}

#[must_use]
pub fn fee_request(message: &[u8]) -> String {
    let params = json!([base64(message), {"commitment": "confirmed"}]);
    request("getFeeForMessage", &params)
}

#[must_use]
pub fn send_request(transaction: &[u8]) -> String {
    let options = json!({"encoding": "base64", "preflightCommitment": "confirmed"});
    request("sendTransaction", &json!([base64(transaction), options]))
}

#[must_use]
pub fn statuses_request(signatures: &[String]) -> String {
    let options = json!({"searchTransactionHistory": true});
    request("getSignatureStatuses", &json!([signatures, options]))
}

/// What an answer says.
///
/// # Errors
/// [`AnswerError`]
pub fn result(text: &str) -> Result<Value, AnswerError> {
    let mut answer: Value = serde_json::from_str(text).map_err(|_| AnswerError::Malformed)?;
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").and_then(Value::as_i64);
        return Err(code.map_or(AnswerError::Malformed, AnswerError::Rpc));
    }
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(AnswerError::Malformed),
    }
}

/// The slot of an answer, and what it says as of it.
#[must_use]
pub fn contextual(result: &Value) -> Option<(u64, &Value)> {
    let slot = result.get("context")?.get("slot")?.as_u64()?;
    Some((slot, result.get("value")?)).filter(|(slot, _)| *slot <= MAX_EXACT)
}

/// An account as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub program: Address,
    pub lamports: u64,
    pub executable: bool,
    pub data: Vec<u8>,
}

impl Found {
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let data = value.get("data")?;
        if data.get(1)? != "base64" {
            return None;
        }
        Some(Self {
            program: Address::parse(value.get("owner")?.as_str()?).ok()?,
            lamports: value.get("lamports")?.as_u64()?,
            executable: value.get("executable")?.as_bool()?,
            data: from_base64(data.get(0)?.as_str()?)?,
        })
    }
}

/// The accounts that were asked for, in the same order.
#[must_use]
pub fn accounts(value: &Value, asked: usize) -> Option<Vec<Option<Found>>> {
    let list = value.as_array().filter(|list| list.len() == asked)?;
    let one = |value: &Value| match value {
        Value::Null => Some(None),
        value => Found::read(value).map(Some),
    };
    list.iter().map(one).collect()
}

/// Token accounts with their addresses. Those that are not `wallet`'s, or of no mint, are no answer to the question.
#[must_use]
pub fn tokens(value: &Value, wallet: &Address) -> Option<Vec<(Address, TokenAccount)>> {
    let one = |value: &Value| {
        let address = Address::parse(value.get("pubkey")?.as_str()?).ok()?;
        let account = TokenAccount::read(&Found::read(value.get("account")?)?.data)?;
        (account.owner == *wallet).then_some((address, account))
    };
    value.as_array()?.iter().map(one).collect()
}

/// A blockhash, and the last height of a block that takes transactions with it.
#[must_use]
pub fn blockhash(value: &Value) -> Option<(Blockhash, u64)> {
    let hash = Blockhash::parse(value.get("blockhash")?.as_str()?).ok()?;
    let height = value.get("lastValidBlockHeight")?.as_u64()?;
    Some((hash, height)).filter(|(_, height)| *height <= MAX_EXACT)
}

/// Whether a node refused the transaction itself, so that it would be refused again.
#[must_use]
pub const fn refused(error: AnswerError) -> bool {
    matches!(error, AnswerError::Rpc(SIMULATION_FAILED | SIGNATURE_FAILED))
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// Not known to the node, or not seen by most of the network yet.
    Unknown,
    Confirmed,
    Finalized,
    Failed,
}

/// Of each signature that was asked for, in the same order.
#[must_use]
pub fn statuses(value: &Value, asked: usize) -> Option<Vec<Landed>> {
    let list = value.as_array().filter(|list| list.len() == asked)?;
    let one = |status: &Value| {
        if status.is_null() {
            return Some(Landed::Unknown);
        }
        let level = status.get("confirmationStatus")?.as_str()?;
        let failed = !status.get("err")?.is_null();
        Some(match level {
            "confirmed" | "finalized" if failed => Landed::Failed,
            "confirmed" => Landed::Confirmed,
            "finalized" => Landed::Finalized,
            _ => Landed::Unknown,
        })
    };
    list.iter().map(one).collect()
}

/// The signature that a node names, which must be that of what it was sent.
#[must_use]
pub fn names(result: &Value, signature: &Signature) -> bool {
    result.as_str().and_then(|text| Signature::parse(text).ok()) == Some(*signature)
}
