//! The Sign-In With Solana text: the message that a wallet shows its holder and signs. Written and read in this one
//! place. Reading accepts exactly what writing produces, so two messages with equal fields are equal byte for byte.

mod grammar;

use core::fmt;

use serde::{Deserialize, Serialize};

use self::grammar::{is_authority, is_nonce, is_request_id, is_statement, is_uri};
use crate::ids::Wallet;
use crate::time::Timestamp;

/// A sign-in text has a few hundred bytes.
pub const MAX_TEXT_LEN: usize = 4096;

const HEADER: &str = " wants you to sign in with your Solana account:\n";
/// The labels in the order in which the text must have them.
const LABELS: [&str; 9] = [
    "URI: ",
    "Version: ",
    "Chain ID: ",
    "Nonce: ",
    "Issued At: ",
    "Expiration Time: ",
    "Not Before: ",
    "Request ID: ",
    "Resources:",
];
const RESOURCE: &str = "- ";

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SiwsError {
    #[error("the sign-in text is longer than {MAX_TEXT_LEN} bytes")]
    TooLong,
    /// Only printable ASCII and LF may appear.
    #[error("the sign-in text has a character that is not allowed")]
    Character,
    /// The first line is not a domain with the fixed words.
    #[error("the sign-in text does not begin as one")]
    Header,
    #[error("the sign-in text names no valid address")]
    Address,
    #[error("the statement of the sign-in text is empty or has a character that is not allowed")]
    Statement,
    /// The named field has a value outside its grammar.
    #[error("the sign-in text has an invalid {0}")]
    Field(&'static str),
    /// A line that is unknown, repeated, out of order or empty.
    #[error("the sign-in text has a line out of place")]
    Line,
}

/// The only version there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
}

/// The chain that a message is meant for, in the spellings that wallets know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainId {
    #[serde(rename = "mainnet")]
    Mainnet,
    #[serde(rename = "testnet")]
    Testnet,
    #[serde(rename = "devnet")]
    Devnet,
    #[serde(rename = "localnet")]
    Localnet,
    #[serde(rename = "solana:mainnet")]
    SolanaMainnet,
    #[serde(rename = "solana:testnet")]
    SolanaTestnet,
    #[serde(rename = "solana:devnet")]
    SolanaDevnet,
}

impl ChainId {
    pub const ALL: [Self; 7] = [
        Self::Mainnet,
        Self::Testnet,
        Self::Devnet,
        Self::Localnet,
        Self::SolanaMainnet,
        Self::SolanaTestnet,
        Self::SolanaDevnet,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Devnet => "devnet",
            Self::Localnet => "localnet",
            Self::SolanaMainnet => "solana:mainnet",
            Self::SolanaTestnet => "solana:testnet",
            Self::SolanaDevnet => "solana:devnet",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chain| chain.as_str() == text)
    }
}

/// The fields of a sign-in text. `Display` writes the text; only values that `parse` would accept give a valid one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInMessage {
    pub domain: String,
    pub address: Wallet,
    pub statement: Option<String>,
    pub uri: Option<String>,
    pub version: Option<Version>,
    pub chain_id: Option<ChainId>,
    pub nonce: Option<String>,
    pub issued_at: Option<Timestamp>,
    pub expiration_time: Option<Timestamp>,
    pub not_before: Option<Timestamp>,
    pub request_id: Option<String>,
    /// Empty means that the text has no such list; a list without entries is not accepted.
    pub resources: Vec<String>,
}

impl SignInMessage {
    pub fn parse(text: &str) -> Result<Self, SiwsError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(SiwsError::TooLong);
        }
        if !text.bytes().all(|b| matches!(b, b'\n' | b' '..=b'~')) {
            return Err(SiwsError::Character);
        }
        let (domain, rest) = text.split_once(HEADER).ok_or(SiwsError::Header)?;
        if !is_authority(domain) {
            return Err(SiwsError::Header);
        }
        let mut lines = Lines::new(rest);
        let address = lines
            .take("")
            .and_then(|line| Wallet::parse(line).ok())
            .ok_or(SiwsError::Address)?;

        let mut statement = None;
        if lines.current.is_some() {
            lines.blank()?;
            if !lines.at_label() {
                let line = lines.take("").unwrap_or_default();
                statement = Some(checked(line, is_statement, SiwsError::Statement)?);
                if lines.current.is_some() {
                    lines.blank()?;
                }
            }
        }

        let message = Self {
            domain: domain.to_owned(),
            address,
            statement,
            uri: lines.field("URI: ", |v| is_uri(v).then(|| v.to_owned()))?,
            version: lines.field("Version: ", |v| (v == "1").then_some(Version::One))?,
            chain_id: lines.field("Chain ID: ", ChainId::parse)?,
            nonce: lines.field("Nonce: ", |v| is_nonce(v).then(|| v.to_owned()))?,
            issued_at: lines.field("Issued At: ", time)?,
            expiration_time: lines.field("Expiration Time: ", time)?,
            not_before: lines.field("Not Before: ", time)?,
            request_id: lines.field("Request ID: ", |v| is_request_id(v).then(|| v.to_owned()))?,
            resources: lines.resources()?,
        };
        match lines.current {
            None => Ok(message),
            Some(_) => Err(SiwsError::Line),
        }
    }

    /// The first field in which two messages differ. An absent field differs from any present one.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        // Taken apart by name, so that a field added later cannot be forgotten here.
        let Self {
            domain,
            address,
            statement,
            uri,
            version,
            chain_id,
            nonce,
            issued_at,
            expiration_time,
            not_before,
            request_id,
            resources,
        } = self;
        [
            (*domain == other.domain, "domain"),
            (*address == other.address, "address"),
            (*statement == other.statement, "statement"),
            (*uri == other.uri, "uri"),
            (*version == other.version, "version"),
            (*chain_id == other.chain_id, "chainId"),
            (*nonce == other.nonce, "nonce"),
            (*issued_at == other.issued_at, "issuedAt"),
            (*expiration_time == other.expiration_time, "expirationTime"),
            (*not_before == other.not_before, "notBefore"),
            (*request_id == other.request_id, "requestId"),
            (*resources == other.resources, "resources"),
        ]
        .into_iter()
        .find_map(|(equal, name)| (!equal).then_some(name))
    }
}

impl fmt::Display for SignInMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{HEADER}{}", self.domain, self.address)?;
        if let Some(statement) = &self.statement {
            write!(f, "\n\n{statement}")?;
        }
        let version = self.version.map(|Version::One| "1");
        let fields: [(&str, Option<&dyn fmt::Display>); 8] = [
            ("URI: ", self.uri.as_ref().map(|v| v as _)),
            ("Version: ", version.as_ref().map(|v| v as _)),
            ("Chain ID: ", self.chain_id.as_ref().map(|v| v as _)),
            ("Nonce: ", self.nonce.as_ref().map(|v| v as _)),
            ("Issued At: ", self.issued_at.as_ref().map(|v| v as _)),
            (
                "Expiration Time: ",
                self.expiration_time.as_ref().map(|v| v as _),
            ),
            ("Not Before: ", self.not_before.as_ref().map(|v| v as _)),
            ("Request ID: ", self.request_id.as_ref().map(|v| v as _)),
        ];
        if fields.iter().any(|(_, value)| value.is_some()) || !self.resources.is_empty() {
            f.write_str("\n")?;
        }
        for (label, value) in fields {
            if let Some(value) = value {
                write!(f, "\n{label}{value}")?;
            }
        }
        if !self.resources.is_empty() {
            f.write_str("\nResources:")?;
        }
        for resource in &self.resources {
            write!(f, "\n{RESOURCE}{resource}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The lines of a text after its header, read once from top to bottom.
struct Lines<'a> {
    current: Option<&'a str>,
    rest: core::str::Split<'a, char>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let mut rest = text.split('\n');
        Self {
            current: rest.next(),
            rest,
        }
    }

    /// What follows `prefix` in the current line, which is then done with.
    fn take(&mut self, prefix: &str) -> Option<&'a str> {
        let value = self.current?.strip_prefix(prefix)?;
        self.current = self.rest.next();
        Some(value)
    }

    /// An empty line with another line after it.
    fn blank(&mut self) -> Result<(), SiwsError> {
        match (self.take(""), self.current) {
            (Some(""), Some(_)) => Ok(()),
            _ => Err(SiwsError::Line),
        }
    }

    fn at_label(&self) -> bool {
        self.current
            .is_some_and(|line| LABELS.iter().any(|label| line.starts_with(label)))
    }

    fn field<T>(
        &mut self,
        label: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, SiwsError> {
        match self.take(label) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(SiwsError::Field(label.trim_end_matches([':', ' ']))),
            },
        }
    }

    fn resources(&mut self) -> Result<Vec<String>, SiwsError> {
        const INVALID: SiwsError = SiwsError::Field("Resources");
        let mut resources = Vec::new();
        if let Some(after) = self.take("Resources:") {
            while let Some(uri) = self.take(RESOURCE) {
                resources.push(checked(uri, is_uri, INVALID)?);
            }
            if !after.is_empty() || resources.is_empty() {
                return Err(INVALID);
            }
        }
        Ok(resources)
    }
}

fn checked(value: &str, is_valid: fn(&str) -> bool, error: SiwsError) -> Result<String, SiwsError> {
    if is_valid(value) {
        Ok(value.to_owned())
    } else {
        Err(error)
    }
}

/// A time in the one spelling that is written.
fn time(value: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(value)
        .ok()
        .filter(|time| time.rfc3339() == value)
}

#[cfg(test)]
mod tests;
