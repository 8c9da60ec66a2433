//! Heads of HTTP/1.1 messages, read up to a limit. What follows a head stays in the caller's buffer: it belongs to the
//! tunnel, and must not be lost.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const MAX_HEADERS: usize = 128;
const CHUNK: usize = 16 * 1024;

pub struct Request {
    pub method: String,
    pub target: String,
    /// Bytes of the head.
    pub length: usize,
    headers: Vec<(String, String)>,
}

impl Request {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

pub struct Response {
    pub status: u16,
    /// Bytes of the head.
    pub length: usize,
}

#[derive(Debug)]
pub enum HeadError {
    /// The peer ended before its head did.
    Ended,
    TooLarge,
    Malformed,
    Io(io::Error),
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("it ended before its head did"),
            Self::TooLarge => f.write_str("its head is too large"),
            Self::Malformed => f.write_str("its head is malformed"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

type Parser<T> = fn(&[u8]) -> Result<Option<T>, HeadError>;

pub async fn read_request(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<Request, HeadError> {
    read(from, buffer, limit, parse_request).await
}

pub async fn read_response(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<Response, HeadError> {
    read(from, buffer, limit, parse_response).await
}

async fn read<T>(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    limit: usize,
    parse: Parser<T>,
) -> Result<T, HeadError> {
    loop {
        if let Some(head) = parse(buffer)? {
            return Ok(head);
        }
        if buffer.len() >= limit {
            return Err(HeadError::TooLarge);
        }
        buffer.reserve(CHUNK);
        let room = limit.saturating_sub(buffer.len()).min(CHUNK);
        let room = u64::try_from(room).unwrap_or(u64::MAX);
        if from
            .take(room)
            .read_buf(buffer)
            .await
            .map_err(HeadError::Io)?
            == 0
        {
            return Err(HeadError::Ended);
        }
    }
}

fn parse_request(bytes: &[u8]) -> Result<Option<Request>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let Some(length) = complete(head.parse(bytes))? else {
        return Ok(None);
    };
    let (Some(method), Some(target)) = (head.method, head.path) else {
        return Err(HeadError::Malformed);
    };
    let headers = head.headers.iter().map(|header| {
        let value = std::str::from_utf8(header.value).map_err(|_| HeadError::Malformed)?;
        Ok((header.name.to_owned(), value.to_owned()))
    });
    let headers = headers.collect::<Result<_, _>>()?;
    Ok(Some(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        length,
        headers,
    }))
}

fn parse_response(bytes: &[u8]) -> Result<Option<Response>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let length = complete(head.parse(bytes))?;
    Ok(length.and_then(|length| {
        Some(Response {
            status: head.code?,
            length,
        })
    }))
}

fn complete(
    parsed: Result<httparse::Status<usize>, httparse::Error>,
) -> Result<Option<usize>, HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooLarge),
        Err(_) => Err(HeadError::Malformed),
    }
}
