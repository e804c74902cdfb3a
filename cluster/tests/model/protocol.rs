//! What may happen next, and what it does. The decisions are those of the nodes: [`Term`], [`Sight`], [`Ownership`], [`View`] and
//! [`is_adopted`] are the code that they run. When each of them acts is left open: any process may stand still for any time.

use std::sync::{Arc, LazyLock};

use conversa_cluster::member::ownership::{Known, Ownership, is_adopted};
use conversa_cluster::member::row::Row;
use conversa_cluster::member::sight::Sight;
use conversa_cluster::member::term::Term;
use conversa_cluster::member::view::{Member, Standing, View};
use conversa_cluster::member::{Life, Moment, Timing};
use conversa_cluster::place::WEIGHT_ONE;

use crate::rules::Rule;
use crate::state::{Act, Cell, Doubt, Held, Process, State};
use crate::store::{Log, Partition, SEQS, Write, end};

/// The one shard.
const SHARD: u16 = 0;

/// In ticks. Clocks run at one rate here, so no margin is needed.
pub(crate) const TIMING: Timing =
    Timing { lease_ms: 2, margin_ms: 0, gap_ms: u64::MAX, beat_ms: 1, look_ms: 1, round_ms: 1 };

/// The version of the row of a process that knows that its life is over.
pub(crate) const OVER: u64 = u64::MAX;

/// How far the model goes.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Nodes that begin as members, by their place in the order in which they would own the shard.
    pub(crate) members: Vec<usize>,
    /// Processes that begin later; by name, which may be that of a member.
    pub(crate) later: Vec<usize>,
    pub(crate) ticks: u8,
    pub(crate) events: u8,
    /// Writes that arrive late.
    pub(crate) delays: u8,
    /// Renewals whose answer is lost.
    pub(crate) lost_answers: u8,
    /// Cells that fail.
    pub(crate) drops: u8,
    pub(crate) views: u64,
    /// Members may leave.
    pub(crate) leaves: bool,
    /// Reads may see a write that has not fully arrived.
    pub(crate) half_seen: bool,
    pub(crate) without: Option<Rule>,
}

/// Names in the order in which they would own the shard.
static NAMES: LazyLock<Vec<Arc<str>>> = LazyLock::new(|| {
    let mut left: Vec<Arc<str>> = ["n0", "n1", "n2"].map(Arc::from).into();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let members: Vec<_> = left
            .iter()
            .map(|node| conversa_cluster::place::Member { node: Arc::clone(node), weight: WEIGHT_ONE })
            .collect();
        let first = conversa_cluster::place::owner(&members, SHARD).expect("there are members").node.clone();
        left.retain(|node| *node != first);
        ordered.push(first);
    }
    ordered
});

fn row(generation: u64, adopted: u64) -> Row {
    let weight = WEIGHT_ONE;
    Row {
        generation,
        alive: true,
        beat: 0,
        adopted,
        weight,
        nonce: 0,
        addr: String::new(),
        zone: String::new(),
    }
}

fn bit(version: u64) -> u32 {
    1_u32.checked_shl(u32::try_from(version).unwrap_or(u32::MAX)).unwrap_or(0)
}

impl Model {
    pub(crate) fn lacks(&self, rule: Rule) -> bool {
        self.without == Some(rule)
    }

    pub(crate) fn initial(&self) -> State {
        let life = |name: usize, generation| Life { node: Arc::clone(&NAMES[name]), generation };
        let mut members: Vec<Member> = self
            .members
            .iter()
            .map(|name| Member { life: life(*name, 1), standing: Standing::Active, weight: WEIGHT_ONE })
            .collect();
        members.sort();
        let view = Arc::new(View { version: 1, members });
        let mut rows = vec![None; NAMES.len()];
        let mut processes = Vec::new();
        for name in self.members.iter().copied() {
            rows[name] = Some(Held {
                version: 1,
                row: row(1, 1),
                ever: bit(1),
                sight: Some(Sight::first(1, Moment::default())),
            });
            let mut owned = Ownership::new(life(name, 1), SHARD + 1);
            owned.see(&view);
            let term = Some(Term::from_claim(Moment::default()));
            let (unsure, version, view, cell) = (false, 1, Arc::clone(&view), Cell::Off);
            processes.push(Process { life: life(name, 1), term, unsure, version, view, owned, cell });
        }
        for name in &self.later {
            let generation = 1 + u64::from(self.members.contains(name));
            let (life, view) = (life(*name, generation), Arc::new(View::default()));
            let owned = Ownership::new(life.clone(), SHARD + 1);
            processes.push(Process {
                life,
                term: None,
                unsure: false,
                version: 0,
                view,
                owned,
                cell: Cell::Off,
            });
        }
        State {
            now: 0,
            view,
            rows,
            processes,
            partition: Partition::default(),
            late: Vec::new(),
            acked: [0; SEQS],
            diverged: false,
            events: 0,
            delays: 0,
            lost_answers: 0,
            drops: 0,
        }
    }

    fn name(&self, life: &Life) -> usize {
        NAMES.iter().position(|name| *name == life.node).expect("a life has a name")
    }

    /// Everything that may happen; what cannot is told by [`Model::perform`].
    pub(crate) fn acts(&self, state: &State, acts: &mut Vec<Act>) {
        if state.now < self.ticks {
            acts.push(Act::Tick);
        }
        for name in 0..state.rows.len() {
            acts.push(Act::Revoke { name });
            if self.lacks(Rule::CompareBeat) {
                acts.push(Act::Look { name });
            }
        }
        for member in 0..state.view.members.len() {
            acts.push(Act::TakeOut { member });
        }
        for late in 0..state.late.len() {
            acts.push(Act::Arrive { late });
        }
        for (process, of) in state.processes.iter().enumerate() {
            if of.version == OVER {
                continue;
            }
            if of.term.is_none() {
                acts.push(Act::Claim { process });
                continue;
            }
            acts.push(Act::Renew { process, answered: true });
            if state.lost_answers < self.lost_answers {
                acts.push(Act::Renew { process, answered: false });
            }
            acts.extend([Act::RenewAgain { process }, Act::Enter { process }, Act::Weigh { process }]);
            if self.leaves {
                acts.push(Act::Leave { process });
            }
            if self.lacks(Rule::CompareView) {
                acts.push(Act::LeaveStale { process });
            }
            acts.push(Act::See { process });
            let seen = if self.half_seen { 1 << state.late.len() } else { 1 };
            let late = state.delays < self.delays;
            for arrives in [true, false].into_iter().filter(|arrives| *arrives || late) {
                acts.extend((0..seen).map(|seen| Act::Activate { process, seen, arrives }));
                acts.push(Act::Append { process, arrives });
            }
            acts.extend([Act::Again { process }, Act::Drop { process }]);
        }
    }

    /// The state after an act; none if it cannot happen.
    pub(crate) fn perform(&self, before: &State, act: Act) -> Option<State> {
        let mut state = before.clone();
        let done = match act {
            Act::Tick => self.tick(&mut state),
            Act::Renew { process, answered } => self.renew(&mut state, process, answered),
            Act::RenewAgain { process } => self.renew_again(&mut state, process),
            Act::Look { name } => self.look(&mut state, name),
            Act::Revoke { name } => self.revoke(&mut state, name),
            Act::Claim { process } => self.claim(&mut state, process),
            Act::Enter { process } => {
                let of = &state.processes[process];
                let next = if of.version == OVER { None } else { state.view.with(&of.life) };
                self.change(&mut state, next)
            }
            Act::Weigh { process } => {
                let life = &state.processes[process].life;
                let light = state.view.life(life).is_some_and(|member| member.weight == 0);
                let next = if light { state.view.weighed(life, WEIGHT_ONE) } else { None };
                self.change(&mut state, next)
            }
            Act::Leave { process } => {
                let next = state.view.weighed(&state.processes[process].life, 0);
                self.change(&mut state, next)
            }
            Act::TakeOut { member } => {
                let life = state.view.members[member].life.clone();
                let next = if self.may_go(&state, &life) { state.view.without(&life) } else { None };
                self.change(&mut state, next)
            }
            Act::LeaveStale { process } => {
                let of = &state.processes[process];
                let next = of.view.weighed(&of.life, 0);
                self.change(&mut state, next)
            }
            Act::See { process } => self.see(&mut state, process),
            Act::Activate { process, seen, arrives } => self.activate(&mut state, process, seen, arrives),
            Act::Append { process, arrives } => self.append(&mut state, process, arrives),
            Act::Again { process } => self.again(&mut state, process),
            Act::Arrive { late } => {
                let write = state.late.remove(late);
                state.partition.take(&write);
                true
            }
            Act::Drop { process } => self.drop_cell(&mut state, process),
        };
        self.tell(&mut state);
        self.simplify(&mut state);
        (done && state != *before).then_some(state)
    }

    /// What a process has adopted it tells over links at once, before its row says so.
    fn tell(&self, state: &mut State) {
        for of in state.processes.iter().filter(|of| of.version != OVER) {
            if let Some(held) = &mut state.rows[self.name(&of.life)]
                && held.row.generation == of.life.generation
                && let Some(adopted) = of.owned.adopted()
            {
                held.ever |= bit(adopted);
            }
        }
    }

    /// Makes one state of those that differ in nothing that matters: how often a row was renewed, how long ago something lapsed. The most
    /// patient watcher looks at every row at once; whoever looks later may only revoke later.
    fn simplify(&self, state: &mut State) {
        const STANDS: u64 = 10;
        let now = state.moment();
        for (name, held) in state.rows.iter_mut().enumerate() {
            let Some(held) = held else { continue };
            let stands = held.version;
            for of in
                state.processes.iter_mut().filter(|of| *of.life.node == *NAMES[name] && of.version != OVER)
            {
                of.version = match of.version {
                    version if version == stands => STANDS,
                    version if of.unsure && version + 1 == stands => STANDS - 1,
                    _ => 0,
                };
            }
            held.version = STANDS;
            let lapsed = Moment { boot_ms: now.boot_ms.saturating_sub(TIMING.lease_ms), wall_ms: 0 };
            let at = |version: u64, mut sight: Sight| {
                sight.version = version;
                Some(sight)
            };
            held.sight = match held.sight {
                _ if !held.row.alive => None,
                Some(sight) if sight.version == stands && sight.is_over(now, &TIMING) => {
                    Some(Sight::first(STANDS, lapsed))
                }
                Some(sight) if sight.version == stands => at(STANDS, sight),
                Some(sight) if self.lacks(Rule::CompareBeat) => at(0, sight),
                Some(_) | None => Some(Sight::first(STANDS, now)),
            };
        }
    }

    fn tick(&self, state: &mut State) -> bool {
        state.now += 1;
        let now = state.moment();
        for process in &mut state.processes {
            // What has lapsed is one state, however long ago.
            if let Some(term) = &mut process.term
                && !process.unsure
                && !term.holds(now, &TIMING)
            {
                *term = Term::from_claim(Moment::default());
            }
        }
        true
    }

    fn renew(&self, state: &mut State, process: usize, answered: bool) -> bool {
        let now = state.moment();
        let name = self.name(&state.processes[process].life);
        let (Some(held), of) = (&mut state.rows[name], &mut state.processes[process]) else { return false };
        let Some(term) = &mut of.term else { return false };
        let adopted = of.owned.adopted().unwrap_or(held.row.adopted).max(held.row.adopted);
        let before = *term;
        term.ask(now);
        term.grant();
        // In one tick a second renewal that says nothing new changes nothing.
        if of.unsure || (before == *term && adopted == held.row.adopted) {
            return false;
        }
        if held.version != of.version && !self.lacks(Rule::CompareRenewal) {
            self.give_up(state, process);
            return true;
        }
        held.version += 1;
        held.row = row(of.life.generation, adopted);
        held.ever |= bit(adopted);
        if answered {
            of.version = held.version;
        } else {
            *term = before;
            term.ask(now);
            of.unsure = true;
            state.lost_answers += 1;
        }
        true
    }

    fn renew_again(&self, state: &mut State, process: usize) -> bool {
        let now = state.moment();
        let name = self.name(&state.processes[process].life);
        let (Some(held), of) = (&mut state.rows[name], &mut state.processes[process]) else { return false };
        let Some(term) = &mut of.term else { return false };
        if !of.unsure {
            return false;
        }
        if held.version != of.version + 1 {
            self.give_up(state, process);
            return true;
        }
        of.version = held.version;
        of.unsure = false;
        if self.lacks(Rule::CountFromFirst) {
            *term = Term::from_claim(now);
        } else {
            term.ask(now);
            term.grant();
        }
        true
    }

    /// A process that knows that its life is over.
    fn give_up(&self, state: &mut State, process: usize) {
        let of = &mut state.processes[process];
        of.cell = Cell::Off;
        of.owned = Ownership::new(of.life.clone(), SHARD + 1);
        of.unsure = false;
        // Nothing more is to come from it: its term is long over.
        of.term = Some(Term::from_claim(Moment::default()));
        of.version = OVER;
    }

    fn look(&self, state: &mut State, name: usize) -> bool {
        let now = state.moment();
        let Some(held) = &mut state.rows[name] else { return false };
        match &mut held.sight {
            // Looking again at what stands still makes it no older.
            Some(sight) if sight.version == held.version => return false,
            Some(sight) => sight.look(held.version, now, &TIMING),
            None => held.sight = Some(Sight::first(held.version, now)),
        }
        true
    }

    fn is_over(&self, held: &Held, now: Moment) -> bool {
        let fits = |sight: &Sight| sight.version == held.version || self.lacks(Rule::CompareBeat);
        held.sight.is_some_and(|sight| fits(&sight) && sight.is_over(now, &TIMING))
    }

    fn revoke(&self, state: &mut State, name: usize) -> bool {
        let now = state.moment();
        let Some(held) = &mut state.rows[name] else { return false };
        if !held.row.alive || !self.is_over(held, now) {
            return false;
        }
        held.row.alive = false;
        held.version += 1;
        held.sight = None;
        true
    }

    fn claim(&self, state: &mut State, process: usize) -> bool {
        let now = state.moment();
        let name = self.name(&state.processes[process].life);
        let generation = state.processes[process].life.generation;
        let before = &state.rows[name];
        let free = before.as_ref().is_none_or(|held| !held.row.alive || self.is_over(held, now));
        if !free && !self.lacks(Rule::RestartWaits) {
            return false;
        }
        let version = before.as_ref().map_or(1, |held| held.version + 1);
        state.rows[name] = Some(Held { version, row: row(generation, 0), ever: 0, sight: None });
        state.processes[process].version = version;
        state.processes[process].term = Some(Term::from_claim(now));
        true
    }

    fn may_go(&self, state: &State, life: &Life) -> bool {
        let Some(held) = &state.rows[self.name(life)] else { return true };
        let leaver = match self.lacks(Rule::LeaverAdopts) {
            true => state.view.life(life).is_some_and(|member| member.standing != Standing::Active),
            false => state.view.is_empty_leaver(life, held.row.adopted),
        };
        (held.row.ends(life) && !self.lacks(Rule::OverIsAdopted)) || leaver || self.lacks(Rule::RevokeFirst)
    }

    fn change(&self, state: &mut State, next: Option<View>) -> bool {
        let Some(next) = next.filter(|next| next.version <= self.views) else { return false };
        state.view = Arc::new(next);
        true
    }

    fn see(&self, state: &mut State, process: usize) -> bool {
        let view = Arc::clone(&state.view);
        let of = &mut state.processes[process];
        if of.version == OVER || (of.view.version >= view.version && of.view == view) {
            return false;
        }
        let moves = of.owned.see(&view);
        of.view = view;
        // What is under way must become definite first.
        let definite = !matches!(of.cell, Cell::Doubtful { .. });
        for (shard, epoch) in moves.stop {
            if definite || self.lacks(Rule::StopBeforeAdopt) {
                of.owned.stopped(shard, epoch);
            }
        }
        if definite && of.owned.epoch(SHARD).is_none() {
            of.cell = Cell::Off;
        }
        true
    }

    fn start(&self, state: &mut State, process: usize) -> bool {
        let of = &state.processes[process];
        if !of.owned.awaits() {
            return false;
        }
        let mut view = View::clone(&of.view);
        if self.lacks(Rule::BarrierOfLeavers) {
            view.members.retain(|member| member.standing == Standing::Active);
        }
        let rows: Vec<Option<Row>> =
            state.rows.iter().map(|held| self.as_read(held.as_ref()?, view.version)).collect();
        let adopted = is_adopted(&view, |life| Known { row: rows[self.name(life)].as_ref(), told: 0 });
        (adopted || self.lacks(Rule::Barrier)) && !state.processes[process].owned.start().is_empty()
    }

    /// A row as somebody who waits for the adoption of that view may have read it last, or what it was told.
    fn as_read(&self, held: &Held, version: u64) -> Option<Row> {
        let mut row = held.row.clone();
        let later = self.lacks(Rule::BarrierIsExact) && row.adopted >= version;
        if held.ever & bit(version) != 0 || later {
            row.adopted = version;
        }
        row.alive |= self.lacks(Rule::OverIsAdopted);
        Some(row)
    }

    /// Starts a shard, if it has waited, and its cell: that reads the log, sees those late writes, and takes the log over.
    fn activate(&self, state: &mut State, process: usize, seen: usize, arrives: bool) -> bool {
        self.start(state, process);
        let log = state.partition.after(&state.late, seen).visible();
        let of = &mut state.processes[process];
        let (Some(epoch), Cell::Off) = (of.owned.epoch(SHARD), &of.cell) else { return false };
        self.take_over(state, process, (epoch, log), arrives)
    }

    /// Timestamps of events and of a takeover's deletion.
    fn stamps(&self, epoch: u64) -> (u8, u8) {
        let epoch = if self.lacks(Rule::EpochInStamp) { 1 } else { u8::try_from(epoch).expect("few views") };
        (2 * epoch + 1, 2 * epoch)
    }

    fn take_over(&self, state: &mut State, process: usize, (epoch, log): (u64, Log), arrives: bool) -> bool {
        let (stamp, cut) = self.stamps(epoch);
        let mut write = Write::default();
        for place in 0..SEQS {
            if log[place] != 0 && !self.lacks(Rule::TakeoverWritesAgain) {
                write.rows[place] = (stamp, log[place]);
            }
            if place >= end(&log) && !self.lacks(Rule::TakeoverCuts) {
                write.cuts[place] = cut;
            }
        }
        self.send(state, process, (epoch, log), Doubt { write, then: log }, arrives)
    }

    fn append(&self, state: &mut State, process: usize, arrives: bool) -> bool {
        let Cell::Open { epoch, log } = state.processes[process].cell else { return false };
        let place = end(&log);
        if state.events >= self.events || place >= SEQS {
            return false;
        }
        state.events += 1;
        let (mut write, mut then) = (Write::default(), log);
        write.rows[place] = (self.stamps(epoch).0, state.events);
        then[place] = state.events;
        self.send(state, process, (epoch, log), Doubt { write, then }, arrives)
    }

    fn send(
        &self,
        state: &mut State,
        process: usize,
        (epoch, log): (u64, Log),
        doubt: Doubt,
        arrives: bool,
    ) -> bool {
        if arrives {
            self.arrived(state, process, epoch, &doubt);
        } else {
            state.delays += 1;
            state.send_late(doubt.write.clone());
            state.processes[process].cell = Cell::Doubtful { epoch, log, doubt };
        }
        true
    }

    fn again(&self, state: &mut State, process: usize) -> bool {
        let Cell::Doubtful { epoch, doubt, .. } = state.processes[process].cell.clone() else { return false };
        self.arrived(state, process, epoch, &doubt);
        true
    }

    /// The store acknowledges a write. What it says is shown only under the lease.
    fn arrived(&self, state: &mut State, process: usize, epoch: u64, doubt: &Doubt) {
        state.partition.take(&doubt.write);
        let now = state.moment();
        let of = &mut state.processes[process];
        of.cell = Cell::Open { epoch, log: doubt.then };
        if self.lacks(Rule::AckWithinLease) || of.term.is_some_and(|term| term.holds(now, &TIMING)) {
            state.show(&doubt.then);
        }
        let of = &mut state.processes[process];
        if of.owned.epoch(SHARD).is_none() {
            of.cell = Cell::Off;
            of.owned.stopped(SHARD, epoch);
        }
    }

    /// A cell fails. What it has under way outlives it: the store repeats it before anything else is written.
    fn drop_cell(&self, state: &mut State, process: usize) -> bool {
        let of = &mut state.processes[process];
        let may = match of.cell {
            Cell::Off => false,
            Cell::Doubtful { .. } => self.lacks(Rule::DoubtOutlivesCell),
            Cell::Open { .. } => true,
        };
        if !may || state.drops >= self.drops || of.owned.epoch(SHARD).is_none() {
            return false;
        }
        state.drops += 1;
        of.cell = Cell::Off;
        true
    }
}
