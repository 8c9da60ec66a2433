//! DNS out of the container. With internet, resolvers are asked. A name that an outbound handler waits for is answered
//! even if it does not exist: with an address that leads to `egress`, where the handler is found by the request's host.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::rules::OWN_MARK;
use crate::settings::Settings;

/// The address of the original.
const PLACEHOLDER: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
const TTL: u32 = 60;
const PORT: u16 = 53;
const MAX_MESSAGE: usize = 64 * 1024;
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

pub fn resolvers() -> io::Result<Vec<SocketAddr>> {
    let file = fs::read_to_string("/etc/resolv.conf")?;
    let named = file
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    Ok(named
        .filter_map(|address| Some((address.trim().parse::<Ipv4Addr>().ok()?, PORT).into()))
        .collect())
}

pub async fn serve(socket: UdpSocket, resolvers: Vec<SocketAddr>, settings: Arc<Settings>) {
    let (socket, resolvers) = (Arc::new(socket), Arc::new(resolvers));
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        // An error is one of an answer that could not be delivered.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let query = buffer.get(..length).unwrap_or_default().to_vec();
        let (socket, resolvers, settings) = (socket.clone(), resolvers.clone(), settings.clone());
        tokio::spawn(async move {
            if let Some(answer) = answer(&query, &resolvers, &settings).await {
                socket.send_to(&answer, client).await.ok();
            }
        });
    }
}

/// None where there is nothing to say: whoever asked asks again.
pub async fn answer(
    bytes: &[u8],
    resolvers: &[SocketAddr],
    settings: &Settings,
) -> Option<Vec<u8>> {
    let query = Packet::parse(bytes).ok()?;
    let allowed = settings
        .allows(&query.questions.first()?.qname.to_string())
        .await;
    if !settings.internet().await {
        return if allowed {
            placeholder(&query)
        } else {
            unknown(&query)
        };
    }
    let answer = ask(bytes, resolvers).await?;
    let exists = Packet::parse(&answer).map_or(true, |answer| answer.rcode() != RCODE::NameError);
    if exists || !allowed {
        Some(answer)
    } else {
        placeholder(&query)
    }
}

async fn ask(query: &[u8], resolvers: &[SocketAddr]) -> Option<Vec<u8>> {
    for &resolver in resolvers {
        match timeout(RESOLVE_WITHIN, exchange(query, resolver)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => eprintln!("dns: {resolver}: {error}"),
            Err(_) => eprintln!("dns: {resolver} does not answer"),
        }
    }
    None
}

async fn exchange(query: &[u8], resolver: SocketAddr) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    SockRef::from(&socket).set_mark(OWN_MARK)?;
    socket.connect(resolver).await?;
    socket.send(query).await?;
    let mut answer = vec![0; MAX_MESSAGE];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

fn reply<'a>(query: &Packet<'a>) -> Packet<'a> {
    let mut reply = Packet::new_reply(query.id());
    if query.has_flags(PacketFlag::RECURSION_DESIRED) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    reply.questions.clone_from(&query.questions);
    reply
}

fn unknown(query: &Packet<'_>) -> Option<Vec<u8>> {
    let mut reply = reply(query);
    *reply.rcode_mut() = RCODE::NameError;
    reply.build_bytes_vec().ok()
}

/// Only IPv4: an address of IPv6 would lead nowhere here.
fn placeholder(query: &Packet<'_>) -> Option<Vec<u8>> {
    let mut reply = reply(query);
    for question in &query.questions {
        if matches!(question.qtype, QTYPE::ANY | QTYPE::TYPE(TYPE::A)) {
            let address = RData::A(A {
                address: PLACEHOLDER.to_bits(),
            });
            reply.answers.push(ResourceRecord::new(
                question.qname.clone(),
                CLASS::IN,
                TTL,
                address,
            ));
        }
    }
    reply.build_bytes_vec().ok()
}
