//! The stored forms: the envelope of an event and the snapshot of a state. They last for years: fields are only ever added, optional.

use bytes::Bytes;
use conversa_engine::time::Time;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::marks::StoredMark;
use crate::letter::{LetterId, decode, encode};

/// The envelope's own version.
const ENVELOPE: u32 = 1;

/// An event as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<E> {
    /// Version of the envelope.
    pub v: u32,
    /// When it happened.
    pub at: Time,
    /// The letter that caused it, with the first event that it caused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<StoredMark>,
    /// All letters of events up to here were taken over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub told: u64,
    /// What happened.
    pub body: E,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(told: &u64) -> bool {
    *told == 0
}

/// Encodes an event.
pub fn seal<E: Serialize>(event: &E, at: Time, mark: Option<StoredMark>, told: u64) -> Bytes {
    encode(&Envelope { v: ENVELOPE, at, mark, told, body: event })
}

/// Decodes a stored event.
///
/// # Errors
/// When the bytes are not an envelope of this behaviour's events.
pub fn unseal<E: DeserializeOwned>(bytes: &[u8]) -> Result<Envelope<E>, rmp_serde::decode::Error> {
    decode(bytes)
}

/// A state as it is stored, with all that the cell keeps beside it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Snapshot<S> {
    /// The behaviour's version of its state.
    pub version: u32,
    /// The last event in it.
    pub seq: u64,
    /// All letters of events up to here were taken over.
    pub told: u64,
    /// High-water marks of the senders heard.
    pub marks: Vec<StoredMark>,
    /// Letters of events up to `seq` that were not taken over.
    #[serde(default)]
    pub unsent: Vec<StoredLetter>,
    /// The state itself, encoded on its own so that another version of it can be told apart.
    #[serde(with = "bytes_field")]
    pub state: Vec<u8>,
    /// Marks the type that `state` encodes.
    #[serde(skip)]
    pub of: std::marker::PhantomData<S>,
}

/// A letter in a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredLetter {
    /// The receiver's kind.
    pub kind: String,
    /// The receiver's key.
    pub key: String,
    /// Which letter.
    pub id: LetterId,
    /// The command.
    #[serde(with = "bytes_field")]
    pub payload: Vec<u8>,
}

mod bytes_field {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
