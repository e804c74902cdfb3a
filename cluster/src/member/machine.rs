//! A node as a member: takes the row of its name, renews it, watches others, changes the view, and hands shards over. It asks the
//! register by effects, one request of a key at a time, and every outcome may be unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::asked::Asked;
use super::ownership::Ownership;
use super::row::Row;
use super::term::Term;
use super::told::Told;
use super::view::{View, watched};
use super::{Life, Moment, Timing};
use crate::register::{ChangeError, Held};

mod others;
mod own;

use others::Peer;
use own::Own;

/// A key of the register.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The view.
    View,
    /// The row of a node.
    Row(Arc<str>),
    /// What operators ask of a node.
    Asked(Arc<str>),
}

impl Key {
    /// As the register has it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::View => "cluster/view".to_owned(),
            Self::Row(node) => format!("cluster/node/{node}"),
            Self::Asked(node) => format!("cluster/asked/{node}"),
        }
    }
}

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Its name, unique in the cluster.
    pub node: Arc<str>,
    /// Where its links are.
    pub addr: String,
    /// Its rack or zone.
    pub zone: String,
    /// Its share, in millionths.
    pub weight: u32,
    /// Unique to this process.
    pub nonce: u64,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed: to be given every [`Timing::look_ms`], or more often.
    Tick,
    /// A read was answered; `Err` when it was not.
    Read {
        /// Of which key.
        key: Key,
        /// What stands there.
        held: Result<Option<Held>, ()>,
    },
    /// A change was answered, or its time is over (`Unknown`).
    Changed {
        /// Of which key.
        key: Key,
        /// The new version.
        outcome: Result<u64, ChangeError>,
    },
    /// The cells that shards had under these epochs, and that were to stop, have stopped; nothing of them is under way.
    Stopped(Vec<(u16, u64)>),
    /// A life of another node has told this of itself over a link. A hint: it may come late, or not at all.
    Heard(Life, Told),
    /// The node is to leave, shard by shard.
    Leave,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read a key.
    Read(Key),
    /// Change a key if it is at that version.
    Change {
        /// Which key.
        key: Key,
        /// The version that must stand.
        expected: u64,
        /// The new value.
        value: Bytes,
    },
    /// Stop the cells that these shards have under that epoch, then say [`Input::Stopped`] of each.
    Stop(Vec<(u16, u64)>),
    /// These shards are this node's, under that epoch.
    Start {
        /// Which.
        shards: Vec<u16>,
        /// The epoch.
        epoch: u64,
    },
    /// A new view is known.
    Seen(Arc<View>),
    /// This life is over.
    Over(Over),
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It left.
    Left,
    /// It stood still for too long, or its name was taken.
    Revoked,
    /// Another process of this name is alive.
    Occupied,
}

/// What this node has done so far, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Renewals of its row.
    pub renewals: u64,
    /// Requests at the register that failed or whose outcome was unknown.
    pub failures: u64,
    /// Lives of others that it revoked.
    pub revocations: u64,
    /// Views that it wrote.
    pub views: u64,
}

/// The member.
#[derive(Debug)]
pub struct Machine {
    timing: Timing,
    own: Own,
    view: Arc<View>,
    /// False until the view was read once.
    looked: bool,
    /// It was in a view: when it is no more, its life is over.
    entered: bool,
    owned: Option<Ownership>,
    /// Counts changes of what is owned.
    changes: u64,
    peers: BTreeMap<Arc<str>, Peer>,
    /// What members of the view have told, with the generations that told it.
    told: BTreeMap<Arc<str>, (u64, Told)>,
    /// Those whom this node watches under the view.
    watched: BTreeSet<Arc<str>>,
    busy: BTreeSet<Key>,
    leaving: bool,
    /// Some view later than the known one exists.
    behind: bool,
    view_due_ms: u64,
    /// When it was seen to change.
    changed_ms: u64,
    /// Not before this, even when behind: the register failed lately.
    view_floor_ms: u64,
    round_due_ms: u64,
    look_due_ms: u64,
    asked_due_ms: u64,
    /// Since when everybody is known to have adopted the view.
    settled_ms: Option<u64>,
    /// Since when the rows say so.
    written_ms: Option<u64>,
    counts: Counts,
    shards: u16,
    over: Option<Over>,
}

impl Machine {
    /// A node that is no member yet, in a cluster of `shards` shards.
    #[must_use]
    pub fn new(me: Me, timing: Timing, shards: u16) -> Self {
        Self {
            timing,
            own: Own::new(me),
            view: Arc::default(),
            looked: false,
            entered: false,
            owned: None,
            changes: 0,
            peers: BTreeMap::new(),
            told: BTreeMap::new(),
            watched: BTreeSet::new(),
            busy: BTreeSet::new(),
            leaving: false,
            behind: true,
            view_due_ms: 0,
            changed_ms: 0,
            view_floor_ms: 0,
            round_due_ms: 0,
            look_due_ms: 0,
            asked_due_ms: 0,
            settled_ms: None,
            written_ms: None,
            counts: Counts::default(),
            shards,
            over: None,
        }
    }

    /// What the node may rely on; none before it has a row and when its life is over.
    #[must_use]
    pub fn term(&self) -> Option<&Term> {
        if self.over.is_some() { None } else { self.own.term() }
    }

    /// Its life, once it has begun.
    #[must_use]
    pub fn life(&self) -> Option<Life> {
        self.own.life()
    }

    /// The latest view that is known.
    #[must_use]
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// What it owns.
    #[must_use]
    pub fn owned(&self) -> Option<&Ownership> {
        self.owned.as_ref()
    }

    /// Grows whenever what it owns changes.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// What it has done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How its life ended, if it did.
    #[must_use]
    pub fn over(&self) -> Option<Over> {
        self.over
    }

    /// Takes in what happened.
    pub fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.over.is_some() {
            return effects;
        }
        match input {
            Input::Tick => {}
            Input::Read { key, held } => self.read(now, key, held, &mut effects),
            Input::Changed { key, outcome } => self.changed(now, key, outcome),
            Input::Stopped(shards) => {
                if let Some(owned) = &mut self.owned {
                    let stopped = shards.into_iter().filter(|(shard, epoch)| owned.stopped(*shard, *epoch));
                    self.changes += u64::from(stopped.count() > 0);
                }
            }
            Input::Heard(from, told) => self.hear(&from, told),
            Input::Leave => self.leaving = true,
        }
        self.go_on(now, &mut effects);
        effects
    }

    fn read(&mut self, now: Moment, key: Key, held: Result<Option<Held>, ()>, effects: &mut Vec<Effect>) {
        self.busy.remove(&key);
        let Ok(held) = held else {
            self.counts.failures += 1;
            if key == Key::View {
                self.view_floor_ms = now.boot_ms + self.timing.look_ms;
            }
            return;
        };
        match key {
            Key::View => {
                let (version, value) = held.map_or((0, None), |held| (held.version, Some(held.value)));
                let view = value.map_or(Some(View::default()), |value| View::parse(version, &value));
                // What a later program wrote is not acted on: the node goes on with what it knows, and lapses with it.
                if let Some(view) = view {
                    self.looked = true;
                    self.behind = false;
                    let later = view.version > self.view.version;
                    self.see(view, effects);
                    // One change is seldom alone, and what moves stands still until everybody has seen it.
                    self.changed_ms = if later { now.boot_ms } else { self.changed_ms };
                    let lately = now.boot_ms < self.changed_ms + 3 * self.timing.beat_ms;
                    let pause_ms = if lately { self.timing.look_ms } else { self.timing.beat_ms };
                    self.view_due_ms = now.boot_ms + pause_ms;
                }
            }
            Key::Row(node) if node == self.own.me.node => self.own.read(now, held, &self.timing),
            Key::Row(node) => self.peer(now, node, held),
            Key::Asked(_) => {
                let asked = held.and_then(|held| Asked::parse(&held.value));
                let life = self.own.life();
                self.leaving |= asked.zip(life).is_some_and(|(asked, life)| asked.leave == life.generation);
            }
        }
    }

    /// A later view is known.
    fn see(&mut self, view: View, effects: &mut Vec<Effect>) {
        if view.version <= self.view.version {
            return;
        }
        self.view = Arc::new(view);
        self.peers.retain(|node, _| self.view.member(node).is_some());
        self.told.retain(|node, _| self.view.member(node).is_some());
        // Who has adopted it is told; where those are who are new in it is in their rows.
        let is_known =
            |life: &Life| self.row(life).is_some_and(|row: &Row| row.generation >= life.generation);
        if !self.view.members.iter().all(|member| is_known(&member.life)) {
            (self.look_due_ms, self.round_due_ms) = (0, 0);
        }
        (self.settled_ms, self.written_ms) = (None, None);
        effects.push(Effect::Seen(Arc::clone(&self.view)));
        let Some(life) = self.own.life() else { return };
        self.entered |= self.view.life(&life).is_some();
        self.watched = watched(&self.view, &life).into_iter().map(|of| Arc::clone(&of.node)).collect();
        self.changes += 1;
        let shards = self.shards;
        let moves = self.owned.get_or_insert_with(|| Ownership::new(life, shards)).see(&self.view);
        if !moves.stop.is_empty() {
            effects.push(Effect::Stop(moves.stop));
        }
    }

    fn changed(&mut self, now: Moment, key: Key, outcome: Result<u64, ChangeError>) {
        self.busy.remove(&key);
        if outcome.is_err() {
            self.counts.failures += 1;
        }
        match key {
            Key::View => {
                self.counts.views += u64::from(outcome.is_ok());
                // Whatever came of it is seen by reading.
                self.behind = true;
                if outcome.is_err() {
                    self.view_floor_ms = now.boot_ms + self.timing.look_ms;
                }
            }
            Key::Row(node) if node == self.own.me.node => {
                self.counts.renewals += u64::from(outcome.is_ok());
                self.own.changed(now, outcome, &self.timing);
            }
            Key::Row(node) => {
                if outcome.is_ok() {
                    self.counts.revocations += 1;
                    if let Some(row) = self.peers.get_mut(&node).and_then(|peer| peer.row.as_mut()) {
                        row.alive = false;
                    }
                }
            }
            // Nodes only read it.
            Key::Asked(_) => {}
        }
    }

    /// Does what is due.
    fn go_on(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if let Some(over) = self.ended() {
            self.end(over, effects);
            return;
        }
        self.settled_ms = self.settled_ms.or(Some(now.boot_ms)).filter(|_| self.is_settled());
        self.written_ms = self.written_ms.or(Some(now.boot_ms)).filter(|_| self.is_written());
        self.start(now, effects);
        let adopted = self.owned.as_ref().and_then(Ownership::adopted).unwrap_or(0);
        // Whoever has not entered yet owns nothing, and need not enter to leave.
        let gone = self.leaving && self.looked && self.is_out();
        if !self.busy.contains(&self.key()) {
            let asked = self.own.ask(now, adopted, gone, &self.timing);
            self.request(asked, effects);
        }
        if self.own.life().is_none() {
            return;
        }
        let due_ms = if self.behind { self.view_floor_ms } else { self.view_due_ms };
        if now.boot_ms >= due_ms {
            self.request(Some(Effect::Read(Key::View)), effects);
        }
        self.look(now, effects);
        self.revoke(now, effects);
        self.hear_operators(now, effects);
        if self.looked && !self.behind && !gone && !self.busy.contains(&Key::View) {
            let next = self.next_view(now);
            let next = next.map(|next| Effect::Change {
                key: Key::View,
                expected: self.view.version,
                value: next.bytes(),
            });
            self.request(next, effects);
        }
    }

    fn holds(&self, now: Moment) -> bool {
        self.own.term().is_some_and(|term| term.holds(now, &self.timing))
    }

    /// What they ask is read with each beat.
    fn hear_operators(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if !self.leaving && now.boot_ms >= self.asked_due_ms {
            self.asked_due_ms = now.boot_ms + self.timing.beat_ms;
            self.request(Some(Effect::Read(Key::Asked(Arc::clone(&self.own.me.node)))), effects);
        }
    }

    /// The share that it wants.
    fn wants(&self) -> u32 {
        if self.leaving { 0 } else { self.own.me.weight }
    }

    fn key(&self) -> Key {
        Key::Row(Arc::clone(&self.own.me.node))
    }

    fn is_out(&self) -> bool {
        self.own.life().is_none_or(|life| self.view.life(&life).is_none())
    }

    fn ended(&self) -> Option<Over> {
        let out = self.entered && self.is_out() && !self.leaving;
        let never = self.leaving && self.own.waits();
        self.own.over().or(out.then_some(Over::Revoked)).or(never.then_some(Over::Left))
    }

    fn end(&mut self, over: Over, effects: &mut Vec<Effect>) {
        self.over = Some(over);
        self.owned = None;
        self.changes += 1;
        effects.push(Effect::Over(over));
    }

    /// One request of a key at a time.
    fn request(&mut self, effect: Option<Effect>, effects: &mut Vec<Effect>) {
        let Some(effect) = effect else { return };
        let key = match &effect {
            Effect::Read(key) | Effect::Change { key, .. } => key.clone(),
            Effect::Stop(_) | Effect::Start { .. } | Effect::Seen(_) | Effect::Over(_) => return,
        };
        if self.busy.insert(key) {
            effects.push(effect);
        }
    }

    /// Starts what waited, but nothing while the lease has lapsed: it may be somebody else's by now, under a later epoch.
    fn start(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let awaits = self.owned.as_ref().is_some_and(Ownership::awaits);
        if !awaits || self.settled_ms.is_none() || !self.holds(now) {
            return;
        }
        if let Some(owned) = &mut self.owned {
            let shards = owned.start();
            if !shards.is_empty() {
                self.changes += 1;
                effects.push(Effect::Start { shards, epoch: owned.version() });
            }
        }
    }

    /// The view that this node would write next, if any: whoever is over goes out; then, once all have adopted the view that stands,
    /// leavers that are empty, and then its own share changes by a step.
    fn next_view(&self, now: Moment) -> Option<View> {
        let life = self.own.life()?;
        if !self.holds(now) {
            return None;
        }
        if self.view.life(&life).is_none() {
            return if self.entered { None } else { self.view.with(&life) };
        }
        let lives = || self.view.members.iter().map(|member| &member.life);
        if let Some(over) = lives().find(|life| self.row(life).is_some_and(|row| row.ends(life))) {
            return self.view.without(over);
        }
        let empty = |life: &Life| {
            let row = self.row(life).filter(|row| row.generation == life.generation);
            row.is_some_and(|row| self.view.is_empty_leaver(life, row.adopted))
        };
        // Steps follow each other no faster than that: whoever gains shards has cells to start and logs to read beside its work. Others see
        // a little later than this node that they may start: unless they say that they have, they have had time to look at all rows.
        let since = if self.all_serve() { self.changed_ms } else { self.written_ms? + self.timing.look_ms };
        if self.settled_ms.is_none() || now.boot_ms < since + self.timing.look_ms {
            return None;
        }
        if let Some(leaver) = lives().find(|life| empty(life)) {
            return self.view.without(leaver);
        }
        self.view.nearer(&life, self.wants())
    }
}
