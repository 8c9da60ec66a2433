//! Over loopback, and without packet rules: those need a network namespace of their own.

mod dns;
mod egress;
mod ingress;
mod options;
mod tunnels;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::ingress::serve;
use crate::settings::Settings;

const PORT: u16 = 45000;

fn settings() -> Arc<Settings> {
    Arc::new(Settings::new(PORT.try_into().unwrap(), None))
}

/// A running server for workerd.
async fn sidecar() -> (SocketAddr, Arc<Settings>) {
    let (listener, address) = listen().await;
    let settings = settings();
    tokio::spawn(serve(listener, settings.clone()));
    (address, settings)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listen().await;
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// What comes until the other side ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes));
    read.await.expect("an end in time").expect("no error");
    String::from_utf8(bytes).unwrap()
}

/// The head of what comes first.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let read = timeout(Duration::from_secs(10), stream.read_u8());
        bytes.push(read.await.expect("a head in time").expect("a whole head"));
    }
    String::from_utf8(bytes).unwrap()
}

/// The answer to one message, and nothing after it.
async fn exchange(address: SocketAddr, message: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(message.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

async fn is_reset(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes));
    let error = read.await.expect("an end in time").expect_err("a reset");
    error.kind() == std::io::ErrorKind::ConnectionReset
}
