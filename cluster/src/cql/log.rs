//! Appending. One write of a log is in flight at a time; what queues meanwhile and continues it goes together into the next. A write of
//! unknown outcome is repeated, unchanged, before anything else is written to that log.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conversa_actors::address::Address;
use conversa_actors::port::{APPEND_EVENTS_MAX, Append, AppendError, BODY_BYTES_MAX, Done};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::error::never_written;
use super::read::bucket_of;
use super::{Inner, signed};
use crate::clock::Began;
use crate::state::State;

/// Largest sum of one append's bodies, bytes: one mutation, far below what servers take by default (16 MiB).
pub(super) const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What queued is written together up to this sum.
const TOGETHER_BYTES: usize = 40 * 1024;
/// Appends that wait for one log; beyond it the caller is told `Unavailable`.
const QUEUE_MAX: usize = 64;
/// Requests at the store at a time; the others wait, one for each log at most.
const REQUESTS_MAX: usize = 1024;
/// Logs whose head is remembered; beyond it those without a write under way are forgotten, and looked up when they are written again.
const HEADS_MAX: usize = 131_072;

/// Who waits for an append, and since when.
struct Outcome {
    done: Done<Result<(), AppendError>>,
    since: Began,
}

impl Outcome {
    fn tell(self, state: &State, outcome: Result<(), AppendError>) {
        state.append_times.count_time(self.since.until(Began::now()));
        (self.done)(outcome);
    }
}

/// The end of a log, as its owner knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) epoch: u64,
    pub(super) seq: u64,
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
pub(super) struct Logs {
    logs: Mutex<HashMap<Address, Log>>,
    requests: Semaphore,
}

impl Default for Logs {
    fn default() -> Self {
        Self { logs: Mutex::default(), requests: Semaphore::new(REQUESTS_MAX) }
    }
}

impl std::fmt::Debug for Logs {
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

pub(super) fn append(inner: &Arc<Inner>, append: Append, done: Done<Result<(), AppendError>>) {
    if is_too_large(&append) {
        return done(Err(AppendError::TooLarge));
    }
    if append.bodies.is_empty() {
        return done(Ok(()));
    }
    let address = append.address.clone();
    match inner.logs.enter(append, Outcome { done, since: Began::now() }) {
        Ok(true) => drop(tokio::spawn(run(Arc::clone(inner), address))),
        Ok(false) => {}
        Err(refused) => {
            (refused.done)(Err(AppendError::Unavailable("too many appends to this log wait".into())));
        }
    }
}

fn is_too_large(append: &Append) -> bool {
    append.bodies.len() > APPEND_EVENTS_MAX
        || append.bodies.iter().any(|body| body.len() > BODY_BYTES_MAX)
        || bytes(append) > APPEND_BYTES_MAX
}

fn bytes(append: &Append) -> usize {
    append.bodies.iter().map(bytes::Bytes::len).sum()
}

/// Where the log would go on after this append.
fn end(append: &Append) -> u64 {
    append.first.saturating_add(append.bodies.len() as u64)
}

/// Writes what waits for one log, until nothing does.
async fn run(inner: Arc<Inner>, address: Address) {
    while let Some(Turn { append, done, mut known }) = inner.logs.turn(&address) {
        match inner.place(&mut known, &append).await {
            Ok(true) => {
                let (whole, told) = inner.logs.gather(append, done);
                let outcome = inner.write(&whole).await;
                match &outcome {
                    Ok(()) => known.head = Some(Head { epoch: whole.epoch, seq: end(&whole) - 1 }),
                    Err(AppendError::Unknown(_)) => known.doubt = Some(whole),
                    Err(_) => {}
                }
                inner.logs.remember(&address, known);
                for done in told {
                    done.tell(&inner.state, outcome.clone());
                }
            }
            Ok(false) => {
                inner.logs.remember(&address, known);
                done.tell(&inner.state, Ok(()));
            }
            Err(error) => {
                inner.logs.remember(&address, known);
                done.tell(&inner.state, Err(error));
            }
        }
    }
}

impl Logs {
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
}

impl Inner {
    /// Whether the log ends where `append` begins; false when it was written before.
    async fn place(&self, known: &mut Known, append: &Append) -> Result<bool, AppendError> {
        if let Some(doubt) = &known.doubt {
            if doubt.epoch > append.epoch {
                return Err(AppendError::Fenced);
            }
            if doubt.epoch == append.epoch {
                // Whatever comes now may be the same: nothing definite is said before that one is.
                self.write(doubt).await.map_err(|error| AppendError::Unknown(error.to_string()))?;
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
        let there = self.events(&append.address, append.first - 1, append.bodies.len()).await;
        let there = there.map_err(|error| AppendError::Unknown(error.to_string()))?;
        let same = there.len() == append.bodies.len()
            && there.iter().zip(&*append.bodies).all(|(entry, body)| entry.body == *body);
        if same { Ok(false) } else { Err(conflict) }
    }

    /// Writes the events as one mutation of one partition. Repeating it writes the same again.
    async fn write(&self, append: &Append) -> Result<(), AppendError> {
        let _permit = self.logs.requests.acquire().await;
        let Append { address, epoch, first, bodies } = append;
        let (tenant, stamp) = (address.tenant.as_str(), event_stamp(*epoch));
        let (bucket, epoch) = (bucket_of(*first), signed(*epoch));
        let row = |(body, seq): (_, u64)| {
            let body: &bytes::Bytes = body;
            (tenant, address.kind, &*address.key, bucket, signed(seq), epoch, &**body, stamp)
        };
        let mut rows: Vec<_> = bodies.iter().zip(*first..).map(row).collect();
        let written = match rows.len() {
            1 => self.session.execute_unpaged(&self.statements.event, rows.remove(0)).await.map(drop),
            events => self.session.batch(self.statements.appends(events), rows).await.map(drop),
        };
        self.state.commits.fetch_add(1, Ordering::Relaxed);
        self.state.writes.fetch_add(bodies.len() as u64, Ordering::Relaxed);
        self.state.append_events.count(bodies.len() as u64);
        if self.state.failing.swap(written.is_err(), Ordering::Relaxed) != written.is_err() {
            match &written {
                Ok(()) => tracing::info!("the store can write again"),
                Err(error) => tracing::error!(%error, "the store does not acknowledge writes"),
            }
        }
        written.map_err(|error| match never_written(&error) {
            true => AppendError::Unavailable(error.to_string()),
            false => AppendError::Unknown(error.to_string()),
        })
    }
}

/// The write timestamp of an owner's events: later owners' win. Far below any clock: servers refuse the future.
pub(super) fn event_stamp(epoch: u64) -> i64 {
    signed(epoch).saturating_mul(2).saturating_add(1)
}
