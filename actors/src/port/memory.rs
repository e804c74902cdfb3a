//! The ports in memory: for tests and the simulator. Everything is definite and at once.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use parking_lot::Mutex;

use super::{
    APPEND_EVENTS_MAX, Append, AppendError, BODY_BYTES_MAX, Done, Entry, Journal, Row, RowKey, Rows,
    StoreError,
};
use crate::address::Address;

/// Epoch and events of one log.
#[derive(Clone, Debug, Default)]
struct Log {
    epoch: u64,
    bodies: Vec<Bytes>,
}

/// Logs and rows in memory.
#[derive(Debug, Default)]
pub struct Memory {
    logs: Mutex<BTreeMap<Address, Log>>,
    rows: Mutex<BTreeMap<RowKey, (i64, Option<Bytes>)>>,
}

impl Memory {
    /// The append itself, at once.
    ///
    /// # Errors
    /// As [`Journal::append`], never `Unknown` or `Unavailable`.
    pub fn append_now(&self, append: &Append) -> Result<(), AppendError> {
        if append.bodies.len() > APPEND_EVENTS_MAX
            || append.bodies.iter().any(|body| body.len() > BODY_BYTES_MAX)
        {
            return Err(AppendError::TooLarge);
        }
        let mut logs = self.logs.lock();
        let log = logs.entry(append.address.clone()).or_default();
        if append.epoch < log.epoch {
            return Err(AppendError::Fenced);
        }
        let next = log.bodies.len() as u64 + 1;
        let before = usize::try_from(append.first.saturating_sub(1)).unwrap_or(usize::MAX);
        if append.first != next {
            let same = log.bodies.get(before..before.saturating_add(append.bodies.len()))
                == Some(&append.bodies[..]);
            return if same { Ok(()) } else { Err(AppendError::Conflict { next }) };
        }
        log.epoch = append.epoch;
        log.bodies.extend(append.bodies.iter().cloned());
        Ok(())
    }

    /// The read itself, at once.
    #[must_use]
    pub fn read_now(&self, address: &Address, after: u64, limit: usize) -> Vec<Entry> {
        let logs = self.logs.lock();
        let bodies = logs.get(address).map(|log| log.bodies.as_slice()).unwrap_or_default();
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let entries = bodies.iter().zip(1..).skip(skip).take(limit);
        entries.map(|(body, seq)| Entry { seq, body: body.clone() }).collect()
    }

    /// The write of rows itself, at once.
    pub fn put_now(&self, rows: Vec<Row>) {
        let mut stored = self.rows.lock();
        for row in rows {
            let known = stored.get(&row.key).is_some_and(|(stamp, _)| *stamp > row.stamp);
            if !known {
                stored.insert(row.key, (row.stamp, row.value));
            }
        }
    }

    /// One row, at once.
    #[must_use]
    pub fn get_now(&self, key: &RowKey) -> Option<Bytes> {
        self.rows.lock().get(key).and_then(|(_, value)| value.clone())
    }

    /// The addresses of all logs.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.logs.lock().keys().cloned().collect()
    }

    /// Rows of a partition, at once.
    #[must_use]
    pub fn scan_now(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> Vec<(String, Bytes)> {
        let rows = self.rows.lock();
        let from = RowKey { table, partition: partition.to_owned(), key: after.to_owned() };
        rows.range(from..)
            .take_while(|(key, _)| key.table == table && key.partition == partition)
            .filter(|(key, _)| key.key.as_str() > after)
            .filter_map(|(key, (_, value))| Some((key.key.clone(), value.clone()?)))
            .take(limit)
            .collect()
    }
}

impl Journal for Memory {
    fn append(&self, append: Append, done: Done<Result<(), AppendError>>) {
        done(self.append_now(&append));
    }

    fn read(
        &self,
        address: &Address,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, StoreError>> {
        ready(Ok(self.read_now(address, after, limit))).boxed()
    }

    fn keys(&self, of: &Address, limit: usize) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        let logs = self.logs.lock();
        let same = logs
            .keys()
            .filter(|address| address.tenant == of.tenant && address.kind == of.kind && address.key > of.key);
        let keys = same.take(limit).map(|address| address.key.to_string()).collect();
        ready(Ok(keys)).boxed()
    }
}

impl Rows for Memory {
    fn put(&self, rows: Vec<Row>, done: Done<Result<(), StoreError>>) {
        self.put_now(rows);
        done(Ok(()));
    }

    fn get(&self, key: &RowKey) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        ready(Ok(self.get_now(key))).boxed()
    }

    fn scan(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(String, Bytes)>, StoreError>> {
        ready(Ok(self.scan_now(table, partition, after, limit))).boxed()
    }
}
