//! The journal and the rows of a node, as `Leased` and `Steady` over a store on CQL have them: the real logs, whose requests take their time,
//! get lost, or arrive when nobody waits for them any more.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::cell::machine::{Input, Load, Loaded, TAIL_MAX, Ticket};
use conversa_actors::port::{Append, AppendError, Row, RowKey};
use conversa_cluster::is_definite;
use conversa_cluster::log::Logs;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

use super::table::{Ask, Said, Told, Wire};
use super::{Event, Fault, Life};
use crate::history::Commit;
use crate::sim::World;
use crate::sim::agenda::Action;
use crate::sim::store::{Back, Job, broken};

type Outcomes = Arc<Mutex<Vec<(u64, Result<(), AppendError>)>>>;

/// The journal of one life of a node.
pub(super) struct Journal {
    wire: Arc<Wire>,
    logs: Arc<Logs<Wire>>,
    /// What is remembered of each log, where that is forgotten with the cell.
    apart: BTreeMap<Address, Arc<Logs<Wire>>>,
    writing: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Something was answered that `writing` waits for.
    woken: bool,
    outcomes: Outcomes,
    waiting: BTreeMap<u64, (Back, Append, u32)>,
    begun: u64,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// Rows with their stamps.
type Stamped = Vec<(RowKey, i64, Option<Bytes>)>;

/// Something that the store does for a node.
#[derive(Debug)]
pub(in crate::sim) enum Op {
    Log(Ask, Option<oneshot::Sender<Said>>),
    Put(Stamped, Option<(Back, Ticket)>),
}

/// What it answers.
#[derive(Debug)]
pub(in crate::sim) enum Reply {
    Log(Said, oneshot::Sender<Said>),
    Cell(Back, Input),
}

impl Journal {
    pub(super) fn new() -> Self {
        let wire = Arc::new(Wire::default());
        let logs = Arc::new(Logs::new(Arc::clone(&wire)));
        Self {
            wire,
            logs,
            apart: BTreeMap::new(),
            writing: Vec::new(),
            woken: false,
            outcomes: Outcomes::default(),
            waiting: BTreeMap::new(),
            begun: 0,
        }
    }

    fn logs(&mut self, of: &Address, apart: bool) -> Arc<Logs<Wire>> {
        if !apart {
            return Arc::clone(&self.logs);
        }
        let new = || Arc::new(Logs::new(Arc::clone(&self.wire)));
        Arc::clone(self.apart.entry(of.clone()).or_insert_with(new))
    }
}

impl World {
    pub(super) fn store_is_away(&self, n: usize) -> bool {
        let Some(cluster) = &self.cluster else { return false };
        cluster.outage_until > self.now || cluster.storeless[n] > self.now
    }

    pub(in crate::sim) fn shared_store_works(&mut self, life: Life, job: Job) {
        let n = life.node;
        match job {
            Job::Append { back, append, unknown } => self.lead_append(n, back, append, unknown),
            Job::Put { back, ticket, .. }
                if self.fault() != Some(Fault::RowsAfterLease) && !self.holds(n) =>
            {
                self.back(n, &back.to, back.cell, Input::RowsPut(ticket, Err(broken())));
            }
            Job::Put { back, ticket, rows } => {
                let ticks = &self.member(n).ticks;
                let stamp = |row: Row| (row.key.clone(), ticks.stamp(&row), row.value);
                let rows = rows.into_iter().map(stamp).collect();
                self.operate_soon(life, Op::Put(rows, Some((back, ticket))));
            }
            Job::Load { back, load } => {
                let loaded =
                    if self.read_fails(n) { Err(broken()) } else { Ok(self.shared_load(&back, load)) };
                self.reply_later(life, Reply::Cell(back, Input::Loaded(loaded)));
            }
            Job::Row { back, conversation, key } => {
                let row = if self.read_fails(n) { Err(broken()) } else { Ok(self.all().shared.row(&key)) };
                self.reply_later(life, Reply::Cell(back, Input::RowGot { conversation, row }));
            }
            Job::Read { .. } | Job::Page { .. } => unreachable!("logs are read at their owner"),
        }
    }

    fn read_fails(&mut self, n: usize) -> bool {
        self.store_is_away(n) || self.chance.hits(self.rates.read_fails)
    }

    fn shared_load(&mut self, back: &Back, load: Load) -> Loaded {
        let shared = &self.all().shared;
        match load {
            Load::Row(key) => Loaded::Row(shared.row(&key)),
            Load::Tail { after } => Loaded::Tail(shared.events(&back.to, after, TAIL_MAX)),
            Load::Scan { table, partition, after } => {
                Loaded::Scan(shared.scan(table, &partition, &after, TAIL_MAX))
            }
        }
    }

    fn reply_later(&mut self, life: Life, reply: Reply) {
        let ms = self.chance.between(0, self.rates.store_ms_max);
        self.put(ms, Event::Reply(life, reply));
    }

    fn operate_soon(&mut self, life: Life, op: Op) {
        let ms = self.chance.between(0, self.rates.store_ms_max);
        self.put(ms, Event::Op(life, op));
    }

    /// As `Leased`: nothing is begun without the lease, and nothing acknowledged.
    fn lead_append(&mut self, n: usize, back: Back, append: Append, unknown: u32) {
        if !self.may_acknowledge(n) {
            let lapsed = Err(AppendError::Unavailable("this node's lease is not renewed".into()));
            return self.outcome(n, (back, append, unknown), lapsed);
        }
        let apart = self.fault() == Some(Fault::UndecidedDropped);
        if apart && unknown > 0 && self.nodes[n].cells.get(&back.to).is_none_or(|cell| cell.id != back.cell) {
            return;
        }
        let journal = &mut self.member(n).journal;
        journal.begun += 1;
        let id = journal.begun;
        journal.waiting.insert(id, (back, append.clone(), unknown));
        let outcomes = Arc::clone(&journal.outcomes);
        let done = Box::new(move |outcome| outcomes.lock().push((id, outcome)));
        if let Some(writing) = journal.logs(&append.address, apart).append(append, done) {
            journal.writing.push(Box::pin(writing));
        }
        journal.woken = true;
    }

    /// Goes on with the logs of a node; true when something has come on.
    pub(super) fn write_logs(&mut self, n: usize) -> bool {
        let life = self.nodes[n].life;
        let journal = &mut self.member(n).journal;
        let busy = std::mem::take(&mut journal.woken);
        if busy {
            let mut context = Context::from_waker(Waker::noop());
            journal.writing.retain_mut(|writing| writing.as_mut().poll(&mut context) == Poll::Pending);
        }
        for (ask, reply) in journal.wire.take() {
            self.operate_soon(life, Op::Log(ask, Some(reply)));
        }
        let outcomes = std::mem::take(&mut *self.member(n).journal.outcomes.lock());
        for (id, outcome) in outcomes {
            let Some(waiting) = self.member(n).journal.waiting.remove(&id) else { continue };
            let outcome = match outcome {
                Ok(()) if !self.may_acknowledge(n) => {
                    Err(AppendError::Unknown("the lease has lapsed".into()))
                }
                outcome => outcome,
            };
            self.outcome(n, waiting, outcome);
        }
        busy
    }

    /// As `Steady`: what has no known outcome is repeated unchanged until it has.
    fn outcome(
        &mut self,
        n: usize,
        (back, append, unknown): (Back, Append, u32),
        outcome: Result<(), AppendError>,
    ) {
        self.tell_append(&append, &outcome);
        if !is_definite(&outcome, unknown > 0) {
            let pause = 50_i64 << unknown.min(7);
            let again = Job::Append { back, append, unknown: unknown + 1 };
            let life = self.nodes[n].life;
            return self.agenda.put(self.now.after_ms(pause.min(5_000)), Action::Store(life, again));
        }
        if outcome.is_ok() {
            let digests = append.bodies.iter().map(|body| xxh3_64(body)).collect();
            let commit = Commit {
                log: append.address.to_string(),
                by: format!("life {} of node {n}", self.nodes[n].life.number),
                epoch: append.epoch,
                first: append.first,
                digests,
            };
            self.all().commits.push(commit);
        }
        self.appended(n, back, outcome);
    }

    /// The store does something for a life of a node, or for one that is no more.
    pub(super) fn operate(&mut self, life: Life, op: Op) {
        let waits = self.lives(life);
        let away = self.store_is_away(life.node);
        let writes = matches!(op, Op::Log(Ask::Write(_) | Ask::Claim(..), _) | Op::Put(..));
        if !writes {
            let Op::Log(ask, Some(reply)) = op else { return };
            let failed = away || self.chance.hits(self.rates.read_fails);
            let said = if failed { Err(unavailable()) } else { Ok(self.look_up_log(&ask)) };
            return self.reply_later(life, Reply::Log(said, reply));
        }
        let refused = waits && (away && self.chance.hits(5_000) || self.chance.hits(self.rates.append_fails));
        let (rate, written, late) =
            (self.rates.append_unknown, self.rates.unknown_written, self.all().ills.late);
        let unknown = !waits || away || self.chance.hits(rate);
        let made = !refused && (!unknown || !away && self.chance.hits(written));
        if made {
            self.make(&op);
        } else if !refused && self.chance.hits(late) {
            // It is on its way, and nobody knows.
            let ms = self.all().ills.late_ms_max;
            let ms = self.chance_ms(ms);
            self.agenda.put(self.now.after_ms(ms), Action::Cluster(Event::Op(nobody(life), copy(&op))));
        }
        self.all().tally.late += u64::from(life.number == u64::MAX && made);
        if !waits {
            return;
        }
        let outcome = match (refused, unknown) {
            (true, _) => Err(unavailable()),
            (false, true) => Err(AppendError::Unknown("no answer in time".into())),
            (false, false) => Ok(Told::Done),
        };
        let reply = match op {
            Op::Log(_, Some(reply)) => Reply::Log(outcome, reply),
            Op::Put(_, Some((back, ticket))) => {
                Reply::Cell(back, Input::RowsPut(ticket, outcome.map(drop).map_err(|_| broken())))
            }
            Op::Log(_, None) | Op::Put(_, None) => return,
        };
        let ms =
            if unknown { self.chance_ms(1_000) } else { self.chance.between(0, self.rates.store_ms_max) };
        self.put(ms, Event::Reply(life, reply));
    }

    fn make(&mut self, op: &Op) {
        let cluster = self.cluster.as_mut().expect("only a cluster has a shared store");
        match op {
            Op::Log(Ask::Write(append), _) => cluster.shared.write(append),
            Op::Log(Ask::Claim(of, claim), _) => {
                cluster.tally.takeovers += 1;
                cluster.shared.claim(of, claim);
            }
            Op::Log(..) => {}
            Op::Put(rows, _) => cluster.shared.put(rows),
        }
    }

    fn look_up_log(&mut self, ask: &Ask) -> Told {
        let shared = &self.all().shared;
        match ask {
            Ask::Holds(of, bucket) => Told::Holds(shared.holds(of, *bucket)),
            Ask::Newest(of, bucket, most) => Told::Newest(shared.newest(of, *bucket, *most)),
            Ask::Events(of, after, limit) => Told::Events(shared.events(of, *after, *limit)),
            Ask::Write(_) | Ask::Claim(..) => Told::Done,
        }
    }

    pub(super) fn reply(&mut self, n: usize, reply: Reply) {
        match reply {
            Reply::Log(said, waits) => {
                // Whoever waited may have been forgotten.
                drop(waits.send(said));
                self.member(n).journal.woken = true;
            }
            Reply::Cell(back, input) => {
                // Later owners may have written what this one has not seen.
                let stale = matches!(input, Input::Loaded(Ok(Loaded::Tail(_)))) && !self.holds(n);
                let input = if stale { Input::Loaded(Err(broken())) } else { input };
                self.back(n, &back.to, back.cell, input);
            }
        }
    }

    /// A cell has failed: a node with this fault forgets what it has not decided.
    pub(in crate::sim) fn forget_undecided(&mut self, n: usize, of: &Address) {
        if self.fault() == Some(Fault::UndecidedDropped) {
            let journal = &mut self.member(n).journal;
            journal.apart.remove(of);
            journal.waiting.retain(|_, (back, ..)| back.to != *of);
            self.nodes[n].flying.remove(of);
        }
    }
}

fn unavailable() -> AppendError {
    AppendError::Unavailable("the store does not answer".into())
}

/// Nobody waits for it.
fn nobody(life: Life) -> Life {
    Life { number: u64::MAX, ..life }
}

fn copy(op: &Op) -> Op {
    match op {
        Op::Log(ask, _) => Op::Log(ask.clone(), None),
        Op::Put(rows, _) => Op::Put(rows.clone(), None),
    }
}
