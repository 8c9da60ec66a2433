//! Proof that the holder of a wallet signed a text: strict Ed25519 over the signed bytes, then the text out of them.
//! Hardware wallets, and some others, sign the text inside an envelope that no transaction can look like, or as the memo of a
//! transaction that can never land.

use core::fmt;

use ed25519_dalek::VerifyingKey;

use crate::ids::{IdError, Wallet};
use crate::memo::{self, MemoError};
use crate::siws::MAX_TEXT_LEN;

/// What every envelope begins with. The first byte can begin neither text nor a transaction.
const MARK: &[u8; 16] = b"\xffsolana offchain";
/// Of the version 0 envelope, which has the longest: mark, version, domain, format, signer count, signer, text length.
const MAX_ENVELOPE_LEN: usize = 16 + 1 + 32 + 1 + 1 + 32 + 2;
/// 64 bytes take 64 to 88 base58 characters.
const SIGNATURE_BASE58_MAX_LEN: usize = 88;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the signed message is too long")]
    TooLong,
    /// Not a point of the curve, or one of the few for which anyone can make signatures.
    #[error("the wallet address is not a key that can sign")]
    Key,
    #[error("the signature does not match the wallet and the message")]
    Signature,
    /// The mark of an envelope without one behind it, or one that can be read in two ways.
    #[error("the signed message is not a readable off-chain message")]
    Envelope,
    #[error("the off-chain message is not for this wallet alone")]
    Signers,
    #[error("the signed message is not text")]
    Text,
    #[error(transparent)]
    Transaction(#[from] MemoError),
}

/// An Ed25519 signature. It is no identifier: one message can have many.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Reads base58 of exactly 64 bytes.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        const ERROR: IdError = IdError::new("a signature (base58 of 64 bytes)");
        if text.len() > SIGNATURE_BASE58_MAX_LEN {
            return Err(ERROR);
        }
        let mut bytes = [0; 64];
        match bs58::decode(text).onto(&mut bytes) {
            Ok(64) => Ok(Self(bytes)),
            _ => Err(ERROR),
        }
    }

    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Base58, as the chain shows the signatures of transactions.
    #[must_use]
    pub fn text(&self) -> String {
        bs58::encode(&self.0).into_string()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(_)")
    }
}

/// What the wallet put around the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing: the bytes are the text.
    Raw,
    /// The 20-byte header of older hardware wallets. It has the version byte of `V0` but no signers.
    Legacy,
    /// `application_domain` is whatever the page that asked for the signature chose, so it is evidence of nothing: any
    /// value is accepted, and the domain that counts is the one in the text.
    V0 {
        application_domain: [u8; 32],
    },
    V1,
    /// A transaction that can never land, whose memo is the text.
    Memo,
}

/// What a caller hands in as proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A signature over `signed`: the text, or an envelope with it. Without it, over the text that was asked for.
    Message {
        signature: Signature,
        signed: Option<Vec<u8>>,
    },
    /// A signed memo transaction.
    Transaction(Vec<u8>),
}

impl Evidence {
    /// Verifies it for `wallet`, which was asked to sign the text `asked`, and returns the text that was signed.
    pub fn verify<'a>(&'a self, wallet: &Wallet, asked: &'a str) -> Result<Proof<'a>, ProofError> {
        match self {
            Self::Message { signature, signed } => {
                let signed = signed.as_deref().unwrap_or(asked.as_bytes());
                verify(wallet, signed, signature)
            }
            Self::Transaction(transaction) => verify_transaction(wallet, transaction),
        }
    }
}

/// A verified signature's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof<'a> {
    pub text: &'a str,
    pub envelope: Envelope,
}

/// Verifies that `wallet` made `signature` over exactly the bytes `signed`, and returns the text in them. The text's own
/// claims, such as the address it names, are still to be checked.
pub fn verify<'a>(
    wallet: &Wallet,
    signed: &'a [u8],
    signature: &Signature,
) -> Result<Proof<'a>, ProofError> {
    if signed.len() > MAX_TEXT_LEN.saturating_add(MAX_ENVELOPE_LEN) {
        return Err(ProofError::TooLong);
    }
    verify_signature(wallet, signed, signature)?;
    unwrap(wallet, signed)
}

/// As [`verify`], for a signed memo transaction that has the wallet's signature in it.
pub fn verify_transaction<'a>(
    wallet: &Wallet,
    transaction: &'a [u8],
) -> Result<Proof<'a>, ProofError> {
    let memo = memo::read(transaction)?;
    if memo.signer != *wallet {
        return Err(MemoError::Signers.into());
    }
    verify_signature(wallet, memo.signed, &Signature::from_bytes(memo.signature))?;
    Ok(Proof {
        text: text(memo.memo)?,
        envelope: Envelope::Memo,
    })
}

/// `verify_strict` refuses keys and nonces of small order, with which one signature fits every message. The runtime's own
/// WebCrypto does not.
pub(crate) fn verify_signature(
    wallet: &Wallet,
    signed: &[u8],
    signature: &Signature,
) -> Result<(), ProofError> {
    let key = VerifyingKey::from_bytes(wallet.as_bytes()).map_err(|_| ProofError::Key)?;
    if key.is_weak() {
        return Err(ProofError::Key);
    }
    key.verify_strict(signed, &ed25519_dalek::Signature::from_bytes(&signature.0))
        .map_err(|_| ProofError::Signature)
}

fn unwrap<'a>(wallet: &Wallet, signed: &'a [u8]) -> Result<Proof<'a>, ProofError> {
    let Some(envelope) = signed.strip_prefix(MARK) else {
        return Ok(Proof {
            text: text(signed)?,
            envelope: Envelope::Raw,
        });
    };
    let (version, body) = envelope.split_first().ok_or(ProofError::Envelope)?;
    match version {
        // Both layouts hold the length of their text, and only one of them can be right about it. Bytes made to fit both
        // could show one text on the device and another here.
        0 => match (legacy(body), v0(body)) {
            (Some(legacy), None) => Ok(Proof {
                text: formatted(legacy.format, legacy.text)?,
                envelope: Envelope::Legacy,
            }),
            (None, Some(v0)) => {
                only_signer(wallet, v0.signers)?;
                let envelope = Envelope::V0 {
                    application_domain: v0.application_domain,
                };
                Ok(Proof {
                    text: formatted(v0.format, v0.text)?,
                    envelope,
                })
            }
            _ => Err(ProofError::Envelope),
        },
        1 => {
            let (signers, rest) = signers(body).ok_or(ProofError::Envelope)?;
            only_signer(wallet, signers)?;
            Ok(Proof {
                text: text(rest)?,
                envelope: Envelope::V1,
            })
        }
        _ => Err(ProofError::Envelope),
    }
}

struct Legacy<'a> {
    format: u8,
    text: &'a [u8],
}

/// Format, length, text to the end.
fn legacy(body: &[u8]) -> Option<Legacy<'_>> {
    let (&format, rest) = body.split_first()?;
    Some(Legacy {
        format,
        text: sized(rest)?,
    })
}

struct V0<'a> {
    application_domain: [u8; 32],
    format: u8,
    signers: &'a [[u8; 32]],
    text: &'a [u8],
}

/// Application domain, format, signers, length, text to the end.
fn v0(body: &[u8]) -> Option<V0<'_>> {
    let (&application_domain, rest) = body.split_first_chunk()?;
    let (&format, rest) = rest.split_first()?;
    let (signers, rest) = signers(rest)?;
    Some(V0 {
        application_domain,
        format,
        signers,
        text: sized(rest)?,
    })
}

/// A count and as many keys.
fn signers(body: &[u8]) -> Option<(&[[u8; 32]], &[u8])> {
    let (&count, rest) = body.split_first()?;
    let (signers, rest) = rest.split_at_checked(usize::from(count).checked_mul(32)?)?;
    Some((signers.as_chunks().0, rest))
}

/// A length and exactly as many bytes.
fn sized(body: &[u8]) -> Option<&[u8]> {
    let (&length, text) = body.split_first_chunk()?;
    (usize::from(u16::from_le_bytes(length)) == text.len()).then_some(text)
}

/// A message for several signers is complete only when all have signed; a login has one.
fn only_signer(wallet: &Wallet, signers: &[[u8; 32]]) -> Result<(), ProofError> {
    if signers == [*wallet.as_bytes()] {
        Ok(())
    } else {
        Err(ProofError::Signers)
    }
}

/// Format 0 is printable ASCII. Devices count the line feed to it although the specification does not.
fn formatted(format: u8, bytes: &[u8]) -> Result<&str, ProofError> {
    match format {
        0 if bytes.iter().all(|b| matches!(b, b'\n' | b' '..=b'~')) => text(bytes),
        1 | 2 => text(bytes),
        _ => Err(ProofError::Text),
    }
}

fn text(bytes: &[u8]) -> Result<&str, ProofError> {
    core::str::from_utf8(bytes).map_err(|_| ProofError::Text)
}

#[cfg(test)]
mod tests;
