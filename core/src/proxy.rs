//! Which headers and statuses cross between a browser and an agent (C17, RFC 9110 section 7.6.1).
//!
//! The agent trusts the identity headers set here and no others, so every one that a client sends is dropped first.

use core::net::IpAddr;

use crate::ids::Wallet;
use crate::session::without_our_cookies;

/// Header that names the owner to OpenClaw (its trusted-proxy mode).
pub const OWNER_HEADER: &str = "x-molt-owner";
/// Header whose presence says that the request came through the edge.
pub const EDGE_HEADER: &str = "x-molt-edge";
/// Stands in for a caller whose address is not known: OpenClaw refuses loopback (RFC 5737).
const UNKNOWN_CLIENT: &str = "192.0.2.1";

const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    // Each side of a socket agrees on its own.
    "sec-websocket-extensions",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Identity, address and routing: ours to say. `authorization` too: the cookie is the only way in.
const REQUEST_DROPPED: [&str; 8] = [
    "authorization",
    "cdn-loop",
    "cookie",
    "forwarded",
    "host",
    "true-client-ip",
    "via",
    "x-real-ip",
];
const REQUEST_DROPPED_PREFIXES: [&str; 4] = ["cf-", "x-forwarded-", "x-molt-", "x-openclaw-scopes"];

/// What would reach beyond the agent's own pages: the host's other protocols and ports, what a browser keeps for it, reports to
/// strangers, what other origins may read, and the caches on the way.
const RESPONSE_DROPPED: [&str; 14] = [
    "alt-svc",
    "cache-tag",
    "clear-site-data",
    "expect-ct",
    "nel",
    "origin-agent-cluster",
    "public-key-pins",
    "public-key-pins-report-only",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-cookie",
    "strict-transport-security",
    "timing-allow-origin",
];
const RESPONSE_DROPPED_PREFIXES: [&str; 6] = [
    "access-control-",
    "cdn-",
    "cf-",
    "cloudflare-",
    "surrogate-",
    "x-molt-",
];

/// Who asks, as the edge verified it.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    pub owner: Wallet,
    /// Scheme of the agent's origin.
    pub scheme: &'a str,
    /// Host of the agent's origin.
    pub host: &'a str,
    /// Address of the client as the platform tells it.
    pub client_address: Option<&'a str>,
}

fn is_hop_by_hop(name: &str, connection: &str) -> bool {
    HOP_BY_HOP.contains(&name)
        || connection
            .split(',')
            .any(|listed| listed.trim().eq_ignore_ascii_case(name))
}

/// The headers that the agent gets, from those that the client sent (names in lower case).
#[must_use]
pub fn request_headers(
    client: &[(String, String)],
    visitor: &Visitor<'_>,
) -> Vec<(String, String)> {
    let connection = find(client, "connection").unwrap_or_default();
    let mut headers: Vec<(String, String)> = client
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            !is_hop_by_hop(name, connection)
                && !REQUEST_DROPPED.contains(&name)
                && !REQUEST_DROPPED_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        })
        .cloned()
        .collect();
    let mut set = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    if let Some(cookies) = find(client, "cookie").and_then(without_our_cookies) {
        set("cookie", &cookies);
    }
    if is_websocket(client) {
        set("upgrade", "websocket");
    }
    set("x-forwarded-for", &client_address(visitor.client_address));
    set("x-forwarded-proto", visitor.scheme);
    set("x-forwarded-host", visitor.host);
    set(EDGE_HEADER, "1");
    set(OWNER_HEADER, &visitor.owner.to_string());
    headers
}

/// Headers for a question of our own to the agent (readiness).
#[must_use]
pub fn probe_headers(owner: Wallet) -> Vec<(String, String)> {
    request_headers(
        &[],
        &Visitor {
            owner,
            scheme: "https",
            host: "edge.invalid",
            client_address: None,
        },
    )
}

/// Whether the client asks for a WebSocket.
#[must_use]
pub fn is_websocket(client: &[(String, String)]) -> bool {
    find(client, "upgrade").is_some_and(|value| value.trim().eq_ignore_ascii_case("websocket"))
}

/// Whether a page of another origin asks, of which only a person's own navigation may come through: agents' hosts and the
/// console are one site to a browser, so its cookie rules let every agent's page send requests to every other (C17).
#[must_use]
pub fn is_foreign(method: &str, client: &[(String, String)], origin: &str) -> bool {
    let other_origin = find(client, "origin").is_some_and(|sent| sent != origin);
    let other_site = match find(client, "sec-fetch-site") {
        Some("same-origin") | None => false,
        // The address bar, or a bookmark.
        Some("none") => !is_navigation(method, client),
        Some(_) => {
            !is_navigation(method, client) || find(client, "sec-fetch-dest") != Some("document")
        }
    };
    other_origin || other_site
}

/// Whether a person asks to see the agent, as opposed to a page that reconnects by itself: only this wakes (C18).
#[must_use]
pub fn is_navigation(method: &str, client: &[(String, String)]) -> bool {
    let mode = find(client, "sec-fetch-mode");
    method == "GET" && !is_websocket(client) && mode == Some("navigate")
}

/// Whether a browser asks for the script of a service worker. It would outlive the agent that served it, and from the root of
/// the host it would answer in place of our own pages there.
#[must_use]
pub fn is_service_worker(client: &[(String, String)]) -> bool {
    find(client, "service-worker").is_some()
        || find(client, "sec-fetch-dest") == Some("serviceworker")
}

/// Of an agent's headers those that may reach the browser. `set-cookie` goes through [`set_cookie_passes`].
#[must_use]
pub fn response_headers(agent: &[(String, String)]) -> Vec<(String, String)> {
    let connection = find(agent, "connection").unwrap_or_default();
    agent
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            !is_hop_by_hop(name, connection)
                && !RESPONSE_DROPPED.contains(&name)
                && !RESPONSE_DROPPED_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        })
        .cloned()
        .collect()
}

/// `Cross-Origin-Opener-Policy` of an agent's page: no page that opened it keeps hold of it. It may ask for more, and not for less.
#[must_use]
pub fn opener_policy(agent: Option<&str>) -> &'static str {
    match agent {
        Some("same-origin") => "same-origin",
        _ => "same-origin-allow-popups",
    }
}

/// Whether an agent's cookie may be set: for its own host alone, and never in the place of ours. Its name must be one that all
/// readers read alike: browsers, servers and we differ in what they take away around it.
#[must_use]
pub fn set_cookie_passes(value: &str) -> bool {
    let mut parts = value.split(';');
    let name = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .map_or("", |(name, _)| name.trim_matches([' ', '\t']));
    let domain = parts.any(|part| {
        part.split_once('=')
            .map_or(part, |(key, _)| key)
            .trim()
            .eq_ignore_ascii_case("domain")
    });
    let control = value.chars().any(|c| c.is_control() && c != '\t');
    is_token(name) && !is_name_of_ours(name) && !domain && !control
}

/// A cookie's name by RFC 6265 section 4.1.1.
fn is_token(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(fits)
}

/// Ours, in all letters' cases and with each prefix that browsers know, now and to come.
fn is_name_of_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("__") && name.contains("-molt_")
}

/// Whether a response of this status can be passed on. The runtime refuses all others, by a panic.
#[must_use]
pub const fn status_passes(status: u16, has_websocket: bool) -> bool {
    (status == 101 && has_websocket) || (status >= 200 && status <= 599 && !has_websocket)
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn client_address(address: Option<&str>) -> String {
    let parsed: Option<IpAddr> = address.and_then(|text| text.trim().parse().ok());
    match parsed {
        Some(ip) if !ip.is_loopback() && !ip.is_unspecified() => ip.to_string(),
        _ => UNKNOWN_CLIENT.to_owned(),
    }
}

#[cfg(test)]
mod tests;
