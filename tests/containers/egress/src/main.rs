//! A stand-in for `cloudflare/proxy-everything`, the network sidecar that workerd starts beside each container. It
//! leaves out: interception of TLS (`GET /ca` is empty, and no `X-Tls-Sni` is sent), IPv6 out of the container (dropped
//! instead), and the original address of a DNS query (the resolvers of `/etc/resolv.conf` are asked in its place).
//!
//! It owns the network namespace that the container joins. In: `ingress` takes workerd's connections to the container's
//! ports. Out: `rules` hands TCP to `egress`, which asks workerd what becomes of it, and DNS to `dns`.

mod dns;
mod egress;
mod http;
mod ingress;
mod options;
mod rules;
mod settings;
#[cfg(test)]
mod tests;
mod tunnel;

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket, lookup_host};
use tokio::signal::unix::{SignalKind, signal};

use crate::options::Options;
use crate::rules::Rules;
use crate::settings::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy-everything: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    // Its rules would cut off the machine that it is started on by mistake.
    if std::process::id() != 1 {
        return Err("runs as the first process of a container only".into());
    }
    let gateway = match options.gateway {
        Some(address) => address,
        None => host_gateway().await?,
    };

    // Bound before the rules are set, so that nobody who asks early is refused; served after, so that nobody who has an
    // answer can have started the container too early.
    let ingress = TcpListener::bind(options.ingress).await?;
    let egress = TcpListener::bind(rules::TCP_TO).await?;
    let dns = UdpSocket::bind(rules::DNS_TO).await?;
    let rules = Rules::install(options.bridge, gateway, options.ipv6).await;
    let rules =
        rules.map_err(|error| format!("the packet rules need NET_ADMIN and nf_tables: {error}"))?;
    let settings = Arc::new(Settings::new(options.egress_port, Some(rules)));

    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        () = ingress::serve(ingress, settings.clone()) => {}
        () = egress::serve(egress, gateway, settings.clone()) => {}
        () = dns::serve(dns, dns::resolvers()?, settings) => {}
        _ = stop.recv() => {}
    }
    Ok(())
}

/// The host as Docker's `host-gateway` names it in `/etc/hosts`.
async fn host_gateway() -> Result<Ipv4Addr, Box<dyn Error>> {
    let found = lookup_host("host.docker.internal:0")
        .await?
        .map(|address: SocketAddr| address.ip());
    let mut v4 = found.filter_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    v4.next()
        .ok_or_else(|| "host.docker.internal has no IPv4 address".into())
}
