//! Whether what was asked for can be done as the chain is now, and the operation that does it. The network would refuse most
//! of what is refused here, but only after a fee, and without a word; what it would not refuse is sent where nobody finds it.

use crate::asset::CORE_PROGRAM;
use crate::error::{Code, Problem};
use crate::ids::{Address, Asset, Wallet};
use crate::pda::is_on_curve;
use crate::transaction::Instruction;

use super::amount::{SOL_DECIMALS, decimal, sol};
use super::chain::Found;
use super::operation::{Operation, SYSTEM_PROGRAM, TokenTransfer};
use super::plan::{Plan, Transfer};
use super::token::{Mint, NewTokenAccount, TokenAccount, TokenProgram};

/// What the Core program takes for each `ExecuteV1`, from who pays.
pub const EXECUTE_FEE: u64 = 48_720;

/// Whose transaction it is.
#[derive(Debug, Clone, Copy)]
pub struct Parties {
    pub asset: Asset,
    pub owner: Wallet,
    /// The agent's: the asset signer.
    pub wallet: Address,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub operation: Operation,
    pub creates: Option<NewTokenAccount>,
    /// What the owner should know and the transaction does not say.
    pub notes: Vec<String>,
}

impl From<Operation> for Prepared {
    fn from(operation: Operation) -> Self {
        Self {
            operation,
            creates: None,
            notes: Vec::new(),
        }
    }
}

/// The accounts that [`prepare`] looks at, in this order: owner, the agent's wallet, and what the plan names. A token's
/// accounts are at other addresses with each of the programs, and which one it is only the mint tells.
#[must_use]
pub fn looked_at(plan: &Plan, parties: &Parties) -> Vec<Address> {
    let owner = Address::from_bytes(*parties.owner.as_bytes());
    let mut addresses = vec![owner, parties.wallet];
    match plan {
        Plan::TransferSol(transfer) => addresses.push(transfer.to),
        Plan::TransferToken { mint, transfer, .. } => {
            addresses.extend([transfer.to, *mint]);
            for holder in [&parties.wallet, &transfer.to] {
                let places = TokenProgram::ALL.map(|it| it.associated(holder, mint));
                addresses.extend(places.into_iter().flatten());
            }
        }
        Plan::Custom(instruction) => addresses.push(instruction.program),
    }
    addresses
}

/// `found` is what [`looked_at`] names; `rent` what an account without data must hold to be kept.
///
/// # Errors
/// Why it can't be done.
pub fn prepare(
    plan: Plan,
    parties: &Parties,
    found: &[Option<Found>],
    rent: u64,
) -> Result<Prepared, Problem> {
    let [_, wallet, named, rest @ ..] = found else {
        return Err(holds_none("SOL"));
    };
    match plan {
        Plan::TransferSol(transfer) => {
            let lamports = transfer.wanted.units(SOL_DECIMALS)?;
            recipient(&transfer, parties, named.as_ref())?;
            let held = lamports_of(wallet.as_ref());
            let field = transfer.wanted.field();
            let left = remaining(held, lamports, SOL_DECIMALS, field, "SOL")?;
            if left != 0 && left < rent {
                let rule = format!(
                    "leave the agent's wallet nothing, or at least {}: the network keeps no account with less. It holds {}",
                    sol(rent),
                    sol(held)
                );
                return Err(Problem::value(field, &rule));
            }
            if lamports_of(named.as_ref()).saturating_add(lamports) < rent {
                let rule = format!(
                    "be at least {}: the network keeps no account with less, and `to` has none yet",
                    sol(rent)
                );
                return Err(Problem::value(field, &rule));
            }
            let to = transfer.to;
            Ok(Operation::TransferSol { to, lamports }.into())
        }
        Plan::TransferToken {
            mint,
            transfer,
            create_account,
        } => {
            recipient(&transfer, parties, named.as_ref())?;
            token(mint, &transfer, create_account, parties, rest)
        }
        Plan::Custom(instruction) => custom(instruction, parties, named.as_ref()),
    }
}

/// Whether the owner can pay for it.
///
/// # Errors
/// When they hold less than `cost`.
pub fn affordable(found: &[Option<Found>], cost: u64) -> Result<(), Problem> {
    let held = lamports_of(found.first().and_then(Option::as_ref));
    if held >= cost {
        return Ok(());
    }
    let detail = format!(
        "Your own wallet pays {} for this, and holds {}.",
        sol(cost),
        sol(held)
    );
    Err(Problem::new(Code::WrongState, detail))
}

fn lamports_of(found: Option<&Found>) -> u64 {
    found.map_or(0, |it| it.lamports)
}

fn remaining(held: u64, wanted: u64, decimals: u8, field: &str, of: &str) -> Result<u64, Problem> {
    if held == 0 {
        return Err(holds_none(of));
    }
    held.checked_sub(wanted).ok_or_else(|| {
        let held = decimal(held, decimals);
        Problem::value(
            field,
            &format!("be at most {held}, which is what the agent's wallet holds"),
        )
    })
}

fn holds_none(of: &str) -> Problem {
    let detail = format!("The agent's wallet holds no {of}. Fund it first.");
    Problem::new(Code::WrongState, detail)
}

/// Whom something may be sent to.
fn recipient(transfer: &Transfer, parties: &Parties, found: Option<&Found>) -> Result<(), Problem> {
    let refused = |rule: &str| Err(Problem::value("to", rule));
    if transfer.to == parties.wallet {
        return refused("be another address than the agent's own wallet");
    }
    if transfer.to.as_bytes() == parties.asset.as_bytes() {
        return refused("be another address than the domain's own asset, where it would be lost");
    }
    let lost = |it: &Found| {
        it.executable || it.program == CORE_PROGRAM || TokenProgram::at(&it.program).is_some()
    };
    if found.is_some_and(lost) {
        return refused(
            "be a wallet: this is a program, a token's mint, somebody's token account or an asset, where it would be lost",
        );
    }
    let plain =
        is_on_curve(transfer.to.as_bytes()) && found.is_none_or(|it| it.program == SYSTEM_PROGRAM);
    if plain || transfer.to_program {
        return Ok(());
    }
    refused(
        "be a wallet that somebody has the key of. This address is a program's: if that is meant, send `toProgram` as true",
    )
}

fn token(
    mint: Address,
    transfer: &Transfer,
    create_account: bool,
    parties: &Parties,
    found: &[Option<Found>],
) -> Result<Prepared, Problem> {
    let no_mint = || Problem::value("mint", "be the address of a token's mint");
    let [Some(minted), sources @ ..] = found else {
        return Err(no_mint());
    };
    let program = TokenProgram::at(&minted.program).ok_or_else(no_mint)?;
    let read = Mint::read(&minted.data).ok_or_else(no_mint)?;
    if read.is_bound {
        return Err(Problem::value(
            "mint",
            "be of a token that a plain transfer moves: this one is bound to its holder, or calls a program of its own",
        ));
    }
    let (source, destination) = match (program, sources) {
        (TokenProgram::Token, [source, _, destination, _])
        | (TokenProgram::Token2022, [_, source, _, destination]) => (source, destination),
        _ => return Err(no_mint()),
    };
    let held_by = |found: &Option<Found>, holder: Address| {
        let found = found
            .as_ref()
            .filter(|it| it.program == program.address())?;
        TokenAccount::read(&found.data).filter(|it| it.owner == holder && it.mint == mint)
    };

    let held = held_by(source, parties.wallet).ok_or_else(|| holds_none("such token"))?;
    let field = transfer.wanted.field();
    let base_units = transfer.wanted.units(read.decimals)?;
    remaining(
        held.base_units,
        base_units,
        read.decimals,
        field,
        "such token",
    )?;
    if held.frozen {
        let detail = "The token's issuer has frozen the agent's account.";
        return Err(Problem::new(Code::WrongState, detail));
    }

    let new = NewTokenAccount {
        program,
        wallet: transfer.to,
        mint,
    };
    let exists = destination
        .as_ref()
        .is_some_and(|it| it.program != SYSTEM_PROGRAM);
    if exists && held_by(destination, transfer.to).is_none_or(|it| it.frozen) {
        return Err(Problem::value(
            "to",
            "have an own account for this token that can take it: what there is belongs to another wallet, or is frozen",
        ));
    }
    if !exists && !create_account {
        return Err(Problem::value(
            "createAccount",
            "be true, as the recipient has no account for this token yet. Making one is paid for by your own wallet",
        ));
    }
    let place = |holder: &Address| program.associated(holder, &mint).ok_or_else(no_mint);
    let note = "This token's issuer may keep a part of what is sent as a fee: less may arrive.";
    Ok(Prepared {
        operation: Operation::TransferToken(TokenTransfer {
            program,
            mint,
            source: place(&parties.wallet)?,
            destination: place(&transfer.to)?,
            base_units,
            decimals: read.decimals,
        }),
        creates: (!exists).then_some(new),
        notes: read
            .takes_fees
            .then(|| note.to_owned())
            .into_iter()
            .collect(),
    })
}

fn custom(
    mut instruction: Instruction,
    parties: &Parties,
    program: Option<&Found>,
) -> Result<Prepared, Problem> {
    if !program.is_some_and(|it| it.executable) {
        return Err(Problem::value("program", "be the address of a program"));
    }
    for account in &mut instruction.accounts {
        // The Core program passes the signatures of the transaction on.
        if account.address.as_bytes() == parties.owner.as_bytes() {
            let rule = "leave out your own wallet: the program would get your signature with it";
            return Err(Problem::value("accounts", rule));
        }
        account.signer = account.address == parties.wallet;
    }
    Ok(Operation::Custom(instruction).into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pda::asset_signer;

    const RENT: u64 = 890_880;
    const SOL: u64 = 1_000_000_000;

    fn parties() -> Parties {
        let asset = Asset::parse("85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6").unwrap();
        Parties {
            asset,
            owner: Wallet::parse("2rsDK346A2DPxKk1QEe5Y29huaXucV9kDQWe9J4dLVMy").unwrap(),
            wallet: asset_signer(&asset).unwrap().0,
        }
    }

    /// A wallet with so much in it.
    fn holds(lamports: u64) -> Option<Found> {
        Some(Found {
            program: SYSTEM_PROGRAM,
            lamports,
            executable: false,
            data: Vec::new(),
        })
    }

    fn ask(to: &str, units: u64, more: &Value, found: &[Option<Found>]) -> Result<(), String> {
        let mut body =
            json!({"operation": "transfer_sol", "to": to, "baseUnits": units.to_string()});
        let (all, more) = (body.as_object_mut().unwrap(), more.as_object().unwrap());
        all.extend(more.clone());
        let prepared = prepare(Plan::parse(&body).unwrap(), &parties(), found, RENT);
        let expected = Operation::TransferSol {
            to: Address::parse(to).unwrap(),
            lamports: units,
        };
        match prepared {
            Ok(prepared) if prepared == expected.into() => Ok(()),
            Ok(_) => Err("something else".to_owned()),
            Err(problem) => Err(problem
                .field
                .unwrap_or_else(|| problem.code.as_str().to_owned())),
        }
    }

    /// On the curve, and off it.
    const KEY: &str = "7N5jA13PMfvkdesVFeYwntbjEk5KLmhKX13mqov7rFN5";
    const VAULT: &str = "FctFUfmoFQjnK66pkNkgQbo4RWyzT58tXRYgcDaoPKMF";

    #[test]
    fn c21_what_the_network_keeps_no_account_for_is_not_sent() {
        let some = |lamports| [holds(SOL), holds(lamports), holds(SOL)];
        let none = json!({});
        let refused = || Err("baseUnits".to_owned());
        assert_eq!(ask(KEY, SOL, &none, &some(SOL)), Ok(()), "all of it");
        assert_eq!(ask(KEY, SOL - RENT, &none, &some(SOL)), Ok(()));
        assert_eq!(ask(KEY, SOL - RENT + 1, &none, &some(SOL)), refused());
        assert_eq!(ask(KEY, SOL + 1, &none, &some(SOL)), refused());
        assert_eq!(ask(KEY, u64::MAX, &none, &some(SOL)), refused());
        assert_eq!(ask(KEY, 1, &none, &some(0)), Err("wrong_state".to_owned()));
        let fresh = [holds(SOL), holds(SOL), None];
        assert_eq!(ask(KEY, RENT, &none, &fresh), Ok(()));
        assert_eq!(ask(KEY, RENT - 1, &none, &fresh), refused());
        let nothing = [holds(SOL), None, holds(SOL)];
        assert_eq!(ask(KEY, 1, &none, &nothing), Err("wrong_state".to_owned()));
    }

    #[test]
    fn c21_a_program_is_sent_something_only_where_that_is_meant() {
        let owned = |program| {
            let held = holds(SOL).map(|found| Found { program, ..found });
            [holds(SOL), holds(SOL), held]
        };
        let (none, meant) = (json!({}), json!({"toProgram": true}));
        let refused = || Err("to".to_owned());
        let stake = Address::from_bytes([9; 32]);
        for (to, found) in [(VAULT, owned(SYSTEM_PROGRAM)), (KEY, owned(stake))] {
            assert_eq!(ask(to, RENT, &none, &found), refused());
            assert_eq!(ask(to, RENT, &meant, &found), Ok(()));
        }
        let [token, newer] = TokenProgram::ALL.map(TokenProgram::address);
        for program in [token, newer, CORE_PROGRAM] {
            assert_eq!(ask(KEY, RENT, &meant, &owned(program)), refused());
        }
        let mut program = owned(SYSTEM_PROGRAM);
        program[2].as_mut().unwrap().executable = true;
        assert_eq!(ask(KEY, RENT, &meant, &program), refused());
        let own = parties();
        for to in [own.wallet.to_string(), own.asset.to_string()] {
            assert_eq!(ask(&to, RENT, &meant, &owned(SYSTEM_PROGRAM)), refused());
        }
        assert_eq!(
            ask(&own.owner.to_string(), RENT, &none, &owned(SYSTEM_PROGRAM)),
            Ok(())
        );
    }

    #[test]
    fn c21_only_what_was_asked_for_is_looked_at_and_too_few_answers_prepare_nothing() {
        let body = json!({"operation": "transfer_token", "to": KEY, "mint": VAULT, "amount": "1"});
        let plan = Plan::parse(&body).unwrap();
        let addresses = looked_at(&plan, &parties());
        assert_eq!(addresses.len(), 8);
        for found in [
            &[][..],
            &[holds(SOL)],
            &[holds(SOL), holds(SOL), holds(SOL)],
        ] {
            assert!(prepare(plan.clone(), &parties(), found, RENT).is_err());
        }
        assert!(affordable(&[holds(5)], 5).is_ok());
        assert!(affordable(&[holds(5)], 6).is_err() && affordable(&[None], 1).is_err());
    }
}
