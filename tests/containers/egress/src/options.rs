//! The command line, as workerd writes it. An unknown flag is refused: it means that workerd has come to ask for
//! something that this stand-in does not know.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: Ipv4Addr,
    pub prefix: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            Some(Self {
                address: address.parse().ok()?,
                prefix: prefix.parse().ok().filter(|&prefix| prefix <= 32)?,
            })
        });
        parts.ok_or_else(|| format!("{text:?} is not an IPv4 network"))
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Where workerd listens for what the container sends, on the gateway.
    pub egress_port: NonZeroU16,
    /// Where workerd connects to.
    pub ingress: SocketAddr,
    /// The network of the host's bridge, which the container reaches directly.
    pub bridge: Network,
    /// The host, where it is not to be looked up.
    pub gateway: Option<Ipv4Addr>,
    pub ipv6: bool,
}

impl Options {
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut egress_port, mut ingress, mut bridge, mut gateway, mut ipv6) =
            (None, None, None, None, true);
        while let Some(arg) = args.next() {
            let (flag, mut value) = match arg.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            let mut value = || {
                value
                    .take()
                    .or_else(|| args.next())
                    .ok_or_else(|| format!("{flag} needs a value"))
            };
            match flag.trim_start_matches('-') {
                "http-egress-port" => egress_port = Some(parsed(flag, &value()?)?),
                "http-ingress-address" => ingress = Some(parsed(flag, &value()?)?),
                "docker-gateway-cidr" => bridge = Some(value()?.parse()?),
                "gateway-ip" => gateway = Some(parsed(flag, &value()?)?),
                "disable-ipv6" => ipv6 = false,
                // DNS is always handled, and TLS never.
                "dns-enabled" | "tls-intercept" => {}
                _ => return Err(format!("unknown flag {arg}")),
            }
        }
        Ok(Self {
            egress_port: egress_port.ok_or("--http-egress-port is needed")?,
            ingress: ingress.ok_or("--http-ingress-address is needed")?,
            bridge: bridge.ok_or("--docker-gateway-cidr is needed")?,
            gateway,
            ipv6,
        })
    }
}

fn parsed<T: FromStr>(flag: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{flag} cannot be {value:?}"))
}
