//! What is written down for good of a domain: who came in, who was put out, and what that took with it.

use serde::{Deserialize, Serialize};

use crate::ids::Wallet;

/// A row of the domain's audit table. Chain and wallets are public; nothing in here is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Entry {
    /// A wallet proved key and ownership.
    Login { wallet: Wallet },
    /// A session was ended by its owner, here or from another one.
    SessionEnded { wallet: Wallet },
    /// The chain names another owner, or none any more.
    OwnerChanged { from: Wallet, to: Option<Wallet> },
    /// With a change of owner: sessions of everybody else.
    SessionsEnded { count: u32 },
    /// With a change of owner: the sealed secrets, and the salt without which no copy of them opens.
    SecretsShredded { count: u32 },
    /// With a change of owner: out of reach until the asset comes back.
    SnapshotsSealed { count: u32 },
    /// Messages that could not be delivered for a day.
    MessagesDropped { count: u32 },
    /// Messages of people whom the agent does not know were not kept for it, for the first time that day.
    StrangersHeldBack,
    /// Telegram was told to send no more messages of an owner's bot, or could not be told; what it sends is not taken.
    WebhookRemoved { told: bool },
    /// Discord was told to send no more of what an owner's application is asked, or could not be told; what it sends is not taken.
    ApplicationLeft { told: bool },
    /// The owner rejected what their agent had proposed.
    ProposalRejected { wallet: Wallet },
    /// The owner signed what their agent had proposed, and it was passed on.
    ProposalSent { wallet: Wallet },
    /// A proposal of the agent's was refused, for the first time that day.
    ProposalsRefused,
    /// What ran was destroyed without being saved: an agent of the owner before, or what was left of a start.
    ContainerDestroyed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_back() {
        let wallet = Wallet::from_bytes([1; 32]);
        for entry in [
            Entry::Login { wallet },
            Entry::OwnerChanged {
                from: wallet,
                to: None,
            },
            Entry::ContainerDestroyed,
        ] {
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        }
    }
}
