//! `CONNECT`: the way from workerd to the container's ports.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{exchange, head, is_reset, listen, rest, sidecar};

const PIECE: usize = 64 * 1024;

async fn connect(to: SocketAddr) -> (TcpStream, String) {
    let (sidecar, _) = sidecar().await;
    let mut stream = TcpStream::connect(sidecar).await.unwrap();
    let request = format!("CONNECT {to} HTTP/1.1\r\nX-Dst-Addr: {to}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = head(&mut stream).await;
    (stream, head)
}

/// Both ends of a tunnel: workerd's and the container's.
async fn tunnel() -> (TcpStream, TcpStream) {
    let (listener, address) = listen().await;
    let ((workerd, head), app) = tokio::join!(connect(address), listener.accept());
    assert_eq!(head, "HTTP/1.1 200 OK\r\n\r\n");
    (workerd, app.unwrap().0)
}

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    let (mut workerd, mut app) = tunnel().await;
    workerd.write_all(b"question").await.unwrap();
    workerd.shutdown().await.unwrap();
    assert_eq!(rest(&mut app).await, "question");
    app.write_all(b"answer").await.unwrap();
    app.shutdown().await.unwrap();
    assert_eq!(rest(&mut workerd).await, "answer");

    let (mut workerd, mut app) = tunnel().await;
    app.write_all(b"greeting").await.unwrap();
    app.shutdown().await.unwrap();
    assert_eq!(rest(&mut workerd).await, "greeting");
    workerd.write_all(b"thanks").await.unwrap();
    workerd.shutdown().await.unwrap();
    assert_eq!(rest(&mut app).await, "thanks");
}

#[tokio::test]
async fn what_is_sent_with_the_head_arrives() {
    let (sidecar, _) = sidecar().await;
    let (listener, address) = listen().await;
    let mut workerd = TcpStream::connect(sidecar).await.unwrap();
    let message = format!("CONNECT {address} HTTP/1.1\r\nx-dst-addr: {address}\r\n\r\nearly");
    workerd.write_all(message.as_bytes()).await.unwrap();
    workerd.shutdown().await.unwrap();
    let (mut app, _) = listener.accept().await.unwrap();
    assert_eq!(rest(&mut app).await, "early");
}

/// The status that workerd tells a closed port by.
#[tokio::test]
async fn a_closed_port_is_a_400() {
    let (listener, address) = listen().await;
    drop(listener);
    let (_, head) = connect(address).await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[tokio::test]
async fn a_destination_is_an_address_and_a_port() {
    let (sidecar, _) = sidecar().await;
    assert!(
        exchange(sidecar, "CONNECT x:80 HTTP/1.1\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
    for destination in [
        "",
        "127.0.0.1",
        "127.0.0.1:",
        ":80",
        "localhost:80",
        "127.0.0.1:65536",
        "::1:80:",
    ] {
        let request = format!("CONNECT x:80 HTTP/1.1\r\nX-Dst-Addr: {destination}\r\n\r\n");
        let answer = exchange(sidecar, &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 "),
            "{destination:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_reset_is_not_an_end() {
    let (mut workerd, mut app) = tunnel().await;
    app.write_all(b"a part").await.unwrap();
    assert_eq!(workerd.read_u8().await.unwrap(), b'a');
    app.set_zero_linger().unwrap();
    drop(app);
    assert!(is_reset(&mut workerd).await);

    let (workerd, mut app) = tunnel().await;
    workerd.set_zero_linger().unwrap();
    drop(workerd);
    assert!(is_reset(&mut app).await);
}

/// A server that refuses an upload answers and closes while it is still being sent.
#[tokio::test]
async fn last_words_arrive() {
    let (mut workerd, mut app) = tunnel().await;
    let (mut from_app, mut to_app) = workerd.split();
    let upload = async { while to_app.write_all(&[7; PIECE]).await.is_ok() {} };
    let refuse = async {
        app.read_exact(&mut [0; PIECE]).await.unwrap();
        app.write_all(b"too large").await.unwrap();
        drop(app);
    };
    let mut answer = [0; 9];
    let (_, _, read) = tokio::join!(upload, refuse, from_app.read_exact(&mut answer));
    read.unwrap();
    assert_eq!(&answer, b"too large");
}

/// No four bytes are those of another place: a piece lost, doubled or moved is seen.
fn piece(number: u16) -> Vec<u8> {
    let start = u32::from(number) << 16;
    (start..).flat_map(u32::to_le_bytes).take(PIECE).collect()
}

async fn send(stream: &mut (impl AsyncWriteExt + Unpin), pieces: u16) {
    for number in 0..pieces {
        stream.write_all(&piece(number)).await.unwrap();
    }
    stream.shutdown().await.unwrap();
}

async fn receive(stream: &mut (impl AsyncReadExt + Unpin), pieces: u16) {
    let mut bytes = vec![0; PIECE];
    for number in 0..pieces {
        stream.read_exact(&mut bytes).await.unwrap();
        assert!(bytes == piece(number), "piece {number}");
    }
    assert_eq!(stream.read(&mut bytes).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn much_goes_both_ways_at_once() {
    /// 64 MiB.
    const PIECES: u16 = 1024;
    let (mut workerd, mut app) = tunnel().await;
    let ((mut from_app, mut to_app), (mut from_workerd, mut to_workerd)) =
        (workerd.split(), app.split());
    tokio::join!(
        send(&mut to_app, PIECES),
        send(&mut to_workerd, PIECES),
        receive(&mut from_app, PIECES),
        receive(&mut from_workerd, PIECES),
    );
}

#[tokio::test]
async fn a_reader_that_waits_makes_the_writer_wait() {
    const ALL: usize = 512 * 1024 * 1024;
    let (mut workerd, mut app) = tunnel().await;
    let mut sent = 0;
    while let Ok(written) = timeout(Duration::from_millis(500), app.write(&[7; PIECE])).await {
        sent += written.unwrap();
        assert!(sent < ALL, "nobody reads, and yet {sent} bytes are taken");
    }
    app.shutdown().await.unwrap();
    let mut received = Vec::new();
    workerd.read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), sent);
}

#[tokio::test]
async fn many_tunnels_are_open_at_once() {
    let (sidecar, _) = sidecar().await;
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut app, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = app.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let mut open = Vec::new();
    for number in 0..200u16 {
        let mut stream = TcpStream::connect(sidecar).await.unwrap();
        let request = format!("CONNECT {address} HTTP/1.1\r\nX-Dst-Addr: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(head(&mut stream).await, "HTTP/1.1 200 OK\r\n\r\n");
        open.push((number, stream));
    }
    for (number, stream) in &mut open {
        stream.write_u16(*number).await.unwrap();
    }
    for (number, stream) in &mut open {
        assert_eq!(stream.read_u16().await.unwrap(), *number);
    }
}
