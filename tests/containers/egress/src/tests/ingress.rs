//! Requests for the settings, and requests that are none.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{PORT, exchange, rest, sidecar};
use crate::ingress::{MAX_BODY, MAX_HEAD};

fn put(body: &str) -> String {
    let length = body.len();
    format!("PUT /egress HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn settings_are_changed() {
    let (sidecar, settings) = sidecar().await;
    let body =
        r#"{"port":1234,"dns":{"allowHostnames":["*.Example.com."]},"internet":{"enabled":false}}"#;
    assert!(
        exchange(sidecar, &put(body))
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert_eq!(settings.port().await.get(), 1234);
    assert!(!settings.internet().await);
    assert!(settings.allows("a.b.example.com").await);
    assert!(!settings.allows("example.com").await);
}

#[tokio::test]
async fn absent_settings_stay() {
    let (sidecar, settings) = sidecar().await;
    assert!(
        exchange(sidecar, &put(r#"{"internet":{"enabled":false}}"#))
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let body = r#"{"port":1234,"internet":null,"dns":null,"unknown":true}"#;
    assert!(
        exchange(sidecar, &put(body))
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert_eq!(settings.port().await.get(), 1234);
    assert!(!settings.internet().await);
    assert!(settings.allows("any.host").await);
}

#[tokio::test]
async fn settings_in_pieces_are_read() {
    let (sidecar, settings) = sidecar().await;
    let mut stream = TcpStream::connect(sidecar).await.unwrap();
    for piece in put(r#"{"port":1234}"#).as_bytes().chunks(7) {
        stream.write_all(piece).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(settings.port().await.get(), 1234);
}

#[tokio::test]
async fn bad_settings_are_refused_and_change_nothing() {
    let (sidecar, settings) = sidecar().await;
    let bad = [
        "",
        "nonsense",
        "{",
        "{}",
        "[]",
        r#"{"port":0}"#,
        r#"{"port":65536}"#,
        r#"{"port":"1"}"#,
        r#"{"port":1,"internet":{"enabled":"no"}}"#,
        r#"{"port":1,"dns":{"allowHostnames":"*"}}"#,
    ];
    for body in bad {
        let answer = exchange(sidecar, &put(body)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer}");
    }
    assert_eq!(settings.port().await.get(), PORT);
    assert!(settings.internet().await);
}

#[tokio::test]
async fn a_body_has_a_length_within_bounds() {
    let (sidecar, _) = sidecar().await;
    let without = "PUT /egress HTTP/1.1\r\n\r\n";
    assert!(
        exchange(sidecar, without)
            .await
            .starts_with("HTTP/1.1 411 ")
    );
    let long = format!(
        "PUT /egress HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        MAX_BODY + 1
    );
    assert!(exchange(sidecar, &long).await.starts_with("HTTP/1.1 413 "));
    let mut stream = TcpStream::connect(sidecar).await.unwrap();
    stream
        .write_all(b"PUT /egress HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn the_certificate_is_empty() {
    let (sidecar, _) = sidecar().await;
    let answer = exchange(sidecar, "GET /ca HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"));
    assert!(answer.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn what_is_not_offered_is_refused() {
    let (sidecar, _) = sidecar().await;
    assert!(
        exchange(sidecar, "GET / HTTP/1.1\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 404 ")
    );
    assert!(
        exchange(sidecar, "POST /egress HTTP/1.1\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 405 ")
    );
    assert!(
        exchange(sidecar, "DELETE /ca HTTP/1.1\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 405 ")
    );
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let (sidecar, _) = sidecar().await;
    let bad = [
        "\x16\x03\x01\x02\x00\x01",
        "nonsense\r\n\r\n",
        "GET /ca HTTP/2.0\r\n\r\n",
        "GET /ca HTTP/1.1\r\nno colon\r\n\r\n",
        "CONNECT 127.0.0.1:80 HTTP/1.1\r\nX-Dst-Addr : 127.0.0.1:80\r\n\r\n",
    ];
    for message in bad {
        let answer = exchange(sidecar, message).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{message:?}: {answer}");
    }
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let (sidecar, _) = sidecar().await;
    let long = format!(
        "GET /ca HTTP/1.1\r\nX-Long: {}\r\n\r\n",
        "x".repeat(2 * MAX_HEAD)
    );
    assert!(exchange(sidecar, &long).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET /ca HTTP/1.1\r\n{}\r\n", "X-Many: x\r\n".repeat(200));
    assert!(exchange(sidecar, &many).await.starts_with("HTTP/1.1 431 "));
}
