//! The ports to the world: a journal, rows and a clock. Each has at least two implementors that pass one shared suite.
//!
//! Errors are definite unless they say `Unknown`: nothing happened, nothing will.

pub mod later;
pub mod memory;
pub mod mesh;
pub mod outside;
pub mod recorder;

use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::time::Time;
use futures_util::future::BoxFuture;

use crate::address::Address;

/// Called once with the outcome, from any thread.
pub type Done<T> = Box<dyn FnOnce(T) + Send>;

/// Largest body of one event, bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Most events in one append.
pub const APPEND_EVENTS_MAX: usize = 64;

/// The next events of one actor, written all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Whose log.
    pub address: Address,
    /// The epoch of its owner: an older epoch than the log's is fenced.
    pub epoch: u64,
    /// Sequence number of the first event; the log must end just before it.
    pub first: u64,
    /// The events.
    pub bodies: Arc<[Bytes]>,
}

/// Why an append did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A later owner has written.
    #[error("a later owner has written to this log")]
    Fenced,
    /// The log does not end where the append begins.
    #[error("the log continues at {next}")]
    Conflict {
        /// The sequence number that would be next.
        next: u64,
    },
    /// The store cannot take it now; nothing was written.
    #[error("the store cannot write now: {0}")]
    Unavailable(String),
    /// A body is larger than [`BODY_BYTES_MAX`] or there are too many.
    #[error("an append has at most {APPEND_EVENTS_MAX} events of at most {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// Nobody knows whether it was written. A node's journal repeats it unchanged; a cell never sees this.
    #[error("the outcome of the append is unknown: {0}")]
    Unknown(String),
}

/// Why a read or a row write failed; nothing happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is not available: {0}")]
pub struct StoreError(pub String);

/// One stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence number.
    pub seq: u64,
    /// Its body.
    pub body: Bytes,
}

/// The append-only logs of all actors.
pub trait Journal: Send + Sync {
    /// Writes events durably. The same append repeated is written once and succeeds again. One append per log at a time.
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>);

    /// At most `limit` events after `after`, in order.
    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>>;

    /// At most `limit` keys of a kind after `after`, in order: for rebuilding.
    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>>;
}

/// The place of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Which table.
    pub table: &'static str,
    /// Rows of a partition are scanned together.
    pub partition: String,
    /// Its key there.
    pub key: String,
}

/// A row to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub key: RowKey,
    /// The write with the largest stamp wins, whatever the order of arrival.
    pub stamp: i64,
    /// `None` deletes.
    pub value: Option<Bytes>,
}

/// Rows that can be rebuilt from the journals: snapshots, wake rows, contributions.
pub trait Rows: Send + Sync {
    /// Writes rows durably. Those of one partition are written all or none; after an error any of them may have been, now or a little later, and
    /// may be written again.
    fn put(&self, rows: Vec<Row>, done: Done<Result<(), StoreError>>);

    /// One row's value.
    fn get(&self, key: &RowKey) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>>;

    /// At most `limit` rows of a partition whose key is larger than `after`, in order of key.
    fn scan(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>>;
}

/// The one source of time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Time;
}
