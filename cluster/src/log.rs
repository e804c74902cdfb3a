//! Appending to logs that several owners may write, one after the other. One write of a log is in flight at a time; what queues meanwhile
//! and continues it goes together into the next. A write of unknown outcome is repeated, unchanged, before anything else is written to that
//! log. What it asks of the store is a [`Table`]: the store on CQL and the simulator's run the same rules.

mod takeover;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::port::{
    APPEND_EVENTS_MAX, Append, AppendError, BODY_BYTES_MAX, Done, Entry, StoreError,
};
use parking_lot::Mutex;

/// Largest sum of one append's bodies, bytes: one mutation, far below what servers take by default (16 MiB).
const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What queued is written together up to this sum.
const TOGETHER_BYTES: usize = 40 * 1024;
/// Appends that wait for one log; beyond it the caller is told `Unavailable`.
const QUEUE_MAX: usize = 64;
/// Logs whose head is remembered; beyond it those without a write under way are forgotten, and looked up when they are written again.
const HEADS_MAX: usize = 131_072;

type Outcome = Done<Result<(), AppendError>>;

/// A stored row of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place; 0 for the row that only tells the epoch.
    pub seq: u64,
    /// The epoch of the owner that wrote it last.
    pub epoch: u64,
    /// The event.
    pub body: Bytes,
}

/// Rows that an owner writes again when it takes a log over, and what it hides. All of one partition; written all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The epoch of the new owner; rows are written with [`event_stamp`].
    pub epoch: u64,
    /// The partition.
    pub bucket: i32,
    /// The rows, as they were seen.
    pub rows: Vec<Stored>,
    /// Rows behind this place are deleted, with a stamp just before [`event_stamp`].
    pub cut: Option<u64>,
}

/// What a store has for logs: partitions of rows in order of their place. Of two writes of a row the one with the later stamp wins, a
/// deletion over a write of the same stamp, whatever the order in which they arrive.
pub trait Table: Send + Sync + 'static {
    /// True when a partition holds any row.
    fn holds(&self, of: &Address, bucket: i32) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// At most `most` rows of a partition, the last first.
    fn newest(
        &self,
        of: &Address,
        bucket: i32,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Stored>, StoreError>> + Send;

    /// At most `limit` events after `after`, in order.
    fn events(
        &self,
        of: &Address,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// Notes that there is such a log; nothing depends on it but rebuilding.
    fn enter_key(&self, of: &Address, epoch: u64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes events as one mutation of the partition of the first, with [`event_stamp`]. Repeating it writes the same again. Unless it
    /// surely was not written its failure is `Unknown`.
    fn write(&self, append: &Append) -> impl Future<Output = Result<(), AppendError>> + Send;

    /// Makes a claim, repeating it a few times. After a failure it may have been made, or still be.
    fn claim(&self, of: &Address, claim: Claim) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The write timestamp of an owner's events: later owners' win. Far below any clock: servers refuse the future.
#[must_use]
pub fn event_stamp(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX).saturating_mul(2).saturating_add(1)
}

/// The partition of an append that begins with this event.
#[must_use]
pub fn bucket_of(first: u64) -> i32 {
    i32::try_from(first >> 12).unwrap_or(i32::MAX)
}

/// The end of a log, as its owner knows it.
#[derive(Clone, Copy, Debug)]
struct Head {
    epoch: u64,
    seq: u64,
}

/// What is known of one log.
#[derive(Debug, Default)]
struct Known {
    head: Option<Head>,
    /// It may have been written, or may still be.
    doubt: Option<Append>,
}

#[derive(Default)]
struct Log {
    known: Known,
    queue: VecDeque<(Append, Outcome)>,
    busy: bool,
}

/// All logs that this process has written.
pub struct Logs<T> {
    table: Arc<T>,
    logs: Mutex<HashMap<Address, Log>>,
}

impl<T> std::fmt::Debug for Logs<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").field("known", &self.logs.lock().len()).finish_non_exhaustive()
    }
}

/// An append whose turn it is.
struct Turn {
    append: Append,
    done: Outcome,
    known: Known,
}

fn is_too_large(append: &Append) -> bool {
    append.bodies.len() > APPEND_EVENTS_MAX
        || append.bodies.iter().any(|body| body.len() > BODY_BYTES_MAX)
        || bytes(append) > APPEND_BYTES_MAX
}

fn bytes(append: &Append) -> usize {
    append.bodies.iter().map(Bytes::len).sum()
}

/// Where the log would go on after this append.
fn end(append: &Append) -> u64 {
    append.first.saturating_add(append.bodies.len() as u64)
}

impl<T: Table> Logs<T> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(table: Arc<T>) -> Self {
        Self { table, logs: Mutex::default() }
    }

    /// Queues an append. What is given back writes what waits for its log, until nothing does: whoever calls has it run.
    pub fn append(
        self: &Arc<Self>,
        append: Append,
        done: Outcome,
    ) -> Option<impl Future<Output = ()> + Send + use<T>> {
        if is_too_large(&append) {
            done(Err(AppendError::TooLarge));
            return None;
        }
        if append.bodies.is_empty() {
            done(Ok(()));
            return None;
        }
        let address = append.address.clone();
        match self.enter(append, done) {
            Ok(true) => Some(Arc::clone(self).run(address)),
            Ok(false) => None,
            Err(done) => {
                done(Err(AppendError::Unavailable("too many appends to this log wait".into())));
                None
            }
        }
    }

    async fn run(self: Arc<Self>, address: Address) {
        while let Some(Turn { append, done, mut known }) = self.turn(&address) {
            match self.place(&mut known, &append).await {
                Ok(true) => {
                    let (whole, told) = self.gather(append, done);
                    let outcome = self.table.write(&whole).await;
                    match &outcome {
                        Ok(()) => known.head = Some(Head { epoch: whole.epoch, seq: end(&whole) - 1 }),
                        Err(AppendError::Unknown(_)) => known.doubt = Some(whole),
                        Err(_) => {}
                    }
                    self.remember(&address, known);
                    for done in told {
                        done(outcome.clone());
                    }
                }
                Ok(false) => {
                    self.remember(&address, known);
                    done(Ok(()));
                }
                Err(error) => {
                    self.remember(&address, known);
                    done(Err(error));
                }
            }
        }
    }

    /// Queues an append; true when nobody works on its log yet. Gives back what does not fit.
    fn enter(&self, append: Append, done: Outcome) -> Result<bool, Outcome> {
        let mut logs = self.logs.lock();
        if logs.len() >= HEADS_MAX && !logs.contains_key(&append.address) {
            logs.retain(|_, log| log.busy || log.known.doubt.is_some());
        }
        let log = logs.entry(append.address.clone()).or_default();
        if log.queue.len() >= QUEUE_MAX {
            return Err(done);
        }
        log.queue.push_back((append, done));
        Ok(!std::mem::replace(&mut log.busy, true))
    }

    /// The next append of a log whose writer asks, who ends when there is none.
    fn turn(&self, address: &Address) -> Option<Turn> {
        let mut logs = self.logs.lock();
        let log = logs.get_mut(address)?;
        match log.queue.pop_front() {
            Some((append, done)) => Some(Turn { append, done, known: std::mem::take(&mut log.known) }),
            None => {
                log.busy = false;
                None
            }
        }
    }

    /// Adds to an append what queued behind it, as long as each continues the one before.
    fn gather(&self, mut append: Append, done: Outcome) -> (Append, Vec<Outcome>) {
        let mut told = vec![done];
        let mut logs = self.logs.lock();
        let Some(log) = logs.get_mut(&append.address) else { return (append, told) };
        let mut bodies = append.bodies.to_vec();
        let mut size = bytes(&append);
        while let Some((next, _)) = log.queue.front() {
            let fits = next.epoch == append.epoch
                && next.first == append.first.saturating_add(bodies.len() as u64)
                && bodies.len() + next.bodies.len() <= APPEND_EVENTS_MAX
                && size + bytes(next) <= TOGETHER_BYTES;
            if !fits {
                break;
            }
            if let Some((next, done)) = log.queue.pop_front() {
                size += bytes(&next);
                bodies.extend(next.bodies.iter().cloned());
                told.push(done);
            }
        }
        append.bodies = bodies.into();
        (append, told)
    }

    fn remember(&self, address: &Address, known: Known) {
        if let Some(log) = self.logs.lock().get_mut(address) {
            log.known = known;
        }
    }

    /// Whether the log ends where `append` begins; false when it was written before.
    async fn place(&self, known: &mut Known, append: &Append) -> Result<bool, AppendError> {
        if let Some(doubt) = &known.doubt {
            if doubt.epoch > append.epoch {
                return Err(AppendError::Fenced);
            }
            if doubt.epoch == append.epoch {
                // Whatever comes now may be the same: nothing definite is said before that one is.
                self.table.write(doubt).await.map_err(|error| AppendError::Unknown(error.to_string()))?;
                known.head = Some(Head { epoch: doubt.epoch, seq: end(doubt) - 1 });
            } else {
                known.head = None;
            }
            known.doubt = None;
        }
        let head = match known.head {
            Some(head) if head.epoch > append.epoch => return Err(AppendError::Fenced),
            Some(head) if head.epoch == append.epoch => head,
            Some(_) | None => self.take_over(&append.address, append.epoch).await?,
        };
        known.head = Some(head);
        if append.first == head.seq + 1 {
            return Ok(true);
        }
        let conflict = AppendError::Conflict { next: head.seq + 1 };
        if append.first == 0 || append.first > head.seq {
            return Err(conflict);
        }
        let there = self.table.events(&append.address, append.first - 1, append.bodies.len()).await;
        let there = there.map_err(|error| AppendError::Unknown(error.to_string()))?;
        let same = there.len() == append.bodies.len()
            && there.iter().zip(&*append.bodies).all(|(entry, body)| entry.body == *body);
        if same { Ok(false) } else { Err(conflict) }
    }
}
