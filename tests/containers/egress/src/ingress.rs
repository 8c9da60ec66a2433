//! The server that workerd talks to: `CONNECT` for the container's ports, `PUT /egress` for the settings, `GET /ca` for
//! a certificate. One request per connection, as workerd makes them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::http::{self, HeadError, Request};
use crate::settings::{Change, Settings};
use crate::tunnel;

pub const MAX_HEAD: usize = 16 * 1024;
pub const MAX_BODY: usize = 1024 * 1024;
/// For the request itself. A tunnel has no such bound.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_secs(1);
/// Lets connections end when there are too many to accept another.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

pub async fn serve(listener: TcpListener, settings: Arc<Settings>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let settings = settings.clone();
                tokio::spawn(async move { handle(stream, &settings).await });
            }
            Err(_) => sleep(AFTER_FAILED_ACCEPT).await,
        }
    }
}

/// Status line and explanation.
type Refusal = (&'static str, String);

async fn handle(mut stream: TcpStream, settings: &Settings) {
    let mut buffer = Vec::new();
    let request = match timeout(
        REQUEST_WITHIN,
        http::read_request(&mut stream, &mut buffer, MAX_HEAD),
    )
    .await
    {
        Ok(Ok(request)) => request,
        // A probe for whether anyone listens.
        Ok(Err(HeadError::Ended | HeadError::Io(_))) => return,
        Ok(Err(error @ HeadError::TooLarge)) => {
            return answer(
                stream,
                "431 Request Header Fields Too Large",
                &error.to_string(),
            )
            .await;
        }
        Ok(Err(error @ HeadError::Malformed)) => {
            return answer(stream, "400 Bad Request", &error.to_string()).await;
        }
        Err(_) => return answer(stream, "408 Request Timeout", "no request in time").await,
    };
    buffer.drain(..request.length.min(buffer.len()));

    let answered = match (request.method.as_str(), request.target.as_str()) {
        ("CONNECT", _) => return connect(stream, &request, &buffer).await,
        ("PUT", "/egress") => change(&mut stream, &request, buffer, settings).await,
        // workerd wants a 200. It writes what it gets into the container only for a handler of HTTPS.
        ("GET", "/ca") => Ok(()),
        (_, "/egress" | "/ca") => Err(("405 Method Not Allowed", request.method)),
        (_, target) => Err(("404 Not Found", format!("there is no {target}"))),
    };
    match answered {
        Ok(()) => answer(stream, "200 OK", "").await,
        Err((status, why)) => answer(stream, status, &why).await,
    }
}

/// A 400 is what workerd reports as a port that nobody listens to, so every failure is one.
async fn connect(mut stream: TcpStream, request: &Request, early: &[u8]) {
    let Some(destination) = request
        .header("X-Dst-Addr")
        .and_then(|value| value.parse::<SocketAddr>().ok())
    else {
        return answer(stream, "400 Bad Request", "X-Dst-Addr must be address:port").await;
    };
    let mut target = match timeout(CONNECT_WITHIN, TcpStream::connect(destination)).await {
        Ok(Ok(target)) => target,
        Ok(Err(error)) => return answer(stream, "400 Bad Request", &error.to_string()).await,
        Err(_) => return answer(stream, "400 Bad Request", "no connection in time").await,
    };
    let opened = async {
        stream.set_nodelay(true)?;
        target.set_nodelay(true)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        target.write_all(early).await
    };
    match opened.await {
        Ok(()) => tunnel::join(stream, target).await,
        Err(_) => {
            tunnel::reset(&stream);
            tunnel::reset(&target);
        }
    }
}

async fn change(
    stream: &mut TcpStream,
    request: &Request,
    body: Vec<u8>,
    settings: &Settings,
) -> Result<(), Refusal> {
    let body = timeout(REQUEST_WITHIN, read_body(stream, request, body));
    let body = body
        .await
        .map_err(|_| ("408 Request Timeout", "no body in time".to_owned()))??;
    let change: Change =
        serde_json::from_slice(&body).map_err(|error| ("400 Bad Request", error.to_string()))?;
    if change.is_empty() {
        return Err(("400 Bad Request", "nothing to change".to_owned()));
    }
    eprintln!("egress: {change:?}");
    settings
        .apply(change)
        .await
        .map_err(|error| ("500 Internal Server Error", error.to_string()))
}

async fn read_body(
    stream: &mut TcpStream,
    request: &Request,
    mut body: Vec<u8>,
) -> Result<Vec<u8>, Refusal> {
    let length = request
        .header("Content-Length")
        .and_then(|value| value.parse::<usize>().ok());
    let length = length.ok_or(("411 Length Required", "needs a Content-Length".to_owned()))?;
    if length > MAX_BODY {
        return Err(("413 Content Too Large", format!("at most {MAX_BODY} bytes")));
    }
    body.truncate(length);
    let here = body.len();
    body.resize(length, 0);
    let rest = body.get_mut(here..).unwrap_or_default();
    stream
        .read_exact(rest)
        .await
        .map_err(|error| ("400 Bad Request", error.to_string()))?;
    Ok(body)
}

/// Errors end here: whoever asked is gone.
async fn answer(mut stream: TcpStream, status: &str, body: &str) {
    let length = body.len();
    let message =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let sent: io::Result<()> = async {
        stream.write_all(message.as_bytes()).await?;
        stream.shutdown().await
    }
    .await;
    if sent.is_ok() {
        // A connection closed over unread bytes is reset, and takes the answer with it.
        timeout(LINGER, copy(&mut stream, &mut sink())).await.ok();
    }
}
