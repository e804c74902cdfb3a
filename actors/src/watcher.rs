//! Watchers: analytics that read every conversation while it happens and never slow one down.
//!
//! A watcher keeps one *absolute* contribution per conversation, stored together with the cursor up to which it was read, so that
//! repeats and restarts change nothing. Totals are commutative merges of contributions. What a slot misses (its mailbox was full,
//! its node died) it reads from the journal by its cursor; conversations with something unread are found through their wake rows.

mod gathering;
mod refold;

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use conversa_engine::conversation::Event;
use conversa_engine::ids::ConversationId;
use conversa_engine::time::Time;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::address::{Address, slot_key, slot_of};
use crate::cell::core::Setting;
use crate::cell::envelope::{Envelope, unseal};
use crate::cell::machine::{Effect, Heard, Input, Load, Loaded, Machine, Retire, TAIL_MAX, Ticket, View};
use crate::letter::{decode, encode};
use crate::port::{Entry, Row, RowKey, StoreError};
use crate::tenant::Tenant;

pub use gathering::{Added, GATHER_MS, Gathering};
pub(crate) use refold::refold;
pub use refold::{Refold, Refolded};

/// The table of contributions.
pub const CONTRIBUTIONS: &str = "contribution";
/// Changed contributions are stored after this time, milliseconds: totals are shown from memory, and until then wake rows stand.
const FLUSH_MS: i64 = 2_000;
/// The same when a conversation waits for it to go to rest.
const FLUSH_SOON_MS: i64 = 20;
/// Contributions kept in memory; beyond it those that are stored are dropped.
const HELD_MAX: usize = 4096;

/// What is read from conversations and kept about each. Adding one is a file and a line in `registry.rs`.
pub trait Watcher: Send + 'static {
    /// Names the contributions: never rename.
    const NAME: &'static str;
    /// What one conversation contributes; of bounded size.
    type Contribution: Default + Clone + Serialize + DeserializeOwned + Send + 'static;
    /// What all contributions of a slot come to.
    type Totals: Default + Clone + Serialize + DeserializeOwned + Send + 'static;

    /// True for events that may change the contribution.
    fn interest(event: &Event) -> bool;

    /// Takes an event of interest in.
    fn hear(contribution: &mut Self::Contribution, tenant: &Tenant, seq: u64, event: &Event);

    /// Adds a contribution to the totals.
    fn add(totals: &mut Self::Totals, conversation: ConversationId, contribution: &Self::Contribution);

    /// Takes a contribution that was added out again, exactly.
    fn remove(totals: &mut Self::Totals, conversation: ConversationId, contribution: &Self::Contribution);
}

/// The slot of `watcher` that reads `conversation`.
#[must_use]
pub fn slot_address(conversation: &Address, watcher: &'static str) -> Address {
    conversation.beside(watcher, slot_key(slot_of(conversation.shard())))
}

/// The partition of a slot's contributions.
#[must_use]
pub fn partition(slot: &Address) -> String {
    format!("{}/{}/{}", slot.tenant, slot.kind, slot.key)
}

/// A contribution as it is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stored<C> {
    /// The last event of interest taken in.
    pub cursor: u64,
    /// What the conversation contributes.
    pub contribution: C,
}

/// One conversation in memory.
struct Held<C> {
    stage: Stage,
    /// What is in the totals.
    counted: C,
    live: Stored<C>,
    /// Everything up to here was looked at.
    read: u64,
    /// Changed since it was last given to the store.
    dirty: bool,
    /// The store has it in hand: it is not stored yet.
    flying: bool,
    /// Asked for while something else went on: where the log is known to end.
    head: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its row is being read.
    Fetching,
    /// Its journal is being read.
    Reading,
    Ready,
}

/// The core of one slot of a watcher.
pub struct Slot<W: Watcher> {
    setting: Setting,
    loading: bool,
    backlog: Vec<Input>,
    totals: W::Totals,
    held: HashMap<Arc<str>, Held<W::Contribution>, foldhash::quality::RandomState>,
    flush_at: Option<Time>,
    /// (conversation, cursor) of the rows being written.
    flushing: Option<Vec<(Arc<str>, u64)>>,
    timer: Option<Time>,
}

impl<W: Watcher> Slot<W> {
    /// A slot that has not begun.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        Self {
            setting,
            loading: true,
            backlog: Vec::new(),
            totals: W::Totals::default(),
            held: HashMap::default(),
            flush_at: None,
            flushing: None,
            timer: None,
        }
    }

    fn row_key(&self, conversation: &str) -> RowKey {
        RowKey {
            table: CONTRIBUTIONS,
            partition: partition(&self.setting.address),
            key: conversation.to_owned(),
        }
    }

    fn load(&self, after: &str) -> Effect {
        Effect::Load(Load::Scan {
            table: CONTRIBUTIONS,
            partition: partition(&self.setting.address),
            after: after.to_owned(),
        })
    }

    /// All contributions once, to know the totals.
    fn loaded(&mut self, loaded: Result<Loaded, StoreError>, out: &mut Vec<Effect>) {
        let rows = match loaded {
            Ok(Loaded::Scan(rows)) => rows,
            Ok(Loaded::Row(_) | Loaded::Tail(_)) => {
                return out.push(Effect::Die("events came where rows were asked for".into()));
            }
            Err(error) => return out.push(Effect::Die(error.to_string())),
        };
        for (key, value) in &rows {
            if let (Ok(conversation), Ok(stored)) = (key.parse(), decode::<Stored<W::Contribution>>(value)) {
                W::add(&mut self.totals, conversation, &stored.contribution);
            }
        }
        match rows.last() {
            Some((last, _)) if rows.len() == TAIL_MAX => out.push(self.load(last)),
            Some(_) | None => self.loading = false,
        }
    }

    /// Takes in what one conversation told, in order.
    fn heard(&mut self, now: Time, together: &[Heard], out: &mut Vec<Effect>) {
        let Some(Heard { conversation, after, .. }) = together.first() else { return };
        let key = &conversation.key;
        let Some(held) = self.held.get_mut(key) else {
            let fresh = *after == 0;
            let held = Held {
                stage: if fresh { Stage::Ready } else { Stage::Fetching },
                counted: W::Contribution::default(),
                live: Stored::default(),
                read: 0,
                dirty: false,
                flying: false,
                head: together.iter().map(|heard| heard.head).max().unwrap_or_default(),
            };
            self.held.insert(Arc::clone(key), held);
            if fresh {
                return self.heard(now, together, out);
            }
            let key = self.row_key(key);
            return out.push(Effect::GetRow { conversation: conversation.clone(), key });
        };
        let mut within_ms = FLUSH_MS;
        for heard in together {
            held.head = held.head.max(heard.head);
            // Without events it is a conversation that waits.
            within_ms = if heard.events.is_empty() { FLUSH_SOON_MS } else { within_ms };
            if held.stage != Stage::Ready || heard.after > held.read {
                continue;
            }
            let known = held.read;
            let events = heard.events.iter().zip(heard.first..).filter(|(_, seq)| *seq > known);
            for (event, seq) in events {
                if let Some(event) = event.downcast_ref::<Event>() {
                    held.take_in::<W>(&self.setting.tenant, seq, event);
                }
            }
            held.read = held.read.max(heard.head);
        }
        if held.stage == Stage::Ready {
            self.go_on(now, conversation, within_ms, out);
        }
    }

    /// Reads what is missing, or says that nothing is.
    fn go_on(&mut self, now: Time, conversation: &Address, within_ms: i64, out: &mut Vec<Effect>) {
        let Some(held) = self.held.get_mut(&conversation.key) else { return };
        if held.read < held.head {
            held.stage = Stage::Reading;
            return out.push(Effect::Read { conversation: conversation.clone(), after: held.read });
        }
        if held.dirty {
            let at = now.after_ms(within_ms);
            self.flush_at = Some(self.flush_at.map_or(at, |standing| standing.min(at)));
        } else if !held.flying {
            let cursor = held.read;
            out.push(Effect::Watched { conversation: conversation.clone(), watcher: W::NAME, cursor });
        }
    }

    fn row_got(
        &mut self,
        now: Time,
        conversation: &Address,
        row: Result<Option<Bytes>, StoreError>,
        out: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get_mut(&conversation.key) else { return };
        let stored = match row {
            Ok(Some(row)) => decode::<Stored<W::Contribution>>(&row).unwrap_or_default(),
            Ok(None) => Stored::default(),
            // It is asked for again with the next event or the next awakening.
            Err(_) => return drop(self.held.remove(&conversation.key)),
        };
        held.counted = stored.contribution.clone();
        held.read = stored.cursor;
        held.live = stored;
        held.stage = Stage::Ready;
        self.go_on(now, conversation, FLUSH_SOON_MS, out);
    }

    fn read(
        &mut self,
        now: Time,
        conversation: &Address,
        entries: Result<Vec<Entry>, StoreError>,
        out: &mut Vec<Effect>,
    ) {
        let Some(held) = self.held.get_mut(&conversation.key) else { return };
        held.stage = Stage::Ready;
        let Ok(entries) = entries else { return };
        for entry in &entries {
            let Ok(envelope): Result<Envelope<Event>, _> = unseal(&entry.body) else {
                tracing::error!(%conversation, seq = entry.seq, "a stored event cannot be read: it is left out");
                held.read = entry.seq;
                continue;
            };
            held.take_in::<W>(&self.setting.tenant, entry.seq, &envelope.body);
        }
        if entries.is_empty() {
            // The log is shorter than was said: nothing more to read now.
            held.head = held.read;
        }
        self.go_on(now, conversation, FLUSH_SOON_MS, out);
    }

    fn flush(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.flush_at = None;
        let mut rows = Vec::new();
        let mut cursors = Vec::new();
        let mut dirty: Vec<_> = self.held.iter_mut().filter(|(_, held)| held.dirty).collect();
        // In order, so that the same inputs have the same effects.
        dirty.sort_unstable_by_key(|(key, _)| Arc::clone(key));
        for (key, held) in dirty {
            (held.dirty, held.flying) = (false, true);
            let value = encode(&held.live);
            rows.push((Arc::clone(key), value));
            cursors.push((Arc::clone(key), held.read));
            if let Ok(conversation) = key.parse() {
                W::remove(&mut self.totals, conversation, &held.counted);
                W::add(&mut self.totals, conversation, &held.live.contribution);
                held.counted.clone_from(&held.live.contribution);
            }
        }
        if rows.is_empty() {
            return;
        }
        let rows = rows.into_iter().map(|(key, value)| Row {
            key: self.row_key(&key),
            stamp: now.ms(),
            value: Some(value),
        });
        out.push(Effect::PutRows(Ticket::Flush, rows.collect()));
        self.flushing = Some(cursors);
    }

    fn flushed(&mut self, now: Time, outcome: Result<(), StoreError>, out: &mut Vec<Effect>) {
        let cursors = self.flushing.take().unwrap_or_default();
        for (key, cursor) in cursors {
            if let Some(held) = self.held.get_mut(&key) {
                held.flying = false;
            }
            match (&outcome, self.held.get_mut(&key)) {
                (Ok(()), _) => {
                    let conversation = self.setting.address.beside(crate::behaviours::CONVERSATION, key);
                    out.push(Effect::Watched { conversation, watcher: W::NAME, cursor });
                }
                (Err(_), Some(held)) => {
                    held.dirty = true;
                    self.flush_at.get_or_insert(now.after_ms(FLUSH_MS));
                }
                (Err(_), None) => {}
            }
        }
        if self.held.len() > HELD_MAX {
            self.held.retain(|_, held| held.dirty || held.stage != Stage::Ready);
        }
    }

    /// Its shard goes to another node: what it has made of the events so far is stored, then it stops. What it has not looked at stands
    /// in the wake rows of the conversations.
    fn move_away(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.flushing.is_none() {
            self.flush(now, out);
        }
        if self.flushing.is_none() {
            out.push(Effect::Stop);
        }
    }

    fn totals(&mut self) -> Box<dyn Any + Send> {
        let mut totals = self.totals.clone();
        for (key, held) in self.held.iter().filter(|(_, held)| held.dirty) {
            if let Ok(conversation) = key.parse() {
                W::remove(&mut totals, conversation, &held.counted);
                W::add(&mut totals, conversation, &held.live.contribution);
            }
        }
        Box::new(totals)
    }

    fn take(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Heard(mut heard) => {
                // One conversation after the other, each in its order: what is known of it is then fetched once.
                heard.sort_by(|one, other| one.conversation.key.cmp(&other.conversation.key));
                let told = heard.chunk_by(|one, next| one.conversation.key == next.conversation.key);
                told.for_each(|together| self.heard(now, together, out));
            }
            Input::RowGot { conversation, row } => self.row_got(now, &conversation, row, out),
            Input::Read { conversation, entries } => self.read(now, &conversation, entries, out),
            Input::RowsPut(_, outcome) => self.flushed(now, outcome, out),
            Input::View(reply) => {
                let totals = self.totals();
                out.push(Effect::Show(reply, View::Totals(totals)));
            }
            Input::Tick => self.timer = None,
            // Boards are read now and then; loading all contributions again for each would cost more than keeping them.
            Input::Retire(Retire::Idle | Retire::Pressure) => {}
            Input::Retire(Retire::Moving) => self.move_away(now, out),
            Input::Start
            | Input::Loaded(_)
            | Input::Woken
            | Input::Murmur { .. }
            | Input::Letter(_)
            | Input::Request(_)
            | Input::Taken { .. }
            | Input::Appended(_)
            | Input::Watched { .. } => {}
        }
    }
}

impl<C> Held<C> {
    fn take_in<W: Watcher<Contribution = C>>(&mut self, tenant: &Tenant, seq: u64, event: &Event) {
        self.read = seq;
        if W::interest(event) {
            self.live.cursor = seq;
            self.dirty = true;
            W::hear(&mut self.live.contribution, tenant, seq, event);
        }
    }
}

impl<W: Watcher> Machine for Slot<W> {
    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        self.setting.tenant.refresh();
        match input {
            Input::Start => out.push(self.load("")),
            Input::Loaded(loaded) if self.loading => self.loaded(loaded, out),
            input if self.loading => self.backlog.push(input),
            input => self.take(now, input, out),
        }
        if !self.loading && !self.backlog.is_empty() {
            for input in std::mem::take(&mut self.backlog) {
                self.take(now, input, out);
            }
        }
        if self.flushing.is_none() && self.flush_at.is_some_and(|at| at <= now) {
            self.flush(now, out);
        }
        let timer = self.flush_at.filter(|_| self.flushing.is_none());
        if timer != self.timer {
            self.timer = timer;
            out.push(Effect::Timer(timer));
        }
    }
}
