//! The operator's variables, parsed. Each reader names the variable and what was expected, never its value.

use crate::error::Failure;
use crate::ids::{Asset, Collection};
use crate::secret::Secret;
use crate::siws::ChainId;
use crate::time::Seconds;

/// Looks a variable up; `None` when it is not set.
pub type Vars<'a> = &'a dyn Fn(&str) -> Option<String>;

fn required(vars: Vars<'_>, name: &str, expected: &str) -> Result<String, Failure> {
    vars(name)
        .filter(|value| !value.trim().is_empty())
        .ok_or_else(|| malformed(name, expected))
}

pub(crate) fn malformed(name: &str, expected: &str) -> Failure {
    Failure::misconfigured(format!(
        "{name} is missing or malformed: it must be {expected}"
    ))
}

/// A web origin: scheme, host and port, as browsers write it in `Origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin {
    text: String,
    scheme_length: usize,
}

impl WebOrigin {
    /// Accepts `https://host[:port]`, and `http` for `localhost` alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name_is_local = |name: &str| name == "localhost" || name.ends_with(".localhost");
        Self::parse_where(text, name_is_local)
    }

    fn parse_where(text: &str, may_be_plain: impl Fn(&str) -> bool) -> Option<Self> {
        let (scheme, host) = text.split_once("://")?;
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        let host_fits = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b));
        let scheme_fits = scheme == "https" || (scheme == "http" && may_be_plain(name));
        (host_fits && scheme_fits).then(|| Self {
            text: text.to_owned(),
            scheme_length: scheme.len(),
        })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme_length).unwrap_or("https")
    }

    /// Host with port, as in a `Host` header.
    #[must_use]
    pub fn host(&self) -> &str {
        self.text.split_once("://").map_or("", |(_, host)| host)
    }
}

/// Where the APIs of channels are.
const TELEGRAM: &str = "https://api.telegram.org";
const SLACK: &str = "https://slack.com";
const DISCORD: &str = "https://discord.com";

/// `APP_ORIGINS`, `AGENT_DOMAIN` and `MODELS_ORIGIN`: which hosts are ours and what each serves; and the origins of channels.
#[derive(Debug, Clone)]
pub struct Hosts {
    app: Vec<WebOrigin>,
    primary: WebOrigin,
    agent_domain: String,
    models: Option<WebOrigin>,
    telegram: Option<WebOrigin>,
    slack: Option<WebOrigin>,
    discord: Option<WebOrigin>,
}

/// What a host serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Console and API.
    App,
    /// One agent.
    Agent(Asset),
}

impl Hosts {
    /// # Errors
    /// When `APP_ORIGINS` or `AGENT_DOMAIN` is missing, or one of all is malformed.
    pub fn from_vars(vars: Vars<'_>) -> Result<Self, Failure> {
        const ORIGINS: &str = "one or more origins like https://app.example, separated by commas";
        const DOMAIN: &str = "a host suffix like agents.example, without a leading dot";
        let text = required(vars, "APP_ORIGINS", ORIGINS)?;
        let app: Option<Vec<WebOrigin>> = text
            .split(',')
            .map(|part| WebOrigin::parse(part.trim()))
            .collect();
        let app = app.ok_or_else(|| malformed("APP_ORIGINS", ORIGINS))?;
        let primary = app
            .first()
            .cloned()
            .ok_or_else(|| malformed("APP_ORIGINS", ORIGINS))?;
        let agent_domain = required(vars, "AGENT_DOMAIN", DOMAIN)?;
        if WebOrigin::parse(&format!("https://{agent_domain}")).is_none()
            || agent_domain.starts_with('.')
        {
            return Err(malformed("AGENT_DOMAIN", DOMAIN));
        }
        const ORIGIN: &str = "an origin like https://app.example";
        // On a machine of their own, containers reach the edge by an address of it that is not loopback.
        let is_local = primary.scheme() == "http";
        let origin = |name: &str| {
            let text = vars(name).filter(|text| !text.is_empty());
            text.map(|text| {
                WebOrigin::parse_where(&text, |_| is_local).ok_or_else(|| malformed(name, ORIGIN))
            })
            .transpose()
        };
        Ok(Self {
            models: origin("MODELS_ORIGIN")?,
            telegram: origin("TELEGRAM_API_URL")?,
            slack: origin("SLACK_API_URL")?,
            discord: origin("DISCORD_API_URL")?,
            app,
            primary,
            agent_domain,
        })
    }

    /// What the host of a request serves; `None` for a host that is not ours.
    #[must_use]
    pub fn surface(&self, host: &str) -> Option<Surface> {
        let host = host.to_ascii_lowercase();
        if self.app.iter().any(|origin| origin.host() == host) {
            return Some(Surface::App);
        }
        let label = host.strip_suffix(&self.agent_domain)?.strip_suffix('.')?;
        Asset::from_dns_label(label).ok().map(Surface::Agent)
    }

    /// The allowed origin that a browser named, exactly.
    #[must_use]
    pub fn app_origin(&self, origin: &str) -> Option<&WebOrigin> {
        self.app.iter().find(|allowed| allowed.as_str() == origin)
    }

    /// The origin that callers without one are answered as.
    #[must_use]
    pub const fn primary(&self) -> &WebOrigin {
        &self.primary
    }

    /// `MODELS_ORIGIN`: where agents reach the calls of models. Without one they get the keys themselves.
    #[must_use]
    pub const fn models(&self) -> Option<&WebOrigin> {
        self.models.as_ref()
    }

    /// `TELEGRAM_API_URL`: a Bot API of one's own.
    #[must_use]
    pub const fn telegram(&self) -> Option<&WebOrigin> {
        self.telegram.as_ref()
    }

    /// Where Telegram's Bot API is.
    #[must_use]
    pub fn bot_api(&self) -> &str {
        self.telegram.as_ref().map_or(TELEGRAM, WebOrigin::as_str)
    }

    /// Where Slack's Web API is; `SLACK_API_URL`.
    #[must_use]
    pub fn slack_api(&self) -> &str {
        self.slack.as_ref().map_or(SLACK, WebOrigin::as_str)
    }

    /// Where Discord's API is; `DISCORD_API_URL`.
    #[must_use]
    pub fn discord_api(&self) -> &str {
        self.discord.as_ref().map_or(DISCORD, WebOrigin::as_str)
    }

    /// The origin that serves an agent.
    #[must_use]
    pub fn agent_origin(&self, asset: Asset) -> String {
        format!(
            "{}://{}.{}",
            self.primary.scheme(),
            asset.dns_label(),
            self.agent_domain
        )
    }
}

/// Which Solana, and which collection there is ours.
#[derive(Debug, Clone)]
pub struct Chain {
    /// In order of preference. They may hold a key.
    pub rpc_urls: Vec<Secret>,
    /// The chain that the signed text names.
    pub cluster: ChainId,
    pub collection: Collection,
}

impl Chain {
    /// # Errors
    /// When `SOLANA_RPC_URLS`, `SOLANA_CLUSTER` or `MOLT_COLLECTION` is missing or malformed.
    pub fn from_vars(vars: Vars<'_>) -> Result<Self, Failure> {
        const URLS: &str =
            "https URLs separated by commas, each once (http for this machine alone)";
        const CLUSTER: &str = "mainnet, testnet, devnet or localnet";
        const COLLECTION: &str = "the base58 address of the collection";
        let rpc_urls: Vec<String> = required(vars, "SOLANA_RPC_URLS", URLS)?
            .split(',')
            .map(|url| url.trim().to_owned())
            .collect();
        // One endpoint that is named twice would agree with itself.
        let is_new = |(index, url)| rpc_urls.iter().position(|other| other == url) == Some(index);
        if !rpc_urls.iter().all(|url| is_safe_url(url)) || !rpc_urls.iter().enumerate().all(is_new)
        {
            return Err(malformed("SOLANA_RPC_URLS", URLS));
        }
        let cluster = ChainId::parse(&required(vars, "SOLANA_CLUSTER", CLUSTER)?)
            .ok_or_else(|| malformed("SOLANA_CLUSTER", CLUSTER))?;
        let collection = Collection::parse(&required(vars, "MOLT_COLLECTION", COLLECTION)?)
            .map_err(|_| malformed("MOLT_COLLECTION", COLLECTION))?;
        Ok(Self {
            rpc_urls: rpc_urls.into_iter().map(Secret::new).collect(),
            cluster,
            collection,
        })
    }
}

/// `https`, or plain `http` that does not leave the machine: what says who owns a domain must not come over the open net.
fn is_safe_url(url: &str) -> bool {
    let local = |rest: &str| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // Before an `@` stands who asks, not whom.
        if host.contains('@') {
            return false;
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "127.0.0.1" | "localhost" | "[::1]")
    };
    match url.split_once("://") {
        Some(("https", rest)) => !rest.is_empty(),
        Some(("http", rest)) => local(rest),
        _ => false,
    }
}

/// A number of seconds, or `default` when the variable is not set.
///
/// # Errors
/// When it is set and is no number in `range`.
pub fn seconds(
    vars: Vars<'_>,
    name: &str,
    default: u32,
    range: core::ops::RangeInclusive<u32>,
) -> Result<Seconds, Failure> {
    number(vars, name, default, range).map(Seconds::new)
}

/// A whole number, or `default` when the variable is not set.
///
/// # Errors
/// When it is set and is no number in `range`.
pub fn number(
    vars: Vars<'_>,
    name: &str,
    default: u32,
    range: core::ops::RangeInclusive<u32>,
) -> Result<u32, Failure> {
    let Some(text) = vars(name) else {
        return Ok(default);
    };
    let value = text
        .trim()
        .parse()
        .ok()
        .filter(|value| range.contains(value));
    value.ok_or_else(|| {
        malformed(
            name,
            &format!("a whole number from {} to {}", range.start(), range.end()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts::from_vars(&|name| match name {
            "APP_ORIGINS" => Some("https://app.example, http://localhost:8787".to_owned()),
            "AGENT_DOMAIN" => Some("agents.example".to_owned()),
            _ => None,
        })
        .unwrap()
    }

    #[test]
    fn hosts_are_told_apart_exactly() {
        let asset = Asset::from_bytes([5; 32]);
        let label = asset.dns_label();
        assert_eq!(hosts().surface("app.example"), Some(Surface::App));
        assert_eq!(hosts().surface("localhost:8787"), Some(Surface::App));
        assert_eq!(
            hosts().surface(&format!("{label}.agents.example")),
            Some(Surface::Agent(asset))
        );
        assert_eq!(
            hosts().surface(&format!("{}.AGENTS.example", label.to_uppercase())),
            Some(Surface::Agent(asset))
        );
        for stranger in [
            "evil.example",
            "",
            "agents.example",
            ".agents.example",
            "app.example.evil.example",
            "xapp.example",
            &format!("evil@{label}.agents.example"),
            &format!("{label}.agents.example:443"),
            &format!("{label}.agents.example."),
            &format!("{label}agents.example"),
            &format!("a.{label}.agents.example"),
            &format!("{label}.agents.example.evil"),
        ] {
            assert_eq!(hosts().surface(stranger), None, "{stranger}");
        }
        assert_eq!(
            hosts().agent_origin(asset),
            format!("https://{label}.agents.example")
        );
    }

    #[test]
    fn origins_are_exact() {
        assert!(hosts().app_origin("https://app.example").is_some());
        for stranger in [
            "http://app.example",
            "https://app.example:443",
            "https://app.example.evil",
            "null",
            "",
        ] {
            assert!(hosts().app_origin(stranger).is_none(), "{stranger}");
        }
    }

    #[test]
    fn models_have_an_origin_of_the_operators_choice() {
        let models = |app: &str, models: Option<&str>| {
            let hosts = Hosts::from_vars(&|name| match name {
                "APP_ORIGINS" => Some(app.to_owned()),
                "AGENT_DOMAIN" => Some("agents.example".to_owned()),
                "MODELS_ORIGIN" => models.map(str::to_owned),
                _ => None,
            });
            hosts.map(|hosts| hosts.models().map(|origin| origin.as_str().to_owned()))
        };
        let [public, local] = ["https://app.example", "http://localhost:8787"];
        assert_eq!(models(public, None).ok(), Some(None));
        assert_eq!(models(public, Some("")).ok(), Some(None));
        assert_eq!(
            models(public, Some(public)).ok(),
            Some(Some(public.to_owned()))
        );
        let bridge = "http://172.17.0.1:8788";
        assert_eq!(
            models(local, Some(bridge)).ok(),
            Some(Some(bridge.to_owned()))
        );
        // Passes do not cross the open net in plain text.
        for bad in [
            bridge,
            "http://app.example",
            "https://app.example/",
            "app.example",
        ] {
            assert!(models(public, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_localhost_alone() {
        assert!(WebOrigin::parse("http://localhost:1").is_some());
        for bad in [
            "http://app.example",
            "ftp://localhost",
            "https://",
            "https://a/b",
            "https://user@host",
            "app.example",
        ] {
            assert!(WebOrigin::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn c04_an_endpoint_over_the_open_net_is_https() {
        for good in [
            "https://rpc.example/?k=v",
            "http://127.0.0.1:8899/a",
            "http://localhost",
            "http://[::1]:1/",
        ] {
            assert!(is_safe_url(good), "{good}");
        }
        for bad in [
            "http://rpc.example",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@evil.example",
            "http://localhost:x@evil.example/",
            "http://evil.example/127.0.0.1",
            "http://evil.example#127.0.0.1:1",
            "ws://localhost",
            "rpc.example",
            "https://",
            "",
        ] {
            assert!(!is_safe_url(bad), "{bad}");
        }
    }

    #[test]
    fn c04_an_endpoint_counts_once() {
        let chain = |urls: &str| {
            Chain::from_vars(&|name| match name {
                "SOLANA_RPC_URLS" => Some(urls.to_owned()),
                "SOLANA_CLUSTER" => Some("devnet".to_owned()),
                "MOLT_COLLECTION" => Some(Collection::from_bytes([1; 32]).to_string()),
                _ => None,
            })
        };
        let [one, two] = ["https://one.example/", "https://two.example/"];
        let both = chain(&format!("{one}, {two}")).unwrap();
        let urls: Vec<&str> = both.rpc_urls.iter().map(Secret::expose).collect();
        assert_eq!(urls, [one, two]);
        assert!(chain(&format!("{one}, {two},{one}")).is_err());
    }

    #[test]
    fn numbers_are_bounded_and_named() {
        let vars = |name: &str| (name == "IDLE_TIMEOUT").then(|| "0".to_owned());
        let failure = seconds(&vars, "IDLE_TIMEOUT", 600, 1..=86_400)
            .err()
            .unwrap();
        assert!(failure.context.unwrap().contains("IDLE_TIMEOUT"));
        assert_eq!(
            seconds(&|_| None, "IDLE_TIMEOUT", 600, 1..=86_400).ok(),
            Some(Seconds::new(600))
        );
    }
}
