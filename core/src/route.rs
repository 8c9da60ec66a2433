//! Which request is which: method and path to one enum, for the app origin and for an agent's origin.

use crate::channel::TELEGRAM;
use crate::door::DoorPath;
use crate::edge::EdgeChannel;
use crate::error::{Code, Problem};
use crate::hook::HookPath;
use crate::ids::{Asset, ProposalId, SessionId, SnapshotId};
use crate::knock;
use crate::pairing::PairingId;
use crate::secrets::{CATALOGUE, SecretName};

/// A route of the app origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppRoute {
    Health,
    /// The description of this interface, `docs/openapi.yaml` as JSON.
    Description,
    Challenge,
    Verify,
    Session,
    Logout,
    ListSessions,
    EndSession(SessionId),
    EndAllSessions,
    /// A notice of the RPC provider that assets moved.
    SolanaHook,
    /// What somebody wrote to an agent's bot.
    TelegramHook(Asset, HookPath),
    /// What a channel that ends here sends.
    EdgeHook(EdgeChannel, Asset, DoorPath),
    Agent(Asset, AgentRoute),
    /// A file of the console.
    Console,
}

/// What is asked of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentRoute {
    Status,
    Start,
    Stop,
    Restart,
    Events,
    Open,
    ListSnapshots,
    TakeSnapshot,
    RestoreSnapshot(SnapshotId),
    DownloadSnapshot(SnapshotId),
    DeleteSnapshot(SnapshotId),
    Logs,
    Wakes,
    ListSecrets,
    PutSecret(SecretName),
    DeleteSecret(SecretName),
    ImportSecrets,
    Settings,
    PutSettings,
    Usage,
    Wallet,
    ListTransactions,
    PrepareTransaction,
    SendTransaction,
    ListProposals,
    PrepareProposal(ProposalId),
    RejectProposal(ProposalId),
    ListPairing,
    ApprovePairing(PairingId),
    RejectPairing(PairingId),
    ListChannels,
    PutChannel,
    DeleteChannel,
    PutEdgeChannel(EdgeChannel),
    DeleteEdgeChannel(EdgeChannel),
    /// By the id by which they had waited.
    ShutOut(PairingId),
}

/// A route of an agent's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryRoute {
    /// The page that turns a ticket into a cookie.
    Page,
    /// Its script.
    Script,
    /// The ticket itself.
    Redeem,
    /// State of the agent, for the page shown while it wakes.
    Status,
    /// Everything else is the agent's.
    Proxy,
}

/// A route was not found for this method and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteError {
    /// The path exists; these methods do.
    Method(String),
    Problem(Problem),
}

/// Path of [`AppRoute::Health`].
pub const HEALTH_PATH: &str = "/healthz";

/// One operation of the app origin.
pub struct Row {
    pub method: &'static str,
    /// With `{...}` in place of what varies.
    pub path: &'static str,
    target: Target,
}

/// What a row leads to, by what varies in its path.
#[derive(Clone, Copy)]
enum Target {
    App(AppRoute),
    /// `{id}`
    Session(fn(SessionId) -> AppRoute),
    /// `{asset}`
    Agent(AgentRoute),
    /// `{asset}`, `{id}`
    Snapshot(fn(SnapshotId) -> AgentRoute),
    /// `{asset}`, `{id}`
    Proposal(fn(ProposalId) -> AgentRoute),
    /// `{asset}`, `{name}`
    Secret(fn(SecretName) -> AgentRoute),
    /// `{asset}`, `{id}`
    Pairing(fn(PairingId) -> AgentRoute),
    /// `{asset}`, `{channel}`: Telegram's, and those that end here
    Channel(AgentRoute, fn(EdgeChannel) -> AgentRoute),
    /// `{asset}`, `{channel}`, `{person}`: of a channel that ends here
    Person,
    /// `{asset}`, `{hook}`
    TelegramHook,
    /// `{asset}`, `{hook}`
    EdgeHook(EdgeChannel),
}

const fn row(method: &'static str, path: &'static str, target: Target) -> Row {
    Row {
        method,
        path,
        target,
    }
}

/// The interface of the app origin: what is not here are the console's files. `docs/openapi.yaml` describes each row
/// (`core/tests/interface.rs`). A path stands before those whose `{...}` it would fill.
#[rustfmt::skip]
pub const INTERFACE: [Row; 49] = [
    row("GET", HEALTH_PATH, Target::App(AppRoute::Health)),
    row("HEAD", HEALTH_PATH, Target::App(AppRoute::Health)),
    row("GET", "/v1/openapi.json", Target::App(AppRoute::Description)),
    row("HEAD", "/v1/openapi.json", Target::App(AppRoute::Description)),
    row("POST", "/v1/auth/challenge", Target::App(AppRoute::Challenge)),
    row("POST", "/v1/auth/verify", Target::App(AppRoute::Verify)),
    row("GET", "/v1/auth/session", Target::App(AppRoute::Session)),
    row("POST", "/v1/auth/logout", Target::App(AppRoute::Logout)),
    row("GET", "/v1/auth/sessions", Target::App(AppRoute::ListSessions)),
    row("DELETE", "/v1/auth/sessions", Target::App(AppRoute::EndAllSessions)),
    row("DELETE", "/v1/auth/sessions/{id}", Target::Session(AppRoute::EndSession)),
    row("GET", "/v1/agents/{asset}", Target::Agent(AgentRoute::Status)),
    row("POST", "/v1/agents/{asset}/start", Target::Agent(AgentRoute::Start)),
    row("POST", "/v1/agents/{asset}/stop", Target::Agent(AgentRoute::Stop)),
    row("POST", "/v1/agents/{asset}/restart", Target::Agent(AgentRoute::Restart)),
    row("GET", "/v1/agents/{asset}/events", Target::Agent(AgentRoute::Events)),
    row("POST", "/v1/agents/{asset}/open", Target::Agent(AgentRoute::Open)),
    row("GET", "/v1/agents/{asset}/snapshots", Target::Agent(AgentRoute::ListSnapshots)),
    row("POST", "/v1/agents/{asset}/snapshots", Target::Agent(AgentRoute::TakeSnapshot)),
    row("GET", "/v1/agents/{asset}/snapshots/{id}", Target::Snapshot(AgentRoute::DownloadSnapshot)),
    row("DELETE", "/v1/agents/{asset}/snapshots/{id}", Target::Snapshot(AgentRoute::DeleteSnapshot)),
    row("POST", "/v1/agents/{asset}/snapshots/{id}/restore", Target::Snapshot(AgentRoute::RestoreSnapshot)),
    row("GET", "/v1/agents/{asset}/logs", Target::Agent(AgentRoute::Logs)),
    row("GET", "/v1/agents/{asset}/wakes", Target::Agent(AgentRoute::Wakes)),
    row("GET", "/v1/agents/{asset}/secrets", Target::Agent(AgentRoute::ListSecrets)),
    row("POST", "/v1/agents/{asset}/secrets/import", Target::Agent(AgentRoute::ImportSecrets)),
    row("PUT", "/v1/agents/{asset}/secrets/{name}", Target::Secret(AgentRoute::PutSecret)),
    row("DELETE", "/v1/agents/{asset}/secrets/{name}", Target::Secret(AgentRoute::DeleteSecret)),
    row("GET", "/v1/agents/{asset}/settings", Target::Agent(AgentRoute::Settings)),
    row("PUT", "/v1/agents/{asset}/settings", Target::Agent(AgentRoute::PutSettings)),
    row("GET", "/v1/agents/{asset}/usage", Target::Agent(AgentRoute::Usage)),
    row("GET", "/v1/agents/{asset}/wallet", Target::Agent(AgentRoute::Wallet)),
    row("GET", "/v1/agents/{asset}/wallet/transactions", Target::Agent(AgentRoute::ListTransactions)),
    row("POST", "/v1/agents/{asset}/wallet/transactions", Target::Agent(AgentRoute::PrepareTransaction)),
    row("POST", "/v1/agents/{asset}/wallet/transactions/send", Target::Agent(AgentRoute::SendTransaction)),
    row("GET", "/v1/agents/{asset}/wallet/proposals", Target::Agent(AgentRoute::ListProposals)),
    row("POST", "/v1/agents/{asset}/wallet/proposals/{id}/prepare", Target::Proposal(AgentRoute::PrepareProposal)),
    row("POST", "/v1/agents/{asset}/wallet/proposals/{id}/reject", Target::Proposal(AgentRoute::RejectProposal)),
    row("GET", "/v1/agents/{asset}/channels", Target::Agent(AgentRoute::ListChannels)),
    row("PUT", "/v1/agents/{asset}/channels/{channel}", Target::Channel(AgentRoute::PutChannel, AgentRoute::PutEdgeChannel)),
    row("DELETE", "/v1/agents/{asset}/channels/{channel}", Target::Channel(AgentRoute::DeleteChannel, AgentRoute::DeleteEdgeChannel)),
    row("DELETE", "/v1/agents/{asset}/channels/{channel}/people/{person}", Target::Person),
    row("GET", "/v1/agents/{asset}/pairing", Target::Agent(AgentRoute::ListPairing)),
    row("POST", "/v1/agents/{asset}/pairing/{id}/approve", Target::Pairing(AgentRoute::ApprovePairing)),
    row("POST", "/v1/agents/{asset}/pairing/{id}/reject", Target::Pairing(AgentRoute::RejectPairing)),
    row("POST", "/hooks/telegram/{asset}/{hook}", Target::TelegramHook),
    row("POST", "/hooks/slack/{asset}/{hook}", Target::EdgeHook(EdgeChannel::Slack)),
    row("POST", "/hooks/discord/{asset}/{hook}", Target::EdgeHook(EdgeChannel::Discord)),
    row("POST", "/hooks/solana", Target::App(AppRoute::SolanaHook)),
];

fn not_found() -> Problem {
    Problem::new(
        Code::NotFound,
        "There is no such route. The API is below /v1/.",
    )
}

fn only<T>(method: &str, allowed: &'static str, route: T) -> Result<T, RouteError> {
    if method == allowed {
        Ok(route)
    } else {
        Err(RouteError::Method(allowed.to_owned()))
    }
}

fn read<T>(method: &str, route: T) -> Result<T, RouteError> {
    if method == "GET" || method == "HEAD" {
        Ok(route)
    } else {
        Err(RouteError::Method("GET, HEAD".to_owned()))
    }
}

/// What stands in `path` where the template has `{...}`; `None` unless the rest is the same.
fn given<'a>(template: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut parts, mut given) = (path.split('/'), Vec::new());
    for expected in template.split('/') {
        let part = parts.next()?;
        if expected.starts_with('{') {
            given.push(part);
        } else if expected != part {
            return None;
        }
    }
    parts.next().is_none().then_some(given)
}

impl Target {
    fn resolve(self, given: &[&str]) -> Result<AppRoute, Problem> {
        match (self, given) {
            (Self::App(route), []) => Ok(route),
            (Self::Session(make), [id]) => SessionId::parse(id)
                .map(make)
                .map_err(|error| Problem::field("id", error.expected())),
            (Self::Agent(route), [asset]) => Ok(AppRoute::Agent(parse_asset(asset)?, route)),
            (Self::Snapshot(make), [asset, id]) => {
                let asset = parse_asset(asset)?;
                let id = SnapshotId::parse(id)
                    .map_err(|error| Problem::field("id", error.expected()))?;
                Ok(AppRoute::Agent(asset, make(id)))
            }
            (Self::Proposal(make), [asset, id]) => {
                let asset = parse_asset(asset)?;
                let id = ProposalId::parse(id)
                    .map_err(|error| Problem::field("id", error.expected()))?;
                Ok(AppRoute::Agent(asset, make(id)))
            }
            (Self::Secret(make), [asset, name]) => {
                let asset = parse_asset(asset)?;
                let name = SecretName::parse(name).ok_or_else(unknown_secret)?;
                Ok(AppRoute::Agent(asset, make(name)))
            }
            (Self::Pairing(make), [asset, id]) => {
                let asset = parse_asset(asset)?;
                let id = PairingId::parse(id)
                    .ok_or_else(|| Problem::field("id", PairingId::EXPECTED))?;
                Ok(AppRoute::Agent(asset, make(id)))
            }
            (Self::Channel(telegram, edge), [asset, channel]) => {
                let asset = parse_asset(asset)?;
                let route = match *channel {
                    TELEGRAM => telegram,
                    other => EdgeChannel::parse(other)
                        .map(edge)
                        .ok_or_else(unknown_channel)?,
                };
                Ok(AppRoute::Agent(asset, route))
            }
            (Self::Person, [asset, channel, person]) => {
                let asset = parse_asset(asset)?;
                let channel = EdgeChannel::parse(channel).ok_or_else(unknown_channel)?;
                let people = channel.people();
                let id = people.parse(person).and_then(|it| knock::id(channel, &it));
                let id = id.ok_or_else(|| Problem::field("person", people.one()))?;
                Ok(AppRoute::Agent(asset, AgentRoute::ShutOut(id)))
            }
            (Self::TelegramHook, [asset, hook]) => {
                let asset = Asset::parse(asset).map_err(|_| not_found())?;
                let hook = HookPath::parse(hook).ok_or_else(not_found)?;
                Ok(AppRoute::TelegramHook(asset, hook))
            }
            (Self::EdgeHook(channel), [asset, hook]) => {
                let asset = Asset::parse(asset).map_err(|_| not_found())?;
                let hook = DoorPath::parse(hook).ok_or_else(not_found)?;
                Ok(AppRoute::EdgeHook(channel, asset, hook))
            }
            // No row has other parameters than its target takes.
            _ => Err(not_found()),
        }
    }
}

impl AppRoute {
    /// # Errors
    /// [`RouteError`] with the methods that exist, or the problem of a malformed path.
    pub fn find(method: &str, path: &str) -> Result<Self, RouteError> {
        let mut rows = INTERFACE
            .iter()
            .filter_map(|row| Some((row, given(row.path, path)?)));
        let Some((first, given)) = rows.next() else {
            let top = path.strip_prefix('/').unwrap_or(path).split('/').next();
            return match top {
                Some("v1" | "hooks") => Err(RouteError::Problem(not_found())),
                _ => read(method, Self::Console),
            };
        };
        let at_path = || INTERFACE.iter().filter(|row| row.path == first.path);
        let row = at_path().find(|row| row.method == method);
        let route = row.unwrap_or(first).target.resolve(&given);
        match (route, row) {
            (Err(problem), _) => Err(RouteError::Problem(problem)),
            (Ok(route), Some(_)) => Ok(route),
            (Ok(_), None) => {
                let methods: Vec<&str> = at_path().map(|row| row.method).collect();
                Err(RouteError::Method(methods.join(", ")))
            }
        }
    }
}

fn parse_asset(text: &str) -> Result<Asset, Problem> {
    Asset::parse(text).map_err(|error| Problem::field("asset", error.expected()))
}

fn unknown_secret() -> Problem {
    let names: Vec<&str> = CATALOGUE.iter().map(|kind| kind.text).collect();
    Problem::new(
        Code::NotFound,
        format!("There is no such secret. There are: {}.", names.join(", ")),
    )
}

fn unknown_channel() -> Problem {
    let edge = EdgeChannel::ALL.map(EdgeChannel::as_str).join(", ");
    Problem::new(
        Code::NotFound,
        format!("There is no such channel. There are: {TELEGRAM}, {edge}."),
    )
}

impl EntryRoute {
    /// Paths below `/.edge/` are ours, and nobody's in any other spelling; all others go to the agent.
    ///
    /// # Errors
    /// [`RouteError`] for a path or method of ours that does not exist.
    pub fn find(method: &str, path: &str) -> Result<Self, RouteError> {
        match path.strip_prefix("/.edge/") {
            None if is_like_ours(path) => Err(RouteError::Problem(not_found())),
            None => Ok(Self::Proxy),
            Some("enter") if method == "POST" => Ok(Self::Redeem),
            Some("enter") => read(method, Self::Page)
                .map_err(|_| RouteError::Method("GET, HEAD, POST".to_owned())),
            Some("enter.js") => read(method, Self::Script),
            Some("status") => only(method, "GET", Self::Status),
            Some(_) => Err(RouteError::Problem(not_found())),
        }
    }
}

/// Whether somebody who reads paths less strictly than we do takes this one for ours.
fn is_like_ours(path: &str) -> bool {
    let plain = percent_decoded(path);
    let mut parts = plain.split(['/', '\\']).map(|part| {
        let name = part.split([';', '?', '#']).next().unwrap_or_default();
        name.trim_matches(|c: char| c.is_whitespace() || c.is_control())
    });
    let first = parts.find(|part| !matches!(*part, "" | "."));
    first.is_some_and(|part| part.eq_ignore_ascii_case(".edge"))
}

/// The text with `%41` as `A`; what is no ASCII is as good as any other letter here.
fn percent_decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let code = after
            .get(..2)
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        decoded.push(code.map_or('%', char::from));
        rest = code.and_then(|_| after.get(2..)).unwrap_or(after);
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests;
