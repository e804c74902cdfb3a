//! Frames as a client reads them. Unknown fields and kinds are let through: newer servers add some.

use conversa_engine::content::Content;
use conversa_engine::conversation::{AuthorKind, Visibility};
use serde::Deserialize;
use serde_json::Value;

use super::error::{ClientError, Refused};
use crate::wire::Encoding;

/// Any frame from the server; which fields are there depends on `t`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of the protocol's envelope")]
pub struct Frame {
    pub t: String,
    pub id: Option<u64>,
    pub s: Option<u64>,
    pub k: Option<String>,
    pub cv: Option<String>,
    pub ep: Option<u64>,
    pub o: Option<u64>,
    pub ts: Option<i64>,
    pub n: Option<u64>,
    pub d: Value,
    pub err: Option<Refused>,
    pub code: Option<u16>,
    pub reason: Option<String>,
}

/// Reads a frame.
///
/// # Errors
/// [`ClientError::Protocol`] when the bytes are no frame.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Frame, ClientError> {
    let unreadable =
        |error: &dyn std::fmt::Display| ClientError::Protocol(format!("unreadable frame: {error}"));
    match encoding {
        Encoding::Json => serde_json::from_slice(bytes).map_err(|error| unreadable(&error)),
        Encoding::MessagePack => {
            let mut reader = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
            Frame::deserialize(&mut reader).map_err(|error| unreadable(&error))
        }
    }
}

/// Reads a payload.
pub(super) fn payload<T: serde::de::DeserializeOwned>(what: &str, d: Value) -> Result<T, ClientError> {
    serde_json::from_value(d).map_err(|error| ClientError::Protocol(format!("{what}: {error}")))
}

/// The server asks the client to connect elsewhere.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Goaway {
    /// After so long: each client is told another time.
    pub(super) after_ms: u64,
    /// Then the server ends the connection.
    pub(super) deadline_ms: u64,
}

/// The server's answer to `connect`.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Welcome {
    pub session: String,
    pub resumed: String,
    #[serde(default)]
    pub stale: Vec<String>,
    #[serde(default = "first")]
    pub from_s: u64,
    pub principal: Who,
    pub hb: Heartbeat,
    pub limits: Limits,
}

fn first() -> u64 {
    1
}

/// Whom the server takes the client for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Who {
    pub role: String,
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub tenant: String,
}

/// When silence is suspicious.
#[derive(Clone, Copy, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Heartbeat {
    pub interval_ms: u64,
    pub timeout_ms: u64,
}

/// What this socket may do.
#[derive(Clone, Copy, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Limits {
    pub frame: u64,
    pub inflight: usize,
    pub window: u64,
    pub rate: Rate,
}

/// How fast this socket may ask.
#[derive(Clone, Copy, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Rate {
    pub per_s: f64,
    pub burst: f64,
}

/// What is open when a connection begins.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Snapshot {
    #[serde(default)]
    pub conversations: Vec<ConversationView>,
    #[serde(default)]
    pub presence: Option<Presence>,
}

/// An agent's presence.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Presence {
    pub state: String,
    pub capacity: u16,
    pub places: u16,
}

/// A conversation at a glance.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct ConversationView {
    pub cv: String,
    #[serde(default = "first")]
    pub ep: u64,
    pub o: u64,
    pub phase: String,
    #[serde(default)]
    pub controller: Option<String>,
    #[serde(default)]
    pub channel: String,
    #[serde(default)]
    pub lang: String,
    pub visitor: Person,
    #[serde(default)]
    pub agent: Option<Person>,
    #[serde(default)]
    pub queue: Option<String>,
    #[serde(default)]
    pub offer: Option<OfferView>,
    #[serde(default)]
    pub opened_ts: i64,
    #[serde(default)]
    pub closed_ts: Option<i64>,
    #[serde(default)]
    pub waiting_since_ts: Option<i64>,
}

/// A standing offer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct OfferView {
    pub offer: String,
    pub agent: String,
    #[serde(default)]
    pub expires_ts: i64,
}

/// Somebody with a name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Person {
    pub id: String,
    #[serde(default)]
    pub name: String,
}

/// A message as the socket and REST show it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Message {
    pub id: String,
    pub cv: String,
    pub o: u64,
    pub ts: i64,
    #[serde(default)]
    pub key: Option<String>,
    pub author: Author,
    pub content: Content,
    #[serde(default)]
    pub visibility: Visibility,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Author {
    pub kind: AuthorKind,
    pub id: String,
    #[serde(default)]
    pub name: String,
}

/// One event of a conversation's log, delivered once and in order.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct LogEvent {
    pub k: String,
    #[serde(default)]
    pub cv: String,
    #[serde(default = "first")]
    pub ep: u64,
    pub o: u64,
    #[serde(default)]
    pub ts: i64,
    #[serde(default)]
    pub d: Value,
}

impl LogEvent {
    /// The message of a `message.created`; `None` for other kinds.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] when the message is not as the protocol says.
    pub fn message(&self) -> Result<Option<Message>, ClientError> {
        if self.k != "message.created" {
            return Ok(None);
        }
        payload("message.created", self.d["message"].clone()).map(Some)
    }
}

/// What the server said when it took a message in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Sent {
    pub id: String,
    pub cv: String,
    pub o: u64,
    #[serde(default = "first")]
    pub ep: u64,
    #[serde(default)]
    pub ts: i64,
    #[serde(default)]
    pub dup: bool,
    #[serde(default)]
    pub forwarded: bool,
    /// The key under which it was sent; put in by the client.
    #[serde(default)]
    pub key: String,
}

/// One page of a conversation's history.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the protocol")]
pub struct Page {
    pub messages: Vec<Value>,
    #[serde(default)]
    pub events: Vec<LogEvent>,
    pub next: Option<u64>,
    pub head: u64,
}
