//! Who owns an asset now: what is asked of Solana RPC, what its answer means, and how long it may be believed. Whom to
//! ask, and how many must agree, is in `rpc`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::asset::{AccountState, AssetError, decode};
use crate::encoding::from_base64;
use crate::ids::{Address, Asset, Collection, Wallet};
use crate::time::{Seconds, Timestamp};

/// The longest answer that is read. A Core asset is a few hundred bytes; its plugins may be some kilobytes.
pub const MAX_ANSWER_LENGTH: usize = 262_144;

/// The largest number that JavaScript keeps exactly.
const MAX_SLOT: u64 = (1 << 53) - 1;

/// `getAccountInfo` at `confirmed`: it shows a sale some 13 s sooner than `finalized`, and never one that a minority saw.
#[must_use]
pub fn account_request(asset: Asset) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "getAccountInfo",
        "params": [asset.to_string(), {"encoding": "base64", "commitment": "confirmed"}],
    })
}

/// An endpoint's answer could not be used; another endpoint may do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the answer is not a JSON-RPC answer to what was asked")]
    Malformed,
    #[error("the endpoint answered with JSON-RPC error {0}")]
    Rpc(i64),
}

/// Why an asset gives nobody access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OwnershipError {
    #[error("there is no such account")]
    Missing,
    #[error("the asset was burned")]
    Burned,
    #[error("the account is not an asset of the collection")]
    NotOurs,
    #[error("the account does not decode")]
    Malformed,
}

/// The owner as an endpoint told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    pub owner: Wallet,
    /// The domain's name, as text for people. Names are not unique: the asset's address is what counts.
    pub name: String,
    /// The slot the endpoint answered for.
    pub slot: u64,
}

/// What one endpoint says of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    Owned(Owned),
    /// Nobody has it, as of this slot.
    Nobody(OwnershipError, u64),
}

impl Reading {
    #[must_use]
    pub const fn slot(&self) -> u64 {
        match self {
            Self::Owned(owned) => owned.slot,
            Self::Nobody(_, slot) => *slot,
        }
    }

    #[must_use]
    pub const fn owner(&self) -> Option<Wallet> {
        match self {
            Self::Owned(owned) => Some(owned.owner),
            Self::Nobody(..) => None,
        }
    }

    /// That in which two readings agree or not.
    ///
    /// # Errors
    /// Why there is no owner.
    pub const fn says(&self) -> Result<Wallet, OwnershipError> {
        match self {
            Self::Owned(owned) => Ok(owned.owner),
            Self::Nobody(reason, _) => Err(*reason),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    result: Option<AnswerResult>,
    error: Option<AnswerFault>,
}

#[derive(Deserialize)]
struct AnswerFault {
    code: i64,
}

#[derive(Deserialize)]
struct AnswerResult {
    context: AnswerContext,
    value: Option<AnswerAccount>,
}

#[derive(Deserialize)]
struct AnswerContext {
    slot: u64,
}

// `rentEpoch` is left out on purpose: some providers round it to a number that fits no integer.
#[derive(Deserialize)]
struct AnswerAccount {
    owner: Address,
    data: (String, String),
}

/// Reads an endpoint's answer: the owner, or why there is none.
///
/// # Errors
/// [`AnswerError`] when the answer says nothing about the account.
pub fn read_answer(text: &str, collection: Collection) -> Result<Reading, AnswerError> {
    let answer: Answer = serde_json::from_str(text).map_err(|_| AnswerError::Malformed)?;
    if let Some(fault) = answer.error {
        return Err(AnswerError::Rpc(fault.code));
    }
    let result = answer.result.ok_or(AnswerError::Malformed)?;
    let slot = result.context.slot;
    // No chain has so many; and a number that JavaScript rounds could not be read back from where it is kept.
    if slot > MAX_SLOT {
        return Err(AnswerError::Malformed);
    }
    let Some(account) = result.value else {
        return Ok(Reading::Nobody(OwnershipError::Missing, slot));
    };
    if account.data.1 != "base64" {
        return Err(AnswerError::Malformed);
    }
    let data = from_base64(&account.data.0).ok_or(AnswerError::Malformed)?;
    Ok(match owner_of(&account.owner, &data, collection) {
        Ok((owner, name)) => Reading::Owned(Owned { owner, name, slot }),
        Err(reason) => Reading::Nobody(reason, slot),
    })
}

fn owner_of(
    program: &Address,
    data: &[u8],
    collection: Collection,
) -> Result<(Wallet, String), OwnershipError> {
    match decode(program, data) {
        Ok(AccountState::Asset(asset)) if asset.is_member_of(&collection) => {
            Ok((asset.owner, printable(&asset.name)))
        }
        Ok(AccountState::Burned) => Err(OwnershipError::Burned),
        Ok(_) => Err(OwnershipError::NotOurs),
        Err(AssetError::WrongProgram) => Err(OwnershipError::NotOurs),
        Err(_) => Err(OwnershipError::Malformed),
    }
}

/// A name as it may be shown: bounded, without control characters.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Slots that a node may be behind the newest reading and still be believed when it changes nothing: some 10 s, as nodes
/// behind one address differ by a few.
pub const SLOTS_BEHIND: u64 = 25;
/// How long a reading's slot counts as a floor for the next ones. Bounded, so that a slot far ahead of the chain's, which
/// a single configured endpoint may claim, can't make every answer look late for ever.
pub const FLOOR_LIFETIME: Seconds = Seconds::new(60);

/// The slot below which an answer is too old to count: a node that lags must not bring the last owner back (C07).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    pub slot: u64,
    pub since: Timestamp,
    /// Whom the asset belongs to as of that slot; `None` for a floor that is not of one asset.
    pub owner: Option<Wallet>,
}

impl Floor {
    #[must_use]
    pub fn is_above(&self, reading: &Reading, now: Timestamp) -> bool {
        let least = if self.owner.is_some() && reading.owner() != self.owner {
            self.slot
        } else {
            self.slot.saturating_sub(SLOTS_BEHIND)
        };
        now < self.since.saturating_add(FLOOR_LIFETIME) && reading.slot() < least
    }
}

/// The floor after a reading that counted. One that is a few slots older does not lower it, one that could count only as
/// the floor had been given up does, and only those that endpoints agreed on raise it: none locks the others out by a slot
/// far ahead.
#[must_use]
pub fn next_floor(floor: u64, slot: u64, agreed: bool) -> u64 {
    if slot < floor.saturating_sub(SLOTS_BEHIND) {
        slot
    } else if agreed {
        floor.max(slot)
    } else {
        floor
    }
}

/// How much the last reading of the owner may still be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Young enough: no need to ask.
    Fresh,
    /// Ask; when nobody answers it may still do.
    Stale,
    /// Ask; without an answer nothing is allowed.
    Expired,
}

/// `OWNERSHIP_MAX_AGE` and `OWNERSHIP_GRACE`.
#[derive(Debug, Clone, Copy)]
pub struct OwnershipPolicy {
    pub max_age: Seconds,
    pub grace: Seconds,
}

#[must_use]
pub fn freshness(checked_at: Timestamp, now: Timestamp, policy: OwnershipPolicy) -> Freshness {
    if checked_at > now {
        return Freshness::Expired;
    }
    let stale_at = checked_at.saturating_add(policy.max_age);
    if now < stale_at {
        Freshness::Fresh
    } else if now < stale_at.saturating_add(policy.grace) {
        Freshness::Stale
    } else {
        Freshness::Expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURES: &str = include_str!("../../tests/vectors/core-fixtures.json");

    fn fixture(name: &str) -> (Value, Collection) {
        let all: Value = serde_json::from_str(FIXTURES).unwrap();
        let fixture = all["fixtures"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["name"] == name)
            .unwrap()
            .clone();
        (
            fixture,
            Collection::parse(all["keys"]["collection"].as_str().unwrap()).unwrap(),
        )
    }

    fn answer(name: &str) -> Result<Reading, AnswerError> {
        let (fixture, collection) = fixture(name);
        let account = &fixture["account"];
        let text = json!({"jsonrpc": "2.0", "id": 1, "result": {"context": {"slot": 7, "apiVersion": "3"}, "value": {
            "owner": account["owner_program"], "data": [account["data_base64"], "base64"], "lamports": 1,
            "executable": false, "space": 1,
        }}})
        .to_string()
        .replace("\"space\":1", "\"space\":1,\"rentEpoch\":18446744073709552000");
        read_answer(&text, collection)
    }

    #[test]
    fn c04_the_account_of_the_asset_itself_is_asked_for_as_most_of_the_network_sees_it() {
        let asset = Asset::from_bytes([7; 32]);
        let request = account_request(asset);
        assert_eq!(request["method"], "getAccountInfo");
        assert_eq!(
            request["params"],
            json!([asset.to_string(), {"encoding": "base64", "commitment": "confirmed"}])
        );
    }

    #[test]
    fn c04_only_a_member_of_the_collection_has_an_owner() {
        let Ok(Reading::Owned(owned)) = answer("asset_in_collection_plain") else {
            panic!("it has an owner");
        };
        assert_eq!((owned.name.as_str(), owned.slot), ("alice.molt", 7));
        for (name, error) in [
            ("asset_burned", OwnershipError::Burned),
            ("asset_wrong_collection", OwnershipError::NotOurs),
            (
                "asset_address_ua_equals_collection_key",
                OwnershipError::NotOurs,
            ),
            ("asset_no_collection_address_ua", OwnershipError::NotOurs),
            ("wrong_program_token", OwnershipError::NotOurs),
            ("collection_plain", OwnershipError::NotOurs),
            ("truncated_65", OwnershipError::Malformed),
            ("empty_data", OwnershipError::Malformed),
        ] {
            assert_eq!(answer(name), Ok(Reading::Nobody(error, 7)), "{name}");
        }
    }

    #[test]
    fn a_null_value_is_no_account_and_an_error_is_no_answer() {
        let (_, collection) = fixture("asset_burned");
        let null = r#"{"jsonrpc":"2.0","id":1,"result":{"context":{"slot":1},"value":null}}"#;
        assert_eq!(
            read_answer(null, collection),
            Ok(Reading::Nobody(OwnershipError::Missing, 1))
        );
        let last = null.replace(r#""slot":1"#, &format!(r#""slot":{MAX_SLOT}"#));
        assert_eq!(
            read_answer(&last, collection),
            Ok(Reading::Nobody(OwnershipError::Missing, MAX_SLOT))
        );
        let behind = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"behind"}}"#;
        assert_eq!(
            read_answer(behind, collection),
            Err(AnswerError::Rpc(-32005))
        );
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"result":{}}"#,
            r#"{"result":{"context":{"slot":-1},"value":null}}"#,
            r#"{"result":{"context":{"slot":9007199254740992},"value":null}}"#,
        ] {
            assert_eq!(
                read_answer(bad, collection),
                Err(AnswerError::Malformed),
                "{bad}"
            );
        }
    }

    #[test]
    fn c07_a_node_that_lags_does_not_bring_the_last_owner_back() {
        let [new, old] = [1, 2].map(|byte| Wallet::from_bytes([byte; 32]));
        let since = Timestamp::from_secs(100);
        let floor = |owner| Floor {
            slot: 1000,
            since,
            owner,
        };
        let owned = |owner, slot| {
            Reading::Owned(Owned {
                owner,
                name: String::new(),
                slot,
            })
        };
        let late = |reading: &Reading, later| {
            floor(Some(new)).is_above(reading, since.saturating_add(Seconds::new(later)))
        };
        assert!(late(&owned(old, 999), 1) && late(&owned(old, 0), 59));
        assert!(!late(&owned(old, 1000), 1), "what is as new counts");
        assert!(!late(&owned(old, 999), 60), "a floor does not last");
        assert!(!late(&owned(new, 975), 1), "nodes differ by a few slots");
        assert!(late(&owned(new, 974), 1));
        let nobody = |slot| Reading::Nobody(OwnershipError::Missing, slot);
        assert!(late(&nobody(999), 1), "nor take the owner away");
        assert!(!late(&nobody(1000), 1));
        for reading in [owned(old, 975), nobody(975)] {
            assert!(!floor(None).is_above(&reading, since));
        }
        assert!(floor(None).is_above(&owned(new, 974), since));
    }

    #[test]
    fn c07_a_floor_is_raised_by_agreement_alone_and_sinks_when_it_was_given_up() {
        assert_eq!(next_floor(1000, 1001, true), 1001);
        assert_eq!(next_floor(1000, 1_000_000, false), 1000);
        for agreed in [true, false] {
            assert_eq!(next_floor(1000, 975, agreed), 1000);
            assert_eq!(next_floor(1000, 974, agreed), 974);
        }
    }

    #[test]
    fn c07_a_reading_ages() {
        let policy = OwnershipPolicy {
            max_age: Seconds::new(10),
            grace: Seconds::new(60),
        };
        let at = Timestamp::from_secs;
        assert_eq!(freshness(at(100), at(100), policy), Freshness::Fresh);
        assert_eq!(freshness(at(100), at(109), policy), Freshness::Fresh);
        assert_eq!(freshness(at(100), at(110), policy), Freshness::Stale);
        assert_eq!(freshness(at(100), at(169), policy), Freshness::Stale);
        assert_eq!(freshness(at(100), at(170), policy), Freshness::Expired);
        assert_eq!(freshness(at(100), at(99), policy), Freshness::Expired);
    }
}
