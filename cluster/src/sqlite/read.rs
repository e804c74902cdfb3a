//! Reading: a few connections, each used by one reader at a time.

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{Entry, RowKey};
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OptionalExtension, params};

/// Connections that wait to be used.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Pool {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self { idle: Mutex::new(connections), returned: Condvar::new() }
    }

    /// Runs `read` on the next connection that is free; called from a thread that may block.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut idle = self.idle.lock();
        let connection = loop {
            match idle.pop() {
                Some(connection) => break connection,
                None => self.returned.wait(&mut idle),
            }
        };
        drop(idle);
        let outcome = read(&connection);
        self.idle.lock().push(connection);
        self.returned.notify_one();
        outcome
    }
}

pub(super) fn events(connection: &Connection, address: &Address, after: u64, limit: usize) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, body FROM event WHERE tenant = ?1 AND kind = ?2 AND key = ?3 AND seq > ?4 ORDER BY seq LIMIT ?5",
    )?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![address.tenant.as_str(), address.kind, &*address.key, after, limit], |row| {
        let seq: i64 = row.get(0)?;
        let body: Vec<u8> = row.get(1)?;
        Ok(Entry { seq: seq.unsigned_abs(), body: body.into() })
    })?;
    rows.collect()
}

pub(super) fn keys(connection: &Connection, of: &Address, limit: usize) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT key FROM event WHERE tenant = ?1 AND kind = ?2 AND key > ?3 AND seq = 1 ORDER BY key LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.query_map(params![of.tenant.as_str(), of.kind, &*of.key, limit], |row| row.get(0))?.collect()
}

pub(super) fn row(connection: &Connection, key: &RowKey) -> rusqlite::Result<Option<Bytes>> {
    let mut statement = connection.prepare_cached("SELECT value FROM row WHERE tab = ?1 AND part = ?2 AND key = ?3")?;
    let value: Option<Option<Vec<u8>>> = statement.query_row(params![key.table, key.partition, key.key], |row| row.get(0)).optional()?;
    Ok(value.flatten().map(Bytes::from))
}

pub(super) fn rows(connection: &Connection, table: &str, partition: &str, after: &str, limit: usize) -> rusqlite::Result<Vec<(String, Bytes)>> {
    let mut statement = connection.prepare_cached(
        "SELECT key, value FROM row WHERE tab = ?1 AND part = ?2 AND key > ?3 AND value IS NOT NULL ORDER BY key LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![table, partition, after, limit], |row| {
        let value: Vec<u8> = row.get(1)?;
        Ok((row.get(0)?, value.into()))
    })?;
    rows.collect()
}
