//! The frames of protocol v1 as far as the load needs them, in both encodings. Unknown fields are let through.

use std::borrow::Cow;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Message;

/// How frames are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// `conversa.v1.json`, text frames.
    #[default]
    Json,
    /// `conversa.v1.msgpack`, binary frames.
    MessagePack,
}

impl Encoding {
    /// The subprotocol's name.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "conversa.v1.json",
            Self::MessagePack => "conversa.v1.msgpack",
        }
    }

    pub(super) fn encode(self, frame: &impl Serialize) -> Message {
        match self {
            Self::Json => Message::text(serde_json::to_string(frame).expect("our frames are representable")),
            Self::MessagePack => {
                let mut bytes = Vec::with_capacity(256);
                let mut writer =
                    rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
                frame.serialize(&mut writer).expect("our frames are representable");
                Message::binary(bytes)
            }
        }
    }

    pub(super) fn decode<'a, T: Deserialize<'a>>(self, bytes: &'a [u8]) -> Result<T> {
        let read = match self {
            Self::Json => serde_json::from_slice(bytes).map_err(anyhow::Error::from),
            Self::MessagePack => {
                T::deserialize(&mut rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable())
                    .map_err(anyhow::Error::from)
            }
        };
        read.with_context(|| format!("cannot read the frame {}", self.show(bytes)))
    }

    /// A frame as people read it.
    pub(super) fn show(self, bytes: &[u8]) -> String {
        let text = match self {
            Self::Json => String::from_utf8_lossy(bytes).into_owned(),
            Self::MessagePack => {
                let mut reader = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
                let value = serde_json::Value::deserialize(&mut reader);
                value.map_or_else(|_| format!("{bytes:02x?}"), |value| value.to_string())
            }
        };
        const CHARS_MAX: usize = 2_000;
        text.chars().take(CHARS_MAX).collect()
    }
}

/// A request.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a, D> {
    pub(super) t: &'static str,
    pub(super) id: u64,
    pub(super) m: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cv: Option<&'a str>,
    pub(super) d: D,
}

/// `d` of `message.send`.
#[derive(Debug, Serialize)]
pub(super) struct Send<'a> {
    pub(super) content: Text<'a>,
}

/// A text.
#[derive(Debug, Serialize)]
pub(super) struct Text<'a> {
    pub(super) r#type: &'static str,
    pub(super) text: &'a str,
}

/// Any frame of the server; an empty text or `None` is a field that is not there.
#[derive(Debug, Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(borrow)]
    pub(super) t: Cow<'a, str>,
    #[serde(default)]
    pub(super) id: Option<u64>,
    #[serde(default)]
    pub(super) s: Option<u64>,
    #[serde(default)]
    pub(super) n: Option<u64>,
    #[serde(default, borrow)]
    pub(super) k: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) cv: Cow<'a, str>,
    #[serde(default)]
    pub(super) o: u64,
    #[serde(default, borrow)]
    pub(super) d: Option<Body<'a>>,
    #[serde(default)]
    pub(super) err: Option<serde_json::Value>,
}

/// The fields of `d` that matter here.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(default)]
    pub(super) o: u64,
    #[serde(default, borrow)]
    pub(super) offer: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) agent: Option<Agent<'a>>,
    #[serde(default, borrow)]
    pub(super) message: Option<Said<'a>>,
}

/// An agent: by id and name where a conversation has it, by its id alone where it is the agent's own event.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Agent<'a> {
    #[serde(borrow)]
    Person(Person<'a>),
    Id(#[serde(borrow)] Cow<'a, str>),
}

impl Agent<'_> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Person(Person { id }) | Self::Id(id) => id,
        }
    }
}

/// Somebody.
#[derive(Debug, Deserialize)]
pub(super) struct Person<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(default)]
    pub(super) key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) author: Author<'a>,
    #[serde(borrow)]
    pub(super) content: Content<'a>,
}

/// Who says it.
#[derive(Debug, Deserialize)]
pub(super) struct Author<'a> {
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
}

/// What it says; all that is sent here is text.
#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(default, borrow)]
    pub(super) text: Cow<'a, str>,
}
