//! A rehearsal of an upgrade: ports through which a host writes as the next version may, so that hosts without them are the version
//! before. What the next version may do is add fields: to events, snapshots, letters and frames. It may also say what only its own kind
//! understands: a frame of another kind.
//!
//! Nothing is undone when it is read: a program passes over fields that it does not know, and that is what is rehearsed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::mesh::{Class, Mesh, NotSent};
use super::{Append, AppendError, Done, Entry, Journal, Row, RowKey, Rows, StoreError};
use crate::address::Address;
use crate::cell::core::SNAPSHOTS;

mod pack;

pub use pack::FIELD;

/// One frame of a kind that nobody knows goes before so many others.
const STRANGE_EVERY: u64 = 16;

/// A port of the next version.
pub struct Later<P: ?Sized> {
    port: Arc<P>,
    sent: AtomicU64,
}

impl<P: ?Sized> std::fmt::Debug for Later<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Later")
    }
}

impl<P: ?Sized> Later<P> {
    /// Writes to `port` as the next version may.
    #[must_use]
    pub fn new(port: Arc<P>) -> Self {
        Self { port, sent: AtomicU64::new(0) }
    }
}

impl<J: Journal + ?Sized> Journal for Later<J> {
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>) {
        let bodies = append.bodies.iter().map(|body| pack::event(body)).collect();
        self.port.append(Append { bodies, ..append }, done);
    }

    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        self.port.read(address, after, limit)
    }

    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        self.port.keys(of, limit)
    }
}

impl<R: Rows + ?Sized> Rows for Later<R> {
    fn put(&self, mut rows: Vec<Row>, done: Done<Result<(), StoreError>>) {
        // Contributions are compared byte for byte when they are made again; the rest has no fields.
        for row in rows.iter_mut().filter(|row| row.key.table == SNAPSHOTS) {
            row.value = row.value.as_deref().map(pack::snapshot);
        }
        self.port.put(rows, done);
    }

    fn get(&self, key: &RowKey) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        self.port.get(key)
    }

    fn scan(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        self.port.scan(table, partition, after, limit)
    }
}

impl<M: Mesh + ?Sized> Mesh for Later<M> {
    fn me(&self) -> &Arc<str> {
        self.port.me()
    }

    fn life(&self) -> u64 {
        self.port.life()
    }

    fn owner(&self, shard: u16) -> Option<Arc<str>> {
        self.port.owner(shard)
    }

    fn linked(&self) -> Vec<Arc<str>> {
        self.port.linked()
    }

    fn send(&self, to: &str, class: Class, frame: Bytes) -> Result<(), NotSent> {
        if self.sent.fetch_add(1, Ordering::Relaxed).is_multiple_of(STRANGE_EVERY) {
            self.port.send(to, class, pack::strange())?;
        }
        self.port.send(to, class, pack::frame(&frame))
    }
}
