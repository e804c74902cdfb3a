//! What conversations tell their watchers, gathered for a moment: a slot then reads many events in one go, with its dictionaries and
//! code in the processor's caches, and is woken once instead of with every message.

use std::collections::HashMap;
use std::mem::take;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Bell, Host};
use crate::address::Address;
use crate::cell::machine::{Heard, Input};

/// How long is gathered, milliseconds. Nobody waits for it: whoever looks at a slot has it hear first.
const GATHER_MS: i64 = 200;
/// Batches that are handed over at once, whatever the time.
const GATHER_MAX: usize = 1_024;

/// By slot. Entries stay, empty: there are few slots, and they hear again.
#[derive(Debug, Default)]
pub(super) struct Hearing(Mutex<HashMap<Address, Vec<Heard>, foldhash::fast::FixedState>>);

/// What follows from adding.
enum Added {
    /// The first since the last hand-over.
    First,
    More,
    Full(Vec<Heard>),
}

impl Hearing {
    fn add(&self, slot: &Address, heard: Heard) -> Added {
        let mut slots = self.0.lock();
        let Some(waiting) = slots.get_mut(slot) else {
            slots.insert(slot.clone(), vec![heard]);
            return Added::First;
        };
        waiting.push(heard);
        match waiting.len() {
            1 => Added::First,
            GATHER_MAX.. => Added::Full(take(waiting)),
            _ => Added::More,
        }
    }

    fn take(&self, slot: &Address) -> Vec<Heard> {
        self.0.lock().get_mut(slot).map(take).unwrap_or_default()
    }
}

impl Host {
    /// Gives events to a watcher, soon.
    pub(super) fn feed(self: &Arc<Self>, slot: &Address, heard: Heard) {
        match self.hearing.add(slot, heard) {
            Added::First => self.alarm.set(slot, Some(self.now().after_ms(GATHER_MS)), Bell::Heard),
            Added::More => {}
            Added::Full(heard) => self.hand_over(slot, heard),
        }
    }

    /// Hands over what was gathered for a slot.
    pub(super) fn hear(self: &Arc<Self>, slot: &Address) {
        let heard = self.hearing.take(slot);
        if !heard.is_empty() {
            self.hand_over(slot, heard);
        }
    }

    /// A slot that cannot take it reads it from the journals: each conversation says where its log ends before it rests.
    fn hand_over(self: &Arc<Self>, slot: &Address, mut heard: Vec<Heard>) {
        // One conversation after the other, each in its order: what is known of it is then fetched once.
        heard.sort_by(|one, other| one.conversation.key.cmp(&other.conversation.key));
        if self.deliver(slot, Input::Heard(heard)).is_err() {
            self.meters.unheard.add();
        }
    }
}
