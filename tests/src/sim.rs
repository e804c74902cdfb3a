//! The seeded simulator: the real cores, lobby and sockets in one thread, on virtual time, among everything that goes wrong. The same
//! seed gives the same run, to the last input of the last core.
//!
//! It mirrors the shells around the cores one for one: `node` is `conversa_actors::host`, `store` is a store behind
//! `conversa_cluster::Steady`, `talk` and `errand` are `gateway/src/talk`. What they promise each other is in their files; a change
//! there is made here too.

mod acts;
mod agenda;
mod chance;
mod client;
pub mod cluster;
mod collect;
mod company;
mod errand;
mod handover;
mod misfortune;
mod node;
mod perform;
mod plant;
mod rates;
mod store;
mod talk;
mod trace;

use std::sync::Arc;

use conversa_actors::port::memory::Memory;
use conversa_actors::tenant::Tenant;
use conversa_engine::desk::Presence;
use conversa_engine::ids::PersonId;
use conversa_engine::time::Time;

use crate::history::History;
use agenda::{Action, Agenda};
use chance::Chance;
use client::{Client, Part};
use cluster::Cluster;
use node::Node;
use rates::Rates;
use talk::Talk;
use trace::Trace;

pub use plant::Plant;

/// Clients do things and things go wrong for this long, milliseconds.
const TROUBLE_MS: i64 = 30_000;
/// Then everything has this long to settle: longer than the longest pause of a letter and a lease after it, milliseconds.
const SETTLE_MS: i64 = 260_000;
/// 25 November 2025.
const BEGIN: Time = Time::from_ms(1_764_028_800_000);

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    /// What was stored, invoked and shown.
    pub history: History,
    /// Digest of every input of every core.
    pub trace: u64,
    /// Inputs that cores were given.
    pub steps: u64,
    /// Cells that crashed or failed.
    pub crashes: u64,
    /// Crashes of the node.
    pub node_crashes: u64,
}

/// Runs one seed; with `plant` something is broken on purpose.
#[must_use]
pub fn run(seed: u64, plant: Option<Plant>) -> Run {
    finish(World::new(seed, plant))
}

/// Runs one seed and prints what happens.
#[must_use]
pub fn run_aloud(seed: u64, plant: Option<Plant>) -> Run {
    finish(World { aloud: true, ..World::new(seed, plant) })
}

fn finish(mut world: World) -> Run {
    world.run_for(TROUBLE_MS * world.rates.length);
    world.calm_down();
    world.run_for(SETTLE_MS);
    world.wind_down();
    let (trace, steps, crashes, node_crashes) =
        (world.trace.digest(), world.steps, world.crashes, world.node_crashes);
    Run { history: world.collect(), trace, steps, crashes, node_crashes }
}

/// Everything.
struct World {
    now: Time,
    chance: Chance,
    rates: Rates,
    agenda: Agenda,
    store: Arc<Memory>,
    /// The company as the cores see it, and as it is.
    tenant: Arc<Tenant>,
    company: Arc<Tenant>,
    nodes: Vec<Node>,
    /// What several nodes share.
    cluster: Option<Box<Cluster>>,
    talks: Vec<Talk>,
    clients: Vec<Client>,
    history: History,
    trace: Trace,
    plant: Option<Plant>,
    /// Nothing goes wrong any more, and nobody begins anything new.
    calm: bool,
    /// Nobody does anything at all.
    silent: bool,
    /// This node dies after the step in hand.
    doomed: Option<usize>,
    /// Prints what happens.
    aloud: bool,
    steps: u64,
    crashes: u64,
    node_crashes: u64,
}

impl World {
    fn new(seed: u64, plant: Option<Plant>) -> Self {
        let mut chance = Chance::new(seed);
        let mut world = Self {
            now: BEGIN,
            rates: Rates::draw(&mut chance),
            chance,
            agenda: Agenda::default(),
            store: Arc::default(),
            tenant: if plant == Some(Plant::CapacityOffByOne) {
                company::miscounted(seed)
            } else {
                company::of(seed)
            },
            company: company::of(seed),
            nodes: vec![Node::default()],
            cluster: None,
            talks: Vec::new(),
            clients: Vec::new(),
            history: History::default(),
            trace: Trace::default(),
            plant,
            calm: false,
            silent: false,
            doomed: None,
            aloud: false,
            steps: 0,
            crashes: 0,
            node_crashes: 0,
        };
        if let Some(plant) = plant {
            plant.worsen(&mut world.rates);
        }
        world.people();
        world.agenda.put(BEGIN, Action::Boot(0));
        world.agenda.put(BEGIN, Action::Sweep);
        world.agenda.put(BEGIN.after_ms(500), Action::Misfortune);
        world
    }

    /// Two or three visitors, some with two devices, and the company's agents.
    fn people(&mut self) {
        let visitors = 2 + self.chance.below(2);
        for visitor in 0..visitors {
            for device in 0..=self.chance.below(2) {
                let actions =
                    u32::try_from(self.chance.between(4, 12) * self.rates.length).expect("it is small");
                let person = PersonId::new(format!("vi_{visitor}"));
                self.clients.push(Client::new(Part::Visitor, person, format!("v{visitor}{device}"), actions));
            }
        }
        for agent in 0..self.tenant.agents.len() {
            let person = self.tenant.agents[agent].id.clone();
            let actions = u32::try_from(self.chance.between(4, 16) * self.rates.length).expect("it is small");
            self.clients.push(Client::new(Part::Agent, person, format!("a{agent}"), actions));
        }
        for client in 0..self.clients.len() {
            let at = self.now.after_ms(self.chance_ms(1_000));
            self.agenda.put(at, Action::Turn(client));
        }
    }

    fn run_for(&mut self, ms: i64) {
        let until = self.now.after_ms(ms);
        while let Some((at, action)) = self.agenda.next(until) {
            self.now = self.now.max(at);
            self.happen(action);
            if let Some(n) = self.doomed.take() {
                self.crash_node(n);
            }
            self.settle();
            self.go_on();
        }
        self.now = until;
    }

    fn happen(&mut self, action: Action) {
        if let Some(until) = self.stands_still(&action) {
            return self.agenda.put(until, action);
        }
        let lives = |life: agenda::Life| self.nodes[life.node].life == life;
        match action {
            Action::Store(life, job) if lives(life) => self.store_works(life, job),
            Action::Back { life, to, cell, input } if lives(life) => self.back(life.node, &to, cell, input),
            Action::Deliver { life, to, input, starts } if lives(life) => {
                if starts {
                    // Whoever sent it sends it again, or does without.
                    let _ = self.deliver(life.node, &to, input);
                } else {
                    self.deliver_to_awake(life.node, &to, input);
                }
            }
            Action::Ring { life, of, bell } if lives(life) => self.ring(life.node, &of, bell),
            Action::Resume { life, of, cell } if lives(life) => self.resume(life.node, &of, cell),
            Action::Grace(life, agent) if lives(life) => self.grace_over(life.node, &agent),
            Action::Store(..)
            | Action::Back { .. }
            | Action::Deliver { .. }
            | Action::Ring { .. }
            | Action::Resume { .. }
            | Action::Grace(..) => {}
            Action::Cluster(event) => self.cluster_event(event),
            Action::Page { talk, source, entries } => self.page(talk, &source, entries),
            Action::Pump(talk) => self.pump(talk),
            Action::Cut(talk) => self.close_talk(talk),
            Action::Boot(n) => self.boot(n),
            Action::Turn(client) => {
                if !self.silent {
                    self.turn(client);
                }
            }
            Action::Misfortune => self.misfortune(),
            Action::Sweep => self.sweep(),
        }
    }

    /// One line of the story.
    fn tell(&self, line: impl FnOnce() -> String) {
        if self.aloud {
            println!("{:>9.3} {}", self.now.ms_since(BEGIN) as f64 / 1_000.0, line());
        }
    }

    /// Nothing goes wrong any more. Some agents come back, some stay away for good.
    fn calm_down(&mut self) {
        self.tell(|| "-- nothing goes wrong any more".into());
        self.calm = true;
        self.rates = self.rates.calm();
        self.heal();
        for client in 0..self.clients.len() {
            let gone = self.clients[client].part == Part::Agent && self.chance.hits(2_500);
            let wants =
                [Presence::Online, Presence::Online, Presence::Online, Presence::Away][self.chance.below(4)];
            let one = &mut self.clients[client];
            one.wants = wants;
            one.absent_until = if gone { Time::from_ms(i64::MAX) } else { self.now };
            if let (true, Some(talk)) = (gone, one.talk) {
                self.close_talk(talk);
            }
        }
    }
}
