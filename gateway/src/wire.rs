//! The frames of protocol v1: one data model in two encodings, JSON text and `MessagePack` with named fields.

mod event;
mod quick;

use std::borrow::Cow;
use std::ops::Deref;

use axum::body::Bytes;
use conversa_actors::scratch::written;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::text::count_bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub use event::{MessageId, MessageView, ReactionView, message, shown};

/// The subprotocol of each encoding, in order of preference.
pub const SUBPROTOCOLS: [(&str, Encoding); 2] =
    [("conversa.v1.json", Encoding::Json), ("conversa.v1.msgpack", Encoding::MessagePack)];

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// JSON in text frames.
    Json,
    /// `MessagePack` in binary frames.
    MessagePack,
}

/// The part of a frame that says what it is; what it carries is read by [`Head::params`] once that is known.
#[derive(Debug)]
pub struct Head<'a> {
    /// The frame class.
    pub t: Cow<'a, str>,
    /// The request's number.
    pub id: Option<u64>,
    /// The method of a request.
    pub m: Option<Word<'a>>,
    /// The client's key.
    pub key: Option<Word<'a>>,
    /// The conversation.
    pub cv: Option<Word<'a>>,
    /// The kind of an `eph`.
    pub k: Option<Word<'a>>,
    /// The number of a ping.
    pub n: Option<u64>,
    /// The number up to which an `ack` or a `pong` goes; it may stand in `d` instead.
    pub s: Option<u64>,
    carried: Carried<'a>,
}

/// Where a frame's `d` is.
#[derive(Debug)]
enum Carried<'a> {
    Json(Option<&'a RawValue>),
    /// In the frame, which is read again: nothing tells where a value ends but reading it.
    MessagePack(&'a [u8]),
}

/// A frame, with its `d` read as `D`.
#[derive(Deserialize)]
struct Framed<'a, D> {
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(default)]
    id: Option<u64>,
    #[serde(default, borrow)]
    m: Option<Word<'a>>,
    #[serde(default, borrow)]
    key: Option<Word<'a>>,
    #[serde(default, borrow)]
    cv: Option<Word<'a>>,
    #[serde(default, borrow)]
    k: Option<Word<'a>>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    s: Option<u64>,
    d: Option<D>,
}

impl<'a, D> Framed<'a, D> {
    fn head(self, carried: impl FnOnce(Option<D>) -> Carried<'a>) -> Head<'a> {
        let Self { t, id, m, key, cv, k, n, s, d } = self;
        Head { t, id, m, key, cv, k, n, s, carried: carried(d) }
    }
}

/// A text of a frame, borrowed from it where nothing is escaped: serde borrows for a `Cow` by itself, and for none inside an `Option`.
#[derive(Debug, Deserialize)]
pub struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Word<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
struct Body<P> {
    d: Option<P>,
}

/// The frame cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// Maps and lists inside each other, in a frame of a client.
const DEPTH_MAX: usize = 32;

fn decode<'a, T: Deserialize<'a>>(encoding: Encoding, bytes: &'a [u8]) -> Result<T, Unreadable> {
    match encoding {
        // Looked at once, instead of each text in it.
        Encoding::Json => match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::from_str(text).map_err(|error| Unreadable(error.to_string())),
            Err(error) => Err(Unreadable(error.to_string())),
        },
        Encoding::MessagePack => {
            let mut reader = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
            reader.set_max_depth(MESSAGE_PACK_DEPTH);
            T::deserialize(&mut reader).map_err(|error| Unreadable(error.to_string()))
        }
    }
}

/// The reader counts each value inside the innermost list as one level more, and a `Some` as another.
const MESSAGE_PACK_DEPTH: usize = 2 * DEPTH_MAX + 2;

/// True when the JSON text nests deeper than a frame may: looked at before it is read, because no reader says where it stops.
fn too_deep(text: &[u8]) -> bool {
    // Nearly every frame has fewer openings than levels are allowed, and counting them is quicker than following them.
    if count_bytes(text, |byte| matches!(byte, b'{' | b'[')) <= DEPTH_MAX {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// What a frame is.
///
/// # Errors
/// When the bytes are no map with a `t`, or nest deeper than 32.
pub fn head(encoding: Encoding, bytes: &[u8]) -> Result<Head<'_>, Unreadable> {
    match encoding {
        Encoding::Json if too_deep(bytes) => {
            Err(Unreadable(format!("maps and lists nest at most {DEPTH_MAX} deep")))
        }
        Encoding::Json => Ok(decode::<Framed<'_, &RawValue>>(encoding, bytes)?.head(Carried::Json)),
        Encoding::MessagePack => {
            let framed: Framed<'_, IgnoredAny> = decode(encoding, bytes)?;
            Ok(framed.head(|_| Carried::MessagePack(bytes)))
        }
    }
}

impl Head<'_> {
    /// The frame's `d`; a missing one is the empty map.
    ///
    /// # Errors
    /// `bad_request`, naming the field.
    pub fn params<P: DeserializeOwned>(&self) -> Result<P, Refusal> {
        let refused = |error: &dyn std::fmt::Display| {
            Refusal::new(Code::BadRequest, format!("d is not as the method wants it: {error}"))
        };
        let read = match self.carried {
            Carried::Json(carried) => {
                let text = carried.map_or("{}", RawValue::get);
                return serde_json::from_str(text).map_err(|error| refused(&error));
            }
            Carried::MessagePack(frame) => decode::<Body<P>>(Encoding::MessagePack, frame),
        };
        match read.map_err(|error| refused(&error))?.d {
            Some(params) => Ok(params),
            None => serde_json::from_str("{}").map_err(|error| refused(&error)),
        }
    }
}

/// Encodes a frame.
///
/// # Panics
/// Never: our frames are maps with text keys.
#[must_use]
pub fn encode(encoding: Encoding, frame: &impl Serialize) -> Vec<u8> {
    match encoding {
        Encoding::Json => {
            written(|bytes| serde_json::to_writer(bytes, frame).expect("our frames are representable"))
        }
        Encoding::MessagePack => written(|bytes| {
            let mut writer = rmp_serde::Serializer::new(bytes).with_struct_map().with_human_readable();
            frame.serialize(&mut writer).expect("our frames are representable");
        }),
    }
}

/// The frame of a message that is number `s` of a stream, of a log of epoch `ep`.
#[must_use]
pub fn created(encoding: Encoding, s: u64, ep: u64, message: MessageView<'_>) -> Vec<u8> {
    match encoding {
        Encoding::Json => quick::created(s, ep, &message),
        Encoding::MessagePack => {
            let (cv, o, ts) = (message.cv, message.o, message.ts);
            let k = "message.created";
            let d = Created { message };
            encode(encoding, &Ev { t: "ev", s, k, cv: Some(cv), ep: Some(ep), o: Some(o), ts, d })
        }
    }
}

/// The frame that answers a `message.send`.
#[must_use]
pub fn sent(encoding: Encoding, answer: &Res<Sent<'_>>) -> Vec<u8> {
    match encoding {
        Encoding::Json => quick::sent(answer),
        Encoding::MessagePack => encode(encoding, answer),
    }
}

/// Several frames in one.
#[must_use]
pub fn batch(encoding: Encoding, frames: &[Bytes]) -> Bytes {
    let bytes: usize = frames.iter().map(|frame| frame.len() + 1).sum();
    let mut batch = Vec::with_capacity(bytes + 32);
    match encoding {
        Encoding::Json => {
            batch.extend_from_slice(br#"{"t":"batch","d":["#);
            for (place, frame) in frames.iter().enumerate() {
                if place > 0 {
                    batch.push(b',');
                }
                batch.extend_from_slice(frame);
            }
            batch.extend_from_slice(b"]}");
        }
        Encoding::MessagePack => {
            // A map of two: "t" is "batch", "d" is an array with a 16-bit length.
            batch.extend_from_slice(b"\x82\xa1t\xa5batch\xa1d\xdc");
            let length = u16::try_from(frames.len()).unwrap_or(u16::MAX);
            batch.extend_from_slice(&length.to_be_bytes());
            frames.iter().take(length.into()).for_each(|frame| batch.extend_from_slice(frame));
        }
    }
    batch.into()
}

/// An event frame.
#[derive(Debug, Serialize)]
pub struct Ev<'a, D> {
    /// Always `ev`.
    pub t: &'static str,
    /// The stream's number.
    pub s: u64,
    /// The kind.
    pub k: &'a str,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cv: Option<&'a str>,
    /// The log's epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ep: Option<u64>,
    /// The offset in the conversation's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub o: Option<u64>,
    /// When it happened, ms.
    pub ts: i64,
    /// What happened.
    pub d: D,
}

/// What `message.created` carries.
#[derive(Debug, Serialize)]
struct Created<'a> {
    message: MessageView<'a>,
}

/// A response frame with a result.
#[derive(Debug, Serialize)]
pub struct Res<D> {
    /// Always `res`.
    pub t: &'static str,
    /// The request's number.
    pub id: u64,
    /// The result.
    pub d: D,
}

/// The result of `message.send`.
#[derive(Debug, Serialize)]
pub struct Sent<'a> {
    /// The message's id.
    pub id: MessageId<'a>,
    /// The conversation.
    pub cv: &'a str,
    /// Its offset.
    pub o: u64,
    /// The log's epoch.
    pub ep: u64,
    /// When, ms.
    pub ts: i64,
    /// True for a repeat.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dup: bool,
}

/// A response frame with a refusal.
#[must_use]
pub fn refused(encoding: Encoding, id: u64, refusal: &Refusal) -> Vec<u8> {
    encode(encoding, &json!({ "t": "res", "id": id, "err": error(refusal) }))
}

/// The error object of a refusal.
#[must_use]
pub fn error(refusal: &Refusal) -> Value {
    let mut error =
        json!({ "code": refusal.code.as_str(), "msg": refusal.detail, "retry": refusal.code.retry() });
    if let (Some(ms), Some(map)) = (refusal.retry_after_ms, error.as_object_mut()) {
        map.insert("retry_after_ms".into(), ms.into());
    }
    if let (Some(field), Some(map)) = (&refusal.field, error.as_object_mut()) {
        map.insert("field".into(), (**field).into());
    }
    error
}

/// Why a socket is closed: the close code and the word for people. From 4500 on a client does not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub enum Bye {
    Normal,
    /// The line broke; nobody hears this code.
    Broken,
    Internal,
    Drain,
    SlowConsumer,
    SessionExpired,
    HeartbeatTimeout,
    RateLimited,
    BadFrame,
    AuthFailed,
    ForbiddenRole,
    Replaced,
    ConnectTimeout,
    FrameTooLarge,
}

impl Bye {
    /// The close code.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Broken => 1006,
            Self::Internal => 4001,
            Self::Drain => 4002,
            Self::SlowConsumer => 4008,
            Self::SessionExpired => 4009,
            Self::HeartbeatTimeout => 4010,
            Self::RateLimited => 4429,
            Self::BadFrame => 4500,
            Self::AuthFailed => 4501,
            Self::ForbiddenRole => 4503,
            Self::Replaced => 4509,
            Self::ConnectTimeout => 4510,
            Self::FrameTooLarge => 4513,
        }
    }

    /// True when the client may go on with its stream: the line broke, or the server let go of a client that is welcome to come back.
    #[must_use]
    pub fn comes_back(self) -> bool {
        match self {
            Self::Broken | Self::SlowConsumer | Self::HeartbeatTimeout | Self::RateLimited => true,
            Self::Normal
            | Self::Internal
            | Self::Drain
            | Self::SessionExpired
            | Self::BadFrame
            | Self::AuthFailed
            | Self::ForbiddenRole
            | Self::Replaced
            | Self::ConnectTimeout
            | Self::FrameTooLarge => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_borrowed_unless_they_are_escaped() {
        for (frame, borrowed) in
            [(r#"{"t":"req","key":"ab.1"}"#, true), (r#"{"t":"req","key":"a\u0062.1"}"#, false)]
        {
            let head = head(Encoding::Json, frame.as_bytes()).expect("a frame");
            let key = head.key.expect("a key");
            assert_eq!((&*key, matches!(key.0, Cow::Borrowed(_))), ("ab.1", borrowed), "{frame}");
        }
    }

    #[test]
    fn what_a_frame_carries_is_read_in_both_encodings_and_nothing_is_the_empty_map() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Carries {
            #[serde(default)]
            number: u64,
        }
        for (frame, number) in [
            (json!({ "t": "req", "d": { "number": 7 }, "id": 1 }), Some(7)),
            (json!({ "t": "req", "d": null }), Some(0)),
            (json!({ "t": "req" }), Some(0)),
            (json!({ "t": "req", "d": { "number": "seven" } }), None),
            (json!({ "t": "req", "d": [true] }), None),
        ] {
            for encoding in [Encoding::Json, Encoding::MessagePack] {
                let bytes = encode(encoding, &frame);
                let head = head(encoding, &bytes).expect("a frame");
                assert_eq!(head.params::<Carries>().ok(), number.map(|number| Carries { number }), "{frame}");
            }
        }
    }
}
