//! Reading: a few connections, each used by one reader at a time.

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{Entry, RowKey};
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OptionalExtension, params};

use super::heads::{Recent, stream_of};

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
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
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

pub(super) fn events(
    connection: &Connection,
    recent: &Recent,
    of: &Address,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let Some(stream) = stream_of(connection, of)? else { return Ok(Vec::new()) };
    // The recent places first: what is entered into the index meanwhile is found in both, and taken once.
    let newest = recent.after(stream, after, limit);
    let mut entries = indexed(connection, stream, after, limit)?;
    let last = entries.last().map_or(after, |entry| entry.seq);
    let mut body = connection.prepare_cached("SELECT body FROM event WHERE id = ?1")?;
    for (seq, event) in newest.into_iter().filter(|(seq, _)| *seq > last).take(limit - entries.len()) {
        let body: Vec<u8> = body.query_row([event], |row| row.get(0))?;
        entries.push(Entry { seq, body: body.into() });
    }
    Ok(entries)
}

fn indexed(connection: &Connection, stream: i64, after: u64, limit: usize) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(
        "SELECT place.seq, event.body FROM place JOIN event ON event.id = place.event
         WHERE place.stream = ?1 AND place.seq > ?2 ORDER BY place.seq LIMIT ?3",
    )?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![stream, after, limit], |row| {
        let seq: i64 = row.get(0)?;
        let body: Vec<u8> = row.get(1)?;
        Ok(Entry { seq: seq.unsigned_abs(), body: body.into() })
    })?;
    rows.collect()
}

/// Keys of logs that hold something: a log is made in the transaction of its first event.
pub(super) fn keys(connection: &Connection, of: &Address, limit: usize) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT key FROM stream WHERE tenant = ?1 AND kind = ?2 AND key > ?3 ORDER BY key LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.query_map(params![of.tenant.as_str(), of.kind, &*of.key, limit], |row| row.get(0))?.collect()
}

pub(super) fn row(connection: &Connection, key: &RowKey) -> rusqlite::Result<Option<Bytes>> {
    let mut statement =
        connection.prepare_cached("SELECT value FROM row WHERE tab = ?1 AND part = ?2 AND key = ?3")?;
    let value: Option<Option<Vec<u8>>> =
        statement.query_row(params![key.table, key.partition, key.key], |row| row.get(0)).optional()?;
    Ok(value.flatten().map(Bytes::from))
}

pub(super) fn rows(
    connection: &Connection,
    table: &str,
    partition: &str,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Vec<(String, Bytes)>> {
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
