//! The core of a cell: runs one behaviour without input or output. It owns what makes a behaviour safe: events are durable
//! before anybody hears of them, letters go until they are taken over, repeats are taken in once, what a crash left undone is found.
//!
//! Per input: `decide`, `apply` and `react` on the state in memory at once; acknowledgements, letters and pushes are *withheld*
//! until the append that holds their events is definite. What comes while an append is in flight is judged in turn and appended
//! together. Everyone else sees only what is durable.

mod commit;
mod judge;
pub(crate) mod rest;
mod revive;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::time::Time;

use super::machine::{Effect, Input, Load, Machine, Push};
use super::marks::Marks;
use super::outgoing::Outgoing;
use crate::address::Address;
use crate::behaviour::{Behaviour, Context, Shown};
use crate::letter::Letter;
use crate::lobby::Murmur;
use crate::port::RowKey;
use crate::registry::{Follower, Watching};
use crate::tenant::InForce;
use crate::watcher::slot_address;

/// A due command that made nothing happen is not tried again for this time, milliseconds.
const QUIET_MS: i64 = 1_000;
/// Events between snapshots of a cell that does not rest: a successor of one that died takes in at most so many.
pub const SNAPSHOT_EVENTS: u64 = 256;
/// The table of snapshots.
pub const SNAPSHOTS: &str = "snapshot";
/// The table of wake rows.
pub const WAKES: &str = "wake";

/// What a core is made with.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its address.
    pub address: Address,
    /// Its company.
    pub tenant: InForce,
    /// The epoch of this owner.
    pub epoch: u64,
    /// Behaviours that follow this kind's events.
    pub followers: &'static [Follower],
    /// Watchers that read this kind's events.
    pub watchers: Vec<&'static Watching>,
    /// Events between snapshots: [`SNAPSHOT_EVENTS`], or fewer where a test wants to see some.
    pub snapshot_events: u64,
}

/// The core of a cell that runs `B`.
#[derive(Debug)]
pub struct Core<B: Behaviour> {
    setting: Setting,
    stage: Stage,
    /// The state after event `tip`, of which those up to `head` are durable.
    state: B,
    tip: u64,
    head: u64,
    /// All letters of events up to here were taken over.
    told: u64,
    marks: Marks,
    outgoing: Outgoing,
    /// Judged and not submitted.
    pending: Batch,
    /// Submitted and not definite, up to event `flying_to`; its bodies are in the append.
    flight: Option<Batch>,
    flying_to: u64,
    /// Inputs that wait: while loading or resting, or when a batch is full. Bounded by the mailbox's permits.
    backlog: VecDeque<Input>,
    wake: Wake,
    watched: Vec<Watched>,
    /// The last event in a stored snapshot, and up to where that says that letters were taken over.
    snapshot: u64,
    snapshot_told: u64,
    quiet_until: Time,
    timer: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Loading,
    Ready,
    /// The rows of passivation are being written.
    Resting,
    Dead,
}

/// Whether the wake row says that this actor may have something undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    Clean,
    /// There may be a row from before: it is written anew before the next append, and deleted at rest.
    Found,
    Entering,
    Entered,
}

/// How far one watcher has come.
#[derive(Debug)]
struct Watched {
    watching: &'static Watching,
    slot: Address,
    /// Everything of interest up to here was given to it.
    fed: u64,
    /// What it made of everything up to here is stored.
    stored: u64,
}

/// Events that are appended together, and what follows once they are durable.
#[derive(Debug, Default)]
struct Batch {
    first: u64,
    bodies: Vec<Bytes>,
    shown: Vec<ShownEvent>,
    letters: Vec<Letter>,
    /// Effects in order.
    withheld: Vec<Effect>,
}

struct ShownEvent(Shown);

impl std::fmt::Debug for ShownEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("event")
    }
}

impl<B: Behaviour> Core<B> {
    /// A core that has not begun; its first input is [`Input::Start`].
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let slot = |watching: &Watching| slot_address(&setting.address, watching.name);
        let watched = setting
            .watchers
            .iter()
            .map(|watching| Watched { watching, slot: slot(watching), fed: 0, stored: 0 })
            .collect();
        Self {
            setting,
            stage: Stage::Loading,
            state: B::default(),
            tip: 0,
            head: 0,
            told: 0,
            marks: Marks::default(),
            outgoing: Outgoing::default(),
            pending: Batch::default(),
            flight: None,
            flying_to: 0,
            backlog: VecDeque::new(),
            wake: Wake::Clean,
            watched,
            snapshot: 0,
            snapshot_told: 0,
            quiet_until: Time::default(),
            timer: None,
        }
    }

    /// The state, durable or not: for the simulator's checks.
    #[must_use]
    pub fn state(&self) -> &B {
        &self.state
    }

    fn context(&self, now: Time, seq: u64) -> Context<'_> {
        Context { now, address: &self.setting.address, tenant: &self.setting.tenant, seq }
    }

    fn snapshot_key(&self) -> RowKey {
        let address = &self.setting.address;
        RowKey {
            table: SNAPSHOTS,
            partition: format!("{}/{}", address.tenant, address.kind),
            key: address.key.to_string(),
        }
    }

    fn take(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Letter(letter) => self.letter(now, letter, out),
            Input::Request(request) => self.request(now, request, out),
            Input::Taken { by, id } => {
                self.outgoing.taken(now, &by, id, out);
                self.count_told();
            }
            Input::Tick => self.tick(now, out),
            Input::Woken => self.woken(out),
            Input::View(reply) => {
                let view = super::machine::View::Json(self.state.view());
                self.withhold(Effect::Show(reply, view), out);
            }
            Input::Watched { watcher, cursor } => self.note_watched(watcher, cursor),
            Input::Murmur { from, kind, d } => {
                let to = self.state.hears(&from, &kind);
                if !to.is_empty() {
                    let murmur = Arc::new(Murmur { source: self.setting.address.clone(), kind, d });
                    out.push(Effect::Murmur { to, murmur });
                }
            }
            Input::Retire(why) => self.retire(now, why, out),
            Input::Start
            | Input::Loaded(_)
            | Input::Appended(_)
            | Input::RowsPut(..)
            | Input::Heard(_)
            | Input::Read { .. }
            | Input::RowGot { .. } => {
                debug_assert!(false, "not an input for a ready behaviour");
            }
        }
    }

    fn note_watched(&mut self, watcher: &'static str, cursor: u64) {
        if let Some(watched) = self.watched.iter_mut().find(|watched| watched.watching.name == watcher) {
            watched.stored = watched.stored.max(cursor);
        }
    }

    /// Does what waited, as far as possible.
    fn drain(&mut self, now: Time, out: &mut Vec<Effect>) {
        while self.stage == Stage::Ready && !self.batch_full() {
            let Some(input) = self.backlog.pop_front() else { return };
            self.take(now, input, out);
        }
    }

    /// The actor was found undone: watchers and sockets are told where its log ends, and read what they miss.
    fn woken(&mut self, out: &mut Vec<Effect>) {
        if self.wake == Wake::Clean {
            // Not `Entered`: a cell that died before its row was written has none.
            self.wake = Wake::Found;
        }
        for watched in &mut self.watched {
            (watched.fed, watched.stored) = (self.head, 0);
        }
        self.announce(out);
        let (source, seq) = (&self.setting.address, self.head);
        let people = if seq == 0 { Vec::new() } else { self.state.audience() };
        out.extend(people.into_iter().map(|person| {
            Effect::Push(Push {
                person,
                source: source.clone(),
                seq,
                event: None,
                origin: None,
                answer: None,
            })
        }));
    }

    fn set_timer(&mut self, out: &mut Vec<Effect>) {
        let own = match self.stage {
            Stage::Ready => self.state.due().map(|(at, _)| at.max(self.quiet_until)),
            Stage::Loading | Stage::Resting | Stage::Dead => None,
        };
        let timer = [own, self.outgoing.due()].into_iter().flatten().min();
        // One that rings too early finds nothing due and is set anew: most move away with every message, and never ring.
        let early = self.timer.is_some_and(|set| timer.is_some_and(|timer| set <= timer));
        if timer != self.timer && !early {
            self.timer = timer;
            out.push(Effect::Timer(timer));
        }
    }
}

impl<B: Behaviour> Machine for Core<B> {
    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        self.setting.tenant.refresh();
        match (self.stage, input) {
            (Stage::Dead, _) => return,
            (Stage::Loading, Input::Start) => out.push(Effect::Load(Load::Row(self.snapshot_key()))),
            (Stage::Loading, Input::Loaded(loaded)) => self.loaded(now, loaded, out),
            (_, Input::Appended(outcome)) => self.appended(now, outcome, out),
            (_, Input::RowsPut(ticket, outcome)) => self.rows_put(now, ticket, outcome, out),
            (Stage::Loading | Stage::Resting, Input::Retire(_)) => {}
            (Stage::Loading | Stage::Resting, input) => self.backlog.push_back(input),
            // Only commands fill a batch; all else never waits behind one.
            (Stage::Ready, input @ (Input::Letter(_) | Input::Request(_))) if self.batch_full() => {
                self.backlog.push_back(input)
            }
            (Stage::Ready, input) => self.take(now, input, out),
        }
        self.drain(now, out);
        self.set_timer(out);
    }
}
