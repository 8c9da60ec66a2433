//! Which request is which: method and path to one enum, for the app origin and for an agent's origin.

use crate::error::{Code, Problem};
use crate::ids::{Asset, SessionId, SnapshotId};
use crate::secrets::{CATALOGUE, SecretName};

/// A route of the app origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppRoute {
    Challenge,
    Verify,
    Session,
    Logout,
    ListSessions,
    EndSession(SessionId),
    EndAllSessions,
    /// A notice of the RPC provider that assets moved.
    SolanaHook,
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
    Method(&'static str),
    Problem(Problem),
}

fn not_found() -> RouteError {
    RouteError::Problem(Problem::new(
        Code::NotFound,
        "There is no such route. The API is below /v1/.",
    ))
}

fn only<T>(method: &str, allowed: &'static str, route: T) -> Result<T, RouteError> {
    if method == allowed {
        Ok(route)
    } else {
        Err(RouteError::Method(allowed))
    }
}

fn read<T>(method: &str, route: T) -> Result<T, RouteError> {
    if method == "GET" || method == "HEAD" {
        Ok(route)
    } else {
        Err(RouteError::Method("GET, HEAD"))
    }
}

impl AppRoute {
    /// # Errors
    /// [`RouteError`] with the methods that exist, or the problem of a malformed path.
    pub fn find(method: &str, path: &str) -> Result<Self, RouteError> {
        let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        match parts.as_slice() {
            ["v1", "auth", "challenge"] => only(method, "POST", Self::Challenge),
            ["v1", "auth", "verify"] => only(method, "POST", Self::Verify),
            ["v1", "auth", "session"] => only(method, "GET", Self::Session),
            ["v1", "auth", "logout"] => only(method, "POST", Self::Logout),
            ["v1", "auth", "sessions"] => match method {
                "GET" => Ok(Self::ListSessions),
                "DELETE" => Ok(Self::EndAllSessions),
                _ => Err(RouteError::Method("GET, DELETE")),
            },
            ["v1", "auth", "sessions", id] => {
                let id = SessionId::parse(id)
                    .map_err(|error| RouteError::Problem(Problem::field("id", error.expected())))?;
                only(method, "DELETE", Self::EndSession(id))
            }
            ["hooks", "solana"] => only(method, "POST", Self::SolanaHook),
            ["v1", "agents", asset, rest @ ..] => {
                let asset = Asset::parse(asset).map_err(|error| {
                    RouteError::Problem(Problem::field("asset", error.expected()))
                })?;
                AgentRoute::find(method, rest).map(|route| Self::Agent(asset, route))
            }
            ["v1" | "hooks", ..] => Err(not_found()),
            _ => read(method, Self::Console),
        }
    }
}

impl AgentRoute {
    fn find(method: &str, parts: &[&str]) -> Result<Self, RouteError> {
        match parts {
            [] => only(method, "GET", Self::Status),
            ["start"] => only(method, "POST", Self::Start),
            ["stop"] => only(method, "POST", Self::Stop),
            ["restart"] => only(method, "POST", Self::Restart),
            ["events"] => only(method, "GET", Self::Events),
            ["open"] => only(method, "POST", Self::Open),
            ["snapshots"] => match method {
                "GET" => Ok(Self::ListSnapshots),
                "POST" => Ok(Self::TakeSnapshot),
                _ => Err(RouteError::Method("GET, POST")),
            },
            ["snapshots", id] => {
                let id = snapshot_id(id)?;
                match method {
                    "GET" => Ok(Self::DownloadSnapshot(id)),
                    "DELETE" => Ok(Self::DeleteSnapshot(id)),
                    _ => Err(RouteError::Method("GET, DELETE")),
                }
            }
            ["snapshots", id, "restore"] => {
                only(method, "POST", Self::RestoreSnapshot(snapshot_id(id)?))
            }
            ["logs"] => only(method, "GET", Self::Logs),
            ["wakes"] => only(method, "GET", Self::Wakes),
            ["secrets"] => only(method, "GET", Self::ListSecrets),
            ["secrets", "import"] => only(method, "POST", Self::ImportSecrets),
            ["secrets", name] => {
                let name =
                    SecretName::parse(name).ok_or_else(|| RouteError::Problem(unknown_secret()))?;
                match method {
                    "PUT" => Ok(Self::PutSecret(name)),
                    "DELETE" => Ok(Self::DeleteSecret(name)),
                    _ => Err(RouteError::Method("PUT, DELETE")),
                }
            }
            ["settings"] => match method {
                "GET" => Ok(Self::Settings),
                "PUT" => Ok(Self::PutSettings),
                _ => Err(RouteError::Method("GET, PUT")),
            },
            ["usage"] => only(method, "GET", Self::Usage),
            _ => Err(not_found()),
        }
    }
}

fn snapshot_id(text: &str) -> Result<SnapshotId, RouteError> {
    SnapshotId::parse(text)
        .map_err(|error| RouteError::Problem(Problem::field("id", error.expected())))
}

fn unknown_secret() -> Problem {
    let names: Vec<&str> = CATALOGUE.iter().map(|kind| kind.text).collect();
    Problem::new(
        Code::NotFound,
        format!("There is no such secret. There are: {}.", names.join(", ")),
    )
}

impl EntryRoute {
    /// Paths below `/.edge/` are ours, and nobody's in any other spelling; all others go to the agent.
    ///
    /// # Errors
    /// [`RouteError`] for a path or method of ours that does not exist.
    pub fn find(method: &str, path: &str) -> Result<Self, RouteError> {
        match path.strip_prefix("/.edge/") {
            None if is_like_ours(path) => Err(not_found()),
            None => Ok(Self::Proxy),
            Some("enter") if method == "POST" => Ok(Self::Redeem),
            Some("enter") => {
                read(method, Self::Page).map_err(|_| RouteError::Method("GET, HEAD, POST"))
            }
            Some("enter.js") => read(method, Self::Script),
            Some("status") => only(method, "GET", Self::Status),
            Some(_) => Err(not_found()),
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
mod tests {
    use super::*;

    fn asset() -> Asset {
        Asset::from_bytes([9; 32])
    }

    #[test]
    fn every_route_of_the_interface_is_found() {
        let base = format!("/v1/agents/{}", asset());
        let id = SnapshotId::from_random([1; 16]);
        let session = SessionId::from_random([2; 16]);
        let cases = [
            ("POST", "/v1/auth/challenge".to_owned(), AppRoute::Challenge),
            ("POST", "/v1/auth/verify".to_owned(), AppRoute::Verify),
            ("GET", "/v1/auth/session".to_owned(), AppRoute::Session),
            ("POST", "/v1/auth/logout".to_owned(), AppRoute::Logout),
            (
                "GET",
                base.clone(),
                AppRoute::Agent(asset(), AgentRoute::Status),
            ),
            (
                "POST",
                format!("{base}/start"),
                AppRoute::Agent(asset(), AgentRoute::Start),
            ),
            (
                "POST",
                format!("{base}/stop"),
                AppRoute::Agent(asset(), AgentRoute::Stop),
            ),
            (
                "POST",
                format!("{base}/restart"),
                AppRoute::Agent(asset(), AgentRoute::Restart),
            ),
            (
                "GET",
                format!("{base}/events"),
                AppRoute::Agent(asset(), AgentRoute::Events),
            ),
            (
                "POST",
                format!("{base}/open"),
                AppRoute::Agent(asset(), AgentRoute::Open),
            ),
            (
                "GET",
                format!("{base}/snapshots"),
                AppRoute::Agent(asset(), AgentRoute::ListSnapshots),
            ),
            (
                "POST",
                format!("{base}/snapshots"),
                AppRoute::Agent(asset(), AgentRoute::TakeSnapshot),
            ),
            (
                "POST",
                format!("{base}/snapshots/{id}/restore"),
                AppRoute::Agent(asset(), AgentRoute::RestoreSnapshot(id)),
            ),
            (
                "GET",
                format!("{base}/snapshots/{id}"),
                AppRoute::Agent(asset(), AgentRoute::DownloadSnapshot(id)),
            ),
            (
                "DELETE",
                format!("{base}/snapshots/{id}"),
                AppRoute::Agent(asset(), AgentRoute::DeleteSnapshot(id)),
            ),
            (
                "GET",
                format!("{base}/logs"),
                AppRoute::Agent(asset(), AgentRoute::Logs),
            ),
            (
                "GET",
                format!("{base}/wakes"),
                AppRoute::Agent(asset(), AgentRoute::Wakes),
            ),
            (
                "GET",
                format!("{base}/secrets"),
                AppRoute::Agent(asset(), AgentRoute::ListSecrets),
            ),
            (
                "PUT",
                format!("{base}/secrets/openai"),
                AppRoute::Agent(asset(), AgentRoute::PutSecret(SecretName::OpenAi)),
            ),
            (
                "DELETE",
                format!("{base}/secrets/openai"),
                AppRoute::Agent(asset(), AgentRoute::DeleteSecret(SecretName::OpenAi)),
            ),
            (
                "POST",
                format!("{base}/secrets/import"),
                AppRoute::Agent(asset(), AgentRoute::ImportSecrets),
            ),
            (
                "PUT",
                format!("{base}/secrets/telegram"),
                AppRoute::Agent(asset(), AgentRoute::PutSecret(SecretName::Telegram)),
            ),
            (
                "GET",
                format!("{base}/settings"),
                AppRoute::Agent(asset(), AgentRoute::Settings),
            ),
            (
                "PUT",
                format!("{base}/settings"),
                AppRoute::Agent(asset(), AgentRoute::PutSettings),
            ),
            (
                "GET",
                "/v1/auth/sessions".to_owned(),
                AppRoute::ListSessions,
            ),
            (
                "DELETE",
                "/v1/auth/sessions".to_owned(),
                AppRoute::EndAllSessions,
            ),
            (
                "DELETE",
                format!("/v1/auth/sessions/{session}"),
                AppRoute::EndSession(session),
            ),
            ("POST", "/hooks/solana".to_owned(), AppRoute::SolanaHook),
            ("GET", "/".to_owned(), AppRoute::Console),
            ("HEAD", "/main.js".to_owned(), AppRoute::Console),
        ];
        for (method, path, route) in cases {
            assert_eq!(AppRoute::find(method, &path), Ok(route), "{method} {path}");
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        assert_eq!(
            AppRoute::find("GET", "/v1/auth/challenge"),
            Err(RouteError::Method("POST"))
        );
        assert_eq!(
            AppRoute::find("POST", "/"),
            Err(RouteError::Method("GET, HEAD"))
        );
        assert_eq!(
            AppRoute::find("get", "/v1/auth/session"),
            Err(RouteError::Method("GET"))
        );
        assert_eq!(
            EntryRoute::find("DELETE", "/.edge/enter"),
            Err(RouteError::Method("GET, HEAD, POST"))
        );
    }

    #[test]
    fn strange_paths_are_refused() {
        for path in [
            "/v1",
            "/v1/",
            "/v1/auth",
            "/v1/auth/challenge/",
            "/v1//auth/challenge",
            "/hooks/x",
            "/v1/agents",
            "/v1/%61uth/session",
        ] {
            assert!(AppRoute::find("GET", path).is_err(), "{path}");
        }
        let Err(RouteError::Problem(problem)) = AppRoute::find("GET", "/v1/agents/0OIl") else {
            panic!("accepted")
        };
        assert_eq!(problem.field.as_deref(), Some("asset"));
        let unknown = format!("/v1/agents/{}/secrets/gateway", asset());
        let Err(RouteError::Problem(problem)) = AppRoute::find("PUT", &unknown) else {
            panic!("accepted")
        };
        assert_eq!(problem.code, Code::NotFound);
        for kind in &CATALOGUE {
            assert!(problem.detail.contains(kind.text));
        }
        assert!(EntryRoute::find("GET", "/.edge/other").is_err());
        assert_eq!(
            EntryRoute::find("TRACE", "/anything"),
            Ok(EntryRoute::Proxy)
        );
    }

    #[test]
    fn c17_our_paths_are_nobodys_in_another_spelling() {
        for path in [
            "/.edge",
            "/.edge;a/enter",
            "//.edge/enter",
            "/.EDGE/enter",
            "/%2eedge/enter",
            "/.%65dge/enter",
            "/.edge%2fenter",
            "/.edge%5center",
            "/.edge%00/enter",
            "/%20.edge/enter",
            "/.edge%3Fx",
            "/%2E/.edge/enter",
        ] {
            assert!(EntryRoute::find("GET", path).is_err(), "{path}");
        }
        for path in [
            "/",
            "/.edges/x",
            "/x/.edge/enter",
            "/edge/enter",
            "/%",
            "/%zz",
            "/%2",
            "/\u{e9}%e9",
        ] {
            assert_eq!(
                EntryRoute::find("GET", path),
                Ok(EntryRoute::Proxy),
                "{path}"
            );
        }
    }
}
