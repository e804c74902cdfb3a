//! A node's part in the cluster, as `conversa_cluster::membership` and `fabric` have it: the real machine, its requests at the register, and
//! what the host is told to serve and to let go.

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::cell::core::WAKES;
use conversa_actors::cell::machine::{Input as CellInput, Retire};
use conversa_actors::host::{Far, WAKE_AGAIN};
use conversa_actors::port::mesh::Mesh;
use conversa_cluster::fabric::Placed;
use conversa_cluster::member::machine::{Effect, Input, Key, Machine, Me, Over};
use conversa_cluster::member::row::Row;
use conversa_cluster::member::view::View;
use conversa_cluster::member::{Moment, Timing};
use conversa_cluster::membership::{Conduct, Orders, Owned};
use conversa_cluster::register::{ChangeError, Held};
use conversa_cluster::ticks::Ticks;
use conversa_engine::ids::SHARDS;

use super::asking::Asking;
use super::journal::Journal;
use super::porch::{Others, Porch, name};
use super::{Event, Fault, Life, NODES};
use crate::sim::agenda::Action;
use crate::sim::{BEGIN, World};

/// A request at the register that has no answer after this time has an unknown outcome.
const REQUEST_MS: i64 = 2_000;
/// How often cells that are to stop are looked at.
const STEP_MS: i64 = 10;
/// The clocks of a node count from here, so that they can be set back.
const HOUR_MS: i64 = 3_600_000;

/// One life of a node.
#[derive(Debug)]
pub(in crate::sim) struct Member {
    pub(super) machine: Machine,
    owned: Owned,
    changes: u64,
    conduct: Conduct,
    conducting: bool,
    /// The view by which it knows who serves what.
    placed: u64,
    pub(super) others: Option<Arc<Others>>,
    pub(in crate::sim) far: Option<Arc<Far>>,
    /// What its boot clock has missed.
    pub(super) missed_ms: i64,
    pub(super) leaving: bool,
    held: bool,
    pub(super) journal: Journal,
    pub(super) asking: Asking,
    pub(super) ticks: Ticks,
}

impl World {
    pub(super) fn member(&mut self, n: usize) -> &mut Member {
        self.nodes[n].member.as_mut().expect("only a node that is up is asked")
    }

    fn moment(&self, n: usize) -> Moment {
        let node = &self.nodes[n];
        let passed = HOUR_MS + self.now.ms_since(BEGIN);
        let missed = node.member.as_ref().map_or(0, |member| member.missed_ms);
        Moment {
            boot_ms: (passed - missed).unsigned_abs(),
            wall_ms: (passed + node.ahead_ms).max(0).unsigned_abs(),
        }
    }

    /// True while the node may acknowledge.
    pub(super) fn holds(&self, n: usize) -> bool {
        let member = self.nodes[n].member.as_ref();
        let term = member.and_then(|member| member.machine.term());
        term.is_some_and(|term| term.holds(self.moment(n), &Timing::default()))
    }

    /// True when whoever acknowledges need not look whether it may.
    pub(super) fn may_acknowledge(&self, n: usize) -> bool {
        self.fault() == Some(Fault::AcknowledgeAfterLease) || self.holds(n)
    }

    /// True when a node lets people in.
    pub(in crate::sim) fn lets_in(&self, n: usize) -> bool {
        if self.cluster.is_none() {
            return true;
        }
        let node = &self.nodes[n];
        let serves = node.member.as_ref().is_some_and(|member| {
            let in_view =
                member.machine.life().is_some_and(|life| member.machine.view().life(&life).is_some());
            member.far.is_some() && in_view && !member.leaving
        });
        node.up && serves && node.still_until <= self.now && self.holds(n)
    }

    /// A node starts.
    pub(in crate::sim) fn join(&mut self, n: usize) {
        let (life, weight) = (self.nodes[n].life, self.all().weights[n]);
        let nonce = life.number * 8 + n as u64;
        let me = Me { node: name(n), addr: format!("a{nonce}"), zone: "z".into(), weight, nonce };
        let missed_ms = self.chance.between(0, 1_000);
        self.nodes[n].member = Some(Box::new(Member {
            machine: Machine::new(me, Timing::default(), SHARDS),
            owned: Owned::default(),
            changes: 0,
            conduct: Conduct::default(),
            conducting: false,
            placed: 0,
            others: None,
            far: None,
            missed_ms,
            leaving: false,
            held: false,
            journal: Journal::new(),
            asking: Asking::default(),
            ticks: Ticks::default(),
        }));
        self.put(0, Event::Tick(life));
    }

    pub(super) fn tick(&mut self, life: Life) {
        self.machine(life.node, Input::Tick);
        let ms = i64::try_from(Timing::default().look_ms).unwrap_or(250) + self.chance.between(0, 5);
        self.put(ms, Event::Tick(life));
        let holds = self.holds(life.node);
        if std::mem::replace(&mut self.member(life.node).held, holds) && !holds {
            self.tell(|| format!("-- the lease of node {} has lapsed", life.node));
            // Its people are sent to the others.
            self.close_all_talks(life.node);
        }
    }

    pub(super) fn machine(&mut self, n: usize, input: Input) {
        let (life, moment) = (self.nodes[n].life, self.moment(n));
        let effects = self.member(n).machine.step(moment, input);
        for effect in effects {
            match effect {
                Effect::Read(_) | Effect::Change { .. } => {
                    let ms = self.chance.between(1, self.rates.store_ms_max);
                    self.put(ms, Event::Register(life, effect));
                }
                Effect::Start { shards, epoch } => self.started(life, &shards, epoch),
                Effect::Seen(view) => {
                    self.tell(|| format!("-- node {n} sees {view:?}"));
                    let views = &mut self.all().tally.views;
                    *views = view.version.max(*views);
                }
                Effect::Over(over) => {
                    self.tell(|| format!("-- node {n}: {over:?}"));
                    let tally = &mut self.all().tally;
                    match over {
                        Over::Left => tally.left += 1,
                        Over::Revoked => tally.revoked += 1,
                        Over::Occupied => {}
                    }
                    self.put(0, Event::Over(life));
                }
                // Published.
                Effect::Stop(_) => {}
            }
        }
        self.begin_life(n);
        let member = self.member(n);
        let news = member.owned.follow(&member.machine, &mut member.changes);
        if news && !std::mem::replace(&mut member.conducting, true) {
            let ms = self.chance.between(0, 5);
            self.put(ms, Event::Conduct(life));
        }
    }

    /// No two lives start one shard under one epoch, and epochs grow.
    fn started(&mut self, life: Life, shards: &[u16], epoch: u64) {
        for shard in shards {
            let before = self.all().started.insert(*shard, (epoch, life));
            if let Some((earlier, by)) = before
                && epoch <= earlier
            {
                let wrong = format!(
                    "shard {shard} is started by {life:?} under {epoch} after {by:?} under {earlier}"
                );
                self.all().wrong.push(wrong);
            }
        }
    }

    /// The life has begun: its host and its links start.
    fn begin_life(&mut self, n: usize) {
        let member = self.member(n);
        let Some(life) = member.machine.life().filter(|_| member.far.is_none()) else { return };
        let others = Arc::new(Others::new(name(n), life.generation));
        let far = Arc::new(Far::new(Arc::clone(&others) as Arc<dyn Mesh>));
        (member.others, member.far) = (Some(others), Some(Arc::clone(&far)));
        self.nodes[n].porch = Porch::among(&far);
        let life = self.nodes[n].life;
        self.put(0, Event::Tend(life));
    }

    /// The members whose links this node makes.
    pub(super) fn knows(&self, n: usize, of: usize) -> bool {
        let life = |n: usize| self.nodes[n].member.as_ref().and_then(|member| member.machine.life());
        let addresses = self.nodes[n].member.as_ref().map(|member| &member.owned.addresses);
        life(of).zip(addresses).is_some_and(|(life, addresses)| addresses.contains_key(&life))
    }

    /// The register does what it is asked.
    pub(super) fn register(&mut self, life: Life, effect: Effect) {
        let down = self.store_is_away(life.node);
        let rate = self.all().ills.register_lost;
        let lost = down || self.chance.hits(rate);
        let stays_away = down && self.chance.hits(9_000);
        let input = match effect {
            Effect::Read(key) if lost => Input::Read { key, held: Err(()) },
            Effect::Read(key) => {
                let held = self.all().shared.held(&key);
                let held = self.tampered(life.node, &key, held);
                Input::Read { key, held: Ok(held) }
            }
            Effect::Change { key, expected, value } => {
                // One that gets no answer is made, is made later, or is not made at all.
                let made = !stays_away && (!lost || self.chance.hits(5_000));
                let outcome = if made {
                    self.all().shared.change(&key, expected, value)
                } else {
                    if lost && !stays_away && self.chance.hits(5_000) {
                        let ms = self.chance_ms(REQUEST_MS);
                        let again = Effect::Change { key: key.clone(), expected, value };
                        // Nobody waits for it: a life that never was.
                        let nobody = Life { node: life.node, number: u64::MAX };
                        self.put(ms, Event::Register(nobody, again));
                    }
                    Err(ChangeError::Unknown("lost".into()))
                };
                let unknown = lost || outcome.is_err() && !matches!(outcome, Err(ChangeError::Lost { .. }));
                let outcome = if unknown { Err(ChangeError::Unknown("lost".into())) } else { outcome };
                Input::Changed { key, outcome }
            }
            Effect::Stop(_) | Effect::Start { .. } | Effect::Seen(_) | Effect::Over(_) => return,
        };
        let ms =
            if lost { self.chance_ms(REQUEST_MS) } else { self.chance.between(1, self.rates.store_ms_max) };
        self.put(ms, Event::Answered(life, input));
    }

    /// What a node reads, if nothing is wrong with it.
    fn tampered(&self, n: usize, key: &Key, held: Option<Held>) -> Option<Held> {
        let (Key::Row(_), Some(Fault::LeaverSkipped)) = (key, self.fault()) else { return held };
        let member = self.nodes[n].member.as_ref()?;
        let held = held?;
        let row = Row::parse(&held.value)?;
        let leaves = self.nodes.iter().any(|node| {
            node.member.as_ref().is_some_and(|other| {
                other.leaving && other.machine.life().is_some_and(|life| Key::Row(life.node) == *key)
            })
        });
        let row = if leaves { Row { adopted: member.machine.view().version, ..row } } else { row };
        Some(Held { value: row.bytes(), ..held })
    }

    /// The host is told what it owns.
    pub(super) fn conduct(&mut self, life: Life) {
        let n = life.node;
        let member = self.member(n);
        member.conducting = false;
        if let Some(others) = &member.others
            && std::mem::replace(&mut member.placed, member.owned.view.version) != member.owned.view.version
        {
            *others.placed.lock() = Placed::of(&member.owned.view);
        }
        let Orders { stop, gain } = member.conduct.follow(&member.owned);
        let Some(far) = self.far(n) else { return };
        if !stop.is_empty() {
            if self.fault() == Some(Fault::AdoptBeforeStop) {
                self.machine(n, Input::Stopped(stop.clone()));
                let ms = self.chance_ms(2_000);
                self.put(ms, Event::LetGo(life, stop));
            } else {
                for (shard, _) in &stop {
                    self.nodes[n].porch.serve(*shard, 0);
                }
                self.put(0, Event::LetGo(life, stop));
            }
        }
        for (shard, epoch) in &gain {
            self.nodes[n].porch.serve(*shard, *epoch);
        }
        far.moved(self.porch(n));
        if !gain.is_empty() {
            self.tell(|| format!("-- node {n} gains {} shards", gain.len()));
            let ms = self.chance.between(0, self.rates.store_ms_max);
            self.put(ms, Event::Wakes(life, gain));
        }
        self.tell_others(n);
    }

    /// As `Host::let_go`.
    pub(super) fn let_go(&mut self, life: Life, stops: Vec<(u16, u64)>) {
        let n = life.node;
        let moves: BTreeMap<u16, u64> = stops.iter().copied().collect();
        if self.fault() == Some(Fault::AdoptBeforeStop) {
            for (shard, epoch) in &stops {
                if self.nodes[n].porch.epoch(*shard) == Some(*epoch) {
                    self.nodes[n].porch.serve(*shard, 0);
                }
            }
        }
        let node = &self.nodes[n];
        let cells = node.cells.iter().filter(|(address, _)| moves.contains_key(&address.shard()));
        let cells: Vec<(Address, bool)> =
            cells.map(|(address, cell)| (address.clone(), cell.idle())).collect();
        let flying = node.flying.keys().any(|address| moves.contains_key(&address.shard()));
        if cells.is_empty() && !flying {
            if let Some(far) = self.far(n) {
                far.moved(self.porch(n));
            }
            return self.machine(n, Input::Stopped(stops));
        }
        for (address, idle) in cells {
            if idle {
                self.deliver_awake(n, &address, CellInput::Retire(Retire::Moving));
            }
        }
        self.put(STEP_MS, Event::LetGo(life, stops));
    }

    /// What was left undone in shards that the node has gained.
    pub(super) fn wake_shards(&mut self, life: Life, shards: Vec<(u16, u64)>) {
        let n = life.node;
        if self.fault() == Some(Fault::WakeRowsUnread) {
            return;
        }
        if self.store_is_away(n) || self.chance.hits(self.rates.read_fails) {
            let ms = i64::try_from(WAKE_AGAIN.as_millis()).unwrap_or(1_000);
            return self.put(ms, Event::Wakes(life, shards));
        }
        for (shard, epoch) in shards {
            if self.nodes[n].porch.epoch(shard) == Some(epoch) {
                let rows = self.all().shared.scan(WAKES, &format!("{shard:04}"), "", usize::MAX);
                self.wake_all(n, rows);
            }
        }
    }

    /// A node is asked to leave.
    pub(super) fn leave_cluster(&mut self, n: usize) {
        self.tell(|| format!("-- node {n} is asked to leave"));
        self.member(n).leaving = true;
        self.close_all_talks(n);
        self.machine(n, Input::Leave);
    }

    /// A life is over: the process ends, and starts again.
    pub(super) fn over(&mut self, n: usize) {
        self.close_all_talks(n);
        self.end_life(n);
    }

    /// A node that has died says nothing any more.
    pub(in crate::sim) fn hush(&mut self, n: usize) {
        if let Some(others) = self.nodes[n].member.as_ref().and_then(|member| member.others.clone()) {
            others.die();
        }
    }

    /// Whatever a process held is gone; what it had sent is on its way.
    pub(in crate::sim) fn end_life(&mut self, n: usize) {
        self.tell(|| format!("-- node {n} ends"));
        self.hush(n);
        for m in (0..NODES).filter(|m| *m != n) {
            let lost = self.chance.hits(5_000);
            self.break_link(n, m, lost);
        }
        self.nodes[n] = self.nodes[n].next_life();
        let down = if self.calm { 500 } else { self.chance.between(100, 6_000) };
        self.agenda.put(self.now.after_ms(down), Action::Boot(n));
    }

    /// All that is served, by whoever holds its lease.
    pub(super) fn served(&self) -> usize {
        (0..NODES).filter(|n| self.holds(*n)).map(|n| self.nodes[n].porch.served()).sum()
    }

    /// The latest view.
    pub(super) fn latest_view(&mut self) -> Option<View> {
        let held = self.all().shared.held(&Key::View)?;
        View::parse(held.version, &held.value)
    }
}
