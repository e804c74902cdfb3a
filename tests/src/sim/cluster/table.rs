//! The store that nodes share, as a store on CQL keeps it: of two writes of a row the one with the later stamp stands, a range deletion hides
//! writes of its stamp and before, and the order in which they arrive is the order of nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{Append, AppendError, Entry, RowKey, StoreError};
use conversa_cluster::log::{Claim, Stored, Table, bucket_of, event_stamp};
use conversa_cluster::member::row::Row;
use conversa_cluster::member::view::View;
use conversa_cluster::member::{Life, machine::Key};
use conversa_cluster::register::{ChangeError, Held};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::porch::name;
use super::{Fault, NODES};

/// A stored row of a log, with its stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    stamp: i64,
    body: Bytes,
    epoch: u64,
}

/// One partition of a log.
#[derive(Debug, Default)]
struct Partition {
    rows: BTreeMap<u64, Kept>,
    /// Rows behind a place are hidden that are not later than this stamp.
    cuts: Vec<(u64, i64)>,
}

impl Partition {
    fn set(&mut self, seq: u64, kept: Kept) {
        let stands = self.rows.entry(seq).or_insert_with(|| kept.clone());
        // Of equal stamps the larger value wins.
        *stands = stands.clone().max(kept);
    }

    fn visible(&self) -> impl DoubleEndedIterator<Item = (u64, &Kept)> {
        self.rows
            .iter()
            .map(|(seq, kept)| (*seq, kept))
            .filter(|(seq, kept)| !self.cuts.iter().any(|(after, stamp)| seq > after && *stamp >= kept.stamp))
    }
}

/// All that is durable.
#[derive(Debug, Default)]
pub(super) struct Shared {
    logs: BTreeMap<(Address, i32), Partition>,
    rows: BTreeMap<RowKey, (i64, Option<Bytes>)>,
    register: BTreeMap<String, Held>,
    fault: Option<Fault>,
    /// Counts writes, for a store that goes by the order of their arrival.
    arrived: i64,
}

impl Shared {
    /// A cluster that has run before: every node has its share, and its earlier life is over.
    pub(super) fn founded(weights: &[u32; NODES], fault: Option<Fault>) -> Self {
        let mut shared = Self { fault, ..Self::default() };
        let mut view = View::default();
        for (n, weight) in weights.iter().enumerate() {
            let life = Life { node: name(n), generation: 1 };
            view =
                view.with(&life).and_then(|view| view.weighed(&life, *weight)).expect("it is not there yet");
            let (addr, zone) = ("a".to_owned(), "z".to_owned());
            let row = Row {
                generation: 1,
                alive: false,
                beat: 1,
                adopted: 0,
                weight: *weight,
                nonce: 0,
                addr,
                zone,
            };
            shared.set(&Key::Row(name(n)), 0, row.bytes());
        }
        // A view has the version of its value: this is the sixth.
        for version in 0..view.version {
            shared.set(
                &Key::View,
                version,
                if version + 1 == view.version { view.bytes() } else { Bytes::new() },
            );
        }
        shared
    }

    fn set(&mut self, key: &Key, expected: u64, value: Bytes) {
        self.change(key, expected, value).expect("nobody else writes yet");
    }

    pub(super) fn held(&self, key: &Key) -> Option<Held> {
        self.register.get(&key.name()).cloned()
    }

    /// As `Register::change`.
    pub(super) fn change(&mut self, key: &Key, expected: u64, value: Bytes) -> Result<u64, ChangeError> {
        let held = self.register.get(&key.name());
        let (found, version) = (held.map_or(0, |held| held.version), expected + 1);
        if found == version && held.is_some_and(|held| held.value == value) {
            return Ok(found);
        }
        // The view that somebody else has made meanwhile is replaced.
        let stale = self.fault == Some(Fault::StaleViewAccepted) && *key == Key::View && found == version;
        if found != expected && !stale {
            return Err(ChangeError::Lost { found });
        }
        self.register.insert(key.name(), Held { version, value });
        Ok(version)
    }

    fn stamp(&mut self, stamp: i64) -> i64 {
        if self.fault != Some(Fault::NoEpochInStamp) {
            return stamp;
        }
        self.arrived += 1;
        self.arrived
    }

    pub(super) fn write(&mut self, append: &Append) {
        let stamp = self.stamp(event_stamp(append.epoch));
        let partition = self.logs.entry((append.address.clone(), bucket_of(append.first))).or_default();
        for (body, seq) in append.bodies.iter().zip(append.first..) {
            partition.set(seq, Kept { stamp, body: body.clone(), epoch: append.epoch });
        }
    }

    pub(super) fn claim(&mut self, of: &Address, claim: &Claim) {
        let stamp = self.stamp(event_stamp(claim.epoch));
        let (cuts, writes_again) =
            (self.fault != Some(Fault::TakeoverNotCut), self.fault != Some(Fault::TakeoverNotWritten));
        let partition = self.logs.entry((of.clone(), claim.bucket)).or_default();
        if let Some(after) = claim.cut.filter(|_| cuts) {
            partition.cuts.push((after, stamp - 1));
        }
        for row in claim.rows.iter().filter(|_| writes_again) {
            partition.set(row.seq, Kept { stamp, body: row.body.clone(), epoch: claim.epoch });
        }
    }

    pub(super) fn holds(&self, of: &Address, bucket: i32) -> bool {
        self.logs.get(&(of.clone(), bucket)).is_some_and(|partition| partition.visible().next().is_some())
    }

    pub(super) fn newest(&self, of: &Address, bucket: i32, most: usize) -> Vec<Stored> {
        let partition = self.logs.get(&(of.clone(), bucket));
        let rows = partition.into_iter().flat_map(|partition| partition.visible().rev());
        rows.take(most)
            .map(|(seq, kept)| Stored { seq, epoch: kept.epoch, body: kept.body.clone() })
            .collect()
    }

    pub(super) fn events(&self, of: &Address, after: u64, limit: usize) -> Vec<Entry> {
        let partitions = self.logs.range((of.clone(), 0)..).take_while(|((address, _), _)| address == of);
        let rows = partitions.flat_map(|(_, partition)| partition.visible());
        let rows = rows.filter(|(seq, _)| *seq > after).take(limit);
        rows.map(|(seq, kept)| Entry { seq, body: kept.body.clone() }).collect()
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        let mut addresses: Vec<Address> = self.logs.keys().map(|(address, _)| address.clone()).collect();
        addresses.dedup();
        addresses
    }

    /// Of equal stamps the deletion wins, then the larger value.
    pub(super) fn put(&mut self, rows: &[(RowKey, i64, Option<Bytes>)]) {
        for (key, stamp, value) in rows {
            let new = (*stamp, value.is_none(), value.clone());
            let wins = self.rows.get(key).is_none_or(|(stamp, value)| {
                let stands = (*stamp, value.is_none(), value.clone());
                new >= stands
            });
            if wins {
                self.rows.insert(key.clone(), (new.0, new.2));
            }
        }
    }

    pub(super) fn row(&self, key: &RowKey) -> Option<Bytes> {
        self.rows.get(key).and_then(|(_, value)| value.clone())
    }

    pub(super) fn scan(
        &self,
        table: &'static str,
        partition: &str,
        after: &str,
        limit: usize,
    ) -> Vec<(String, Bytes)> {
        let from = RowKey { table, partition: partition.to_owned(), key: after.to_owned() };
        let rows = self.rows.range(from..);
        rows.take_while(|(key, _)| key.table == table && key.partition == partition)
            .filter(|(key, _)| key.key.as_str() > after)
            .filter_map(|(key, (_, value))| Some((key.key.clone(), value.clone()?)))
            .take(limit)
            .collect()
    }

    /// All rows that stand.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&RowKey, i64, &Bytes)> {
        self.rows.iter().filter_map(|(key, (stamp, value))| Some((key, *stamp, value.as_ref()?)))
    }
}

/// What the logs of a node ask of the store.
#[derive(Clone, Debug)]
pub(in crate::sim) enum Ask {
    Holds(Address, i32),
    Newest(Address, i32, usize),
    Events(Address, u64, usize),
    Write(Append),
    Claim(Address, Claim),
}

/// What it says.
#[derive(Debug)]
pub(in crate::sim) enum Told {
    Holds(bool),
    Newest(Vec<Stored>),
    Events(Vec<Entry>),
    Done,
}

pub(in crate::sim) type Said = Result<Told, AppendError>;

/// The way of one life of a node to the store: questions are taken from here, and answered later.
#[derive(Debug, Default)]
pub(super) struct Wire(Mutex<Vec<(Ask, oneshot::Sender<Said>)>>);

impl Wire {
    pub(super) fn take(&self) -> Vec<(Ask, oneshot::Sender<Said>)> {
        std::mem::take(&mut self.0.lock())
    }

    async fn ask(&self, ask: Ask) -> Said {
        let (reply, said) = oneshot::channel();
        self.0.lock().push((ask, reply));
        said.await.unwrap_or_else(|_| Err(AppendError::Unknown("nobody answers".into())))
    }

    async fn read(&self, ask: Ask) -> Result<Told, StoreError> {
        self.ask(ask).await.map_err(|error| StoreError(error.to_string()))
    }
}

fn strange() -> StoreError {
    StoreError("something else was asked".into())
}

impl Table for Wire {
    async fn holds(&self, of: &Address, bucket: i32) -> Result<bool, StoreError> {
        match self.read(Ask::Holds(of.clone(), bucket)).await? {
            Told::Holds(holds) => Ok(holds),
            Told::Newest(_) | Told::Events(_) | Told::Done => Err(strange()),
        }
    }

    async fn newest(&self, of: &Address, bucket: i32, most: usize) -> Result<Vec<Stored>, StoreError> {
        match self.read(Ask::Newest(of.clone(), bucket, most)).await? {
            Told::Newest(rows) => Ok(rows),
            Told::Holds(_) | Told::Events(_) | Told::Done => Err(strange()),
        }
    }

    async fn events(&self, of: &Address, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        match self.read(Ask::Events(of.clone(), after, limit)).await? {
            Told::Events(entries) => Ok(entries),
            Told::Holds(_) | Told::Newest(_) | Told::Done => Err(strange()),
        }
    }

    async fn enter_key(&self, _: &Address, _: u64) -> Result<(), StoreError> {
        Ok(())
    }

    async fn write(&self, append: &Append) -> Result<(), AppendError> {
        self.ask(Ask::Write(append.clone())).await.map(drop)
    }

    async fn claim(&self, of: &Address, claim: Claim) -> Result<(), StoreError> {
        self.read(Ask::Claim(of.clone(), claim)).await.map(drop)
    }
}
