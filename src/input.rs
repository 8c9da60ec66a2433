//! What clients send, bounded and typed. Each refusal names the field and what was expected; nothing is echoed.

use core::fmt;
use core::pin::pin;
use core::time::Duration;
use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use multiclaw_agent_object::port::{Outcome, Tried as _};
use multiclaw_core::error::{Code, Failure, Problem};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use worker::{ByteStream, Delay, Request};

/// Largest JSON body that is read.
pub const MAX_BODY: usize = 64 * 1024;
/// Until all of a body is there.
const BODY_LIMIT: Duration = Duration::from_secs(15);

/// A request's header as text; `None` when it is absent.
pub fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).ok().flatten()
}

/// The fields of a JSON object, each given once: of a key given twice, two readers could take two values.
pub struct Fields(BTreeMap<String, Value>);

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("a key is given twice"));
            }
        }
        Ok(Fields(fields))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

impl Fields {
    /// Reads a request's body.
    pub async fn read(request: &Request) -> Outcome<Self> {
        Self::read_up_to(request, MAX_BODY).await
    }

    /// As [`Fields::read`], of at most `limit` bytes.
    pub async fn read_up_to(request: &Request, limit: usize) -> Outcome<Self> {
        let content_type = header(request, "content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "Send the body as `content-type: application/json`.",
            )
            .into());
        }
        // One reader of JSON for the whole bundle: each kind of input would be another copy of the code.
        let text = String::from_utf8(read_body_up_to(request, limit).await?).unwrap_or_default();
        serde_json::from_str(&text).map_err(|_| {
            let detail = "The body must be one JSON object, with each key once.";
            Problem::new(Code::MalformedBody, detail).into()
        })
    }

    /// Whether the field is there; `null` is as good as absent.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether the field was sent, also as `null`.
    pub fn holds(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All of them as JSON again, for who reads them elsewhere.
    pub fn text_of_all(&self) -> Outcome<String> {
        serde_json::to_string(&self.0).map_err(|error| Failure::internal(format!("body: {error}")))
    }

    /// A list of texts; `None` when it is anything else.
    pub fn texts(&self, name: &str) -> Option<Vec<&str>> {
        let list = self.0.get(name)?.as_array()?;
        list.iter().map(Value::as_str).collect()
    }

    /// A text of at most `max_length` bytes.
    pub fn text(&self, name: &str, max_length: usize, expected: &str) -> Result<&str, Problem> {
        match self.0.get(name) {
            Some(Value::String(text)) if text.len() <= max_length => Ok(text),
            _ => Err(Problem::field(name, expected)),
        }
    }

    /// As [`Fields::text`], where the field may be `null`, but must be there.
    pub fn text_or_null(
        &self,
        name: &str,
        max_length: usize,
        expected: &str,
    ) -> Result<Option<&str>, Problem> {
        match self.0.get(name) {
            Some(Value::Null) => Ok(None),
            _ => self.text(name, max_length, expected).map(Some),
        }
    }

    /// As [`Fields::text`], where the field may be absent.
    pub fn optional_text(
        &self,
        name: &str,
        max_length: usize,
        expected: &str,
    ) -> Result<Option<&str>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.text(name, max_length, expected).map(Some),
        }
    }
}

/// The whole body, at most [`MAX_BODY`] bytes.
pub async fn read_body(request: &Request) -> Outcome<Vec<u8>> {
    read_body_up_to(request, MAX_BODY).await
}

/// The whole body, at most `limit` bytes.
pub async fn read_body_up_to(request: &Request, limit: usize) -> Outcome<Vec<u8>> {
    let too_large = || {
        Problem::new(
            Code::BodyTooLarge,
            format!("The body may have at most {limit} bytes."),
        )
    };
    let declared =
        header(request, "content-length").and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large().into());
    }
    let Some(stream) = request.inner().body() else {
        return Ok(Vec::new());
    };
    let mut stream = ByteStream::from(stream);
    let read = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.tried("request body")?);
            if bytes.len() > limit {
                return Err(too_large().into());
            }
        }
        Ok(bytes)
    };
    // Whoever sends a byte now and then would otherwise keep the request for as long as they like.
    match select(pin!(read), Delay::from(BODY_LIMIT)).await {
        Either::Left((read, _)) => read,
        Either::Right(_) => {
            let detail = format!("The body did not come within {} s.", BODY_LIMIT.as_secs());
            Err(Problem::new(Code::MalformedBody, detail).into())
        }
    }
}
