//! What becomes of a TCP connection out of the container: workerd is asked with a `CONNECT`, and then sees all of its
//! bytes. After a 200 it is the server itself (an outbound handler of the object). After a 202 it passes them on, or
//! ends the connection at once where the container has no internet.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::http::{self, HeadError};
use crate::settings::Settings;
use crate::tunnel;

const HTTP: u16 = 80;
/// Of a request of the container: what workerd itself takes.
const MAX_REQUEST_HEAD: usize = 128 * 1024;
const MAX_ANSWER_HEAD: usize = 16 * 1024;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub enum Failure {
    /// It was addressed to this program, not turned to it.
    NotRedirected,
    Request(HeadError),
    Answer(HeadError),
    NoAnswer,
    Refused(u16),
    Io(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRedirected => f.write_str("the connection has no other destination"),
            Self::Request(error) => write!(f, "the container's request: {error}"),
            Self::Answer(error) => write!(f, "workerd's answer: {error}"),
            Self::NoAnswer => f.write_str("workerd does not answer"),
            Self::Refused(status) => write!(f, "workerd answers {status}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub async fn serve(listener: TcpListener, gateway: Ipv4Addr, settings: Arc<Settings>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let settings = settings.clone();
                tokio::spawn(async move {
                    let gateway = SocketAddr::from((gateway, settings.port().await.get()));
                    match original_destination(&stream) {
                        Ok(destination) => carry(stream, destination, gateway).await,
                        Err(failure) => give_up(&stream, &failure),
                    }
                });
            }
            Err(_) => sleep(AFTER_FAILED_ACCEPT).await,
        }
    }
}

fn original_destination(stream: &TcpStream) -> Result<SocketAddr, Failure> {
    let original = SockRef::from(stream)
        .original_dst_v4()?
        .as_socket()
        .ok_or(Failure::NotRedirected)?;
    if original == stream.local_addr()? {
        Err(Failure::NotRedirected)
    } else {
        Ok(original)
    }
}

pub async fn carry(mut app: TcpStream, destination: SocketAddr, gateway: SocketAddr) {
    match ask(&mut app, destination, gateway).await {
        Ok(workerd) => tunnel::join(app, workerd).await,
        Err(failure) => give_up(&app, &failure),
    }
}

fn give_up(app: &TcpStream, failure: &Failure) {
    eprintln!("egress: {failure}");
    tunnel::reset(app);
}

async fn ask(
    app: &mut TcpStream,
    destination: SocketAddr,
    gateway: SocketAddr,
) -> Result<TcpStream, Failure> {
    let source = app.peer_addr()?;
    let mut sent = Vec::new();
    let host = if destination.port() == HTTP {
        requested_host(app, &mut sent).await?
    } else {
        None
    };
    let mut question = format!(
        "CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\nX-Forwarded-For: {source}\r\nX-Proto: tcp\r\n"
    );
    if let Some(host) = host {
        question += &format!("X-Hostname: {host}\r\n");
    }
    question += "\r\n";

    let answered = timeout(ANSWER_WITHIN, dial(gateway, &question)).await;
    let (mut workerd, status, early) = answered.map_err(|_| Failure::NoAnswer)??;
    if !(200..300).contains(&status) {
        return Err(Failure::Refused(status));
    }
    app.set_nodelay(true)?;
    workerd.set_nodelay(true)?;
    app.write_all(&early).await?;
    workerd.write_all(&sent).await?;
    Ok(workerd)
}

/// The connection, the status of the answer, and what came after that.
async fn dial(gateway: SocketAddr, question: &str) -> Result<(TcpStream, u16, Vec<u8>), Failure> {
    let mut workerd = TcpStream::connect(gateway).await?;
    workerd.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    let head = http::read_response(&mut workerd, &mut answer, MAX_ANSWER_HEAD).await;
    let head = head.map_err(Failure::Answer)?;
    answer.drain(..head.length.min(answer.len()));
    Ok((workerd, head.status, answer))
}

/// The host that a plain HTTP request names. What was read to find it is in `sent`.
async fn requested_host(
    app: &mut TcpStream,
    sent: &mut Vec<u8>,
) -> Result<Option<String>, Failure> {
    match http::read_request(app, sent, MAX_REQUEST_HEAD).await {
        Ok(request) => Ok(request.header("Host").map(str::to_owned)),
        // Something else than HTTP, which workerd may carry all the same.
        Err(HeadError::Malformed | HeadError::Ended) => Ok(None),
        Err(error) => Err(Failure::Request(error)),
    }
}
