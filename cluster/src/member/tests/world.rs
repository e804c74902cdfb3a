//! A seeded cluster of real machines over a register whose answers come late, get lost, or are refused. Processes stand still, die, start
//! again and find a second one of their name; machines are stopped by hypervisors and have their clocks set; operators ask for leave.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::member::asked::Asked;
use crate::member::machine::{Effect, Input, Key, Machine, Me, Over};
use crate::member::row::Row;
use crate::member::told::Told;
use crate::member::view::View;
use crate::member::{Life, Moment, Timing};
use crate::place::WEIGHT_ONE;
use crate::register::{ChangeError, Held};

pub(super) const SHARDS: u16 = 16;
const STEP_MS: u64 = 25;
const HOUR_MS: u64 = 3_600_000;

/// Numbers from a seed (`SplitMix64`).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A request on its way, its answer, or a cell's end.
#[derive(Clone)]
enum Post {
    Ask { effect: Effect, unanswered: bool },
    Answer { input: Input },
    Stopped { shard: u16, epoch: u64 },
    Heard { from: Life, told: Told },
}

struct Process {
    id: u64,
    node: usize,
    machine: Machine,
    asleep_until: u64,
    /// What its boot clock has missed.
    boot_behind: u64,
    /// What its boot clock misses while it sleeps.
    stopped_by_hypervisor: bool,
    /// Around an hour, so that it can be set back.
    wall_ahead: u64,
    /// What runs, and under which epoch.
    cells: BTreeMap<u16, u64>,
    /// What it has told the others.
    told: Told,
}

impl Process {
    fn moment(&self, now: u64) -> Moment {
        Moment { boot_ms: now - self.boot_behind, wall_ms: now + self.wall_ahead }
    }

    fn holds(&self, now: u64) -> bool {
        self.machine.term().is_some_and(|term| term.holds(self.moment(now), &Timing::default()))
    }
}

/// What happened in a world, to see that it happens at all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) left: u64,
    pub(super) revoked: u64,
    pub(super) occupied: u64,
    pub(super) started: u64,
    pub(super) views: u64,
}

impl Tally {
    pub(super) fn and(self, of: Self) -> Self {
        Self {
            left: self.left + of.left,
            revoked: self.revoked + of.revoked,
            occupied: self.occupied + of.occupied,
            started: self.started + of.started,
            views: self.views + of.views,
        }
    }
}

pub(super) struct World {
    now: u64,
    chance: Chance,
    /// Machines are stopped by hypervisors here; elsewhere clocks are set back. Both at once is beyond what a lease can bear.
    virtual_machines: bool,
    /// What nodes tell each other arrives.
    links: bool,
    values: BTreeMap<String, Held>,
    processes: Vec<Process>,
    /// By process, and when it is due.
    post: Vec<(u64, u64, Post)>,
    pub(super) faults: bool,
    epochs: BTreeMap<u16, (u64, u64)>,
    outage_until: u64,
    /// By node: not started again before this.
    away_until: Vec<u64>,
    pub(super) tally: Tally,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let nodes = 2 + chance.below(4);
        let away_until = (0..nodes).map(|_| HOUR_MS + chance.below(8_000)).collect();
        Self {
            now: HOUR_MS,
            virtual_machines: chance.one_in(2),
            links: chance.one_in(2),
            chance,
            values: BTreeMap::new(),
            processes: Vec::new(),
            post: Vec::new(),
            faults: true,
            epochs: BTreeMap::new(),
            outage_until: 0,
            away_until,
            tally: Tally::default(),
        }
    }

    fn start(&mut self, node: usize) {
        self.tally.started += 1;
        let (addr, zone) = ("a".to_owned(), "z".to_owned());
        let nonce = self.tally.started;
        let me = Me { node: format!("n{node}").into(), addr, zone, weight: WEIGHT_ONE, nonce };
        self.processes.push(Process {
            id: nonce,
            node,
            machine: Machine::new(me, Timing::default(), SHARDS),
            asleep_until: 0,
            boot_behind: self.chance.below(1_000),
            stopped_by_hypervisor: false,
            wall_ahead: HOUR_MS + self.chance.below(1_000),
            cells: BTreeMap::new(),
            told: Told::default(),
        });
    }

    fn step(&mut self, place: usize, input: Input) {
        let process = &mut self.processes[place];
        let id = process.id;
        let effects = process.machine.step(process.moment(self.now), input);
        for effect in effects {
            match effect {
                Effect::Read(_) | Effect::Change { .. } => {
                    let slow = self.faults && self.chance.one_in(12);
                    let at = self.now + 1 + self.chance.below(if slow { 4_000 } else { 30 });
                    let unanswered = self.faults && self.chance.one_in(10);
                    self.post.push((at, id, Post::Ask { effect, unanswered }));
                }
                Effect::Stop(shards) => {
                    for (shard, epoch) in shards {
                        let at = self.now + 1 + self.chance.below(400);
                        self.post.push((at, id, Post::Stopped { shard, epoch }));
                        if self.faults && self.chance.one_in(4) {
                            // Said again, when it may be long past.
                            let again = at + self.chance.below(8_000);
                            self.post.push((again, id, Post::Stopped { shard, epoch }));
                        }
                    }
                }
                Effect::Start { shards, epoch } => {
                    for shard in shards {
                        let running = self.processes[place].cells.insert(shard, epoch);
                        assert_eq!(running, None, "shard {shard} of {id} is started while it runs");
                        let before = self.epochs.insert(shard, (epoch, id));
                        assert!(
                            before.is_none_or(|(before, _)| before < epoch),
                            "shard {shard}: epoch {epoch} of {id} after {before:?}"
                        );
                    }
                }
                Effect::Over(over) => {
                    self.processes[place].cells.clear();
                    match over {
                        Over::Left => self.tally.left += 1,
                        Over::Revoked => self.tally.revoked += 1,
                        Over::Occupied => self.tally.occupied += 1,
                    }
                }
                Effect::Seen(view) => self.tally.views = self.tally.views.max(view.version),
            }
        }
        self.tell(place);
    }

    /// What a process has to tell goes to the others, late or not at all; in every other world there are no links.
    fn tell(&mut self, place: usize) {
        let Process { id: own, machine, told: before, .. } = &mut self.processes[place];
        let (own, told) = (*own, machine.tells());
        let changed = std::mem::replace(before, told) != told;
        let Some(from) = machine.life().filter(|_| changed && self.links) else { return };
        let others: Vec<u64> = self.processes.iter().map(|of| of.id).filter(|id| *id != own).collect();
        for id in others {
            let late = self.faults && self.chance.one_in(8);
            let at = self.now + 1 + self.chance.below(if late { 8_000 } else { 10 });
            if !(self.faults && self.chance.one_in(8)) {
                self.post.push((at, id, Post::Heard { from: from.clone(), told }));
            }
        }
    }

    /// The register does what it is asked.
    fn answer(&mut self, effect: Effect, unanswered: bool) -> Input {
        let down = self.now < self.outage_until;
        match effect {
            Effect::Read(key) if down || unanswered => Input::Read { key, held: Err(()) },
            Effect::Read(key) => {
                let held = Ok(self.values.get(&key.name()).cloned());
                Input::Read { key, held }
            }
            Effect::Change { key, expected, value } => {
                let outcome = if down {
                    Err(ChangeError::Unavailable("down".into()))
                } else {
                    let made = self.change(&key, expected, &value);
                    if unanswered { Err(ChangeError::Unknown("lost".into())) } else { made }
                };
                Input::Changed { key, outcome }
            }
            Effect::Stop(_) | Effect::Start { .. } | Effect::Seen(_) | Effect::Over(_) => Input::Tick,
        }
    }

    fn change(&mut self, key: &Key, expected: u64, value: &Bytes) -> Result<u64, ChangeError> {
        let found = self.values.get(&key.name());
        let version = found.map_or(0, |held| held.version);
        if version == expected + 1 && found.is_some_and(|held| held.value == *value) {
            return Ok(version);
        }
        if version != expected {
            return Err(ChangeError::Lost { found: version });
        }
        self.values.insert(key.name(), Held { version: expected + 1, value: value.clone() });
        Ok(expected + 1)
    }

    fn misfortune(&mut self) {
        let kind = self.chance.below(600);
        if kind > 10 || self.processes.is_empty() {
            return;
        }
        let place = self.chance.below(self.processes.len() as u64);
        let place = usize::try_from(place).expect("few processes");
        let (node, ms) = (self.processes[place].node, self.chance.below(10_000));
        match kind {
            0 => drop(self.processes.remove(place)),
            1 => {
                self.processes.remove(place);
                self.away_until[node] = self.now + 2 * ms;
            }
            2 => self.processes[place].asleep_until = self.now + ms,
            3 if self.virtual_machines => {
                let process = &mut self.processes[place];
                process.asleep_until = self.now + ms;
                process.stopped_by_hypervisor = true;
            }
            3 => self.processes[place].wall_ahead -= self.processes[place].wall_ahead.min(ms),
            4 => self.processes[place].wall_ahead += ms,
            5 => self.outage_until = self.now + ms,
            6 => self.step(place, Input::Leave),
            7 => self.ask_to_leave(node),
            8 => self.start(node),
            9 => {
                // From somebody who is no member.
                let view = self.values.get(&Key::View.name()).map_or(0, |held| held.version);
                let nobody = Life { node: "nobody".into(), generation: 1 };
                self.step(place, Input::Heard(nobody, Told { view, ..Told::default() }));
            }
            // Everybody at once.
            _ => {
                for place in 0..self.processes.len() {
                    self.processes[place].asleep_until = self.now + self.chance.below(ms + 1);
                }
            }
        }
    }

    /// As an operator does, who reads which generation is there.
    fn ask_to_leave(&mut self, node: usize) {
        let (row, asked) = (format!("cluster/node/n{node}"), format!("cluster/asked/n{node}"));
        let Some(row) = self.values.get(&row).and_then(|held| Row::parse(&held.value)) else { return };
        let version = self.values.get(&asked).map_or(0, |held| held.version) + 1;
        self.values.insert(asked, Held { version, value: Asked { leave: row.generation }.bytes() });
    }

    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += STEP_MS;
            for process in &mut self.processes {
                let stopped = process.stopped_by_hypervisor;
                process.boot_behind += if stopped { STEP_MS } else { 0 };
                process.stopped_by_hypervisor &= process.asleep_until > self.now;
            }
            if self.faults {
                self.misfortune();
            }
            let (mut due, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.post).into_iter().partition(|(at, _, _)| *at <= self.now);
            self.post = later;
            due.sort_by_key(|(at, process, _)| (*at, *process));
            for (_, process, post) in due {
                self.deliver(process, post);
            }
            for place in 0..self.processes.len() {
                if self.processes[place].asleep_until <= self.now {
                    self.step(place, Input::Tick);
                }
            }
            self.processes.retain(|process| process.machine.over().is_none());
            self.start_who_is_missing();
            self.check();
        }
    }

    fn start_who_is_missing(&mut self) {
        for node in 0..self.away_until.len() {
            if self.now >= self.away_until[node] && !self.processes.iter().any(|of| of.node == node) {
                self.start(node);
            }
        }
    }

    fn deliver(&mut self, id: u64, post: Post) {
        if let Post::Ask { effect, unanswered } = post {
            let input = self.answer(effect, unanswered);
            let at = self.now + 1 + self.chance.below(30);
            self.post.push((at, id, Post::Answer { input }));
            return;
        }
        let Some(place) = self.processes.iter().position(|process| process.id == id) else { return };
        let process = &mut self.processes[place];
        if process.asleep_until > self.now {
            self.post.push((process.asleep_until, id, post));
            return;
        }
        match post {
            Post::Answer { input } => self.step(place, input),
            Post::Stopped { shard, epoch } => {
                if process.cells.get(&shard) == Some(&epoch) {
                    process.cells.remove(&shard);
                }
                self.step(place, Input::Stopped(vec![(shard, epoch)]));
            }
            Post::Heard { from, told } => self.step(place, Input::Heard(from, told)),
            Post::Ask { .. } => {}
        }
    }

    /// No shard has cells of two that hold their leases; whoever holds has cells of all that its machine serves.
    fn check(&self) {
        let mut owners = BTreeMap::new();
        for process in self.processes.iter().filter(|process| process.holds(self.now)) {
            for (shard, epoch) in &process.cells {
                let other = owners.insert(*shard, process.id);
                assert_eq!(other, None, "shard {shard} is also {}'s, under {epoch}", process.id);
            }
            let served = process.machine.owned().into_iter().flat_map(|owned| owned.served());
            for (shard, epoch) in served {
                assert_eq!(process.cells.get(&shard), Some(&epoch), "shard {shard} of {}", process.id);
            }
        }
    }

    /// How many shards somebody serves.
    pub(super) fn served(&self) -> usize {
        let holding = self.processes.iter().filter(|process| process.holds(self.now));
        holding.filter_map(|process| process.machine.owned()).map(|owned| owned.served().count()).sum()
    }

    /// Everything is served, and everybody has the share that it wants.
    pub(super) fn is_balanced(&self) -> bool {
        let held = &self.values[&Key::View.name()];
        let view = View::parse(held.version, &held.value).expect("a node wrote it");
        view.members.len() == self.away_until.len()
            && view.members.iter().all(|member| member.weight == WEIGHT_ONE)
            && self.served() == usize::from(SHARDS)
    }

    /// How it stands, for whoever wonders about a seed.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("at {}: {:?}\n", self.now, self.values.get(&Key::View.name()));
        for Process { id, node, machine, cells, .. } in &self.processes {
            let (version, awaited) = (machine.view().version, machine.missing());
            text.push_str(&format!(
                "process {id} n{node}: view {version}, runs {cells:?}, misses {awaited:?}\n{machine:?}\n"
            ));
        }
        text
    }

    /// Nothing fails any more, and who is away comes back.
    pub(super) fn end_faults(&mut self) {
        self.faults = false;
        self.outage_until = 0;
        self.away_until.fill(0);
    }
}
