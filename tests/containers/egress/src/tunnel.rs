//! Joins two connections for as long as either has something to say: no time-out, and each direction ends on its own.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::try_join;

const BUFFER: usize = 64 * 1024;

pub async fn join(mut one: TcpStream, mut other: TcpStream) {
    let (from_one, to_one) = one.split();
    let (from_other, to_other) = other.split();
    if try_join!(pump(from_one, to_other), pump(from_other, to_one)).is_err() {
        reset(&one);
        reset(&other);
    }
}

/// An error is one of the source, which is gone in both directions then.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
            to.shutdown().await.ok();
            return Ok(());
        };
        if to.write_all(bytes).await.is_err() {
            // Its last words may be on their way still, such as the answer to an upload that it does not want.
            return Ok(());
        }
    }
}

/// When it is dropped, the peer gets an error: a stream that was cut off must not look like one that is complete.
pub fn reset(stream: &TcpStream) {
    // Fails on a connection that is gone already.
    stream.set_zero_linger().ok();
}
