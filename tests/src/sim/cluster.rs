//! Several nodes in one seeded thread. Of each the membership, the routing between nodes ([`Far`]), the logs with their takeover
//! ([`Logs`]) and the cells are the real ones; the store, the register and the links are simulated, and clocks and nodes are what the seed
//! makes of them.
//!
//! It mirrors what is around these: `member` is `conversa_cluster::membership` and `fabric`, `journal` is `Leased` and `Steady` over a store
//! on CQL, `links` is `conversa_cluster::link`, `asking` is what `Host` does while it waits for another node.

mod asking;
mod end;
mod fault;
mod journal;
mod links;
mod member;
mod nemesis;
mod porch;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use conversa_actors::address::Address;
use conversa_actors::cell::machine::Input;
use conversa_actors::host::{AGAIN, Far, Route};
use conversa_engine::time::Time;

use super::agenda::{Action, Life};
use super::node::{Node, refuse};
use super::plant::Plant;
use super::rates::Rates;
use super::{Run, SETTLE_MS, World};
use crate::history::Commit;
use links::Link;
use nemesis::Ills;
use table::Shared;

pub use fault::Fault;
pub(super) use member::Member;
pub(super) use porch::Porch;

/// Nodes of a simulated cluster.
pub(super) const NODES: usize = 3;
/// Things go wrong for this long, milliseconds: longer than a small node needs to leave.
const TROUBLE_MS: i64 = 40_000;

/// What several nodes share.
#[derive(Debug)]
pub(super) struct Cluster {
    shared: Shared,
    links: BTreeMap<(usize, usize), Link>,
    ills: Ills,
    fault: Option<Fault>,
    /// Frames from one node to another stand still until then.
    cuts: BTreeMap<(usize, usize), Time>,
    /// A node does not reach the store until then.
    storeless: [Time; NODES],
    /// Nobody does.
    outage_until: Time,
    /// Nodes that are to restart one after the other.
    rolling: usize,
    /// The share that each node wants.
    weights: [u32; NODES],
    /// Who started each shard last, under which epoch.
    started: BTreeMap<u16, (u64, Life)>,
    commits: Vec<Commit>,
    wrong: Vec<String>,
    tally: Tally,
}

/// How often what happened, to see that it happens at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lives that were revoked, and that left.
    pub revoked: u64,
    /// See there.
    pub left: u64,
    /// Views that were written.
    pub views: u64,
    /// Links that broke.
    pub broken: u64,
    /// Frames that were taken in.
    pub frames: u64,
    /// Logs that were taken over.
    pub takeovers: u64,
    /// Writes that arrived after whoever wrote them had given them up, or had died.
    pub late: u64,
    /// Times that nodes stood still, and that clocks were set.
    pub pauses: u64,
    /// See there.
    pub jumps: u64,
}

impl Tally {
    /// Both.
    #[must_use]
    pub fn and(self, of: Self) -> Self {
        Self {
            revoked: self.revoked + of.revoked,
            left: self.left + of.left,
            views: self.views + of.views,
            broken: self.broken + of.broken,
            frames: self.frames + of.frames,
            takeovers: self.takeovers + of.takeovers,
            late: self.late + of.late,
            pauses: self.pauses + of.pauses,
            jumps: self.jumps + of.jumps,
        }
    }
}

/// Something that happens between nodes.
#[derive(Debug)]
pub(super) enum Event {
    /// A membership's time.
    Tick(Life),
    /// What waits for an owner is tried again.
    Tend(Life),
    /// The register is asked.
    Register(Life, conversa_cluster::member::machine::Effect),
    /// It has answered.
    Answered(Life, conversa_cluster::member::machine::Input),
    /// The host is told what it owns.
    Conduct(Life),
    /// Cells of these shards are asked to stop, until they have.
    LetGo(Life, Vec<(u16, u64)>),
    /// Wake rows of these shards are read.
    Wakes(Life, Vec<(u16, u64)>),
    /// A life is over.
    Over(Life),
    /// A node is asked to leave.
    Leave(Life),
    /// Two nodes try to link.
    Dial(usize, usize),
    /// An end of a link notices that it is broken.
    Down(usize, usize, u64),
    /// Somebody has not answered for long.
    Suspect(usize, usize, u64),
    /// A frame arrives, or what another node tells of itself.
    Frame(links::Frame),
    /// The store does something for a node.
    Op(Life, journal::Op),
    /// It has answered.
    Reply(Life, journal::Reply),
    /// A log was read for whoever waits here.
    LogRead(Life, u64, Result<Vec<conversa_actors::port::Entry>, conversa_actors::port::StoreError>),
    /// A socket reads on.
    ReadOn(usize, Address),
}

impl Event {
    /// The node at which it happens; `None` for what happens elsewhere.
    fn node(&self) -> Option<usize> {
        match self {
            Self::Tick(life)
            | Self::Tend(life)
            | Self::Answered(life, _)
            | Self::Conduct(life)
            | Self::LetGo(life, _)
            | Self::Wakes(life, _)
            | Self::Over(life)
            | Self::Leave(life)
            | Self::Reply(life, _)
            | Self::LogRead(life, ..) => Some(life.node),
            Self::Down(at, ..) => Some(*at),
            Self::Frame(frame) => Some(frame.to),
            Self::Register(..) | Self::Dial(..) | Self::Suspect(..) | Self::Op(..) | Self::ReadOn(..) => None,
        }
    }
}

/// Runs one seed of a cluster; with `fault` something is broken on purpose.
#[must_use]
pub fn run(seed: u64, fault: Option<Fault>) -> (Run, Tally) {
    finish(World::cluster(seed, fault))
}

/// The same, and prints what happens.
#[must_use]
pub fn run_aloud(seed: u64, fault: Option<Fault>) -> (Run, Tally) {
    finish(World { aloud: true, ..World::cluster(seed, fault) })
}

fn finish(mut world: World) -> (Run, Tally) {
    world.run_for(TROUBLE_MS);
    world.calm_down();
    world.run_for(SETTLE_MS);
    world.wind_down();
    let tally = world.cluster.as_ref().map(|cluster| cluster.tally).unwrap_or_default();
    let (trace, steps, crashes, node_crashes) =
        (world.trace.digest(), world.steps, world.crashes, world.node_crashes);
    let kept = world.gather();
    (Run { history: world.collect_with(kept), trace, steps, crashes, node_crashes }, tally)
}

impl World {
    fn cluster(seed: u64, fault: Option<Fault>) -> Self {
        let plant = (fault == Some(Fault::ResendWithoutDedupe)).then_some(Plant::NoLetterDedupe);
        let mut world = Self::new(seed, plant);
        world.rates = Rates { length: 1, ..world.rates };
        let mut ills = Ills::draw(&mut world.chance);
        if let Some(fault) = fault {
            fault.worsen(&mut world.rates, &mut ills);
        }
        let weights = nemesis::weights(&mut world.chance);
        let now = world.now;
        world.cluster = Some(Box::new(Cluster {
            shared: Shared::founded(&weights, fault),
            links: BTreeMap::new(),
            fault,
            cuts: BTreeMap::new(),
            storeless: [now; NODES],
            outage_until: now,
            rolling: 0,
            weights,
            started: BTreeMap::new(),
            commits: Vec::new(),
            wrong: Vec::new(),
            tally: Tally::default(),
            ills,
        }));
        world.nodes = (0..NODES).map(Node::of).collect();
        for n in 0..NODES {
            world.nodes[n].ahead_ms = world.skew();
            let at = world.now.after_ms(world.chance_ms(400));
            world.agenda.put(at, Action::Boot(n));
            for m in n + 1..NODES {
                world.agenda.put(at, Action::Cluster(Event::Dial(n, m)));
            }
        }
        world
    }

    /// What several nodes share.
    fn all(&mut self) -> &mut Cluster {
        self.cluster.as_mut().expect("only a cluster's events come here")
    }

    fn fault(&self) -> Option<Fault> {
        self.cluster.as_ref().and_then(|cluster| cluster.fault)
    }

    fn put(&mut self, ms: i64, event: Event) {
        self.agenda.put(self.now.after_ms(ms), Action::Cluster(event));
    }

    fn lives(&self, life: Life) -> bool {
        self.nodes[life.node].life == life && self.nodes[life.node].up
    }

    pub(super) fn cluster_event(&mut self, event: Event) {
        match event {
            Event::Tick(life) if self.lives(life) => self.tick(life),
            Event::Tend(life) if self.lives(life) => {
                if let Some(far) = self.far(life.node) {
                    far.tend(self.porch(life.node));
                }
                let ms = i64::try_from(AGAIN.as_millis()).unwrap_or(100);
                self.put(ms, Event::Tend(life));
            }
            Event::Answered(life, input) if self.lives(life) => self.machine(life.node, input),
            Event::Conduct(life) if self.lives(life) => self.conduct(life),
            Event::LetGo(life, stops) if self.lives(life) => self.let_go(life, stops),
            Event::Wakes(life, shards) if self.lives(life) => self.wake_shards(life, shards),
            Event::Over(life) if self.lives(life) => self.over(life.node),
            Event::Leave(life) if self.lives(life) => self.leave_cluster(life.node),
            Event::Reply(life, reply) if self.lives(life) => self.reply(life.node, reply),
            Event::LogRead(life, id, entries) if self.lives(life) => self.log_read(life.node, id, entries),
            Event::Tick(_)
            | Event::Tend(_)
            | Event::Answered(..)
            | Event::Conduct(_)
            | Event::LetGo(..)
            | Event::Wakes(..)
            | Event::Over(_)
            | Event::Leave(_)
            | Event::Reply(..)
            | Event::LogRead(..) => {}
            Event::Register(life, effect) => self.register(life, effect),
            Event::Dial(n, m) => self.dial(n, m),
            Event::Down(at, peer, attempt) => self.down(at, peer, attempt),
            Event::Suspect(n, m, attempt) => self.suspect(n, m, attempt),
            Event::Frame(frame) => self.frame(frame),
            Event::Op(life, op) => self.operate(life, op),
            Event::ReadOn(talk, source) => {
                if self.talks[talk].open {
                    self.talks[talk].socket.read_on(&source);
                    self.pump(talk);
                }
            }
        }
    }

    /// Until when an action has to wait because its node stands still.
    pub(super) fn stands_still(&self, action: &Action) -> Option<Time> {
        self.cluster.as_ref()?;
        let node = match action {
            Action::Store(life, _)
            | Action::Back { life, .. }
            | Action::Deliver { life, .. }
            | Action::Ring { life, .. }
            | Action::Resume { life, .. }
            | Action::Grace(life, _) => Some(life.node),
            Action::Page { talk, .. } | Action::Pump(talk) => Some(self.talks[*talk].node),
            Action::Turn(client) => self.clients[*client].talk.map(|talk| self.talks[talk].node),
            Action::Cluster(event) => event.node(),
            Action::Cut(_) | Action::Boot(_) | Action::Misfortune | Action::Sweep => None,
        };
        node.map(|node| self.nodes[node].still_until).filter(|until| *until > self.now)
    }

    pub(super) fn far(&self, n: usize) -> Option<Arc<Far>> {
        self.nodes[n].member.as_ref().and_then(|member| member.far.clone())
    }

    /// The epoch under which a node serves a shard; one that is alone serves everything under its first.
    pub(super) fn epoch(&self, n: usize, shard: u16) -> Option<u64> {
        if self.cluster.is_none() {
            return Some(1);
        }
        self.nodes[n].porch.epoch(shard)
    }

    /// The node's end of what is between nodes, at this time.
    fn porch(&mut self, n: usize) -> &Porch {
        let now = self.clock(n);
        self.nodes[n].porch.now = now;
        &self.nodes[n].porch
    }

    /// What is between this node and the one that serves an actor; `None` when it does so itself.
    pub(super) fn elsewhere(&mut self, n: usize, to: &Address) -> Option<Arc<Far>> {
        let far = self.far(n)?;
        let here = far.route(self.porch(n), to.shard()) == Route::Here;
        (!here).then_some(far)
    }

    pub(super) fn deliver_far(
        &mut self,
        n: usize,
        far: &Arc<Far>,
        to: &Address,
        input: Input,
    ) -> Result<(), Box<Input>> {
        let now = self.clock(n);
        far.deliver(self.porch(n), to, input, now)
    }

    /// Gives an input to a cell that is awake, wherever it is.
    pub(super) fn deliver_to_awake(&mut self, n: usize, to: &Address, input: Input) {
        match self.elsewhere(n, to) {
            Some(far) => far.deliver_awake(self.porch(n), to, input),
            None => self.deliver_awake(n, to, input),
        }
    }

    /// Does what nodes have to do at once, until nothing is left.
    pub(super) fn settle(&mut self) {
        if self.cluster.is_none() {
            return;
        }
        loop {
            let mut busy = false;
            for n in 0..NODES {
                busy |= self.settle_node(n);
            }
            if !busy {
                return;
            }
        }
    }

    fn settle_node(&mut self, n: usize) -> bool {
        if self.nodes[n].member.is_none() || self.nodes[n].still_until > self.now {
            return false;
        }
        let came = self.nodes[n].porch.came();
        let busy = !came.is_empty();
        for came in came {
            match came {
                porch::Came::Take(to, input) => {
                    if let Err(refused) = self.deliver_here(n, &to, input) {
                        refuse(*refused);
                    }
                }
                porch::Came::Awake(to, input) => self.deliver_awake(n, &to, input),
                porch::Came::Look(from, question, of) => self.look_for(n, from, question, &of),
                porch::Came::Read(from, question, of, after, limit) => {
                    self.read_for(n, from, question, &of, after, limit);
                }
            }
        }
        let busy = self.write_logs(n) || busy;
        let busy = self.go_on_asking(n) || busy;
        self.post(n) || busy
    }
}
