//! The agent's wallet and its transactions, as the owner sees them. What can be more than 2^53 is text.

use serde::{Deserialize, Serialize};

use crate::ids::{Address, Blockhash};
use crate::siws::ChainId;
use crate::time::Timestamp;

use super::amount::{SOL_DECIMALS, decimal};
use super::chain::Landed;
use super::relay::AFTER_LIFETIME;
use super::token::{TokenAccount, TokenProgram};

/// So many token accounts are shown, those that hold something before the others.
pub const SHOWN_TOKENS: usize = 100;

/// `GET /v1/agents/{asset}/wallet`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletView {
    pub address: Address,
    pub lamports: String,
    pub sol: String,
    pub tokens: Vec<TokenView>,
    /// Token accounts that are not among these.
    pub more_tokens: usize,
    /// The oldest slot that an answer was for.
    pub slot: u64,
    pub read_at: Timestamp,
    /// Seconds since then.
    pub age: u64,
    /// Where to send what is meant for it.
    pub fund: FundView,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FundView {
    pub address: Address,
    /// A link that wallets open, also as a QR code.
    pub solana_pay: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    pub mint: Address,
    pub account: Address,
    pub program: TokenProgram,
    pub base_units: String,
    /// Absent where the mint can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    pub frozen: bool,
}

impl WalletView {
    /// `name` is the domain's, which wallets show.
    #[must_use]
    pub fn new(address: Address, name: &str, lamports: u64, slot: u64, read_at: Timestamp) -> Self {
        Self {
            address,
            lamports: lamports.to_string(),
            sol: decimal(lamports, SOL_DECIMALS),
            tokens: Vec::new(),
            more_tokens: 0,
            slot,
            read_at,
            age: 0,
            fund: FundView {
                address,
                solana_pay: format!("solana:{address}?label={}", percent_encoded(name)),
            },
        }
    }
}

impl TokenView {
    #[must_use]
    pub fn new(
        address: Address,
        program: TokenProgram,
        account: &TokenAccount,
        decimals: Option<u8>,
    ) -> Self {
        Self {
            mint: account.mint,
            account: address,
            program,
            base_units: account.base_units.to_string(),
            decimals,
            amount: decimals.map(|decimals| decimal(account.base_units, decimals)),
            frozen: account.frozen,
        }
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Answer to `POST /v1/agents/{asset}/wallet/transactions`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreparedView {
    /// Base64, with room for the signature.
    pub transaction: String,
    /// Which cluster the wallet is to show it for.
    pub chain: ChainId,
    pub blockhash: Blockhash,
    pub last_valid_block_height: u64,
    /// Until when it is passed on from here.
    pub expires_at: Timestamp,
    pub fee: FeeView,
    pub summary: Vec<String>,
    pub notes: Vec<String>,
}

/// What the owner's own wallet pays, in lamports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeView {
    pub network: String,
    /// To the Core program.
    pub program: String,
    /// Held by a token account that is made.
    pub rent: String,
    pub total: String,
}

/// Answer to `POST /v1/agents/{asset}/wallet/transactions/send`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentView {
    /// Base58: the network's name for the transaction.
    pub signature: String,
}

/// `GET /v1/agents/{asset}/wallet/transactions`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionList {
    /// Newest first.
    pub transactions: Vec<TransactionView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionView {
    pub signature: Option<String>,
    pub state: TransactionState,
    pub summary: Vec<String>,
    pub prepared_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionState {
    /// Not sent from here. The owner's wallet may have.
    Prepared,
    Sent,
    Confirmed,
    Finalized,
    Failed,
    /// The network takes it no longer, and has not taken it as far as is known here.
    Expired,
}

impl TransactionState {
    /// Whether the chain is to be asked what became of it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Sent)
    }

    /// What it is once the chain has told what became of it, where it was asked.
    #[must_use]
    pub fn after(self, landed: Landed, expires_at: Timestamp, now: Timestamp) -> Self {
        match (self, landed) {
            (Self::Sent, Landed::Confirmed) => Self::Confirmed,
            (Self::Sent, Landed::Finalized) => Self::Finalized,
            (Self::Sent, Landed::Failed) => Self::Failed,
            (Self::Sent, Landed::Unknown) if now >= expires_at.saturating_add(AFTER_LIFETIME) => {
                Self::Expired
            }
            (Self::Prepared, _) if now >= expires_at => Self::Expired,
            (state, _) => state,
        }
    }

    /// Whether it stays so.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Finalized | Self::Failed | Self::Expired)
    }

    /// As it stands in its row, and in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Sent => "sent",
            Self::Confirmed => "confirmed",
            Self::Finalized => "finalized",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c21_what_is_not_seen_is_not_said_to_have_landed_and_what_is_final_stays_so() {
        use TransactionState::*;
        let (end, before) = (Timestamp::from_secs(1000), Timestamp::from_secs(900));
        let long_after = end.saturating_add(AFTER_LIFETIME);
        for (state, landed, now, expected) in [
            (Prepared, Landed::Unknown, before, Prepared),
            (Prepared, Landed::Unknown, end, Expired),
            (Sent, Landed::Unknown, end, Sent),
            (Sent, Landed::Unknown, long_after, Expired),
            (Sent, Landed::Confirmed, long_after, Confirmed),
            (Sent, Landed::Finalized, before, Finalized),
            (Sent, Landed::Failed, before, Failed),
            (Finalized, Landed::Unknown, long_after, Finalized),
            (Expired, Landed::Unknown, before, Expired),
        ] {
            assert_eq!(
                state.after(landed, end, now),
                expected,
                "{state:?} {landed:?}"
            );
        }
        for state in [Prepared, Sent, Confirmed, Finalized, Failed, Expired] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn a_link_to_fund_it_holds_any_name() {
        let address = Address::from_bytes([0; 32]);
        let view = WalletView::new(address, "a&b=c.molt", 1, 7, Timestamp::from_secs(1));
        let expected = format!("solana:{address}?label=a%26b%3Dc.molt");
        assert_eq!(
            (view.fund.solana_pay, view.sol.as_str()),
            (expected, "0.000000001")
        );
    }
}
