//! Transactions of the agent's wallet against those that Metaplex's and Solana's own clients make, and against bytes of any
//! kind.
#![allow(clippy::arithmetic_side_effects)]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::encoding::{base64, from_base64, from_hex};
use crate::transaction::{split, unsigned};
use crate::wallet::token::TokenProgram;

const VECTORS: &str = include_str!("../../../tests/vectors/execute-vector.json");

fn file() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn key(value: &Value) -> Address {
    Address::parse(value.as_str().unwrap()).unwrap()
}

/// What the vectors are about, as it is asked for here.
fn transaction(file: &Value) -> WalletTransaction {
    let text = |name: &str| file[name].as_str().unwrap();
    WalletTransaction {
        asset: Asset::parse(text("asset")).unwrap(),
        collection: Collection::parse(text("collection")).unwrap(),
        owner: Wallet::parse(text("owner")).unwrap(),
        blockhash: Blockhash::parse(text("blockhash")).unwrap(),
        creates: None,
        operation: Operation::TransferSol {
            to: key(&file["destination"]),
            lamports: file["lamports"].as_u64().unwrap(),
        },
    }
}

fn vectors(file: &Value) -> impl Iterator<Item = &Value> {
    file["vectors"].as_array().unwrap().iter()
}

fn bytes(value: &Value) -> Vec<u8> {
    from_base64(value.as_str().unwrap()).unwrap()
}

#[test]
fn c21_a_transfer_is_written_as_metaplexs_own_client_writes_it() {
    let file = file();
    let message = transaction(&file).write().unwrap();
    let vector = vectors(&file).find(|it| it["name"] == "v0_in_collection");
    let vector = vector.unwrap();
    assert_eq!(base64(&message), vector["message_base64"]);
    assert_eq!(base64(&unsigned(&message)), vector["tx_base64"]);
}

#[test]
fn c21_every_vector_reads_as_the_instructions_that_it_was_made_of() {
    let file = file();
    let mut seen = 0;
    for vector in vectors(&file) {
        let whole = bytes(&vector["tx_base64"]);
        let (signature, message) = split(&whole).unwrap();
        assert_eq!(signature, [0; 64]);
        assert_eq!(message, bytes(&vector["message_base64"]));
        let read = Message::read(message).unwrap();
        assert_eq!(read.payer.to_string(), file["owner"], "{}", vector["name"]);
        assert_eq!(read.blockhash.to_string(), file["blockhash"]);
        let expected = vector["instructions"].as_array().unwrap();
        assert_eq!(read.instructions.len(), expected.len());
        for (instruction, expected) in read.instructions.iter().zip(expected) {
            assert_eq!(instruction.program, key(&expected["program"]));
            let data = from_hex::<17>(expected["data_hex"].as_str().unwrap());
            assert_eq!(instruction.data, data.unwrap());
            let keys = expected["keys"].as_array().unwrap();
            let is = |address: &Address, what: &str| {
                let of = keys.iter().filter(|it| key(&it["pubkey"]) == *address);
                of.clone().count() > 0 && of.into_iter().any(|it| it[what] == true)
            };
            for (account, expected) in instruction.accounts.iter().zip(keys) {
                assert_eq!(account.address, key(&expected["pubkey"]));
                // A message gives an account its rights once for all of its uses.
                assert_eq!(account.writable, is(&account.address, "writable"));
                assert_eq!(account.signer, is(&account.address, "signer"));
            }
            assert_eq!(instruction.accounts.len(), keys.len());
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn c21_only_the_form_that_is_prepared_here_reads_as_a_transaction_of_the_wallet() {
    let file = file();
    let whole = transaction(&file);
    for vector in vectors(&file) {
        let read = WalletTransaction::read(&bytes(&vector["message_base64"]));
        let name = vector["name"].as_str().unwrap();
        let expected = match name {
            "v0_in_collection" | "legacy_in_collection" => Ok(whole.clone()),
            // Without a collection, and without the owner named as who may.
            "legacy_no_collection" | "legacy_in_collection_authority_omitted" => {
                Err(DecodeError::NotExecute)
            }
            other => panic!("{other}"),
        };
        assert_eq!(read, expected, "{name}");
    }
    // Another client puts the accounts in another order.
    let other = bytes(&file["rust_solana_message_6"]["message_base64"]);
    assert_eq!(WalletTransaction::read(&other), Ok(whole));
}

#[test]
fn c21_no_changed_byte_leaves_the_transaction_the_same() {
    let message = transaction(&file()).write().unwrap();
    let read = WalletTransaction::read(&message).unwrap();
    for at in 0..message.len() {
        for bit in [1, 0x80] {
            let mut changed = message.clone();
            changed[at] ^= bit;
            // The number of read-only accounts that nobody signs tells who may be written, which the program heeds.
            let same = WalletTransaction::read(&changed) == Ok(read.clone());
            assert!(!same || at == 3, "byte {at}");
        }
        assert!(WalletTransaction::read(&message[..at]).is_err());
    }
    let longer = [message.as_slice(), &[0]].concat();
    assert_eq!(
        WalletTransaction::read(&longer),
        Err(TransactionError::Malformed.into())
    );
}

#[test]
fn c21_more_than_one_thing_and_other_signers_are_no_transaction_of_the_wallet() {
    let whole = transaction(&file());
    let message = Message::read(&whole.write().unwrap()).unwrap();
    let execute = message.instructions[0].clone();
    let read = |instructions: Vec<Instruction>| {
        let message = Message {
            instructions,
            ..message.clone()
        };
        WalletTransaction::read(&message.write().unwrap())
    };
    assert_eq!(read(vec![execute.clone()]), Ok(whole.clone()));
    let transfer = Operation::TransferSol {
        to: Address::from_bytes([9; 32]),
        lamports: 1,
    };
    let from_owner = transfer.instruction(address(whole.owner.as_bytes()));
    for instructions in [
        vec![],
        vec![execute.clone(), execute.clone()],
        vec![from_owner.clone(), execute.clone()],
        vec![from_owner.clone(), from_owner.clone(), execute.clone()],
        vec![execute.clone(), from_owner],
    ] {
        assert_eq!(read(instructions), Err(DecodeError::NotExecute));
    }
    for at in 0..EXECUTE_ACCOUNTS {
        let mut other = execute.clone();
        other.accounts[at].address = Address::from_bytes([u8::try_from(at).unwrap() + 100; 32]);
        other.accounts[at].signer = false;
        let expected = match at {
            // Another collection, or another program that is called, is another transaction.
            1 | 6 => read(vec![other.clone()]).is_ok_and(|read| read != whole),
            _ => read(vec![other.clone()]) == Err(DecodeError::NotExecute),
        };
        assert!(expected, "account {at}");
    }
    let mut second = execute.clone();
    second.accounts[8].signer = true;
    let message = Message {
        instructions: vec![second],
        ..message
    };
    assert_eq!(message.write(), None, "nobody else can sign");
}

#[test]
fn c21_an_address_of_tokens_is_the_one_that_the_chain_derives() {
    // As Solana's own libraries derive them.
    let [wallet, mint] = [
        "4oXzojQa9bRGDJE58tWdo8TSHurg9cnazPH8cJAU5MM5",
        "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    ]
    .map(|text| Address::parse(text).unwrap());
    let derived = TokenProgram::ALL.map(|it| it.associated(&wallet, &mint).unwrap().to_string());
    assert_eq!(
        derived,
        [
            "9mQTukLeCa1jr9Qyi49ETe9QR7bPuWgmcEHBzavJhKUj",
            "EnoXtgydeczdcdXJrkSHS1Rw35SD41DZ2JieXKnKwRV7"
        ]
    );
}

#[test]
fn c21_the_summary_is_of_the_transaction_and_names_a_recipient_only_where_it_fits() {
    let mut whole = transaction(&file());
    assert_eq!(
        whole.summary(Some(Address::from_bytes([1; 32])))[0],
        "Sends 0.01 SOL (10000000 lamports) from the agent's wallet \
         4oXzojQa9bRGDJE58tWdo8TSHurg9cnazPH8cJAU5MM5 to 7N5jA13PMfvkdesVFeYwntbjEk5KLmhKX13mqov7rFN5."
    );
    let [holder, mint, other] = [2, 3, 4].map(|byte| Address::from_bytes([byte; 32]));
    let program = TokenProgram::Token;
    whole.operation = Operation::TransferToken(TokenTransfer {
        program,
        mint,
        source: other,
        destination: program.associated(&holder, &mint).unwrap(),
        base_units: 1_500_000,
        decimals: 6,
    });
    let named = |recipient| whole.summary(recipient)[0].contains(&holder.to_string());
    assert!(named(Some(holder)));
    assert!(!named(Some(other)) && !named(None));
    assert!(!whole.summary(Some(other))[0].contains(&format!("to {other}")));
}

#[test]
fn c21_a_mint_that_binds_its_tokens_is_told_from_others() {
    let mut plain = vec![0; 82];
    (plain[44], plain[45]) = (6, 1);
    let extended = |extensions: &[(u16, Vec<u8>)]| {
        let mut data = plain.clone();
        data.resize(165, 0);
        data.push(1);
        for (kind, value) in extensions {
            data.extend(kind.to_le_bytes());
            data.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
            data.extend(value);
        }
        Mint::read(&data).map(|it| (it.decimals, it.is_bound, it.takes_fees))
    };
    use crate::wallet::token::Mint;
    assert_eq!(Mint::read(&plain).map(|it| it.decimals), Some(6));
    assert_eq!(extended(&[]), Some((6, false, false)));
    assert_eq!(extended(&[(3, vec![1; 32])]), Some((6, false, false)));
    assert_eq!(
        extended(&[(3, vec![1; 32]), (1, vec![0; 108])]),
        Some((6, false, true))
    );
    assert_eq!(extended(&[(9, vec![])]), Some((6, true, false)));
    assert_eq!(extended(&[(14, vec![0; 64])]), Some((6, false, false)));
    assert_eq!(
        extended(&[(14, [[0; 32], [1; 32]].concat())]),
        Some((6, true, false))
    );
    assert_eq!(
        extended(&[(0, vec![]), (9, vec![])]),
        Some((6, false, false))
    );
    for length in [0, 44, 81, 83, 164, 165] {
        let mut data = plain.clone();
        data.resize(length, 0);
        assert_eq!(Mint::read(&data), None, "{length}");
    }
    plain[45] = 0;
    assert_eq!(Mint::read(&plain), None, "nobody has set it up");
}

fn any_address() -> impl Strategy<Value = Address> {
    any::<[u8; 32]>().prop_map(Address::from_bytes)
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let account = (any_address(), any::<bool>()).prop_map(|(address, writable)| Account {
        address,
        writable,
        signer: false,
    });
    let custom = (
        any_address(),
        proptest::collection::vec(account, 0..8),
        proptest::collection::vec(any::<u8>(), 0..200),
    );
    let program = prop_oneof![Just(TokenProgram::Token), Just(TokenProgram::Token2022)];
    let tokens = (program, any::<[[u8; 32]; 3]>(), any::<u64>(), any::<u8>());
    prop_oneof![
        (any_address(), any::<u64>())
            .prop_map(|(to, lamports)| Operation::TransferSol { to, lamports }),
        tokens.prop_map(|(program, keys, base_units, decimals)| {
            let [mint, source, destination] = keys.map(Address::from_bytes);
            Operation::TransferToken(TokenTransfer {
                program,
                mint,
                source,
                destination,
                base_units,
                decimals,
            })
        }),
        custom.prop_map(|(program, accounts, data)| {
            Operation::Custom(Instruction {
                program,
                accounts,
                data,
            })
        }),
    ]
}

fn any_transaction() -> impl Strategy<Value = WalletTransaction> {
    let new = any::<[[u8; 32]; 2]>().prop_map(|keys| {
        let [wallet, mint] = keys.map(Address::from_bytes);
        NewTokenAccount {
            program: TokenProgram::Token2022,
            wallet,
            mint,
        }
    });
    (
        any::<[[u8; 32]; 4]>(),
        proptest::option::of(new),
        any_operation(),
    )
        .prop_map(
            |([asset, collection, owner, blockhash], creates, operation)| WalletTransaction {
                asset: Asset::from_bytes(asset),
                collection: Collection::from_bytes(collection),
                owner: Wallet::from_bytes(owner),
                blockhash: Blockhash::from_bytes(blockhash),
                creates,
                operation,
            },
        )
}

proptest! {
    #[test]
    fn c21_what_is_written_reads_back_as_the_same(transaction in any_transaction()) {
        let message = transaction.write().unwrap();
        prop_assert_eq!(WalletTransaction::read(&message), Ok(transaction.clone()));
        prop_assert!(!transaction.summary(None).is_empty());
        let whole = unsigned(&message);
        prop_assert_eq!(split(&whole), Ok(([0; 64], message.as_slice())));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = WalletTransaction::read(&bytes);
        let _ = split(&bytes);
        let _ = crate::wallet::token::Mint::read(&bytes);
        let _ = crate::wallet::token::TokenAccount::read(&bytes);
    }

    #[test]
    fn no_damage_makes_a_reader_panic(transaction in any_transaction(), at: u16, byte: u8) {
        let mut message = transaction.write().unwrap();
        let place = usize::from(at) % message.len();
        message[place] = byte;
        if let Ok(read) = WalletTransaction::read(&message) {
            let _ = read.summary(None);
        }
    }
}
