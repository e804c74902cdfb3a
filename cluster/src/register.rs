//! The register: a few small values that are changed by compare and set. It decides who owns what; nothing per message goes there.

use std::collections::HashMap;

use bytes::Bytes;
use conversa_actors::port::StoreError;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use parking_lot::Mutex;

/// Largest value, bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// A value as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Grows by one with every change, from 1.
    pub version: u64,
    /// The value.
    pub value: Bytes,
}

/// Why a value was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// It is not at the expected version: somebody else was first.
    #[error("somebody else changed it: it is at version {found}")]
    Lost {
        /// The version that stands, 0 when there is none.
        found: u64,
    },
    /// The value is larger than [`VALUE_BYTES_MAX`].
    #[error("a value of the register has at most {VALUE_BYTES_MAX} bytes")]
    TooLarge,
    /// Nothing was changed.
    #[error("the register cannot be changed now: {0}")]
    Unavailable(String),
    /// It may have been changed, now or a little later: read it, or change it again unchanged.
    #[error("whether the register was changed is unknown: {0}")]
    Unknown(String),
}

/// Values by key, each changed by compare and set, all changes of one key in one order that every reader sees.
pub trait Register: Send + Sync {
    /// The value as it stands, after every change that was acknowledged or seen by an earlier read. One of unknown outcome may come later.
    fn read(&self, key: &str) -> BoxFuture<'_, Result<Option<Held>, StoreError>>;

    /// Sets the value if it is at version `expected`, 0 for one that is not there, and returns its new version. The same change again
    /// succeeds again as long as it stands: a value names its writer when it matters which of two equal writers was first.
    fn change(&self, key: &str, expected: u64, value: Bytes) -> BoxFuture<'_, Result<u64, ChangeError>>;
}

/// A register in memory: for tests and the simulator.
#[derive(Debug, Default)]
pub struct MemoryRegister {
    values: Mutex<HashMap<String, Held>>,
}

impl MemoryRegister {
    fn change_now(&self, key: &str, expected: u64, value: Bytes) -> Result<u64, ChangeError> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(ChangeError::TooLarge);
        }
        let mut values = self.values.lock();
        let found = values.get(key).map_or(0, |held| held.version);
        let next = expected.saturating_add(1);
        if found == next && values.get(key).is_some_and(|held| held.value == value) {
            return Ok(found);
        }
        if found != expected {
            return Err(ChangeError::Lost { found });
        }
        values.insert(key.to_owned(), Held { version: next, value });
        Ok(next)
    }
}

impl Register for MemoryRegister {
    fn read(&self, key: &str) -> BoxFuture<'_, Result<Option<Held>, StoreError>> {
        ready(Ok(self.values.lock().get(key).cloned())).boxed()
    }

    fn change(&self, key: &str, expected: u64, value: Bytes) -> BoxFuture<'_, Result<u64, ChangeError>> {
        ready(self.change_now(key, expected, value)).boxed()
    }
}
