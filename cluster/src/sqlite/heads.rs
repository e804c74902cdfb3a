//! Where each log ends and where its newest events lie, in memory: the index on disk follows in batches.
//!
//! An index kept with every append would touch one page per log and message, which was the largest part of an append's cost.
//! So events are only appended, and every [`INDEX_EVENTS`] events their places are entered together. At start the events after the
//! last entered place are read once.

use std::collections::HashMap;

use conversa_actors::address::Address;
use foldhash::quality::RandomState;
use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension, params};

/// Events whose places are entered into the index together: many, because each time nearly every log's page of the index is written.
/// A start reads so many events.
pub(super) const INDEX_EVENTS: usize = 16_384;
/// Logs whose ends the writer remembers; beyond it all are forgotten and looked up again.
const HEADS_MAX: usize = 200_000;

/// Where a log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The log's number.
    pub(super) stream: i64,
    /// The epoch of its last event.
    pub(super) epoch: u64,
    /// The sequence number of its last event.
    pub(super) seq: u64,
}

/// Places of events that the index does not hold yet: log -> (seq, event), in order.
#[derive(Debug, Default)]
pub(super) struct Recent {
    places: RwLock<Places>,
}

impl Recent {
    /// Places of a log after `after`, at most `limit`.
    pub(super) fn after(&self, stream: i64, after: u64, limit: usize) -> Vec<(u64, i64)> {
        let places = self.places.read();
        let of = places.get(&stream).map(Vec::as_slice).unwrap_or_default();
        let start = of.partition_point(|(seq, _)| *seq <= after);
        of[start..].iter().take(limit).copied().collect()
    }

    fn last(&self, stream: i64) -> Option<(u64, i64)> {
        self.places.read().get(&stream).and_then(|of| of.last()).copied()
    }
}

type Places = HashMap<i64, Vec<(u64, i64)>, RandomState>;

/// What the writer knows of all logs.
pub(super) struct Heads {
    known: HashMap<Address, Head, RandomState>,
    /// What the known heads were before the transaction in hand.
    undo: Vec<(Address, Option<Head>)>,
    /// Places written in the transaction in hand.
    fresh: Vec<(i64, u64, i64)>,
    next_event: i64,
    recent: std::sync::Arc<Recent>,
    recent_count: usize,
}

impl Heads {
    /// Reads what the index does not hold yet.
    pub(super) fn open(connection: &Connection, recent: std::sync::Arc<Recent>) -> rusqlite::Result<Self> {
        let indexed: i64 =
            connection.query_row("SELECT coalesce(max(upto), 0) FROM indexed", [], |row| row.get(0))?;
        let mut statement =
            connection.prepare("SELECT stream, seq, id FROM event WHERE id > ?1 ORDER BY id")?;
        let rows = statement.query_map([indexed], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?))
        })?;
        let mut heads = Self {
            known: HashMap::default(),
            undo: Vec::new(),
            fresh: Vec::new(),
            next_event: indexed + 1,
            recent,
            recent_count: 0,
        };
        for row in rows {
            let (stream, seq, id) = row?;
            heads.fresh.push((stream, seq, id));
            heads.next_event = id + 1;
        }
        heads.keep();
        Ok(heads)
    }

    /// The places that the index does not hold yet.
    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// The end of a log, making the log when it is new.
    pub(super) fn head(&mut self, connection: &Connection, of: &Address) -> rusqlite::Result<Head> {
        if let Some(head) = self.known.get(of) {
            return Ok(*head);
        }
        let head = match stream_of(connection, of)? {
            Some(stream) => self.find(connection, stream)?,
            None => {
                let mut insert =
                    connection.prepare_cached("INSERT INTO stream(tenant, kind, key) VALUES(?1, ?2, ?3)")?;
                let stream = insert.insert(params![of.tenant.as_str(), of.kind, &*of.key])?;
                Head { stream, epoch: 0, seq: 0 }
            }
        };
        self.set(of, head, None);
        Ok(head)
    }

    fn find(&self, connection: &Connection, stream: i64) -> rusqlite::Result<Head> {
        let place = match self.recent.last(stream) {
            Some(place) => Some(place),
            None => {
                let mut last = connection.prepare_cached(
                    "SELECT seq, event FROM place WHERE stream = ?1 ORDER BY seq DESC LIMIT 1",
                )?;
                last.query_row([stream], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))
                    .optional()?
            }
        };
        let Some((seq, event)) = place else { return Ok(Head { stream, epoch: 0, seq: 0 }) };
        let mut epoch = connection.prepare_cached("SELECT epoch FROM event WHERE id = ?1")?;
        let epoch: i64 = epoch.query_row([event], |row| row.get(0))?;
        Ok(Head { stream, epoch: epoch.unsigned_abs(), seq })
    }

    /// The number of the next event, which was written as `seq` of its log.
    pub(super) fn next(&mut self, stream: i64, seq: u64) -> i64 {
        let event = self.next_event;
        self.next_event += 1;
        self.fresh.push((stream, seq, event));
        event
    }

    /// The log now ends here.
    pub(super) fn advance(&mut self, of: &Address, head: Head) {
        let before = match self.known.get_mut(of) {
            Some(known) => Some(std::mem::replace(known, head)),
            None => self.known.insert(of.clone(), head),
        };
        self.undo.push((of.clone(), before));
    }

    fn set(&mut self, of: &Address, head: Head, before: Option<Head>) {
        self.known.insert(of.clone(), head);
        self.undo.push((of.clone(), before));
    }

    /// The transaction was written: readers may see its events.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
        let mut places = self.recent.places.write();
        self.recent_count += self.fresh.len();
        for (stream, seq, event) in self.fresh.drain(..) {
            places.entry(stream).or_default().push((seq, event));
        }
        drop(places);
        if self.known.len() > HEADS_MAX {
            self.known.clear();
        }
    }

    /// The transaction was not written.
    pub(super) fn undo(&mut self) {
        self.next_event -= i64::try_from(self.fresh.len()).unwrap_or_default();
        self.fresh.clear();
        while let Some((of, before)) = self.undo.pop() {
            match before {
                Some(before) => self.known.insert(of, before),
                None => self.known.remove(&of),
            };
        }
    }

    /// Enters the places of recent events into the index, when there are enough of them.
    pub(super) fn index(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        if self.recent_count < INDEX_EVENTS {
            return Ok(());
        }
        let mut entries: Vec<(i64, u64, i64)> = {
            let places = self.recent.places.read();
            places
                .iter()
                .flat_map(|(stream, of)| of.iter().map(|(seq, event)| (*stream, *seq, *event)))
                .collect()
        };
        entries.sort_unstable();
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO place(stream, seq, event) VALUES(?1, ?2, ?3)")?;
            for (stream, seq, event) in &entries {
                insert.execute(params![stream, i64::try_from(*seq).unwrap_or(i64::MAX), event])?;
            }
            transaction.execute("UPDATE indexed SET upto = ?1", [self.next_event - 1])?;
        }
        transaction.commit()?;
        // Only now: a reader that looks in between finds a place twice, never not at all.
        self.recent.places.write().clear();
        self.recent_count = 0;
        Ok(())
    }
}

/// The number of a log.
pub(super) fn stream_of(connection: &Connection, of: &Address) -> rusqlite::Result<Option<i64>> {
    let mut find =
        connection.prepare_cached("SELECT id FROM stream WHERE tenant = ?1 AND kind = ?2 AND key = ?3")?;
    find.query_row(params![of.tenant.as_str(), of.kind, &*of.key], |row| row.get(0)).optional()
}
