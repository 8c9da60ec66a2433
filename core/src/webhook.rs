//! A notice of the RPC provider that assets moved: which ones it names. It is a hint and nothing more: whoever is named
//! is read from the chain again (C07).
//!
//! Forms: Helius' enhanced and raw webhooks (docs.helius.dev/webhooks). A move is any instruction of the Metaplex Core
//! program, at the top or called by another; its first account is the asset.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::asset::CORE_PROGRAM;
use crate::ids::{Address, Asset};
use crate::secret::Secret;

/// The longest notice that is read: many transactions come in one.
pub const MAX_LENGTH: usize = 1024 * 1024;
/// The most assets that are looked at for one notice.
pub const MAX_ASSETS: usize = 100;
const MIN_SECRET_LENGTH: usize = 32;

/// The provider sends the secret as it was set up with it, in `Authorization`.
#[derive(Debug)]
pub struct HookSecret(Secret);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must have at least {MIN_SECRET_LENGTH} characters")]
pub struct WeakSecret;

impl HookSecret {
    /// # Errors
    /// [`WeakSecret`] for one that could be guessed.
    pub fn new(secret: Secret) -> Result<Self, WeakSecret> {
        if secret.expose().len() < MIN_SECRET_LENGTH {
            return Err(WeakSecret);
        }
        Ok(Self(secret))
    }

    /// Whether a request's `Authorization` is the secret, in constant time.
    #[must_use]
    pub fn admits(&self, authorization: String) -> bool {
        self.0.ct_eq(&Secret::new(authorization))
    }
}

/// The assets that a notice names, each once; `None` when it is no notice.
#[must_use]
pub fn assets_of(body: &str) -> Option<Vec<Asset>> {
    let Ok(Value::Array(notices)) = serde_json::from_str(body) else {
        return None;
    };
    let mut assets = BTreeSet::new();
    for notice in &notices {
        notice.as_object()?;
        // What failed moved nothing, and costs its sender little.
        let failed = |name| notice.pointer(name).is_some_and(|error| !error.is_null());
        if failed("/transactionError") || failed("/meta/err") {
            continue;
        }
        collect(list(notice, "instructions"), &mut assets);
        collect_raw(notice, &mut assets);
    }
    Some(assets.into_iter().take(MAX_ASSETS).collect())
}

/// The list under a name; none is an empty one.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn note(program: Option<&Value>, first: Option<&Value>, assets: &mut BTreeSet<Asset>) {
    let program = program.and_then(Value::as_str).map(Address::parse);
    if matches!(program, Some(Ok(CORE_PROGRAM))) {
        let first = first.and_then(Value::as_str).map(Asset::parse);
        assets.extend(first.and_then(Result::ok));
    }
}

/// Of an enhanced notice. Instructions nest as deep as the JSON reader lets them.
fn collect(instructions: &[Value], assets: &mut BTreeSet<Asset>) {
    for instruction in instructions {
        let first = list(instruction, "accounts").first();
        note(instruction.get("programId"), first, assets);
        collect(list(instruction, "innerInstructions"), assets);
    }
}

/// Of a raw one, where programs and accounts are places in a list of keys: the transaction's own, then those out of
/// address lookup tables.
fn collect_raw(notice: &Value, assets: &mut BTreeSet<Asset>) {
    let part = |name| notice.pointer(name).unwrap_or(&Value::Null);
    let (message, meta) = (part("/transaction/message"), part("/meta"));
    let loaded = part("/meta/loadedAddresses");
    let keys: Vec<&Value> = list(message, "accountKeys")
        .iter()
        .chain(list(loaded, "writable"))
        .chain(list(loaded, "readonly"))
        .collect();
    let key = |place: Option<&Value>| {
        let place = usize::try_from(place?.as_u64()?).ok()?;
        keys.get(place).copied()
    };
    let inner = list(meta, "innerInstructions")
        .iter()
        .flat_map(|inner| list(inner, "instructions"));
    for instruction in list(message, "instructions").iter().chain(inner) {
        let first = key(list(instruction, "accounts").first());
        note(key(instruction.get("programIdIndex")), first, assets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CORE: &str = "CoREENxT6tW1HoK8ypY1SxRMZTcVPm7R94rH4PZNhX7d";
    const OTHER: &str = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr";

    fn asset(byte: u8) -> String {
        Asset::from_bytes([byte; 32]).to_string()
    }

    fn named(body: &Value) -> Vec<String> {
        let assets = assets_of(&body.to_string()).unwrap();
        assets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn c07_an_enhanced_notice_names_the_first_account_of_each_core_instruction() {
        let body = json!([
            {"type": "UNKNOWN", "slot": 1, "instructions": [
                {"programId": CORE, "accounts": [asset(1), asset(9)], "data": "x", "innerInstructions": []},
                {"programId": OTHER, "accounts": [asset(8)], "data": "", "innerInstructions": [
                    {"programId": CORE, "accounts": [asset(2)], "data": "x"},
                ]},
                {"programId": CORE, "accounts": [asset(1)]},
                {"programId": CORE, "accounts": []},
                {"programId": CORE, "accounts": ["no address"]},
            ]},
            {"type": "TRANSFER"},
        ]);
        assert_eq!(named(&body), [asset(1), asset(2)]);
    }

    #[test]
    fn c07_a_raw_notice_names_them_by_index_and_no_index_is_trusted() {
        let body = json!([{"slot": 1, "transaction": {"signatures": [], "message": {
            "accountKeys": [asset(1), CORE, OTHER],
            "instructions": [
                {"programIdIndex": 1, "accounts": [0, 2], "data": "x"},
                {"programIdIndex": 2, "accounts": [2], "data": "x"},
                {"programIdIndex": 99, "accounts": [0], "data": "x"},
                {"programIdIndex": 1, "accounts": [99], "data": "x"},
                {"programIdIndex": 1, "accounts": [], "data": "x"},
            ]}},
            "meta": {"innerInstructions": [{"index": 0, "instructions": [
                {"programIdIndex": 1, "accounts": [3], "data": "x"},
            ]}], "loadedAddresses": {"writable": [asset(2)], "readonly": []}},
        }]);
        assert_eq!(named(&body), [asset(1), asset(2)]);
    }

    #[test]
    fn a_transaction_that_failed_names_nothing() {
        let instructions = json!([{"programId": CORE, "accounts": [asset(1)]}]);
        for error in [
            json!({"transactionError": {"x": 1}}),
            json!({"meta": {"err": "x"}}),
        ] {
            let mut body = error;
            body["instructions"] = instructions.clone();
            assert_eq!(named(&json!([body])), Vec::<String>::new());
        }
        let fine = json!([{"transactionError": null, "instructions": instructions}]);
        assert_eq!(named(&fine), [asset(1)]);
    }

    #[test]
    fn what_is_no_notice_is_refused_and_a_long_one_bounded() {
        for bad in ["", "{}", "null", "[1]", "[[]]x", "\u{0}"] {
            assert_eq!(assets_of(bad), None, "{bad}");
        }
        assert_eq!(assets_of("[]"), Some(vec![]));
        assert_eq!(assets_of("[{}]"), Some(vec![]));
        let many: Vec<Value> = (0..=255)
            .map(|byte| json!({"programId": CORE, "accounts": [asset(byte)]}))
            .collect();
        assert_eq!(named(&json!([{"instructions": many}])).len(), MAX_ASSETS);
    }

    #[test]
    fn c07_the_secret_is_whole_or_none() {
        let text = "0123456789abcdef0123456789abcdef";
        let secret = |text: &str| HookSecret::new(Secret::new(text.to_owned()));
        for weak in ["", "short", text.trim_start_matches('0')] {
            assert!(secret(weak).is_err(), "{weak}");
        }
        let ours = secret(text).unwrap();
        assert!(ours.admits(text.to_owned()));
        for bad in [
            "",
            "0123456789abcdef0123456789abcdeF",
            "123456789abcdef0123456789abcdef",
            "Bearer 0123456789abcdef0123456789abcdef",
        ] {
            assert!(!ours.admits(bad.to_owned()), "{bad}");
        }
    }
}
