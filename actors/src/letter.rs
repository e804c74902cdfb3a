//! Letters between actors: in order per pair, each taken in once, delivered again until taken.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::scratch;

/// The place of a letter in its sender's life: the event that caused it and its number there. Later letters have larger ids.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct LetterId {
    /// Sequence number of the event whose reaction it is.
    pub seq: u64,
    /// Its number among that event's letters.
    pub index: u32,
}

/// A command on its way from one actor to another.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Who told it.
    pub from: Address,
    /// Whom.
    pub to: Address,
    /// Which of the sender's letters.
    pub id: LetterId,
    /// The command.
    pub payload: Payload,
}

/// A command of some behaviour: as a value within a node, as `MessagePack` from a store or a link.
#[derive(Clone)]
pub enum Payload {
    /// The value.
    Typed(Arc<dyn AnyCommand>),
    /// Its encoding.
    Encoded(Bytes),
}

/// A command of any behaviour.
pub trait AnyCommand: Any + Send + Sync {
    /// The command as `MessagePack` with named fields.
    fn encode(&self) -> Bytes;
}

impl<C: Serialize + Any + Send + Sync> AnyCommand for C {
    fn encode(&self) -> Bytes {
        encode(self)
    }
}

impl Payload {
    /// Wraps a command.
    #[must_use]
    pub fn of<C: Serialize + Any + Send + Sync>(command: C) -> Self {
        Self::Typed(Arc::new(command))
    }

    /// The command inside.
    ///
    /// # Errors
    /// When it is not a command of this type.
    pub fn open<C: DeserializeOwned + Clone + Any + Send + Sync>(self) -> Result<C, WrongCommand> {
        match self {
            Self::Typed(command) => {
                let any: Arc<dyn Any + Send + Sync> = command;
                any.downcast::<C>()
                    .map(Arc::unwrap_or_clone)
                    .map_err(|_| WrongCommand("it is of another behaviour".into()))
            }
            Self::Encoded(bytes) => decode(&bytes).map_err(|error| WrongCommand(error.to_string())),
        }
    }

    /// The encoding.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Typed(command) => command.encode(),
            Self::Encoded(bytes) => bytes.clone(),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the body: it is a customer's text.
        f.write_str(match self {
            Self::Typed(_) => "typed",
            Self::Encoded(_) => "encoded",
        })
    }
}

/// A payload was opened as a command that it is not.
#[derive(Debug, thiserror::Error)]
#[error("not a command of this behaviour: {0}")]
pub struct WrongCommand(String);

/// `MessagePack` with named fields: adding a field does not break old readers.
///
/// # Panics
/// Never for this crate's types: they have no map with non-text keys and memory does not fail.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Bytes {
    let write = |bytes: &mut Vec<u8>| rmp_serde::encode::write_named(bytes, value);
    scratch::written(|bytes| write(bytes).expect("our own types are representable")).into()
}

/// The value that [`encode`] wrote.
///
/// # Errors
/// When the bytes are not such a value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}
