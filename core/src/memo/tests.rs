//! Transactions put together byte by byte, and what becomes of them when they are changed.
#![allow(clippy::arithmetic_side_effects)]

use super::*;

const WALLET: [u8; 32] = [7; 32];
const TEXT: &str = "line one\nline two";

fn wallet() -> Wallet {
    Wallet::from_bytes(WALLET)
}

/// The parts of a legacy message, each to be put wrong on its own.
#[derive(Clone)]
struct Parts {
    signatures: Vec<u8>,
    head: Vec<u8>,
    keys: Vec<[u8; 32]>,
    blockhash: [u8; 32],
    instructions: Vec<Vec<u8>>,
    end: Vec<u8>,
}

fn memo(accounts: &[u8]) -> Vec<u8> {
    call(1, accounts, TEXT.as_bytes())
}

fn call(program: u8, accounts: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![program, u8::try_from(accounts.len()).unwrap()];
    bytes.extend(accounts);
    push_length(&mut bytes, u16::try_from(data.len()).unwrap());
    bytes.extend(data);
    bytes
}

fn parts() -> Parts {
    Parts {
        signatures: [&[1][..], &[9; 64]].concat(),
        head: vec![1, 0, 1],
        keys: vec![WALLET, *MEMO_PROGRAM.as_bytes()],
        blockhash: DEAD_BLOCKHASH,
        instructions: vec![memo(&[])],
        end: Vec::new(),
    }
}

fn version_0() -> Parts {
    Parts {
        head: vec![0x80, 1, 0, 1],
        end: vec![0],
        ..parts()
    }
}

fn joined(parts: &Parts) -> Vec<u8> {
    let keys = u8::try_from(parts.keys.len()).unwrap();
    let instructions = u8::try_from(parts.instructions.len()).unwrap();
    [
        parts.signatures.clone(),
        parts.head.clone(),
        vec![keys],
        parts.keys.concat(),
        parts.blockhash.to_vec(),
        vec![instructions],
        parts.instructions.concat(),
        parts.end.clone(),
    ]
    .concat()
}

fn read_text(parts: &Parts) -> Result<Vec<u8>, MemoError> {
    read(&joined(parts)).map(|memo| memo.memo.to_vec())
}

#[test]
fn what_is_written_is_read() {
    let written = unsigned(&wallet(), TEXT).unwrap();
    let memo = read(&written).unwrap();
    assert_eq!(memo.signer, wallet());
    assert_eq!(memo.memo, TEXT.as_bytes());
    assert_eq!(memo.signature, [0; 64]);
    assert_eq!(memo.signed, &written[65..]);
    assert_eq!(
        written[65..],
        joined(&parts())[65..],
        "but for its signature"
    );
}

#[test]
fn a_text_fits_up_to_the_size_of_a_transaction() {
    let room = MAX_LEN - unsigned(&wallet(), &"x".repeat(128)).unwrap().len() + 128;
    let longest = unsigned(&wallet(), &"x".repeat(room)).unwrap();
    assert_eq!(longest.len(), MAX_LEN);
    assert!(read(&longest).is_ok());
    assert_eq!(unsigned(&wallet(), &"x".repeat(room + 1)), None);
    assert_eq!(unsigned(&wallet(), &"x".repeat(70_000)), None);
    assert_eq!(
        read(&[longest, vec![0]].concat()),
        Err(MemoError::TooLong),
        "before anything else is looked at"
    );
}

#[test]
fn what_wallets_add_is_taken() {
    for base in [parts(), version_0()] {
        assert_eq!(read_text(&base), Ok(TEXT.into()));
        let mut added = base;
        added
            .keys
            .extend([*COMPUTE_BUDGET.as_bytes(), *LIGHTHOUSE.as_bytes(), [5; 32]]);
        added.instructions = vec![
            call(2, &[], &[2, 0x40, 0x0d, 3, 0]),
            memo(&[0]),
            call(3, &[0, 4], &[1; 40]),
        ];
        assert_eq!(read_text(&added), Ok(TEXT.into()));
    }
}

#[test]
fn c03_a_transaction_that_could_do_more_than_prove_a_key_is_refused() {
    type Change = fn(&mut Parts);
    let cases: [(&str, Change, MemoError); 20] = [
        (
            "no signature",
            |p| p.signatures = vec![0],
            MemoError::Signers,
        ),
        (
            "two signatures",
            |p| p.signatures = [&[2][..], &[9; 128]].concat(),
            MemoError::Signers,
        ),
        ("no signer", |p| p.head = vec![0, 0, 1], MemoError::Signers),
        (
            "two signers",
            |p| p.head = vec![2, 0, 0],
            MemoError::Signers,
        ),
        (
            "a payer that cannot pay",
            |p| p.head = vec![1, 1, 1],
            MemoError::Signers,
        ),
        (
            "more read-only accounts than there are",
            |p| p.head = vec![1, 0, 2],
            MemoError::Malformed,
        ),
        (
            "version 1",
            |p| p.head = vec![0x81, 1, 0, 1],
            MemoError::Version,
        ),
        (
            "the highest version",
            |p| p.head = vec![0xff, 1, 0, 1],
            MemoError::Version,
        ),
        (
            "version 0 without its list of lookups",
            |p| p.head = vec![0x80, 1, 0, 1],
            MemoError::Malformed,
        ),
        (
            "an account twice",
            |p| p.keys.push(WALLET),
            MemoError::Malformed,
        ),
        (
            "a living blockhash",
            |p| p.blockhash = [1; 32],
            MemoError::Blockhash,
        ),
        (
            "a blockhash with one bit",
            |p| p.blockhash[31] = 1,
            MemoError::Blockhash,
        ),
        (
            "an unknown program",
            |p| {
                p.keys.push([5; 32]);
                p.instructions.push(call(2, &[], &[]));
            },
            MemoError::Program,
        ),
        (
            "the payer as a program",
            |p| p.instructions.push(call(0, &[], &[])),
            MemoError::Program,
        ),
        (
            "a program that is not there",
            |p| p.instructions.push(call(2, &[], &[])),
            MemoError::Malformed,
        ),
        (
            "an account that is not there",
            |p| {
                p.keys.push(*LIGHTHOUSE.as_bytes());
                p.instructions.push(call(2, &[0, 3], &[]));
            },
            MemoError::Malformed,
        ),
        ("no memo", |p| p.instructions.clear(), MemoError::Memo),
        (
            "a second memo",
            |p| p.instructions.push(memo(&[0])),
            MemoError::Memo,
        ),
        (
            "a memo that names the program",
            |p| p.instructions = vec![memo(&[0, 1])],
            MemoError::Memo,
        ),
        (
            "bytes behind the end",
            |p| p.end.push(0),
            MemoError::Malformed,
        ),
    ];
    for (name, change, error) in cases {
        let mut parts = parts();
        change(&mut parts);
        assert_eq!(read_text(&parts), Err(error), "{name}");
    }
}

#[test]
fn a_transaction_of_version_0_has_no_lookups_and_no_more_behind_them() {
    for (end, error) in [
        (&[][..], MemoError::Malformed),
        (&[1], MemoError::Lookup),
        (
            &[&[1][..], &[3; 32], &[1, 0, 0]].concat(),
            MemoError::Lookup,
        ),
        (&[0, 0], MemoError::Malformed),
        (&[0x80, 0], MemoError::Malformed),
    ] {
        let mut parts = version_0();
        parts.end = end.to_vec();
        assert_eq!(read_text(&parts), Err(error), "{end:?}");
    }
}

#[test]
fn lengths_have_one_spelling() {
    for (bytes, value) in [
        (&[0][..], Some(0)),
        (&[0x7f], Some(0x7f)),
        (&[0x80, 1], Some(0x80)),
        (&[0xff, 0x7f], Some(0x3fff)),
        (&[0x80, 0x80, 1], Some(0x4000)),
        (&[0xff, 0xff, 3], Some(u16::MAX)),
        (&[], None),
        (&[0x80], None),
        (&[0x80, 0x80], None),
        (&[0x80, 0], None),
        (&[0xff, 0], None),
        (&[0x80, 0x80, 0], None),
        (&[0xff, 0xff, 4], None),
        (&[0x80, 0x80, 0x80], None),
        (&[0xff, 0xff, 0x83], None),
    ] {
        assert_eq!(Reader::new(bytes).compact_u16(), value, "{bytes:?}");
    }
    for length in 0..=u16::MAX {
        let mut bytes = Vec::new();
        push_length(&mut bytes, length);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.compact_u16(), Some(length));
        assert_eq!(reader.remaining(), 0);
    }
}

#[test]
fn no_prefix_is_read_and_no_changed_byte_breaks_the_reader() {
    for parts in [parts(), version_0()] {
        let whole = joined(&parts);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end} bytes");
            for byte in 0..=u8::MAX {
                let mut changed = whole.clone();
                changed[end] = byte;
                if let Ok(memo) = read(&changed) {
                    assert_eq!(memo.memo.len(), TEXT.len());
                }
            }
        }
    }
}
