//! What the Worker and a domain's Durable Object say to each other, both directions in one place.
//!
//! A call is a POST of an [`Envelope`] to [`CALL_URL`]. A browser's request to the agent is passed on as it is, with
//! the caller in [`CALLER_HEADER`]. Only the Worker can reach an object; it drops such headers of clients.

use serde::{Deserialize, Serialize, Serializer};

use crate::channel::Admission;
use crate::edge::EdgeChannel;
use crate::ids::{Asset, Nonce, ProposalId, SessionId, SnapshotId, Wallet};
use crate::lifecycle::{Phase, State, Trouble};
use crate::model::ModelRef;
use crate::ownership::Owned;
use crate::pairing::PairingId;
use crate::renewal::Renewal;
use crate::secret::Secret;
use crate::secrets::{SecretName, SecretStatus};
use crate::session::Start;
use crate::snapshot::{Report, Snapshot};
use crate::time::Timestamp;

/// Where a call goes; the host is never resolved.
pub const CALL_URL: &str = "https://object.invalid/.call";
/// Path of [`CALL_URL`].
pub const CALL_PATH: &str = "/.call";
/// JSON of [`Caller`] on a request that is to be passed on to the agent.
pub const CALLER_HEADER: &str = "x-molt-caller";

/// Who calls, as the token says; the object checks that the session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub asset: Asset,
    pub session: SessionId,
    pub wallet: Wallet,
    /// As in [`crate::session::Session`].
    #[serde(default)]
    pub epoch: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub struct Envelope {
    /// The asset that names the object.
    pub asset: Asset,
    pub call: Call,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Burns the nonce and creates a session, in one transaction. The caller proved key and ownership.
    Login(Login),
    /// The asset may have moved: read its owner again. Nothing else is believed of whoever says so.
    Recheck,
    /// Trades a ticket for the session that it was made for.
    Redeem { ticket: String },
    /// An update that came by Telegram's webhook; its path and header were right.
    Telegram {
        owner: Wallet,
        bot: u64,
        id: u64,
        update: String,
    },
    /// What a channel that ends here sent to a tenant's own door. Nothing more is proved yet: the secret that it is signed
    /// with is the object's.
    Edge {
        channel: EdgeChannel,
        owner: Wallet,
        /// The door is that of the key that is being replaced.
        by_old_door: bool,
        timestamp: String,
        signature: String,
        body: String,
    },
    /// What an agent proposes, by its pass; its signature was right. `None` where what it sent could not be read.
    Propose(Start, Option<String>),
    /// Everything that needs a living session.
    Owner(Caller, OwnerCall),
}

/// A proved login.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    /// What the chain said.
    pub owned: Owned,
    /// When it was asked; the version before does not say.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    pub nonce: Nonce,
    /// Until when a second use of the nonce must be noticed.
    pub nonce_expires_at: Timestamp,
}

/// What an owner may ask.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerCall {
    Session,
    Logout,
    ListSessions,
    EndSession {
        id: SessionId,
    },
    EndAllSessions,
    Status,
    Start,
    Stop,
    Restart,
    Events,
    Open,
    ListSnapshots,
    TakeSnapshot,
    RestoreSnapshot {
        id: SnapshotId,
    },
    DownloadSnapshot {
        id: SnapshotId,
    },
    DeleteSnapshot {
        id: SnapshotId,
    },
    Logs,
    Wakes,
    ListSecrets,
    PutSecret {
        name: SecretName,
        #[serde(serialize_with = "exposed")]
        value: Secret,
    },
    DeleteSecret {
        name: SecretName,
    },
    ImportSecrets,
    Settings,
    PutSettings {
        model: Option<ModelRef>,
        /// `model` was not sent: it stays as it is.
        #[serde(default)]
        keeps_model: bool,
        /// Likewise where absent.
        #[serde(default)]
        keyless: Option<Vec<SecretName>>,
    },
    Usage,
    Wallet,
    ListTransactions,
    ListChannels,
    PutChannel {
        /// `None` keeps the one that there is.
        #[serde(serialize_with = "exposed_if_any")]
        token: Option<Secret>,
        admission: Admission,
    },
    DeleteChannel,
    PutEdgeChannel {
        channel: EdgeChannel,
        /// `None` keeps the one that there is.
        #[serde(serialize_with = "exposed_if_any")]
        token: Option<Secret>,
        /// Likewise.
        #[serde(serialize_with = "exposed_if_any")]
        signing_secret: Option<Secret>,
        /// Likewise, of Discord's application.
        #[serde(default)]
        application: Option<String>,
        #[serde(default)]
        public_key: Option<String>,
        admission: Admission,
    },
    DeleteEdgeChannel {
        channel: EdgeChannel,
    },
    ListPairing,
    AnswerPairing {
        id: PairingId,
        approved: bool,
    },
    /// Somebody at a channel that ends here, whom the owner had let in by this id.
    ShutOut {
        id: PairingId,
    },
    PrepareTransaction {
        /// The request's body, JSON, as it is read by [`crate::wallet::plan::Plan::parse`]: amounts don't fit numbers of
        /// JavaScript.
        plan: String,
    },
    SendTransaction {
        /// Base64.
        transaction: String,
    },
    ListProposals,
    PrepareProposal {
        id: ProposalId,
    },
    RejectProposal {
        id: ProposalId,
    },
}

/// The one way of a secret into JSON: within a call, from the Worker to the object that seals it.
fn exposed<S: Serializer>(value: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose())
}

fn exposed_if_any<S: Serializer>(value: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(Secret::expose).serialize(serializer)
}

/// Answer to [`Call::Login`] and [`Call::Redeem`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewSession {
    pub id: SessionId,
    pub wallet: Wallet,
    pub domain: String,
    pub expires_at: Timestamp,
    #[serde(default)]
    pub epoch: Option<u32>,
}

/// One of `GET /v1/auth/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionEntry {
    pub id: SessionId,
    pub wallet: Wallet,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SessionList {
    /// Newest first.
    pub sessions: Vec<SessionEntry>,
}

/// `GET /v1/auth/session` and the answer to a login.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    pub asset: Asset,
    pub wallet: Wallet,
    pub domain: String,
    pub expires_at: Timestamp,
}

/// `GET /v1/agents/{asset}`, and each event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    pub asset: Asset,
    pub domain: String,
    pub state: State,
    pub phase: Option<Phase>,
    pub since: Timestamp,
    pub last_snapshot: Option<SnapshotView>,
    pub problem: Option<Trouble>,
    /// A change of secrets or settings that is under way to the agent, and how.
    #[serde(default)]
    pub renewal: Option<Renewal>,
    /// When it wakes by itself: one that sleeps by its own schedule, one that did not start for another try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_wake_at: Option<Timestamp>,
    pub agent_url: String,
}

/// The newest snapshot in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotView {
    pub id: SnapshotId,
    pub created_at: Timestamp,
    pub size: u64,
    #[serde(flatten)]
    pub report: Report,
}

/// A snapshot as its owner sees it.
#[derive(Debug, Serialize, Deserialize)]
pub struct SnapshotEntry {
    /// With the size of all that it consists of.
    #[serde(flatten)]
    snapshot: Snapshot,
    /// Whether it is no archive, and can't be downloaded.
    #[serde(default, skip_serializing_if = "crate::snapshot::is_false")]
    incremental: bool,
}

impl From<Snapshot> for SnapshotEntry {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            incremental: snapshot.is_incremental(),
            snapshot: Snapshot {
                size: snapshot.total(),
                packs: Vec::new(),
                unfit: false,
                ..snapshot
            },
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SnapshotList {
    pub snapshots: Vec<SnapshotEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct SecretList {
    pub secrets: Vec<SecretStatus>,
    /// After an import: the names that were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Vec<String>>,
    /// After an import: those found, but not taken. They are set already, or not of the form that such a key has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Vec<String>>,
}

/// Answer to `POST /v1/agents/{asset}/open`.
#[derive(Serialize, Deserialize)]
pub struct OpenView {
    pub url: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_survive_the_way() {
        let caller = Caller {
            asset: Asset::from_bytes([1; 32]),
            session: SessionId::from_random([2; 16]),
            wallet: Wallet::from_bytes([3; 32]),
            epoch: Some(4),
        };
        let calls = [
            OwnerCall::Status,
            OwnerCall::ImportSecrets,
            OwnerCall::EndSession {
                id: SessionId::from_random([5; 16]),
            },
            OwnerCall::RestoreSnapshot {
                id: SnapshotId::from_random([4; 16]),
            },
            OwnerCall::PutSecret {
                name: SecretName::OpenAi,
                value: Secret::new("v".to_owned()),
            },
            OwnerCall::PutSettings {
                model: ModelRef::parse("openai/gpt-5.4").ok(),
                keeps_model: false,
                keyless: None,
            },
            OwnerCall::PutSettings {
                model: None,
                keeps_model: true,
                keyless: Some(vec![SecretName::OpenAi]),
            },
            OwnerCall::Usage,
            OwnerCall::Wallet,
            OwnerCall::PrepareTransaction {
                plan: "{\"operation\":\"custom\"}".to_owned(),
            },
            OwnerCall::SendTransaction {
                transaction: "AQ==".to_owned(),
            },
            OwnerCall::ListProposals,
            OwnerCall::PrepareProposal {
                id: ProposalId::from_random([8; 16]),
            },
            OwnerCall::RejectProposal {
                id: ProposalId::from_random([9; 16]),
            },
            OwnerCall::ListChannels,
            OwnerCall::PutChannel {
                token: Some(Secret::new("7:a".to_owned())),
                admission: Admission::Open,
            },
            OwnerCall::PutChannel {
                token: None,
                admission: Admission::Pairing,
            },
            OwnerCall::DeleteChannel,
            OwnerCall::PutEdgeChannel {
                channel: EdgeChannel::Slack,
                token: Some(Secret::new("xoxb-1".to_owned())),
                signing_secret: None,
                application: Some("7".to_owned()),
                public_key: None,
                admission: Admission::Pairing,
            },
            OwnerCall::DeleteEdgeChannel {
                channel: EdgeChannel::Slack,
            },
            OwnerCall::ListPairing,
            OwnerCall::AnswerPairing {
                id: PairingId::parse("gy78iSSlz7xFxwBfWQxTGr5smoWWw8jU").unwrap(),
                approved: true,
            },
            OwnerCall::ShutOut {
                id: PairingId::parse("slack-U1").unwrap(),
            },
            OwnerCall::Logs,
            OwnerCall::Wakes,
            OwnerCall::DownloadSnapshot {
                id: SnapshotId::from_random([6; 16]),
            },
            OwnerCall::DeleteSnapshot {
                id: SnapshotId::from_random([7; 16]),
            },
        ];
        for call in calls {
            let envelope = Envelope {
                asset: caller.asset,
                call: Call::Owner(caller, call),
            };
            let text = serde_json::to_string(&envelope).unwrap();
            let back: Envelope = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&back).unwrap(), text);
        }
    }
}
