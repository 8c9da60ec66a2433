//! What an owner asks the agent's wallet to do, as it comes in the body of a request.

use serde_json::Value;

use crate::encoding::from_base64;
use crate::error::Problem;
use crate::ids::Address;
use crate::transaction::{Account, Instruction, MAX_LEN};

use super::amount::Wanted;

/// An instruction's accounts are told by one byte each.
const MAX_ACCOUNTS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    TransferSol(Transfer),
    TransferToken {
        mint: Address,
        transfer: Transfer,
        /// Whether the owner pays for a token account of the recipient's, should there be none.
        create_account: bool,
    },
    Custom(Instruction),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// A wallet, also where tokens are sent.
    pub to: Address,
    /// It is meant that no key signs for `to`, but a program.
    pub to_program: bool,
    pub wanted: Wanted,
}

impl Plan {
    /// # Errors
    /// The first field that is not as it must be.
    pub fn parse(given: &Value) -> Result<Self, Problem> {
        match text(given, "operation")? {
            Some("transfer_sol") => transfer(given).map(Self::TransferSol),
            Some("transfer_token") => Ok(Self::TransferToken {
                mint: address(given, "mint")?,
                transfer: transfer(given)?,
                create_account: flag(given, "createAccount")?,
            }),
            Some("custom") => custom(given).map(Self::Custom),
            _ => {
                let expected = "`transfer_sol`, `transfer_token` or `custom`";
                Err(Problem::field("operation", expected))
            }
        }
    }
}

impl Plan {
    /// Who gets something.
    #[must_use]
    pub const fn recipient(&self) -> Option<Address> {
        match self {
            Self::TransferSol(transfer) | Self::TransferToken { transfer, .. } => Some(transfer.to),
            Self::Custom(_) => None,
        }
    }
}

fn transfer(given: &Value) -> Result<Transfer, Problem> {
    Ok(Transfer {
        to: address(given, "to")?,
        to_program: flag(given, "toProgram")?,
        wanted: Wanted::parse(text(given, "baseUnits")?, text(given, "amount")?)?,
    })
}

fn custom(given: &Value) -> Result<Instruction, Problem> {
    let list = given.get("accounts").and_then(Value::as_array);
    let accounts = list
        .filter(|list| list.len() <= MAX_ACCOUNTS)
        .and_then(|list| list.iter().map(account).collect());
    let data = text(given, "data")?.and_then(from_base64);
    Ok(Instruction {
        program: address(given, "program")?,
        accounts: accounts.ok_or_else(|| {
            let expected = format!(
                "a list of at most {MAX_ACCOUNTS} objects with `address`, and true or false as `writable`"
            );
            Problem::field("accounts", &expected)
        })?,
        data: data
            .filter(|data| data.len() <= MAX_LEN)
            .ok_or_else(|| Problem::field("data", "the instruction's data in base64"))?,
    })
}

/// Who signs is not to be told: the agent's wallet, and nobody else.
fn account(value: &Value) -> Option<Account> {
    let address = Address::parse(value.get("address")?.as_str()?).ok()?;
    let writable = match value.get("writable") {
        None | Some(Value::Null) => false,
        Some(value) => value.as_bool()?,
    };
    Some(Account {
        address,
        writable,
        signer: false,
    })
}

/// A text, where there is one; `null` is as good as absent.
fn text<'a>(given: &'a Value, name: &str) -> Result<Option<&'a str>, Problem> {
    match given.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::field(name, "a text")),
    }
}

fn flag(given: &Value, name: &str) -> Result<bool, Problem> {
    match given.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value
            .as_bool()
            .ok_or_else(|| Problem::field(name, "true or false")),
    }
}

fn address(given: &Value, name: &str) -> Result<Address, Problem> {
    const EXPECTED: &str = "an account address (base58 of 32 bytes)";
    let parsed = text(given, name)?.and_then(|text| Address::parse(text).ok());
    parsed.ok_or_else(|| Problem::field(name, EXPECTED))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<Plan, Problem> {
        Plan::parse(body)
    }

    fn changed(body: &Value, name: &str, value: Value) -> Value {
        let mut body = body.clone();
        body[name] = value;
        body
    }

    fn to() -> String {
        Address::from_bytes([7; 32]).to_string()
    }

    #[test]
    fn each_operation_is_read() {
        let to_program =
            json!({"operation": "transfer_sol", "to": to(), "amount": "0.01", "toProgram": true});
        let Ok(Plan::TransferSol(transfer)) = parse(&to_program) else {
            panic!("refused");
        };
        assert!(transfer.to_program);
        assert_eq!(transfer.wanted.units(9), Ok(10_000_000));
        let tokens = json!({"operation": "transfer_token", "to": to(), "mint": to(), "baseUnits": "5", "amount": null});
        let Ok(Plan::TransferToken {
            transfer,
            create_account,
            ..
        }) = parse(&tokens)
        else {
            panic!("refused");
        };
        assert!(!create_account && !transfer.to_program);
        let custom = json!({"operation": "custom", "program": to(), "data": "AQI=",
            "accounts": [{"address": to(), "writable": true}, {"address": to()}]});
        let Ok(Plan::Custom(instruction)) = parse(&custom) else {
            panic!("refused");
        };
        assert_eq!(instruction.data, [1, 2]);
        let writable: Vec<bool> = instruction.accounts.iter().map(|it| it.writable).collect();
        assert_eq!(writable, [true, false]);
    }

    #[test]
    fn c21_a_number_is_no_amount_and_the_field_at_fault_is_named() {
        let sol = json!({"operation": "transfer_sol", "to": to(), "amount": "0.01"});
        for (name, value) in [
            ("operation", json!("withdraw")),
            ("operation", json!(1)),
            ("to", json!("0OIl")),
            ("to", json!(null)),
            ("amount", json!(0.01)),
            ("amount", json!("1e-2")),
            ("baseUnits", json!(10_000_000)),
            ("toProgram", json!("yes")),
        ] {
            let refused = parse(&changed(&sol, name, value)).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some(name));
        }
        let custom =
            json!({"operation": "custom", "program": to(), "data": "AQI=", "accounts": []});
        assert!(parse(&custom).is_ok());
        for (name, value) in [
            ("program", json!(7)),
            ("data", json!("A")),
            ("data", json!([1, 2])),
            ("accounts", json!(null)),
            ("accounts", json!([to()])),
            ("accounts", json!([{"address": to(), "writable": 1}])),
            ("accounts", json!(vec![json!({"address": to()}); 65])),
        ] {
            let refused = parse(&changed(&custom, name, value)).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some(name));
        }
        let token = json!({"operation": "transfer_token", "to": to(), "amount": "1"});
        assert_eq!(parse(&token).unwrap_err().field.as_deref(), Some("mint"));
    }
}
