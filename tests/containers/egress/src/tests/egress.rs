//! The way out, with a listener in place of workerd.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{head, is_reset, listen, pair, rest};
use crate::egress::carry;

/// The container's end of a connection, workerd's end, and what workerd was asked.
async fn asked(destination: &str, first: &[u8]) -> (TcpStream, TcpStream, String) {
    let (listener, gateway) = listen().await;
    let mut app = carried(destination, gateway).await;
    app.write_all(first).await.unwrap();
    let (mut workerd, _) = listener.accept().await.unwrap();
    let question = head(&mut workerd).await;
    (app, workerd, question)
}

async fn carried(destination: &str, gateway: SocketAddr) -> TcpStream {
    let (app, redirected) = pair().await;
    tokio::spawn(carry(redirected, destination.parse().unwrap(), gateway));
    app
}

#[tokio::test]
async fn http_is_asked_for_by_its_host() {
    let request = "GET /path HTTP/1.1\r\nAccept: */*\r\nhost: Example.com\r\n\r\nbody";
    let (mut app, mut workerd, question) = asked("11.0.0.1:80", request.as_bytes()).await;
    assert!(
        question.starts_with("CONNECT 11.0.0.1:80 HTTP/1.1\r\nHost: 11.0.0.1:80\r\n"),
        "{question}"
    );
    assert!(
        question.contains("\r\nX-Hostname: Example.com\r\n"),
        "{question}"
    );

    workerd
        .write_all(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
        .await
        .unwrap();
    workerd.shutdown().await.unwrap();
    assert_eq!(rest(&mut app).await, "HTTP/1.1 204 No Content\r\n\r\n");
    app.shutdown().await.unwrap();
    assert_eq!(rest(&mut workerd).await, request);
}

#[tokio::test]
async fn what_is_not_http_has_no_host() {
    for first in [
        "\x16\x03\x01 hello",
        "HELO example.com\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let (mut app, mut workerd, question) = asked("192.0.2.1:80", first.as_bytes()).await;
        assert!(!question.contains("X-Hostname"), "{question}");
        workerd
            .write_all(b"HTTP/1.1 202 Accepted\r\n\r\n")
            .await
            .unwrap();
        app.shutdown().await.unwrap();
        assert_eq!(rest(&mut workerd).await, first);
    }
}

/// A server may speak first: nothing is waited for.
#[tokio::test]
async fn other_ports_are_asked_for_at_once() {
    let (mut app, mut workerd, question) = asked("192.0.2.1:25", b"").await;
    assert!(
        question.starts_with("CONNECT 192.0.2.1:25 HTTP/1.1\r\n"),
        "{question}"
    );
    workerd
        .write_all(b"HTTP/1.1 202 Accepted\r\n\r\n220 ready")
        .await
        .unwrap();
    workerd.shutdown().await.unwrap();
    assert_eq!(rest(&mut app).await, "220 ready");
}

#[tokio::test]
async fn a_refusal_is_a_reset() {
    for status in [
        "400 Bad Request",
        "500 Internal Server Error",
        "301 Moved Permanently",
    ] {
        let (mut app, mut workerd, _) = asked("192.0.2.1:443", b"").await;
        workerd
            .write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        assert!(is_reset(&mut app).await);
    }
    let (mut app, workerd, _) = asked("192.0.2.1:443", b"").await;
    drop(workerd);
    assert!(is_reset(&mut app).await);
}

#[tokio::test]
async fn without_workerd_there_is_a_reset() {
    let (listener, gateway) = listen().await;
    drop(listener);
    let mut app = carried("192.0.2.1:443", gateway).await;
    assert!(is_reset(&mut app).await);
}

#[tokio::test]
async fn an_endless_head_is_a_reset() {
    let (_listener, gateway) = listen().await;
    let mut app = carried("192.0.2.1:80", gateway).await;
    let head = format!("GET / HTTP/1.1\r\nX-Long: {}", "x".repeat(256 * 1024));
    // Cut off while it is sent.
    app.write_all(head.as_bytes()).await.ok();
    assert!(is_reset(&mut app).await);
}
