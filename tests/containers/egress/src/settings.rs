//! What `PUT /egress` changes while the sidecar runs. workerd does so before it starts a container, and whenever an
//! object adds an outbound handler.

use std::num::NonZeroU16;

use serde::Deserialize;
use tokio::sync::RwLock;

use crate::rules::Rules;

/// A part that is absent stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub port: Option<NonZeroU16>,
    pub internet: Option<InternetChange>,
    pub dns: Option<DnsChange>,
}

#[derive(Debug, Default, Deserialize)]
pub struct InternetChange {
    pub enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsChange {
    pub allow_hostnames: Option<Vec<String>>,
}

impl Change {
    pub fn is_empty(&self) -> bool {
        self.port.is_none() && self.internet.is_none() && self.dns.is_none()
    }
}

struct State {
    port: NonZeroU16,
    internet: bool,
    allowed: Vec<String>,
}

pub struct Settings {
    state: RwLock<State>,
    /// None in tests, which have no network namespace of their own.
    rules: Option<Rules>,
}

impl Settings {
    pub fn new(port: NonZeroU16, rules: Option<Rules>) -> Self {
        let state = State {
            port,
            internet: true,
            allowed: vec!["*".to_owned()],
        };
        Self {
            state: RwLock::new(state),
            rules,
        }
    }

    /// Returns when the change holds.
    pub async fn apply(&self, change: Change) -> Result<(), nlink::Error> {
        // Held across the change of rules: the rules of one change must not meet the state of another.
        let mut state = self.state.write().await;
        if let Some(enabled) = change.internet.and_then(|internet| internet.enabled) {
            if let Some(rules) = &self.rules {
                rules.set_internet(enabled).await?;
            }
            state.internet = enabled;
        }
        if let Some(port) = change.port {
            state.port = port;
        }
        if let Some(patterns) = change.dns.and_then(|dns| dns.allow_hostnames) {
            state.allowed = patterns.iter().map(|pattern| normalized(pattern)).collect();
        }
        Ok(())
    }

    pub async fn port(&self) -> NonZeroU16 {
        self.state.read().await.port
    }

    pub async fn internet(&self) -> bool {
        self.state.read().await.internet
    }

    /// Whether an outbound handler may be waiting for this host.
    pub async fn allows(&self, host: &str) -> bool {
        let host = normalized(host);
        self.state
            .read()
            .await
            .allowed
            .iter()
            .any(|pattern| matches(pattern, &host))
    }
}

fn normalized(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// `*` stands for any characters, dots too, as in workerd.
fn matches(pattern: &str, host: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == host;
    };
    let Some(rest) = host.strip_prefix(before) else {
        return false;
    };
    let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts
        .filter_map(|at| rest.get(at..))
        .any(|rest| matches(after, rest))
}
