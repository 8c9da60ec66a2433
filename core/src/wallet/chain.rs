//! What is asked of Solana RPC about the agent's wallet, and what the answers mean. One endpoint's word is enough for it: a lie
//! about an account, a mint or a fee makes a transaction that the network refuses, or a number on a page that is wrong, and
//! moves nothing. Who the owner is, two must say (`rpc`).

use serde_json::Value;

use crate::encoding::{base64, from_base64};
use crate::ids::{Address, Blockhash};
use crate::ownership::AnswerError;

use super::token::{TokenAccount, TokenProgram};

/// The longest answer that is read: of some thousand token accounts, which anybody can make for the agent's wallet.
pub const MAX_ANSWER_LENGTH: usize = 1024 * 1024;
/// The largest number that JavaScript keeps exactly.
const MAX_EXACT: u64 = (1 << 53) - 1;
/// What a node says when it has tried the transaction and would not send it.
const SIMULATION_FAILED: i64 = -32002;
/// Or when its signature is not good.
const SIGNATURE_FAILED: i64 = -32003;

/// One question, and whether a result is an answer to it.
pub struct Question {
    pub text: String,
    pub fits: fn(&Value) -> bool,
}

/// All that is put into `params` is base58, base64 or a number: nothing of it needs another spelling in JSON.
fn question(method: &str, params: &str, fits: fn(&Value) -> bool) -> Question {
    Question {
        text: format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[{params}]}}"#),
        fits,
    }
}

fn slice(length: usize) -> String {
    format!(r#","dataSlice":{{"offset":0,"length":{length}}}"#)
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    texts
        .map(|text| format!("\"{text}\""))
        .collect::<Vec<_>>()
        .join(",")
}

/// The accounts, or the `first` bytes of each.
#[must_use]
pub fn accounts_question(addresses: &[Address], first: Option<usize>) -> Question {
    let list = listed(addresses.iter().map(ToString::to_string));
    let slice = first.map(slice).unwrap_or_default();
    let params = format!(r#"[{list}],{{"encoding":"base64","commitment":"confirmed"{slice}}}"#);
    question("getMultipleAccounts", &params, |result| {
        contextual(result).is_some_and(|(_, value)| accounts(value).is_some())
    })
}

#[must_use]
pub fn tokens_question(wallet: &Address, program: TokenProgram) -> Question {
    let program = program.address();
    let slice = slice(TokenAccount::READ_LEN);
    let params = format!(
        r#""{wallet}",{{"programId":"{program}"}},{{"encoding":"base64","commitment":"confirmed"{slice}}}"#
    );
    question("getTokenAccountsByOwner", &params, |result| {
        contextual(result).is_some_and(|(_, value)| tokens(value).is_some())
    })
}

#[must_use]
pub fn blockhash_question() -> Question {
    let params = r#"{"commitment":"confirmed"}"#;
    question("getLatestBlockhash", params, |result| {
        blockhash(result).is_some()
    })
}

#[must_use]
pub fn rent_question(length: usize) -> Question {
    let method = "getMinimumBalanceForRentExemption";
    question(method, &length.to_string(), Value::is_u64)
}

#[must_use]
pub fn fee_question(message: &[u8]) -> Question {
    let params = format!(r#""{}",{{"commitment":"confirmed"}}"#, base64(message));
    question("getFeeForMessage", &params, |result| fee(result).is_some())
}

#[must_use]
pub fn send_question(transaction: &[u8]) -> Question {
    let transaction = base64(transaction);
    let params =
        format!(r#""{transaction}",{{"encoding":"base64","preflightCommitment":"confirmed"}}"#);
    question("sendTransaction", &params, Value::is_string)
}

#[must_use]
pub fn statuses_question(signatures: &[String]) -> Question {
    let list = listed(signatures.iter().cloned());
    let params = format!(r#"[{list}],{{"searchTransactionHistory":true}}"#);
    question("getSignatureStatuses", &params, |result| {
        contextual(result).is_some_and(|(_, value)| statuses(value).is_some())
    })
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
pub fn accounts(value: &Value) -> Option<Vec<Option<Found>>> {
    let one = |value: &Value| match value {
        Value::Null => Some(None),
        value => Found::read(value).map(Some),
    };
    value.as_array()?.iter().map(one).collect()
}

/// Token accounts with their addresses.
#[must_use]
pub fn tokens(value: &Value) -> Option<Vec<(Address, TokenAccount)>> {
    let one = |value: &Value| {
        let address = Address::parse(value.get("pubkey")?.as_str()?).ok()?;
        let account = TokenAccount::read(&Found::read(value.get("account")?)?.data)?;
        Some((address, account))
    };
    value.as_array()?.iter().map(one).collect()
}

/// A blockhash, and the last height of a block that takes transactions with it.
#[must_use]
pub fn blockhash(result: &Value) -> Option<(Blockhash, u64)> {
    let (_, value) = contextual(result)?;
    let hash = Blockhash::parse(value.get("blockhash")?.as_str()?).ok()?;
    let height = value.get("lastValidBlockHeight")?.as_u64()?;
    Some((hash, height)).filter(|(_, height)| *height <= MAX_EXACT)
}

/// Lamports for a message; none where its blockhash is not known.
#[must_use]
pub fn fee(result: &Value) -> Option<u64> {
    contextual(result)?.1.as_u64()
}

/// Whether a node refused the transaction itself, so that it would be refused again.
#[must_use]
pub const fn refused(error: AnswerError) -> bool {
    matches!(
        error,
        AnswerError::Rpc(SIMULATION_FAILED | SIGNATURE_FAILED)
    )
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
pub fn statuses(value: &Value) -> Option<Vec<Landed>> {
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
    value.as_array()?.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn answer(value: &Value) -> Value {
        json!({"context": {"slot": 7, "apiVersion": "3"}, "value": value})
    }

    fn account() -> Value {
        json!({"owner": "11111111111111111111111111111111", "data": ["AQI=", "base64"], "lamports": u64::MAX,
            "executable": false, "space": 2})
    }

    #[test]
    fn questions_are_json_as_the_network_takes_them() {
        let wallet = Address::from_bytes([7; 32]);
        let text = wallet.to_string();
        let confirmed = json!({"encoding": "base64", "commitment": "confirmed"});
        let sliced = json!({"encoding": "base64", "commitment": "confirmed", "dataSlice": {"offset": 0, "length": 109}});
        let program = json!({"programId": "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"});
        let sent = json!({"encoding": "base64", "preflightCommitment": "confirmed"});
        for (question, method, params) in [
            (
                accounts_question(&[wallet; 2], None),
                "getMultipleAccounts",
                json!([[text, text], confirmed]),
            ),
            (
                tokens_question(&wallet, TokenProgram::Token),
                "getTokenAccountsByOwner",
                json!([text, program, sliced]),
            ),
            (
                blockhash_question(),
                "getLatestBlockhash",
                json!([{"commitment": "confirmed"}]),
            ),
            (
                rent_question(165),
                "getMinimumBalanceForRentExemption",
                json!([165]),
            ),
            (
                fee_question(&[1, 2]),
                "getFeeForMessage",
                json!(["AQI=", {"commitment": "confirmed"}]),
            ),
            (
                send_question(&[1, 2]),
                "sendTransaction",
                json!(["AQI=", sent]),
            ),
            (
                statuses_question(&["a".to_owned()]),
                "getSignatureStatuses",
                json!([["a"], {"searchTransactionHistory": true}]),
            ),
        ] {
            let question: Value = serde_json::from_str(&question.text).unwrap();
            assert_eq!(
                question,
                json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            );
        }
    }

    #[test]
    fn an_answer_is_one_of_the_form_that_was_asked_for() {
        let accounts = accounts_question(&[], None).fits;
        assert!(accounts(&answer(&json!([account(), null]))));
        for (field, bad) in [
            ("owner", json!(1)),
            ("data", json!(["AQI=", "base58"])),
            ("data", json!(["A", "base64"])),
            ("lamports", json!(-1)),
            ("executable", json!(null)),
        ] {
            let mut account = account();
            account[field] = bad;
            assert!(!accounts(&answer(&json!([account]))), "{field}");
        }
        assert!(!accounts(&json!({"value": [account()]})), "of no slot");
        let hash = json!({"blockhash": "4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM", "lastValidBlockHeight": 9});
        assert!(blockhash(&answer(&hash)).is_some_and(|(_, height)| height == 9));
        assert_eq!(fee(&answer(&json!(5000))), Some(5000));
        assert_eq!(
            fee(&answer(&json!(null))),
            None,
            "a blockhash that is not known"
        );
        assert_eq!(
            result(r#"{"error":{"code":-32002,"message":"x"}}"#),
            Err(AnswerError::Rpc(-32002))
        );
        assert!(refused(AnswerError::Rpc(-32002)) && !refused(AnswerError::Rpc(-32005)));
    }

    #[test]
    fn what_became_of_a_transaction_is_told_when_most_of_the_network_has_seen_it() {
        let status =
            |level: &str, err: Value| json!({"slot": 1, "err": err, "confirmationStatus": level});
        let failed = json!({"InstructionError": [0, {"Custom": 26}]});
        let list = json!([
            null,
            status("processed", failed.clone()),
            status("confirmed", json!(null)),
            status("finalized", json!(null)),
            status("confirmed", failed)
        ]);
        let expected = [
            Landed::Unknown,
            Landed::Unknown,
            Landed::Confirmed,
            Landed::Finalized,
            Landed::Failed,
        ];
        assert_eq!(statuses(&list).unwrap(), expected);
        assert_eq!(statuses(&json!([{"err": null}])), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = result(&text);
        }
    }
}
